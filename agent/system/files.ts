/** What the agent asks of a disk, as far as faults of it matter: the attempt folders. Errors carry Node's codes (`ENOENT`, `EIO`, `ENOSPC` …). */
export interface Files {
  readText(path: string): Promise<string>;
  /**
   * At most `maxBytes` bytes from `offset`; empty at the end, and for a file that is not there. What is neither file nor folder counts
   * as not there: nothing is waited for. With `within`, so does what is no file in that folder, however links lead out of it: for
   * what a program can change whose reach is less than the agent's.
   */
  readFrom(path: string, offset: number, maxBytes: number, within?: string): Promise<Uint8Array>;
  /** Of what a link leads to. Null when nothing is there; with `within`, also when it is no file in that folder. */
  stat(path: string, within?: string): Promise<FileStat | null>;
  /** Of a link itself. Null when nothing is there. */
  lstat(path: string): Promise<FileStat | null>;
  /** Names in a folder; empty for one that is not there. */
  names(path: string): Promise<readonly string[]>;
  /** The path without links in it; rejects when nothing is there. */
  realPath(path: string): Promise<string>;
  /** Makes or overwrites a file, never through a link: that, and what else is no file, is replaced; `mode` is its permission bits, whatever the umask. Its folder must be there. */
  writeText(path: string, text: string, mode?: number): Promise<void>;
  /** Writes at a position of a file, made when it is not there, and leaves the rest of it; never through a link. Its folder must be there. */
  writeAt(path: string, offset: number, bytes: Uint8Array): Promise<void>;
  /** Replaces what is at `to`. Atomic. */
  rename(from: string, to: string): Promise<void>;
  /** Resolves when a file with what is in it, or a folder with the names in it, survives a power cut. */
  flush(path: string): Promise<void>;
  /** With all folders above it. */
  makeFolder(path: string): Promise<void>;
  /** Copies a folder with all files, folders and links in it, links as they are and times kept, also while a program changes it; rejects with `ENOENT` when a part of it vanishes meanwhile. */
  copyFolder(from: string, to: string): Promise<void>;
  /** Makes a link to a folder at `path`. */
  link(folder: string, path: string): Promise<void>;
  /** Makes a link with just this text in it, whether or not anything is there. */
  symlink(target: string, path: string): Promise<void>;
  /** Whose it is, of what a link leads to; null when nothing is there, and where files have no such owners. */
  owner(path: string): Promise<Owner | null>;
  /** Gives a file, a link itself, or a folder with all that is in it to another user. */
  changeOwner(path: string, owner: Owner): Promise<void>;
  /** A file, a link, or a folder with all that is in it; nothing happens when it is not there. */
  remove(path: string): Promise<void>;
  /** Rejects when something is in it. */
  removeEmptyFolder(path: string): Promise<void>;
  /** Tells when files in a folder change, until it is disposed. */
  watch(options: WatchOptions): Watch;
}

/** A user of the machine, by numbers. */
export interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface FileStat {
  readonly size: number;
  /** When the content last changed, in milliseconds since the epoch; programs can set it. */
  readonly modifiedAt: number;
  /** When anything about it last changed, in milliseconds since the epoch; programs cannot set it. */
  readonly changedAt: number;
  readonly isFolder: boolean;
  readonly isLink: boolean;
}

export interface WatchOptions {
  /** Files and folders in it are watched, nothing deeper. */
  readonly folder: string;
  /** Names in it that are left out. */
  readonly ignored: readonly string[];
  /** Names of files whose sizes a poll compares. */
  readonly polled: readonly string[];
  /** A hint; it may be late, doubled or missing. */
  readonly onChange: () => void;
}

export interface Watch extends AsyncDisposable {
  /** Compares sizes with those of the last poll and tells what the hints missed. Synchronous: two microseconds a file, against twenty by a thread. */
  poll(): void;
}
