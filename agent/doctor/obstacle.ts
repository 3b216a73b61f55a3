import { accessSync, constants, statSync } from 'node:fs';
import { join } from 'node:path';
import { HpoError } from '../protocol/errors.ts';
import { openReadOnly } from '../store/index.ts';
import { refuseNotAFile } from '../store/notAFile.ts';
import { sqliteCode, storeError } from '../store/storeError.ts';
import type { Finding } from './finding.ts';

/**
 * What keeps a journal from being looked at although nothing of it need be damaged: something else in its place, rights that are
 * missing, a newer version. No agent starts then, and no repair mends it. Null where there is no such thing.
 */
export function journalObstacle(journal: string): Finding | null {
  try {
    refuseNotAFile(journal);
    if ((statSync(journal, { throwIfNoEntry: false })?.size ?? 0) === 0) return null;
    accessSync(journal, constants.R_OK);
    using reader = openReadOnly(journal);
    reader.refuseNewer();
    return null;
  } catch (error) {
    const said = storeError(error, journal);
    if (!(said instanceof HpoError)) throw error;
    // Damage, to the point of being no SQLite file any more, is told together with what can be kept.
    const isNoSqlite = said.code === 'HPO-6004' && sqliteCode(said.cause) !== null;
    if (said.code === 'HPO-6005' || isNoSqlite) return null;
    return { check: 'journal', state: 'wrong', what: said.message, next: said.next };
  }
}

/** The home, where it is no folder or this user may not look into it; then nothing can be said of what is in it. */
export function homeObstacle(home: string): Finding | null {
  const why = folderObstacle(home);
  return why === null ? null : { check: 'home', state: 'wrong', what: why, next: 'set HPO_HOME to a folder of your own' };
}

/** Folders in the home that are none, or that this user may not look into. */
export function folderObstacles(home: string): readonly Finding[] {
  return ['studies', 'snapshots', 'run', 'aside'].flatMap((name): readonly Finding[] => {
    const what = folderObstacle(join(home, name));
    if (what === null) return [];
    return [{ check: 'folders', state: 'wrong', what, next: 'move it away, or give yourself the right to it' }];
  });
}

function folderObstacle(path: string): string | null {
  try {
    const stat = statSync(path, { throwIfNoEntry: false });
    if (stat === undefined) return null;
    if (!stat.isDirectory()) return `${path} is a file, where a folder belongs: what is to be kept in it cannot be`;
    accessSync(path, constants.R_OK | constants.X_OK);
    return null;
  } catch (error) {
    return `${path} cannot be looked into: ${error instanceof Error ? error.message : String(error)}`;
  }
}
