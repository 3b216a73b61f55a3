import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, type Stats } from 'node:fs';
import { chmod, lstat, mkdir, readdir, readlink, rename, rm, symlink, utimes } from 'node:fs/promises';
import { dirname, join, posix } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createGzip } from 'node:zlib';
import tar from 'tar-stream';
import { HpoError } from './protocol/errors.ts';

/** A folder or file of this machine, and its place in the pack. */
export interface PackRoot {
  readonly path: string;
  /** Without a slash at its beginning or end. */
  readonly name: string;
}

/** Sizes and times of what a pack has, by place: what is the same as in an earlier pack need not go again. */
export type PackContents = Readonly<Record<string, string>>;

/**
 * Writes what is there into a compressed tar, but for what `before` has: regular files, links and folders, as they are at this
 * moment. A file that grows meanwhile is in it as long as it was.
 */
export async function writePack(file: string, roots: readonly PackRoot[], before: PackContents): Promise<PackContents> {
  const contents: Record<string, string> = {};
  const pack = tar.pack();
  const written = pipeline(pack, createGzip({ level: 1 }), createWriteStream(`${file}.new`, { mode: 0o600 }));
  // Told once by `written`; an entry that waits for room would never hear of it.
  const failed = written.then(() => new Promise<never>(() => {}));
  for (const root of roots) {
    for await (const { path, name, stats } of walk(root.path, root.name)) {
      const state = `${stats.size} ${stats.mtimeMs} ${stats.mode}`;
      contents[name] = state;
      if (before[name] !== state) await Promise.race([addEntry(pack, path, name, stats), failed]);
    }
  }
  pack.finalize();
  await written;
  await rename(`${file}.new`, file);
  return contents;
}

async function* walk(path: string, name: string): AsyncGenerator<{ path: string; name: string; stats: Stats }> {
  const stats = await lstat(path).catch(() => null);
  if (stats === null) return;
  yield { path, name, stats };
  if (!stats.isDirectory()) return;
  for (const child of (await readdir(path)).sort()) yield* walk(join(path, child), `${name}/${child}`);
}

async function addEntry(pack: tar.Pack, path: string, name: string, stats: Stats): Promise<void> {
  const header = { name, mode: stats.mode & 0o777, mtime: stats.mtime };
  if (stats.isDirectory()) pack.entry({ ...header, type: 'directory' });
  else if (stats.isSymbolicLink()) pack.entry({ ...header, type: 'symlink', linkname: await readlink(path) });
  else if (stats.isFile()) {
    const entry = pack.entry({ ...header, size: stats.size });
    if (stats.size === 0) entry.end();
    else await pipeline(createReadStream(path, { end: stats.size - 1 }), entry);
  }
}

/**
 * Unpacks over what an earlier pack left in the folder. Throws HPO-2501 for a pack that is not whole, or has anything that no pack of ours
 * has: a place outside of the folder, or one behind a link.
 */
export async function readPack(file: string, folder: string): Promise<void> {
  const modes: { readonly path: string; readonly mode: number; readonly mtime: Date }[] = [];
  const unpack = async (
    { name, type, mode = 0o600, linkname, mtime = new Date() }: tar.Headers,
    entry: Readable,
  ): Promise<void> => {
    const path = await placeOf(folder, name);
    if (type === 'directory') {
      await mkdir(path, { recursive: true, mode: 0o700 });
    } else {
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await rm(path, { force: true });
      if (type === 'symlink') await symlink(linkname ?? '', path);
      else if (type === 'file') await pipeline(entry, createWriteStream(path, { mode: 0o600, flags: 'wx' }));
      else throw broken(`it has a ${type}, ${name}`);
    }
    if (type !== 'symlink') modes.push({ path, mode, mtime });
    entry.resume();
  };
  const extract = tar.extract();
  extract.on('entry', (header, entry, goOn) => {
    void unpack(header, entry).then(
      () => goOn(),
      (error: unknown) => goOn(error),
    );
  });
  try {
    await pipeline(createReadStream(file), createGunzip(), extract);
  } catch (error) {
    throw error instanceof HpoError ? error : broken(error instanceof Error ? error.message : String(error), error);
  }
  // Folders that may not be written to last, the innermost first.
  for (const { path, mode, mtime } of modes.toReversed()) {
    await chmod(path, mode);
    await utimes(path, mtime, mtime);
  }
}

async function placeOf(folder: string, name: string): Promise<string> {
  const normal = posix.normalize(name).replace(/\/$/, '');
  if (normal === '.' || normal.startsWith('/') || normal.split('/').includes('..') || normal.includes('\0'))
    throw broken(`it names a place that is not its own: ${name}`);
  let at = folder;
  for (const part of normal.split('/').slice(0, -1)) {
    at = join(at, part);
    if ((await lstat(at).catch(() => null))?.isSymbolicLink() === true) throw broken(`${name} is behind a link`);
  }
  return join(folder, normal);
}

export async function packHash(file: string): Promise<string> {
  const hash = createHash('sha256');
  await pipeline(createReadStream(file), hash);
  return hash.digest('hex');
}

function broken(why: string, cause?: unknown): HpoError {
  return new HpoError('HPO-2501', `what came of the study is not whole: ${why}`, 'move the study again: it stays where it was', {
    cause,
  });
}
