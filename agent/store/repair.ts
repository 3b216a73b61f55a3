import { existsSync, fsyncSync, mkdirSync, openSync, closeSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openDamaged } from './firstPage.ts';
import { keepPrivate } from './lock.ts';
import { rebuildDerived } from './rebuild.ts';
import { derivedTables, derivedVersion, schemaVersion, truthTables } from './schema.ts';
import { Renumbering, salvage, type Salvage } from './salvage.ts';
import { storeError } from './storeError.ts';
import { transaction } from './transaction.ts';

export interface JournalRepair extends Salvage {
  /** Where the damaged files are now. */
  readonly aside: string;
}

/** The new journal, complete, before it takes the place of the damaged one. Where it lies about, a repair was interrupted. */
export function repairedFile(path: string): string {
  return `${path}.repaired`;
}

/**
 * Puts a new journal in the place of a damaged one, with all that can be kept (see `salvage`). The damaged files are moved
 * into the folder `aside`, which is made; nothing is deleted. The caller holds the lock (`lockJournal`).
 *
 * Throws HpoError where the files cannot be read, written or moved; a repair that was interrupted is brought to its end by
 * `finishRepair`.
 */
export function repairJournal(path: string, aside: string): JournalRepair {
  const unfinished = `${path}.repairing`;
  removeDatabase(unfinished);
  try {
    const found = writeAnew(path, unfinished);
    renameSync(unfinished, repairedFile(path));
    finishRepair(path, aside);
    return { ...found, aside };
  } catch (error) {
    removeDatabase(unfinished);
    throw storeError(error, path);
  }
}

/** What belongs to a journal's file, and that file last: as long as it is there, nobody takes the home for an empty one. */
export const besideJournal = ['-shm', '-wal', '.end', ''] as const;

/** Moves the damaged files aside and the repaired one into their place, whatever of that was done before. */
export function finishRepair(path: string, aside: string): void {
  mkdirSync(aside, { recursive: true, mode: 0o700 });
  for (const suffix of ['.end', '-shm', '-wal', '']) {
    const file = `${path}${suffix}`;
    if (existsSync(file)) renameSync(file, join(aside, basename(file)));
  }
  renameSync(repairedFile(path), path);
  for (const folder of [aside, dirname(path)]) flush(folder);
}

function writeAnew(path: string, target: string): Salvage {
  keepPrivate(target);
  const { db: damaged, close } = openDamaged(path);
  try {
    const db = new DatabaseSync(target, { enableForeignKeyConstraints: false });
    try {
      // One file, whole when it is closed; the agent that opens it makes the WAL.
      db.exec('PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL');
      const found = transaction(db, () => {
        db.exec(truthTables + derivedTables);
        const insert = db.prepare('INSERT INTO hpo_event VALUES (?, ?, ?, ?, ?, ?, ?)');
        const renumbering = new Renumbering();
        const result = salvage(damaged, (original) => {
          const { row, prevHash, hash } = renumbering.next(original);
          insert.run(row.seq, row.epoch, row.studyId, row.type, row.body, prevHash, hash);
        });
        const meta = db.prepare('INSERT INTO hpo_meta VALUES (?, ?)');
        meta.run('schemaVersion', String(schemaVersion));
        meta.run('derivedVersion', String(derivedVersion));
        meta.run('epoch', String(result.epoch));
        meta.run('head', renumbering.head);
        return result;
      });
      rebuildDerived(db, target);
      return found;
    } finally {
      db.close();
    }
  } finally {
    close();
  }
}

function removeDatabase(path: string): void {
  for (const suffix of ['', '-journal', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
}

/** Names in a folder survive a power cut. Windows flushes no folders. */
function flush(folder: string): void {
  if (process.platform === 'win32') return;
  const file = openSync(folder, 'r');
  try {
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}
