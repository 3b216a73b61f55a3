import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { HpoError } from '../protocol/errors.ts';
import type { JournalEntry, StudyEvent } from '../protocol/events.ts';
import { type EventRow, eventHash, genesisHash, hex } from './chain.ts';
import { refuseNotAFile } from './notAFile.ts';
import { schemaVersion } from './schema.ts';
import { damaged, isDamage, isUnopenable, outOfOrder, storeError } from './storeError.ts';

/** A journal that is only looked at; the agent may have it open. */
export interface JournalReader extends Disposable {
  /** As `SqliteJournal.read`. Throws HPO-6005 at the first event that cannot be read, after those before it. */
  read(studyId: string | null, from: number): Iterable<JournalEntry>;
  studies(): readonly string[];
  verifyChain(): ChainCheck;
  /** Throws HPO-6006 where a newer version of this program wrote it: its tables may mean something else. */
  refuseNewer(): void;
  /** What SQLite finds wrong with the pages of the file, indexes and derived tables included; empty where nothing is. */
  verifyPages(): readonly string[];
  /** Whether a writer has opened it since: what was read may be half old and half new, and must be read again. */
  isOutdated(): boolean;
}

export type ChainCheck =
  | { readonly ok: true; readonly events: number }
  /** `seq`: the first event that is not what was written; `intact`: the events before it, which are. */
  | { readonly ok: false; readonly seq: number; readonly intact: number; readonly why: string };

/**
 * Opens a journal for reading alone, a damaged one too. Neither the journal nor its WAL is changed, and nothing is made
 * beside a journal that nobody has open. Throws HPO-6008 (exit code 3) when there is none.
 */
export function openReadOnly(path: string): JournalReader {
  refuseNotAFile(path);
  if (!existsSync(path)) {
    throw new HpoError('HPO-6008', `There is no journal at ${path}.`, 'Tune a script first, or check HPO_HOME.', { exitCode: 3 });
  }
  try {
    const { db, isFrozen, close } = openDatabase(path);
    return {
      isOutdated: () => isFrozen && existsSync(`${path}-wal`),
      read: (studyId, from) => readEntries(db, path, studyId, from, Number.MAX_SAFE_INTEGER),
      studies: () => listStudies(db, path),
      verifyChain: () => verifyChain(db),
      refuseNewer: () => refuseNewer(db, path),
      verifyPages: () => verifyPages(db),
      [Symbol.dispose]: close,
    };
  } catch (error) {
    throw storeError(error, path);
  }
}

export interface ReadOnlyDatabase {
  readonly db: DatabaseSync;
  /** It was closed when it was opened here, and is read as if it could not change. */
  readonly isFrozen: boolean;
  readonly close: () => void;
}

/** Whether the file is missing or empty, and what was last written is all that is left. */
export function isOnlyWal(path: string): boolean {
  const sizeOf = (file: string): number => statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  return sizeOf(path) === 0 && sizeOf(`${path}-wal`) > 0;
}

export function onlyWal(path: string): string {
  return `the file itself is missing or empty, and only what was last written (${path}-wal) is there`;
}

/** Throws what SQLite throws, and HPO-6005 for a WAL without its file. */
export function openDatabase(path: string): ReadOnlyDatabase {
  // Even when it only reads, SQLite deletes a WAL whose file is empty.
  if (isOnlyWal(path)) throw damaged(path, onlyWal(path));
  // Whoever has it open keeps a WAL beside it. Without one SQLite would make it, and its index, only to read.
  const isFrozen = !existsSync(`${path}-wal`);
  if (isFrozen) {
    const url = pathToFileURL(path);
    url.searchParams.set('immutable', '1');
    const db = open(url);
    return { db, isFrozen, close: () => db.close() };
  }
  try {
    const db = open(path);
    return { db, isFrozen, close: () => db.close() };
  } catch (error) {
    // A WAL is read with its index, which cannot be made in a folder that nobody may write to: a copy is read instead.
    if (!isUnopenable(error)) throw error;
    const folder = mkdtempSync(join(tmpdir(), 'hpo-journal-'));
    const remove = (): void => rmSync(folder, { recursive: true, force: true });
    try {
      const copy = join(folder, 'journal.db');
      for (const suffix of ['', '-wal']) copyFileSync(`${path}${suffix}`, `${copy}${suffix}`);
      const db = open(copy);
      return {
        db,
        isFrozen,
        close: () => {
          db.close();
          remove();
        },
      };
    } catch (cause) {
      remove();
      throw cause;
    }
  }
}

function open(path: string | URL): DatabaseSync {
  // Not defensive and with a writable schema, SQLite reads the pages that a cut file still has; nothing can be
  // written through this connection.
  const db = new DatabaseSync(path, { readOnly: true, defensive: false });
  try {
    db.exec('PRAGMA busy_timeout = 2000; PRAGMA writable_schema = ON');
    // Only now SQLite looks at the file and at what lies beside it.
    db.prepare('SELECT 1 FROM sqlite_master LIMIT 1').get();
  } catch (error) {
    if (isUnopenable(error)) {
      db.close();
      throw error;
    }
    // Damaged pages: what can be read is found out by reading.
  }
  return db;
}

export function* readEntries(
  db: DatabaseSync,
  path: string,
  studyId: string | null,
  from: number,
  upTo: number,
): Generator<JournalEntry, void, undefined> {
  let seq = from;
  try {
    for (const row of eventRows(db, 'seq, studyId, body', studyId, from, upTo)) {
      // Our own words, kept by the hash chain: what `append` wrote comes back.
      const event: StudyEvent = JSON.parse(String(row['body']));
      seq = Number(row['seq']);
      yield { seq, studyId: String(row['studyId']), event };
    }
  } catch (error) {
    if (!isDamage(error) && !(error instanceof SyntaxError)) throw error;
    throw damaged(path, `no event after ${seq} can be read${error instanceof Error ? ` (${error.message})` : ''}`, error);
  }
}

/** Rows a piece: many enough to be fast; no statement stays open between two pieces, so others may write meanwhile. */
const pieceSize = 500;

/** A damaged page may send the reader in circles. */
export function areOrdered(rows: readonly Readonly<Record<string, SQLOutputValue>>[], after: number): boolean {
  return rows.every((row, i) => Number(row['seq']) > (i === 0 ? after : Number(rows[i - 1]?.['seq'])));
}

/** Rows of `hpo_event` in order, up to the first that SQLite cannot read; then its error. */
function* eventRows(
  db: DatabaseSync,
  columns: string,
  studyId: string | null,
  from: number,
  upTo: number,
): Generator<Record<string, SQLOutputValue>, void, undefined> {
  const filter = studyId === null ? '' : 'studyId = ? AND ';
  const statement = db.prepare(`SELECT ${columns} FROM hpo_event WHERE ${filter}seq > ? AND seq <= ? ORDER BY seq LIMIT ?`);
  const args = studyId === null ? [] : [studyId];
  let seq = from;
  let limit = pieceSize;
  for (;;) {
    let piece: Record<string, SQLOutputValue>[];
    try {
      piece = statement.all(...args, seq, upTo, limit);
      if (!areOrdered(piece, seq)) throw outOfOrder();
    } catch (error) {
      // Row by row, so that those before the damage are not lost with the piece. (Not by `iterate`: Node 22.13 crashes.)
      if (!isDamage(error) || limit === 1) throw error;
      limit = 1;
      continue;
    }
    yield* piece;
    const last = piece.at(-1);
    if (last === undefined || piece.length < limit) return;
    seq = Number(last['seq']);
  }
}

/** Throws HPO-6005 when the list cannot be read. */
export function listStudies(db: DatabaseSync, path: string): readonly string[] {
  try {
    return db
      .prepare('SELECT studyId FROM hpo_study ORDER BY createdSeq')
      .all()
      .map((row) => String(row['studyId']));
  } catch (error) {
    if (!isDamage(error)) throw storeError(error, path);
    throw damaged(path, `the list of its studies cannot be read${error instanceof Error ? ` (${error.message})` : ''}`, error);
  }
}

/** Whether the list of studies is what the events say; answered from the index, in time that grows with the studies alone. */
export function listsRightly(db: DatabaseSync): boolean {
  const listed = new Set(
    db
      .prepare('SELECT studyId FROM hpo_study')
      .all()
      .map((row) => String(row['studyId'])),
  );
  const nextId = db.prepare('SELECT studyId FROM hpo_event WHERE studyId > ? ORDER BY studyId LIMIT 1');
  const lastType = db.prepare('SELECT type FROM hpo_event WHERE studyId = ? ORDER BY seq DESC LIMIT 1');
  for (let row = nextId.get(''); row !== undefined; row = nextId.get(String(row['studyId']))) {
    const studyId = String(row['studyId']);
    const isThere = lastType.get(studyId)?.['type'] !== 'studyDeleted';
    if (listed.delete(studyId) !== isThere) return false;
  }
  return listed.size === 0;
}

export function readMeta(db: DatabaseSync, key: string): string | null {
  const value = db.prepare('SELECT value FROM hpo_meta WHERE key = ?').get(key)?.['value'];
  return typeof value === 'string' ? value : null;
}

export function refuseNewer(db: DatabaseSync, path: string): void {
  const version = Number(readMeta(db, 'schemaVersion'));
  if (version > schemaVersion) {
    throw new HpoError(
      'HPO-6006',
      `The journal ${path} was written by a newer version of this program (schema ${version}; this one knows ${schemaVersion}).`,
      'Update this program, or set HPO_HOME to another folder.',
    );
  }
}

/** Where the chain goes on. */
export function lastRow(db: DatabaseSync): { readonly seq: number; readonly hash: Uint8Array } {
  const row = db.prepare('SELECT seq, hash FROM hpo_event ORDER BY seq DESC LIMIT 1').get();
  if (row === undefined) return { seq: 0, hash: genesisHash };
  return { seq: Number(row['seq']), hash: bytes(row['hash']) };
}

export function verifyChain(db: DatabaseSync): ChainCheck {
  const steps = verifySteps(db);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
  }
}

/** As `verifyChain`, with a pause after every piece: events that are appended meanwhile are checked too. */
export function* verifySteps(db: DatabaseSync): Generator<void, ChainCheck, undefined> {
  let seq = 0;
  let hash = genesisHash;
  const bad = (why: string): ChainCheck => ({ ok: false, seq: seq + 1, intact: seq, why });
  try {
    for (const raw of eventRows(db, '*', null, 0, Number.MAX_SAFE_INTEGER)) {
      const row = eventRow(raw);
      if (row.seq !== seq + 1) return bad(`event ${seq + 1} is missing (the next is ${row.seq})`);
      if (!equal(bytes(raw['prevHash']), hash)) return bad(`event ${row.seq} does not follow the one before it`);
      const expected = eventHash(hash, row);
      if (!equal(bytes(raw['hash']), expected)) return bad(`event ${row.seq} is not what was written`);
      seq = row.seq;
      hash = expected;
      if (seq % pieceSize === 0) yield;
    }
    const fault = checkHead(db);
    return fault === null ? { ok: true, events: seq } : bad(fault);
  } catch (error) {
    if (isDamage(error) && error instanceof Error) return bad(`event ${seq + 1} cannot be read (${error.message})`);
    throw error;
  }
}

/** As many faults as tell what is wrong. */
const maxPageFaults = 5;

function verifyPages(db: DatabaseSync): readonly string[] {
  try {
    const rows = db.prepare(`PRAGMA integrity_check(${maxPageFaults})`).all();
    return rows.map((row) => String(row['integrity_check'])).filter((text) => text !== 'ok');
  } catch (error) {
    if (isDamage(error) && error instanceof Error) return [error.message];
    throw error;
  }
}

/** What is wrong with the end of the chain, or null: the last event is the one that the last append wrote, and whole. */
export function checkHead(db: DatabaseSync): string | null {
  const head = readMeta(db, 'head');
  const raw = db.prepare('SELECT * FROM hpo_event ORDER BY seq DESC LIMIT 1').get();
  if (raw === undefined) return head === '0 ' ? null : `the journal is empty but its end was noted as ${head}`;
  const row = eventRow(raw);
  const found = eventHash(bytes(raw['prevHash']), row);
  if (!equal(bytes(raw['hash']), found)) return `event ${row.seq} is not what was written`;
  return head === `${row.seq} ${hex(found)}` ? null : `the last event is ${row.seq}, but the end was noted as ${head}`;
}

export function eventRow(raw: Record<string, unknown>): EventRow {
  return {
    seq: Number(raw['seq']),
    epoch: Number(raw['epoch']),
    studyId: String(raw['studyId']),
    type: String(raw['type']),
    body: String(raw['body']),
  };
}

export function bytes(value: unknown): Uint8Array {
  return value instanceof Uint8Array ? value : new Uint8Array(0);
}

export function equal(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}
