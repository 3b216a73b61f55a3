import { dirname, join } from 'node:path';
import { sleep } from '../../system/clock.ts';
import type { Files } from '../../system/files.ts';
import type { System } from '../../system/system.ts';

/** A trial that is writing its checkpoint is waited for this often and this long, so that no half of one is taken. */
const maxTries = 10;
const waitMs = 200;

/**
 * Makes a trial's checkpoint folder, once: as a copy of another trial's, or empty where that one has none. The folder appears
 * whole or not at all, so a start that was cut short is simply done again.
 */
export async function copyCheckpoint({ clock, files }: Pick<System, 'clock' | 'files'>, from: string, to: string): Promise<void> {
  if ((await files.stat(to).catch(() => null)) !== null) return;
  const unfinished = `${to}.new`;
  await files.makeFolder(dirname(to));
  for (let left = maxTries - 1; ; left--) {
    await files.remove(unfinished);
    const before = await fingerprint(files, from);
    if (before === '') return await files.makeFolder(to);
    const isCopied = await files.copyFolder(from, unfinished).then(
      () => true,
      (error: NodeJS.ErrnoException) => {
        // A file that was there a moment ago was replaced by a newer one.
        if (error.code === 'ENOENT' && left > 0) return false;
        throw error;
      },
    );
    if (isCopied && (left === 0 || (await fingerprint(files, from)) === before)) break;
    await sleep(clock, waitMs);
  }
  await files.rename(unfinished, to);
}

/** What is in a folder, by name, size and time of change; empty for an empty or missing one. */
async function fingerprint(files: Files, folder: string): Promise<string> {
  const names = await files.names(folder).catch(() => []);
  const lines = names
    .toSorted((a, b) => (a < b ? -1 : 1))
    .map(async (name) => {
      const path = join(folder, name);
      const stats = await files.lstat(path).catch(() => null);
      const line = `${path} ${stats?.size ?? -1} ${stats?.modifiedAt ?? -1}`;
      return stats?.isFolder === true ? `${line}\n${await fingerprint(files, path)}` : line;
    });
  return (await Promise.all(lines)).join('\n');
}
