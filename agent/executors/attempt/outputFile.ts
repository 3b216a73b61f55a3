import { join, sep } from 'node:path';
import type { OutputStream } from '../../protocol/events.ts';
import type { AttemptKey } from '../../protocol/study.ts';
import type { Files } from '../../system/files.ts';
import type { AttemptFiles } from '../executor.ts';

/** What attempts wrote, read from their folders. */
export class AttemptOutputFiles {
  readonly #files: AttemptFiles;
  readonly #disk: Files;

  constructor(files: AttemptFiles, disk: Files) {
    this.#files = files;
    this.#disk = disk;
  }

  read(key: AttemptKey, stream: OutputStream, offset: number, maxBytes: number): Promise<Uint8Array> {
    return this.#disk.readFrom(this.#path(key, stream), offset, maxBytes);
  }

  async size(key: AttemptKey, stream: OutputStream): Promise<number> {
    return (await this.#disk.stat(this.#path(key, stream)))?.size ?? 0;
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
