import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { openDatabase, type ReadOnlyDatabase } from './read.ts';
import { salvage } from './salvage.ts';
import { derivedTables, truthTables } from './schema.ts';
import { sqliteCode } from './storeError.ts';
import { transaction } from './transaction.ts';

/** Places in an SQLite file's header, in bytes: https://www.sqlite.org/fileformat2.html */
const header = { changes: 24, pages: 28, firstFree: 32, nFree: 36, validFor: 92 } as const;

/**
 * Opens a damaged journal such that the most of its events can be read. The first page of the file says where all else is:
 * with damage there SQLite finds little or nothing, though all events may be whole. In every journal of a version it says
 * the same, so in a copy that of a new journal takes its place. Throws what SQLite says of the file as it is.
 */
export function openDamaged(path: string): ReadOnlyDatabase {
  let asItIs: ReadOnlyDatabase;
  try {
    asItIs = openDatabase(path);
  } catch (error) {
    const mended = sqliteCode(error) === null ? null : openWithNewFirstPage(path);
    if (mended === null) throw error;
    return mended;
  }
  const { faults, kept } = salvage(asItIs.db, ignore);
  const mended = faults.length === 0 && kept > 0 ? null : openWithNewFirstPage(path);
  if (mended === null) return asItIs;
  const [better, other] = salvage(mended.db, ignore).kept > kept ? [mended, asItIs] : [asItIs, mended];
  other.close();
  return better;
}

const ignore = (): void => undefined;

/** Null where nothing can be read even so. */
function openWithNewFirstPage(path: string): ReadOnlyDatabase | null {
  const folder = mkdtempSync(join(tmpdir(), 'hpo-journal-'));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    const copy = join(folder, 'journal.db');
    const content = readFileSync(path);
    const page = newFirstPage(join(folder, 'new.db'));
    if (content.length < 2 * page.length) throw new RangeError('there is nothing behind the first page');
    page.writeUInt32BE(Math.floor(content.length / page.length), header.pages);
    page.writeUInt32BE(page.readUInt32BE(header.changes), header.validFor);
    for (const place of [header.firstFree, header.nFree]) page.writeUInt32BE(0, place);
    page.copy(content);
    writeFileSync(copy, content, { mode: 0o600 });
    if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${copy}-wal`);
    const { db, isFrozen, close } = openDatabase(copy);
    const closeAll = (): void => {
      close();
      remove();
    };
    if (db.prepare('SELECT seq FROM hpo_event LIMIT 1').get() !== undefined) return { db, isFrozen, close: closeAll };
    closeAll();
    return null;
  } catch {
    remove();
    return null;
  }
}

function newFirstPage(path: string): Buffer {
  const db = new DatabaseSync(path);
  try {
    db.exec('PRAGMA journal_mode = WAL');
    transaction(db, () => db.exec(truthTables + derivedTables));
    const size = Number(db.prepare('PRAGMA page_size').get()?.['page_size']);
    db.exec('PRAGMA wal_checkpoint(TRUNCATE)');
    return Buffer.from(readFileSync(path).subarray(0, size));
  } finally {
    db.close();
  }
}
