import { join } from 'node:path';
import type { Files } from '../../system/files.ts';
import { unfinishedWork } from './studyFolders.ts';

/**
 * Removes from an ended attempt's `work/` what was put there before its program began and was not touched since: copies of
 * the project and links, never what they lead to. What the program made or changed stays. Does nothing where the beginning
 * is not known, nor for what was put there in the same tick of the file system's clock. What was never finished goes too.
 */
export async function removeUnchanged(disk: Files, attemptDir: string): Promise<void> {
  for (const name of await disk.names(attemptDir).catch(() => []))
    if (name.startsWith(unfinishedWork)) await disk.remove(join(attemptDir, name));
  // Written by the shim between the two.
  const claim = await disk.lstat(join(attemptDir, 'claim.json')).catch(() => null);
  // The program may have put a link in its place, to what is not its own.
  const work = await disk.lstat(join(attemptDir, 'work')).catch(() => null);
  if (claim !== null && work?.isFolder === true) await removeBefore(disk, join(attemptDir, 'work'), claim.modifiedAt);
}

async function removeBefore(disk: Files, folder: string, beganAt: number): Promise<void> {
  for (const name of await disk.names(folder).catch(() => [])) {
    const path = join(folder, name);
    const stats = await disk.lstat(path).catch(() => null);
    if (stats?.isFolder === true) {
      await removeBefore(disk, path, beganAt);
      // Fails, as it should, where something is left in it.
      await disk.removeEmptyFolder(path).catch(() => undefined);
    } else if (stats !== null && stats.changedAt < beganAt) {
      // A program can set the time of modification (cp -p); the time of the last change of any kind it cannot.
      await disk.remove(path);
    }
  }
}
