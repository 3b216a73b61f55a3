import { constants, type Stats } from 'node:fs';
import { chmod, copyFile, type FileHandle, lstat, mkdir, open, readdir, readlink, symlink, utimes } from 'node:fs/promises';
import { join } from 'node:path';

const isLinux = process.platform === 'linux';
/** Missing on Windows. */
const quietly = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0);

/**
 * Copies a folder while a program may change it: whatever that puts in the place of what was looked at, nothing outside of the folder
 * is read and nothing is waited for. What is no file, folder or link stays behind. Rejects with `ENOENT` for what vanished.
 */
export async function copyTree(from: string, to: string): Promise<void> {
  await mkdir(to);
  // Windows opens no folders.
  await using folder = process.platform === 'win32' ? null : await openNow(from, quietly | constants.O_DIRECTORY);
  const here = isLinux && folder !== null ? `/proc/self/fd/${folder.fd}` : from;
  for (const name of await readdir(here)) await copyEntry(join(here, name), join(to, name));
  await keepDates((await folder?.stat()) ?? (await lstat(from)), to);
}

async function copyEntry(from: string, to: string): Promise<void> {
  const stats = await lstat(from);
  if (stats.isDirectory()) return await copyTree(from, to);
  if (stats.isSymbolicLink()) return await symlink(await readlink(from), to);
  if (!stats.isFile()) return;
  await using file = await openNow(from, quietly);
  const opened = await file.stat();
  if (!opened.isFile()) return;
  await copyFile(isLinux ? `/proc/self/fd/${file.fd}` : from, to, constants.COPYFILE_FICLONE);
  await keepDates(opened, to);
}

async function keepDates({ mode, atime, mtime }: Stats, path: string): Promise<void> {
  await chmod(path, mode & 0o7777);
  await utimes(path, atime, mtime);
}

/** What has another thing in its place by now has vanished. */
async function openNow(path: string, flags: number): Promise<FileHandle> {
  return await open(path, flags).catch((error: NodeJS.ErrnoException) => {
    if (['ELOOP', 'ENOTDIR', 'ENXIO'].includes(error.code ?? '')) throw Object.assign(error, { code: 'ENOENT' });
    throw error;
  });
}
