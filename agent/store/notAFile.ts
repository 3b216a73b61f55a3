import { statSync } from 'node:fs';
import { HpoError } from '../protocol/errors.ts';

/**
 * Throws HPO-6004 where something else than a file is at the path. SQLite opens a folder to read, says only later that it cannot
 * be read, and waits for ever at a pipe.
 */
export function refuseNotAFile(path: string): void {
  const what = notAFile(path);
  if (what === null) return;
  throw new HpoError(
    'HPO-6004',
    `${path} is ${what}, where a file of the journal belongs; no agent can start. It was left as it is.`,
    'Move it away and put a backup in its place, or set HPO_HOME to another folder.',
  );
}

/** Null for a file, where nothing is, and where the system does not say. */
function notAFile(path: string): string | null {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined || stat.isFile()) return null;
    return stat.isDirectory() ? 'a folder' : 'a pipe or a device';
  } catch (error) {
    const isLoop = error instanceof Error && 'code' in error && error.code === 'ELOOP';
    return isLoop ? 'a symbolic link that leads round in a circle' : null;
  }
}
