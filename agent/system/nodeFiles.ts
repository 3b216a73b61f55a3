import { constants, type Stats } from 'node:fs';
import {
  type FileHandle,
  lchown,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  rmdir,
  stat,
  symlink,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { copyTree } from './copyTree.ts';
import type { Files, FileStat, Owner } from './files.ts';
import { openRegular, statRegular } from './openRegular.ts';
import { watchFolder } from './watchFolder.ts';

/** The machine's own disk. */
export const nodeFiles: Files = {
  readText: (path) => readFile(path, 'utf8'),
  readFrom,
  stat: async (path, within) =>
    statOf(await (within === undefined ? stat(path).catch(nullIfMissing) : statRegular(path, within))),
  lstat: async (path) => statOf(await lstat(path).catch(nullIfMissing)),
  names: async (path) => (await readdir(path).catch(nullIfMissing)) ?? [],
  realPath: (path) => realpath(path),
  writeText: async (path, text, mode) => {
    await using file = await openForWriting(path, mode);
    await file.truncate(0);
    await file.writeFile(text);
    // What the umask takes away.
    if (mode !== undefined) await file.chmod(mode);
  },
  writeAt: async (path, offset, bytes) => {
    await using file = await openForWriting(path);
    for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at, offset + at)).bytesWritten;
  },
  rename: (from, to) => rename(from, to),
  flush: async (path) => {
    // Windows flushes no folders.
    if (process.platform === 'win32') return;
    await using file = await open(path, 'r');
    await file.sync();
  },
  makeFolder: async (path) => void (await mkdir(path, { recursive: true })),
  copyFolder: (from, to) => copyTree(from, to),
  link: (folder, path) =>
    // A junction, the only link that Windows gives to everyone, needs an absolute target.
    process.platform === 'win32' ? symlink(folder, path, 'junction') : symlink(relative(dirname(path), folder), path),
  symlink: (target, path) => symlink(target, path),
  owner: async (path) => {
    const stats = process.platform === 'win32' ? null : await stat(path).catch(nullIfMissing);
    return stats === null ? null : { uid: stats.uid, gid: stats.gid };
  },
  changeOwner,
  // A process that is just dying may still make a file: a second try finds the folder empty.
  remove: (path) => rm(path, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 }),
  removeEmptyFolder: (path) => rmdir(path),
  watch: watchFolder,
};

async function changeOwner(path: string, owner: Owner): Promise<void> {
  await lchown(path, owner.uid, owner.gid);
  if (!(await lstat(path)).isDirectory()) return;
  for (const name of await readdir(path)) await changeOwner(join(path, name), owner);
}

/** The file that is there, or a new one; a program that can write to the folder gets nothing else of the machine's written. */
async function openForWriting(path: string, mode?: number): Promise<FileHandle> {
  const { O_WRONLY, O_CREAT, O_EXCL } = constants;
  // Missing on Windows.
  const quietly = O_WRONLY | O_CREAT | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);
  const known = await open(path, quietly, mode).catch((error: NodeJS.ErrnoException) => {
    // A link, a FIFO that nobody reads, or a socket.
    if (error.code === 'ELOOP' || error.code === 'EMLINK' || error.code === 'ENXIO') return null;
    throw error;
  });
  if (known !== null) {
    if ((await known.stat()).isFile()) return known;
    await known.close();
  }
  await rm(path, { force: true });
  return await open(path, quietly | O_EXCL, mode);
}

async function readFrom(path: string, offset: number, maxBytes: number, within?: string): Promise<Uint8Array> {
  const file = await openRegular(path, within);
  if (file === null) return new Uint8Array();
  try {
    const available = Math.max(0, (await file.stat()).size - offset);
    if (available === 0) return new Uint8Array();
    const buffer = new Uint8Array(Math.min(available, maxBytes));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

function statOf(stats: Stats | null): FileStat | null {
  if (stats === null) return null;
  return {
    size: stats.size,
    modifiedAt: stats.mtimeMs,
    changedAt: stats.ctimeMs,
    isFolder: stats.isDirectory(),
    isLink: stats.isSymbolicLink(),
  };
}

function nullIfMissing(error: unknown): null {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null;
  throw error;
}
