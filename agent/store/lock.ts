import { chmodSync, closeSync, existsSync, openSync, rmSync, statSync, truncateSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { HpoError } from '../protocol/errors.ts';
import { refuseNotAFile } from './notAFile.ts';
import { isBusy, isDamage, isMisfit, isNoDatabase, storeError } from './storeError.ts';

/**
 * Makes this process the one writer of the journal at `path`, until the lock is disposed or the process dies.
 *
 * Node has no flock. An open write transaction on a small SQLite file of its own is one on every platform, and the
 * kernel frees it at kill -9. Others can still read that file, and so learn who holds it.
 * Throws HPO-6001 when another process holds it.
 */
export function lockJournal(path: string): Disposable {
  const file = `${path}.lock`;
  refuseNotAFile(file);
  keepPrivate(file);
  try {
    return hold(file, path);
  } catch (error) {
    if (!(error instanceof HpoError && isUseless(error.cause))) throw error;
    empty(file);
    return hold(file, path);
  }
}

/** Whatever is in the file, it is not ours, and nobody misses it. */
function isUseless(error: unknown): boolean {
  return isNoDatabase(error) || isDamage(error) || isMisfit(error);
}

/**
 * Not removed: of two that find it so, one would remove what the other has locked by then. The locks are the file's, whatever is
 * in it.
 */
function empty(file: string): void {
  try {
    rmSync(`${file}-journal`, { force: true });
    truncateSync(file);
  } catch (error) {
    throw storeError(error, file);
  }
}

function hold(file: string, path: string): Disposable {
  const db = openLockFile(file, path);
  try {
    for (;;) {
      // The name is committed first, so that it can be read while the transaction after it is held. Another process
      // may come between the two; then the name is not ours and we write it again.
      if (holder(db) !== process.pid) {
        db.exec('BEGIN IMMEDIATE');
        db.exec('CREATE TABLE IF NOT EXISTS holder (id INTEGER PRIMARY KEY CHECK (id = 1), pid INTEGER NOT NULL)');
        db.prepare('INSERT INTO holder VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET pid = excluded.pid').run(process.pid);
        db.exec('COMMIT');
      }
      db.exec('BEGIN IMMEDIATE');
      if (holder(db) === process.pid) return { [Symbol.dispose]: () => db.close() };
      db.exec('ROLLBACK');
    }
  } catch (error) {
    const forPeople = isBusy(error) ? heldError(path, holder(db), error) : storeError(error, file);
    db.close();
    throw forPeople;
  }
}

/**
 * Makes the file before SQLite does, which would let everybody read it; what SQLite puts beside it gets its mode. What
 * is in the way is left for SQLite to say.
 */
export function keepPrivate(file: string): void {
  try {
    closeSync(openSync(file, 'a', 0o600));
    for (const path of [file, `${file}-wal`, `${file}-shm`]) {
      const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0;
      if (process.platform !== 'win32' && (mode & 0o077) !== 0) chmodSync(path, 0o600);
    }
  } catch {}
}

/** Id of the process that holds or last held the lock of the journal at `path`; null when nobody ever did, or it cannot be read. */
export function lastHolder(path: string): number | null {
  if (!existsSync(`${path}.lock`)) return null;
  try {
    const db = new DatabaseSync(`${path}.lock`, { readOnly: true });
    try {
      return holder(db);
    } finally {
      db.close();
    }
  } catch {
    return null;
  }
}

function openLockFile(file: string, path: string): DatabaseSync {
  try {
    const db = new DatabaseSync(file);
    // Only the lock matters, not what survives a power cut.
    db.exec('PRAGMA busy_timeout = 100; PRAGMA synchronous = OFF');
    return db;
  } catch (error) {
    throw isBusy(error) ? heldError(path, null, error) : storeError(error, file);
  }
}

function holder(db: DatabaseSync): number | null {
  try {
    const pid = db.prepare('SELECT pid FROM holder').get()?.['pid'];
    return typeof pid === 'number' ? pid : null;
  } catch {
    // A new file has no such table yet.
    return null;
  }
}

function heldError(path: string, pid: number | null, cause: unknown): HpoError {
  const who = pid === null ? 'another process' : `process ${pid}`;
  return new HpoError(
    'HPO-6001',
    `The journal ${path} is in use by ${who}; only one agent may write it.`,
    'Use the agent that runs (`hpo agent status`), or stop it first with `hpo agent stop`.',
    { cause },
  );
}
