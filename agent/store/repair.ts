import { existsSync, mkdirSync, renameSync, rmdirSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { HpoError } from '../protocol/errors.ts';
import type { EventRow } from './chain.ts';
import { openDamaged } from './firstPage.ts';
import { flush } from './flush.ts';
import { keepPrivate } from './lock.ts';
import { openReadOnly } from './read.ts';
import { rebuildDerived } from './rebuild.ts';
import { derivedTables, derivedVersion, schemaVersion, truthTables } from './schema.ts';
import { Renumbering, salvage, type Salvage } from './salvage.ts';
import { sqliteCode, storeError } from './storeError.ts';
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
 * Of a study that lost events only those before are kept. One that was deleted stays so, and one that did not run waits for its user
 * (see `Course`).
 *
 * Throws HpoError where the files cannot be read, written or moved; a repair that was interrupted is brought to its end by
 * `finishRepair`.
 */
export function repairJournal(path: string, aside: string): JournalRepair {
  const unfinished = `${path}.repairing`;
  // First, as the new journal must not lie there without a place for the damaged one.
  makeAside(aside);
  removeDatabase(unfinished);
  try {
    const found = writeAnew(path, unfinished);
    renameSync(unfinished, repairedFile(path));
    if (!finishRepair(path, aside)) {
      throw new HpoError(
        'HPO-6013',
        `The journal ${path} was not repaired: what was written in its place could not be read back. It is as it was.`,
        'Check the disk; then run hpo doctor --repair again, or put back a backup.',
      );
    }
    return { ...found, aside };
  } catch (error) {
    removeDatabase(unfinished);
    removeIfEmpty(aside);
    throw storeError(error, path);
  }
}

/** What belongs to a journal's file, and that file last: as long as it is there, nobody takes the home for an empty one. */
export const besideJournal = ['-shm', '-wal', '.end', ''] as const;

/**
 * Moves the damaged files aside and the repaired one into their place, whatever of that was done before. False, and the journal is
 * as it was, where the repaired one is none: that is what is moved aside then.
 */
export function finishRepair(path: string, aside: string): boolean {
  makeAside(aside);
  const repaired = repairedFile(path);
  const isRepaired = isWhole(repaired);
  if (isRepaired) {
    for (const suffix of besideJournal) {
      const file = `${path}${suffix}`;
      if (existsSync(file)) renameSync(file, join(aside, basename(file)));
    }
    renameSync(repaired, path);
  } else renameSync(repaired, join(aside, basename(repaired)));
  for (const folder of [aside, dirname(path)]) flush(folder);
  return isRepaired;
}

/** Makes the folder for damaged files. Throws HPO-6012. */
export function makeAside(aside: string): void {
  try {
    mkdirSync(aside, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new HpoError(
      'HPO-6012',
      `The folder ${aside} for damaged files cannot be made: ${error instanceof Error ? error.message : String(error)}. Nothing was changed.`,
      `Move away what is in the way of ${dirname(aside)}, or make room for it; then run hpo doctor --repair again.`,
      { cause: error },
    );
  }
}

function removeIfEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // There is something in it.
  }
}

function isWhole(path: string): boolean {
  try {
    using reader = openReadOnly(path);
    return reader.verifyChain().ok && reader.verifyPages().length === 0;
  } catch (error) {
    if (!(error instanceof HpoError) && sqliteCode(error) === null) throw error;
    return false;
  }
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
        const write = (original: EventRow): void => {
          const { row, prevHash, hash } = renumbering.next(original);
          insert.run(row.seq, row.epoch, row.studyId, row.type, row.body, prevHash, hash);
        };
        const result = salvage(damaged, write);
        const { epoch } = result;
        let seq = result.lastSeq;
        for (const [studyId, course] of result.courses) {
          for (const event of course.ending(studyId, renumbering.renumbered(course.keptSeq)))
            write({ seq: ++seq, epoch, studyId, type: event.type, body: JSON.stringify(event) });
        }
        const meta = db.prepare('INSERT INTO hpo_meta VALUES (?, ?)');
        meta.run('schemaVersion', String(schemaVersion));
        meta.run('derivedVersion', String(derivedVersion));
        meta.run('epoch', String(epoch));
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
