import { join, sep } from 'node:path';
import type { OutputStream } from '../../protocol/events.ts';
import type { AttemptKey } from '../../protocol/study.ts';
import type { Files } from '../../system/files.ts';
import type { StudyFolders } from './studyFolders.ts';

/** What attempts wrote, read from their folders. */
export class AttemptOutputFiles {
  readonly #files: Pick<StudyFolders, 'attemptDir' | 'containerFile' | 'clusterFile'>;
  readonly #disk: Files;

  constructor(files: Pick<StudyFolders, 'attemptDir' | 'containerFile' | 'clusterFile'>, disk: Files) {
    this.#files = files;
    this.#disk = disk;
  }

  async read(key: AttemptKey, stream: OutputStream, offset: number, maxBytes: number): Promise<Uint8Array> {
    return await this.#disk.readFrom(this.#path(key, stream), offset, maxBytes, await this.#bounds(key, stream));
  }

  async size(key: AttemptKey, stream: OutputStream): Promise<number> {
    return (await this.#disk.stat(this.#path(key, stream), await this.#bounds(key, stream)))?.size ?? 0;
  }

  /** A process of this machine can read what the agent can, and writes through the links of its project; a container reaches less. */
  async #bounds(key: AttemptKey, stream: OutputStream): Promise<string | undefined> {
    const dir = this.#files.attemptDir(key);
    if (stream === 'out' || stream === 'metrics') return dir;
    const { containerFile, clusterFile } = this.#files;
    for (const file of [containerFile, clusterFile])
      if ((await this.#disk.stat(file.call(this.#files, key.studyId))) !== null) return dir;
    return undefined;
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
