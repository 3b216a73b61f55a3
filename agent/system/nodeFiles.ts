import { constants, type Stats } from 'node:fs';
import {
  chmod,
  cp,
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
  writeFile,
} from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Files, FileStat, Owner } from './files.ts';
import { watchFolder } from './watchFolder.ts';

/** The machine's own disk. */
export const nodeFiles: Files = {
  readText: (path) => readFile(path, 'utf8'),
  readFrom,
  stat: async (path) => statOf(await stat(path).catch(nullIfMissing)),
  lstat: async (path) => statOf(await lstat(path).catch(nullIfMissing)),
  names: async (path) => (await readdir(path).catch(nullIfMissing)) ?? [],
  realPath: (path) => realpath(path),
  writeText: async (path, text, mode) => {
    await writeFile(path, text, { mode });
    // What the umask takes away.
    if (mode !== undefined) await chmod(path, mode);
  },
  rename: (from, to) => rename(from, to),
  makeFolder: async (path) => void (await mkdir(path, { recursive: true })),
  copyFolder: (from, to) =>
    cp(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true, mode: constants.COPYFILE_FICLONE }),
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

async function readFrom(path: string, offset: number, maxBytes: number): Promise<Uint8Array> {
  const file = await open(path).catch(nullIfMissing);
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
  return { size: stats.size, modifiedAt: stats.mtimeMs, changedAt: stats.ctimeMs, isFolder: stats.isDirectory() };
}

function nullIfMissing(error: unknown): null {
  if (error instanceof Error && 'code' in error && (error.code === 'ENOENT' || error.code === 'ENOTDIR')) return null;
  throw error;
}
