import { createHash, type Hash } from 'node:crypto';
import {
  chmod,
  copyFile,
  constants,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rename,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import { HpoError } from '../protocol/errors.ts';
import { forEachLimited } from './forEachLimited.ts';
import { completeFiles, fileMode, type MountPlan, planMounts } from './mountPlan.ts';
import { type FoundSecret, scanSecrets, secretsError } from './secrets/index.ts';
import { selectFiles, type Excluded, type SelectOptions, type Selection, type SnapshotEntry } from './selectFiles.ts';
import { largeSnapshot } from './snapshotLimits.ts';
import { decodeSource } from './source.ts';

export interface SnapshotInfo {
  /** Hash of what is stored and of where the links lead. */
  readonly hash: string;
  /** Files copied. */
  readonly files: number;
  /** Bytes copied. */
  readonly bytes: number;
  /** Files and folders that stay where they are and are linked into each attempt, relative to the root. */
  readonly linked: readonly string[];
  /** What was left out and why; a folder stands for everything in it. */
  readonly excluded: readonly Excluded[];
}

export interface SnapshotSurvey extends Omit<SnapshotInfo, 'hash'> {
  /** What to ask the user before more than `askedSnapshotBytes` are copied; `take` throws it without `allowLarge`. */
  readonly large: HpoError | null;
  /** Ordered by path. */
  readonly entries: readonly SnapshotEntry[];
}

/** A file with a trial's values in it; `path` is relative to the root. */
export interface SplicedFile {
  readonly path: string;
  readonly content: string;
}

/**
 * The code of studies, each version stored once under its hash:
 * `<hash>/files/…` (read-only) and `<hash>/manifest.json`.
 */
export class SnapshotStore {
  readonly #dir: string;
  /** The few that running studies use; parsing one of 10,000 files for each attempt would cost more than the copy. */
  readonly #layouts = new Map<string, Promise<Layout>>();
  /** Of studies that are being prepared, with how many hold each. */
  readonly #held = new Map<string, number>();
  readonly #completing = new Map<string, Promise<void>>();

  /** `dir` is made when it is first needed. */
  constructor(dir: string) {
    this.#dir = dir;
  }

  /** What `take` would store, without reading or writing a file's content. */
  async survey(options: SelectOptions): Promise<SnapshotSurvey> {
    const selection = await selectFiles({ home: dirname(this.#dir), ...options });
    const files = selection.entries.filter((entry) => entry.type === 'file');
    return {
      files: files.length,
      bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      ...listings(selection),
      large: largeSnapshot(selection.entries, selection.root),
      entries: selection.entries,
    };
  }

  /**
   * Stores the project as it is now; storing the same again costs the reading only. Besides the errors of `selectFiles` there are
   * HPO-2440 for what looks like a secret, HPO-2201 for more than `askedSnapshotBytes` that nobody agreed to: then nothing is stored.
   */
  async take(options: SelectOptions): Promise<SnapshotInfo> {
    for (let attempt = 1; ; attempt++) {
      const info = await this.#tryToTake(options);
      if (info !== null) return info;
      if (attempt < maxAttempts) continue;
      throw new HpoError(
        'HPO-2206',
        `files of ${options.root} change all the time, so that no moment of them can be stored`,
        'stop what writes into the project, or name its files in .hpoignore',
      );
    }
  }

  /** Null where a file changed between being looked through and being stored. */
  async #tryToTake(options: SelectOptions): Promise<SnapshotInfo | null> {
    const selection = await selectFiles({ home: dirname(this.#dir), ...options });
    const large = largeSnapshot(selection.entries, selection.root);
    if (large !== null && options.allowLarge !== true) throw large;
    const entries = await readEntries(selection);
    if (entries === null) return null;
    const hash = hashEntries(entries);
    // What was asked for just now is not pruned before a study refers to it.
    const now = new Date();
    const isStored = await utimes(join(this.#dir, hash), now, now).then(
      () => true,
      () => false,
    );
    if (!isStored || (await stat(join(this.#dir, hash, 'manifest.json')).catch(() => null)) === null) {
      if (!(await this.#store(hash, entries, selection.root))) return null;
    }
    const files = entries.filter((entry) => entry.type === 'file');
    return { hash, files: files.length, bytes: files.reduce((sum, { bytes }) => sum + bytes, 0), ...listings(selection) };
  }

  /** Until it is disposed of, and ten minutes longer, the snapshot is not pruned: a study that is being prepared needs it. */
  hold(hash: string): AsyncDisposable {
    this.#held.set(hash, (this.#held.get(hash) ?? 0) + 1);
    return {
      [Symbol.asyncDispose]: async () => {
        const now = new Date();
        // What is gone all the same is told by who needs it.
        await utimes(join(this.#dir, hash), now, now).catch(() => undefined);
        const left = (this.#held.get(hash) ?? 1) - 1;
        if (left > 0) this.#held.set(hash, left);
        else this.#held.delete(hash);
      },
    };
  }

  /** Text of a stored file; `path` is relative to the root. */
  async readText(hash: string, path: string): Promise<string> {
    const { byPath } = await this.#layout(hash);
    if (byPath.get(path)?.type !== 'file')
      throw new HpoError('HPO-2202', `the stored code ${hash} has no file ${path}`, 'start the study again', { exitCode: 3 });
    return decodeSource(await readFile(join(this.#dir, hash, 'files', path)), path);
  }

  /** Compares every stored file with its hash, and every stored link with its target; throws an HpoError when one is damaged (a power cut, a curious user). */
  async verify(hash: string): Promise<void> {
    const { entries, version } = await this.#layout(hash);
    await forEachLimited(entries, async (entry) => {
      const place = join(this.#dir, hash, 'files', entry.path);
      if (entry.type === 'file') {
        const content = await readFile(place).catch(() => null);
        if (content === null || sha256(content) !== entry.sha256) throw damaged(hash, entry.path);
      } else if (entry.type === 'symlink' && version >= manifestVersion) {
        if ((await readlink(place).catch(() => null)) !== entry.target) throw damaged(hash, entry.path);
      }
    });
  }

  /**
   * Makes the work folder of an attempt: stored files copied, links set, `splicedFiles` written in place of theirs.
   * Replaces what is at `workDir`.
   */
  async materialize(hash: string, workDir: string, splicedFiles: readonly SplicedFile[]): Promise<void> {
    const layout = await this.#layout(hash);
    const spliced = new Map(splicedFiles.map((file) => [file.path, file]));
    for (const path of spliced.keys()) {
      // Anything else could lead through a link into the user's own files.
      if (layout.byPath.get(path)?.type !== 'file')
        throw new RangeError(`a spliced file must be stored in the snapshot: ${path}`);
    }
    const stored = join(this.#dir, hash, 'files');
    await mkdir(dirname(workDir), { recursive: true });
    await mkdir(workDir).catch(async (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
      await rm(workDir, { recursive: true });
      await mkdir(workDir);
    });
    for (const folder of layout.folders) await mkdir(join(workDir, folder));
    await forEachLimited(layout.entries, async (entry) => {
      const place = join(workDir, entry.path);
      if (entry.type === 'folder') return;
      if (entry.type !== 'file') return symlink(entry.target, place);
      const file = spliced.get(entry.path);
      const mode = entry.isExecutable ? 0o755 : 0o644;
      if (file !== undefined) return writeFile(place, file.content, { mode });
      await copyFile(join(stored, entry.path), place, constants.COPYFILE_FICLONE);
      await chmod(place, mode);
    });
  }

  /**
   * What containers mount in place of `materialize`. A snapshot that an earlier version stored is completed first. Throws an HpoError
   * when what is linked is gone.
   */
  async mountPlan(hash: string): Promise<MountPlan> {
    const { entries, version, folders } = await this.#layout(hash);
    if (version < manifestVersion) {
      const completing = this.#completing.get(hash) ?? this.#complete(hash, entries, folders);
      this.#completing.set(hash, completing);
      await completing.finally(() => this.#completing.delete(hash));
    }
    return await planMounts(join(this.#dir, hash, 'files'), entries);
  }

  /**
   * Removes the snapshots whose hash is not in the set, but for those taken in the last ten minutes or held: a study that is
   * about to begin may need them. `released` are those of studies that are no more, with when these began (milliseconds since the
   * epoch): they go at once unless they were taken again since. What an earlier call left half removed is removed too.
   */
  async prune(keep: ReadonlySet<string>, released: ReadonlyMap<string, number> = new Map()): Promise<void> {
    for (const name of await readdir(this.#dir).catch(() => [])) {
      if (name.startsWith(removingPrefix)) await rm(join(this.#dir, name), { recursive: true, force: true });
      if (!isHash(name) || keep.has(name) || this.#held.has(name)) continue;
      const stats = await stat(join(this.#dir, name)).catch(() => null);
      if (stats === null) continue;
      const isClaimed = stats.mtimeMs > (released.get(name) ?? 0) && Date.now() - stats.mtimeMs < unclaimedMs;
      if (isClaimed) continue;
      this.#layouts.delete(name);
      // In one step, so that nobody finds half a snapshot.
      const removing = join(this.#dir, `${removingPrefix}${name}`);
      const isOurs = await rename(join(this.#dir, name), removing).then(
        () => true,
        () => false,
      );
      if (isOurs) await rm(removing, { recursive: true, force: true });
    }
  }

  /** Those that `prune` would remove by now, with the bytes of their files. */
  async unused(keep: ReadonlySet<string>): Promise<readonly { readonly hash: string; readonly bytes: number }[]> {
    const unused: { hash: string; bytes: number }[] = [];
    for (const hash of await readdir(this.#dir).catch(() => [])) {
      if (!isHash(hash) || keep.has(hash) || this.#held.has(hash)) continue;
      const stats = await stat(join(this.#dir, hash)).catch(() => null);
      if (stats === null || Date.now() - stats.mtimeMs < unclaimedMs) continue;
      // One that cannot be read goes as well.
      const entries = await this.#layout(hash).then(
        (layout) => layout.entries,
        () => [],
      );
      unused.push({ hash, bytes: entries.reduce((sum, entry) => sum + (entry.type === 'file' ? entry.bytes : 0), 0) });
    }
    return unused;
  }

  #layout(hash: string): Promise<Layout> {
    const known = this.#layouts.get(hash);
    if (known !== undefined) return known;
    const layout = readLayout(this.#dir, hash);
    this.#layouts.set(hash, layout);
    layout.catch(() => this.#layouts.delete(hash));
    for (const oldest of this.#layouts.keys()) if (this.#layouts.size > maxLayouts) this.#layouts.delete(oldest);
    return layout;
  }

  async #complete(hash: string, entries: readonly ManifestEntry[], folders: readonly string[]): Promise<void> {
    await completeFiles(join(this.#dir, hash, 'files'), entries, folders);
    const manifest = join(this.#dir, hash, 'manifest.json');
    await rm(`${manifest}.new`, { force: true });
    await writeFile(`${manifest}.new`, manifestText(hash, entries), { mode: 0o444 });
    // In one step, since attempts of other studies may read it now.
    await rename(`${manifest}.new`, manifest);
    this.#layouts.delete(hash);
  }

  /** Copies exactly what was hashed; false where a file is not that any more. */
  async #store(hash: string, entries: readonly ManifestEntry[], root: string): Promise<boolean> {
    await mkdir(this.#dir, { recursive: true, mode: 0o700 });
    const temporary = await mkdtemp(join(this.#dir, '.taking-'));
    try {
      const files = join(temporary, 'files');
      let isSame = true;
      for (const folder of ['', ...foldersOf(entries)]) await mkdir(join(files, folder));
      await forEachLimited(entries, async (entry) => {
        if (entry.type !== 'file' || !isSame) return;
        const content = await readFile(join(root, entry.path)).catch(() => null);
        isSame &&= content !== null && sha256(content) === entry.sha256;
        if (isSame && content !== null) await writeFile(join(files, entry.path), content, { mode: fileMode(entry) });
      });
      if (!isSame) {
        await rm(temporary, { recursive: true, force: true });
        return false;
      }
      await completeFiles(files, entries, foldersOf(entries));
      await writeFile(join(temporary, 'manifest.json'), manifestText(hash, entries), { mode: 0o444 });
      await rename(temporary, join(this.#dir, hash));
    } catch (error) {
      await rm(temporary, { recursive: true, force: true });
      // Somebody else stored the same in the meantime.
      if ((await readLayout(this.#dir, hash).catch(() => null)) === null) throw error;
    }
    return true;
  }
}

/** A project that changes this often in a row has something running in it. */
const maxAttempts = 5;
const maxLayouts = 8;
const removingPrefix = '.removing-';
/** A snapshot that no study refers to is kept for this long after it was taken. */
const unclaimedMs = 10 * 60_000;

function isHash(name: string): boolean {
  return /^[0-9a-f]{64}$/.test(name);
}

type ManifestEntry =
  | Exclude<SnapshotEntry, { type: 'file' }>
  | (Extract<SnapshotEntry, { type: 'file' }> & { readonly sha256: string });

/** From 2 on, the stored files hold what `completeFiles` adds. */
const manifestVersion = 2;

function manifestText(hash: string, entries: readonly ManifestEntry[]): string {
  return JSON.stringify({ version: manifestVersion, hash, entries });
}

interface Layout {
  readonly version: number;
  readonly entries: readonly ManifestEntry[];
  readonly byPath: ReadonlyMap<string, ManifestEntry>;
  /** Every folder, outer ones first. */
  readonly folders: readonly string[];
}

async function readLayout(dir: string, hash: string): Promise<Layout> {
  if (!isHash(hash)) throw new RangeError(`not the hash of a snapshot: ${hash}`);
  const text = await readFile(join(dir, hash, 'manifest.json'), 'utf8').catch((cause: unknown) => {
    throw new HpoError('HPO-2205', `the stored code ${hash} is not there`, 'start the study again: it stores the code anew', {
      cause,
      exitCode: 3,
    });
  });
  // The shape is ours: written by `#store` alone, and checked against the hash.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion
  const { version, entries } = JSON.parse(text) as { version: number; entries: ManifestEntry[] };
  if (hashEntries(entries) !== hash) throw damaged(hash, 'manifest.json');
  return { version, entries, byPath: new Map(entries.map((entry) => [entry.path, entry])), folders: foldersOf(entries) };
}

function damaged(hash: string, path: string): HpoError {
  return new HpoError(
    'HPO-2205',
    `the stored code ${hash} is damaged at ${path}`,
    `delete that folder of the snapshots and start the study again`,
  );
}

function foldersOf(entries: readonly SnapshotEntry[]): string[] {
  const folders = new Set<string>();
  for (const entry of entries) {
    const innermost = entry.type === 'folder' ? entry.path : posix.dirname(entry.path);
    for (let at = innermost; at !== '.' && !folders.has(at); at = posix.dirname(at)) folders.add(at);
  }
  // A parent's path is a prefix of its children's, so it sorts first.
  return [...folders].sort();
}

/**
 * Hashes every file and looks for secrets in it; contents are not kept, as they may be some gigabytes. Null where a file is gone that
 * was there when it was selected.
 */
async function readEntries({ root, entries }: Selection): Promise<readonly ManifestEntry[] | null> {
  const hashes = new Map<string, { readonly bytes: number; readonly sha256: string }>();
  const secrets = new Map<string, readonly FoundSecret[]>();
  await forEachLimited(
    entries,
    async ({ type, path }) => {
      if (type !== 'file') return;
      const content = await readFile(join(root, path)).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
        return null;
      });
      if (content === null) return;
      hashes.set(path, { bytes: content.length, sha256: sha256(content) });
      const found = await scanSecrets(path, content);
      if (found.length > 0) secrets.set(path, found);
    },
    // Some megabytes each at most, but for those that a script must have.
    16,
  );
  if (secrets.size > 0) throw secretsError(secrets, 'stored');
  const read: ManifestEntry[] = [];
  for (const entry of entries) {
    const known = hashes.get(entry.path);
    if (entry.type !== 'file') read.push(entry);
    else if (known === undefined) return null;
    else read.push({ ...entry, ...known });
  }
  return read;
}

function hashEntries(entries: readonly ManifestEntry[]): string {
  const hash = createHash('sha256');
  for (const entry of entries) {
    addField(hash, entry.type, entry.path);
    if (entry.type === 'file') addField(hash, entry.isExecutable ? 'x' : '-', entry.sha256);
    else if (entry.type !== 'folder') addField(hash, entry.target);
  }
  return hash.digest('hex');
}

/** Lengths in front, so that no two lists of fields look alike. */
function addField(hash: Hash, ...fields: readonly string[]): void {
  for (const field of fields) hash.update(`${Buffer.byteLength(field)}:${field}`);
}

function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

function listings(selection: Selection): { linked: string[]; excluded: readonly Excluded[] } {
  return {
    linked: selection.entries.filter((entry) => entry.type === 'link').map(({ path }) => path),
    excluded: selection.excluded,
  };
}
