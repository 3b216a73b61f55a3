/** What the agent asks of a disk, as far as faults of it matter: the attempt folders. Errors carry Node's codes (`ENOENT`, `EIO`, `ENOSPC` …). */
export interface Files {
  readText(path: string): Promise<string>;
  /** At most `maxBytes` bytes from `offset`; empty at the end, and for a file that is not there. */
  readFrom(path: string, offset: number, maxBytes: number): Promise<Uint8Array>;
  /** Null when nothing is there. */
  stat(path: string): Promise<FileStat | null>;
  /** Names in a folder; empty for one that is not there. */
  names(path: string): Promise<readonly string[]>;
  writeText(path: string, text: string): Promise<void>;
  /** Replaces what is at `to`. Atomic. */
  rename(from: string, to: string): Promise<void>;
  /** With all folders above it. */
  makeFolder(path: string): Promise<void>;
  /** A file or a folder with all that is in it; nothing happens when it is not there. */
  remove(path: string): Promise<void>;
  /** Hints that files of a folder have changed; they may be late, doubled or missing. */
  watch(folder: string, onChange: () => void): Watch;
}

export interface FileStat {
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly changedAt: number;
  readonly isFolder: boolean;
}

export interface Watch extends AsyncDisposable {}
