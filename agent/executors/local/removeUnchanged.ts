import { lstat, readdir, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Removes from an ended attempt's `work/` what was put there before its program began and was not touched since: copies of
 * the project and links, never what they lead to. What the program made or changed stays. Does nothing where the beginning
 * is not known, nor for what was put there in the same tick of the file system's clock.
 */
export async function removeUnchanged(attemptDir: string): Promise<void> {
  // Written by the shim between the two.
  const claim = await lstat(join(attemptDir, 'claim.json')).catch(() => null);
  if (claim !== null) await removeBefore(join(attemptDir, 'work'), claim.mtimeMs);
}

async function removeBefore(folder: string, beganAtMs: number): Promise<void> {
  for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      await removeBefore(path, beganAtMs);
      // Fails, as it should, where something is left in it.
      await rmdir(path).catch(() => undefined);
      continue;
    }
    // A program can set the time of modification (cp -p); the time of the last change of any kind it cannot.
    const stats = await lstat(path).catch(() => null);
    if (stats !== null && stats.ctimeMs < beganAtMs) await rm(path, { force: true });
  }
}
