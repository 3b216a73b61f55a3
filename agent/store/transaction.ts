import type { DatabaseSync } from 'node:sqlite';

/** Runs `work` in one write transaction: all of it is on the disk when this returns, or it throws and nothing is. */
export function transaction<T>(db: DatabaseSync, work: () => T): T {
  db.exec('BEGIN IMMEDIATE');
  try {
    const result = work();
    db.exec('COMMIT');
    return result;
  } catch (error) {
    try {
      db.exec('ROLLBACK');
    } catch {
      // After most write errors SQLite has rolled back by itself, and says that there is nothing to roll back.
    }
    throw error;
  }
}
