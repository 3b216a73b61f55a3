import { open, stat } from 'node:fs/promises';
import { join, sep } from 'node:path';
import type { OutputStream } from '../../protocol/events.ts';
import type { AttemptKey } from '../../protocol/study.ts';
import type { AttemptFiles } from '../executor.ts';

/**
 * At most `maxBytes` bytes of a file from `offset`. At its end, and for a file that is not there (yet), the bytes are
 * empty and `nextOffset` is `offset`.
 */
export async function readFrom(
  path: string,
  offset: number,
  maxBytes: number,
): Promise<{ bytes: Uint8Array; nextOffset: number }> {
  const file = await open(path).catch(nullIfMissing);
  if (file === null) return { bytes: new Uint8Array(), nextOffset: offset };
  try {
    const available = Math.max(0, (await file.stat()).size - offset);
    if (available === 0) return { bytes: new Uint8Array(), nextOffset: offset };
    const buffer = new Uint8Array(Math.min(available, maxBytes));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    return { bytes: buffer.subarray(0, bytesRead), nextOffset: offset + bytesRead };
  } finally {
    await file.close();
  }
}

/** The last bytes of a file; empty when it is not there. */
export async function readTail(path: string, maxBytes: number): Promise<Uint8Array> {
  const size = (await stat(path).catch(nullIfMissing))?.size ?? 0;
  return (await readFrom(path, Math.max(0, size - maxBytes), maxBytes)).bytes;
}

/** What attempts wrote, read from their folders. */
export class AttemptOutputFiles {
  readonly #files: AttemptFiles;

  constructor(files: AttemptFiles) {
    this.#files = files;
  }

  async read(key: AttemptKey, stream: OutputStream, offset: number, maxBytes: number): Promise<Uint8Array> {
    return (await readFrom(this.#path(key, stream), offset, maxBytes)).bytes;
  }

  async size(key: AttemptKey, stream: OutputStream): Promise<number> {
    return (await stat(this.#path(key, stream)).catch(nullIfMissing))?.size ?? 0;
  }

  #path(key: AttemptKey, stream: OutputStream): string {
    const dir = this.#files.attemptDir(key);
    if (stream === 'out' || stream === 'metrics') return join(dir, outputFileNames[stream]);
    // A path that leaves the work folder names nothing of the attempt's.
    const path = join(dir, stream);
    return path.startsWith(join(dir, 'work', sep)) ? path : join(dir, 'work', 'outside');
  }
}

export const outputFileNames = { out: 'out.log', metrics: 'metrics.jsonl' } as const;

function nullIfMissing(error: unknown): null {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null;
  throw error;
}
