import { constants } from 'node:fs';
import { cp, lstat, mkdir, readdir, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** A trial that is writing its checkpoint is waited for this often and this long, so that no half of one is taken. */
const maxTries = 10;
const waitMs = 200;

/**
 * Makes a trial's checkpoint folder, once: as a copy of another trial's, or empty where that one has none. The folder appears
 * whole or not at all, so a start that was cut short is simply done again.
 */
export async function copyCheckpoint(from: string, to: string): Promise<void> {
  if (await exists(to)) return;
  const unfinished = `${to}.new`;
  await mkdir(dirname(to), { recursive: true });
  for (let left = maxTries - 1; ; left--) {
    await rm(unfinished, { recursive: true, force: true });
    const before = await fingerprint(from);
    if (before === '') return void (await mkdir(to, { recursive: true }));
    const isCopied = await cp(from, unfinished, {
      recursive: true,
      preserveTimestamps: true,
      verbatimSymlinks: true,
      mode: constants.COPYFILE_FICLONE,
    }).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        // A file that was there a moment ago was replaced by a newer one.
        if (error.code === 'ENOENT' && left > 0) return false;
        throw error;
      },
    );
    if (isCopied && (left === 0 || (await fingerprint(from)) === before)) break;
    await sleep(waitMs);
  }
  await rename(unfinished, to);
}

/** What is in a folder, by name, size and time of change; empty for an empty or missing one. */
async function fingerprint(folder: string): Promise<string> {
  const names = await readdir(folder, { recursive: true }).catch(() => []);
  const lines = names
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map(async (name) => {
      const { size, mtimeMs } = await lstat(join(folder, name)).catch(() => ({ size: -1, mtimeMs: -1 }));
      return `${name} ${size} ${mtimeMs}`;
    });
  return (await Promise.all(lines)).join('\n');
}

async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}
