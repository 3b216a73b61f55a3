import { statSync } from 'node:fs';
import { join } from 'node:path';
import { watch, type FSWatcher } from 'chokidar';
import { outputFileNames } from './outputFile.ts';

/** An attempt that writes more often than this between two polls is not watched any more: the polls are enough for it. */
const loudEvents = 200;

/**
 * Tells when the files in attempt folders change. The file system's events come at once but can be lost or missing
 * (network mounts, a full inotify table), so sizes are compared at each poll as well: a hint may come twice, never not.
 */
export class OutputWatcher implements AsyncDisposable {
  readonly #onChange: (dir: string) => void;
  readonly #watched = new Map<string, Watched>();

  /** `onChange` gets the folder whose output or records changed. */
  constructor(onChange: (dir: string) => void) {
    this.#onChange = onChange;
  }

  add(dir: string): void {
    if (this.#watched.has(dir)) return;
    const watcher = watch(dir, {
      depth: 0,
      ignoreInitial: true,
      atomic: false,
      ignorePermissionErrors: true,
      ignored: (path) => path === join(dir, 'work'),
    });
    watcher.on('all', () => this.#onChange(dir));
    // The polls go on without it.
    watcher.on('error', () => this.#unwatch(dir));
    const watched: Watched = { watcher, size: 0, events: 0 };
    watcher.on('raw', () => {
      if (++watched.events > loudEvents) this.#unwatch(dir);
    });
    this.#watched.set(dir, watched);
  }

  remove(dir: string): void {
    this.#unwatch(dir);
    this.#watched.delete(dir);
  }

  /** Compares sizes with those of the last poll. Synchronous: two microseconds a file, against twenty by the thread pool. */
  poll(): void {
    for (const [dir, watched] of this.#watched) {
      let size = 0;
      for (const name of Object.values(outputFileNames)) size += statSync(join(dir, name), { throwIfNoEntry: false })?.size ?? 0;
      watched.events = 0;
      if (size === watched.size) continue;
      watched.size = size;
      this.#onChange(dir);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const watchers = [...this.#watched.values()].flatMap(({ watcher }) => watcher ?? []);
    this.#watched.clear();
    await Promise.all(watchers.map((watcher) => watcher.close()));
  }

  #unwatch(dir: string): void {
    const watched = this.#watched.get(dir);
    if (watched?.watcher == null) return;
    void watched.watcher.close();
    watched.watcher = null;
  }
}

interface Watched {
  watcher: FSWatcher | null;
  size: number;
  /** Events of the file system since the last poll. */
  events: number;
}
