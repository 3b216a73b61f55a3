import { rmSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { crc32 } from 'node:zlib';
import { keepPrivate } from './lock.ts';
import { transaction } from './transaction.ts';

/** A study's state as it was after the entry `seq`: see `core/study/savedState.ts`. */
export interface SavedState {
  readonly seq: number;
  readonly rest: string;
  readonly pages: Iterable<string>;
}

/** What tells whether a state follows from this journal. */
export interface ChainedJournal {
  /** The hash of the chain after an entry; null where there is none. */
  hashAt(seq: number): Uint8Array | null;
}

/**
 * States of studies beside the journal, so that opening a large study need not fold all that ever happened. The journal is
 * the truth: a state counts only if it was saved by this very program and after an entry that the journal has, and each
 * text has its checksum. Whatever is wrong with the file, it is thrown away and the journal is folded.
 */
export class SavedStates implements Disposable {
  readonly #journal: ChainedJournal;
  readonly #build: string;
  readonly #db: DatabaseSync;
  readonly #putPage: StatementSync;
  readonly #putState: StatementSync;

  /** @param build tells this program from any other that folds in another way */
  constructor(path: string, build: string, journal: ChainedJournal) {
    this.#journal = journal;
    this.#build = build;
    this.#db = openOrRemake(path);
    this.#putPage = this.#db.prepare('INSERT OR REPLACE INTO page VALUES (?, ?, ?, ?, ?)');
    this.#putState = this.#db.prepare('INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?, ?, ?)');
  }

  /** Null where there is none that counts. */
  load(studyId: string): SavedState | null {
    const row = this.#db.prepare('SELECT * FROM state WHERE studyId = ?').get(studyId);
    if (row === undefined || row['build'] !== this.#build) return null;
    const seq = Number(row['seq']);
    const hash = this.#journal.hashAt(seq);
    const rest = String(row['rest']);
    if (hash === null || !isSame(hash, row['hash']) || crc32(rest) !== row['sum']) return null;
    const pages = this.#db.prepare('SELECT page, seq, sum FROM page WHERE studyId = ? ORDER BY page').all(studyId);
    const nPages = Number(row['nPages']);
    // A page that was written for a state that never came to be.
    if (pages.length < nPages || pages.some((page, index) => page['page'] !== index || Number(page['seq']) > seq)) return null;
    return { seq, rest, pages: this.#texts(studyId, nPages) };
  }

  /** A page of a state that is coming. */
  savePage(studyId: string, page: number, seq: number, text: string): void {
    this.#putPage.run(studyId, page, seq, text, crc32(text));
  }

  /** Completes a state: all of its pages have been saved, or are saved now. */
  save(studyId: string, seq: number, rest: string, nPages: number, pages: Iterable<readonly [number, string]>): void {
    const hash = this.#journal.hashAt(seq);
    if (hash === null) return;
    transaction(this.#db, () => {
      for (const [page, text] of pages) this.savePage(studyId, page, seq, text);
      this.#putState.run(studyId, seq, hash, this.#build, nPages, rest, crc32(rest));
    });
  }

  forget(studyId: string): void {
    transaction(this.#db, () => {
      for (const table of ['page', 'state']) this.#db.prepare(`DELETE FROM ${table} WHERE studyId = ?`).run(studyId);
    });
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }

  *#texts(studyId: string, nPages: number): Generator<string, void, undefined> {
    const read = this.#db.prepare('SELECT body, sum FROM page WHERE studyId = ? AND page = ?');
    for (let page = 0; page < nPages; page++) {
      const row = read.get(studyId, page);
      const text = String(row?.['body']);
      if (crc32(text) !== row?.['sum']) throw new Error(`page ${page} of the saved state of ${studyId} is not what was written`);
      yield text;
    }
  }
}

const tables = `
CREATE TABLE IF NOT EXISTS state (studyId TEXT PRIMARY KEY, seq INTEGER, hash BLOB, build TEXT, nPages INTEGER, rest TEXT, sum INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS page (studyId TEXT, page INTEGER, seq INTEGER, body TEXT, sum INTEGER, PRIMARY KEY (studyId, page));
`;

function openOrRemake(path: string): DatabaseSync {
  try {
    return open(path);
  } catch {
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`, { force: true });
    return open(path);
  }
}

/** What a power cut takes is made again, so no write waits for the disk. */
function open(path: string): DatabaseSync {
  keepPrivate(path);
  const db = new DatabaseSync(path);
  try {
    db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -512; ${tables}`);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function isSame(hash: Uint8Array, stored: unknown): boolean {
  return stored instanceof Uint8Array && Buffer.compare(hash, stored) === 0;
}
