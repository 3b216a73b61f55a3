import { existsSync } from 'node:fs';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { HpoError } from '../protocol/errors.ts';
import type { JournalEntry, StudyEvent } from '../protocol/events.ts';
import type { Clock } from '../system/clock.ts';
import { type Failpoints, noFailpoints } from '../system/failpoints.ts';
import { nodeClock } from '../system/nodeClock.ts';
import { eventHash, hex } from './chain.ts';
import { Derivation } from './derive.ts';
import { EndMark, refuseShorter } from './endMark.ts';
import { keepPrivate, lockJournal } from './lock.ts';
import { refuseNotAFile } from './notAFile.ts';
import { Place, placeTaken, putInPlace, rescue } from './place.ts';
import {
  type ChainCheck,
  checkHead,
  isOnlyWal,
  lastRow,
  listsRightly,
  listStudies,
  onlyWal,
  openReadOnly,
  readEntries,
  readMeta,
  refuseNewer,
  verifyChain,
  verifySteps,
} from './read.ts';
import { rebuildDerived } from './rebuild.ts';
import { repairedFile } from './repair.ts';
import { derivedTableNames, derivedTables, derivedVersion, schemaVersion, truthTables } from './schema.ts';
import { damaged, isContradiction, isDamage, isMisfit, storeError } from './storeError.ts';
import { transaction } from './transaction.ts';

export interface JournalOptions {
  /**
   * Longest time that the main file lags behind what was appended, in milliseconds; null checkpoints only when asked.
   * Tools that read the main file without its WAL see everything that is older.
   */
  readonly checkpointMs?: number | null;
  /** Default: none. */
  readonly failpoints?: Failpoints;
  /** Default: this machine's. */
  readonly clock?: Clock;
  /** Called when a newer agent has taken the journal over: nothing that this process does to the world is right any more. */
  readonly onTakenOver?: () => void;
  /** Makes this agent the one writer of the journal at `path`, or throws HPO-6001. Default: by a file beside the journal. */
  readonly lock?: (path: string) => Disposable;
}

/**
 * Opens the journal for writing, and makes it when there is none. `:memory:` gives one that is never on disk.
 *
 * Throws HpoError, and changes nothing, when another process writes it (HPO-6001), when the file is not a journal
 * (HPO-6004), is damaged (HPO-6005), lacks its last events (HPO-6011) or is of a newer version (HPO-6006), or cannot be opened or made (HPO-6003, 6007, 6008).
 */
export function openJournal(path: string, options: JournalOptions = {}): SqliteJournal {
  const { checkpointMs = 250, failpoints = noFailpoints, clock = nodeClock, onTakenOver = () => undefined } = options;
  const lock = path === ':memory:' ? null : (options.lock ?? lockFile)(path);
  let db: DatabaseSync | null = null;
  try {
    const opened = openForWriting(path);
    db = opened;
    const epoch = failpoints.step('journal.epoch', () => beginEpoch(opened, path));
    const begin = (): SqliteJournal =>
      new SqliteJournal(opened, path, epoch, lock, { checkpointMs, failpoints, clock, onTakenOver });
    try {
      return begin();
    } catch (error) {
      if (!isMisfit(error)) throw error;
      rebuildDerived(opened, path);
      return begin();
    }
  } catch (error) {
    db?.close();
    lock?.[Symbol.dispose]();
    if (isDamage(error)) throw describeDamage(path, error);
    throw storeError(error, path);
  }
}

type WriterOptions = Required<Omit<JournalOptions, 'lock'>>;

export class SqliteJournal implements Disposable {
  readonly path: string;
  /** Which life of the writer this is: one more at each opening, and written with every event. */
  readonly epoch: number;
  readonly #lock: Disposable | null;
  readonly #checkpointMs: number | null;
  readonly #failpoints: Failpoints;
  readonly #onTakenOver: () => void;
  readonly #clock: Clock;
  #open: OpenFile;
  #end: EndMark | null;
  #verifying: ReturnType<typeof verifySteps> | null = null;
  #seq: number;
  #hash: Uint8Array;
  #failure: HpoError | null = null;
  #timer: Disposable | null = null;

  constructor(db: DatabaseSync, path: string, epoch: number, lock: Disposable | null, options: WriterOptions) {
    this.path = path;
    this.epoch = epoch;
    this.#lock = lock;
    this.#checkpointMs = options.checkpointMs;
    this.#failpoints = options.failpoints;
    this.#onTakenOver = options.onTakenOver;
    this.#clock = options.clock;
    this.#open = new OpenFile(db, path);
    ({ seq: this.#seq, hash: this.#hash } = lastRow(db));
    this.#end = lock === null ? null : new EndMark(path);
    this.#end?.write(this.#seq, this.#hash);
  }

  /** Why the last append failed; null while the journal takes events. A full disk heals by itself at the next append. */
  get failure(): HpoError | null {
    return this.#failure;
  }

  /** Sequence number of the last event; 0 when there is none. */
  lastSeq(): number {
    return this.#seq;
  }

  /**
   * Appends all events and updates the derived tables in one transaction that is on the disk when this returns; or
   * throws and appends none. Throws HPO-6003 (disk full), HPO-6007 (cannot be written) and HPO-6014 (another file is in its
   * place) until the cause is gone, HPO-6002 and HPO-6005 for good; a TypeError or RangeError for events that no driver may send.
   */
  append(events: readonly { readonly studyId: string; readonly event: StudyEvent }[]): readonly JournalEntry[] {
    if (events.length === 0) return [];
    if (this.#failure !== null) this.#retry(this.#failure);
    try {
      this.#keepPlace();
      const entries = this.#failpoints.step('journal.append', () => this.#appendOrMend(events));
      this.#failure = null;
      this.#planCheckpoint(entries);
      return entries;
    } catch (error) {
      this.#open.derivation.forget();
      this.#findEnd();
      const forPeople = storeError(error, this.path);
      if (forPeople instanceof HpoError) this.#failure = forPeople;
      throw forPeople;
    }
  }

  /** Entries with seq > from that are there now, in order; of one study, or of all when studyId is null. Read in pieces. */
  read(studyId: string | null, from: number): Iterable<JournalEntry> {
    return readEntries(this.#open.db, this.path, studyId, from, this.#seq);
  }

  /** The hash of the chain after an entry; null where there is none. */
  hashAt(seq: number): Uint8Array | null {
    const hash = this.#open.db.prepare('SELECT hash FROM hpo_event WHERE seq = ?').get(seq)?.['hash'];
    return hash instanceof Uint8Array ? hash : null;
  }

  /** Ids of all studies that are not deleted, oldest first. */
  studies(): readonly string[] {
    return listStudies(this.#open.db, this.path);
  }

  /** Recomputes every hash; names the first event that is not what was written. */
  verifyChain(): ChainCheck {
    return verifyChain(this.#open.db);
  }

  /**
   * Recomputes the hashes of the next few hundred events, from the first on: an opening has no time for all of them. False when
   * there is no more to do. Once an event is not what was written, `failure` says so (HPO-6005) and nothing is appended any more.
   */
  verifySome(): boolean {
    this.#verifying ??= verifySteps(this.#open.db);
    const { done, value } = this.#verifying.next();
    if (done !== true) return true;
    if (value !== undefined && !value.ok)
      this.#failure = damaged(this.path, `events 1 to ${value.intact} are as they were written; then ${value.why}`);
    return false;
  }

  /** What an error that came of reading the events means to people: HPO-6005 where an event is not what was written. */
  explain(error: unknown): unknown {
    if (error instanceof HpoError) return error;
    const check = this.verifyChain();
    return check.ok
      ? error
      : damaged(this.path, `events 1 to ${check.intact} are as they were written; then ${check.why}`, error);
  }

  /** Whether no newer agent has taken the journal over; asked by one that may have been stopped for a while. */
  isOurs(): boolean {
    this.#tryToKeepPlace();
    const isOurs = readMeta(this.#open.db, 'epoch') === String(this.epoch);
    if (!isOurs) this.#onTakenOver();
    return isOurs;
  }

  /** Drops the derived tables and makes them again from the events. */
  rebuild(): void {
    this.#open.derivation.forget();
    rebuildDerived(this.#open.db, this.path);
  }

  /**
   * Moves everything from the WAL into the main file and empties the WAL. False when a reader was in the way or the
   * disk is full: nothing is lost then, the WAL keeps it and the next checkpoint takes it along.
   */
  checkpoint(): boolean {
    this.#cancelTimer();
    if (this.path === ':memory:') return true;
    this.#tryToKeepPlace();
    try {
      // Without a wait: a slow reader must not hold up the driver.
      this.#open.db.exec('PRAGMA busy_timeout = 0');
      return this.#failpoints.step(
        'journal.checkpoint',
        () => this.#open.db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get()?.['busy'] === 0,
      );
    } catch (error) {
      if (storeError(error, this.path) === error) throw error;
      return false;
    } finally {
      this.#open.db.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    }
  }

  /** Throws where the file was removed and could not be written anew: with this connection, the last that holds it goes. */
  [Symbol.dispose](): void {
    try {
      this.checkpoint();
      const place = this.#open.place.look();
      if (place !== 'kept') rescue(this.#open.db, this.path);
    } catch (error) {
      throw storeError(error, this.path);
    } finally {
      this.#open.db.close();
      this.#end?.[Symbol.dispose]();
      this.#lock?.[Symbol.dispose]();
    }
  }

  /**
   * Writes the journal anew where somebody has removed its file: it is all still there in the open one. Throws HPO-6014 where
   * another file is in its place.
   */
  #keepPlace(): void {
    const place = this.#open.place.look();
    if (place === 'kept') return;
    if (place === 'taken') throw placeTaken(this.path);
    const { db: removed } = this.#open;
    rescue(removed, this.path);
    putInPlace(this.path);
    this.#open = new OpenFile(openForWriting(this.path), this.path);
    this.#verifying = null;
    // SQLite sees that its file is not at the path any more, and leaves what is there alone.
    removed.close();
    this.#end?.[Symbol.dispose]();
    this.#end = new EndMark(this.path);
    this.#end.write(this.#seq, this.#hash);
  }

  /** What stands in the way is said by the next append. */
  #tryToKeepPlace(): void {
    try {
      this.#keepPlace();
    } catch (error) {
      const forPeople = storeError(error, this.path);
      if (!(forPeople instanceof HpoError)) throw error;
      this.#failure ??= forPeople;
    }
  }

  /** Derived rows that contradict the events (a flipped byte that SQLite does not see) are made anew: they are not the truth. */
  #appendOrMend(events: readonly { readonly studyId: string; readonly event: StudyEvent }[]): readonly JournalEntry[] {
    try {
      return this.#appendInTransaction(events);
    } catch (error) {
      if (!isContradiction(error)) throw error;
      this.rebuild();
      return this.#appendInTransaction(events);
    }
  }

  #appendInTransaction(events: readonly { readonly studyId: string; readonly event: StudyEvent }[]): readonly JournalEntry[] {
    let seq = this.#seq;
    let prevHash = this.#hash;
    const entries = transaction(this.#open.db, () => {
      this.#checkEpoch();
      const written = events.map(({ studyId, event }): JournalEntry => {
        assertNumbers(event);
        seq += 1;
        const row = { seq, epoch: this.epoch, studyId, type: event.type, body: JSON.stringify(event) };
        const hash = eventHash(prevHash, row);
        this.#open.insert.run(seq, row.epoch, studyId, row.type, row.body, prevHash, hash);
        prevHash = hash;
        const entry = { seq, studyId, event };
        this.#open.derivation.apply(entry);
        return entry;
      });
      this.#open.setHead.run(`${seq} ${hex(prevHash)}`);
      return written;
    });
    this.#seq = seq;
    this.#hash = prevHash;
    this.#end?.write(seq, prevHash);
    return entries;
  }

  /** The lock is the guard; this is the fence behind it, should someone delete the lock's file. */
  #checkEpoch(): void {
    const epoch = readMeta(this.#open.db, 'epoch');
    if (epoch === String(this.epoch)) return;
    this.#onTakenOver();
    throw new HpoError(
      'HPO-6002',
      `The journal ${this.path} was taken over by a newer agent (epoch ${epoch}; this one has ${this.epoch}); this one writes no more.`,
      'Nothing to do: the newer agent goes on with all studies. Close this window or command and open it again.',
    );
  }

  #retry(failure: HpoError): void {
    if (failure.code === 'HPO-6002' || failure.code === 'HPO-6005') throw failure;
    this.#findEnd();
  }

  /** Where the journal ends now: a commit that was answered with an error may have happened all the same. */
  #findEnd(): void {
    try {
      ({ seq: this.#seq, hash: this.#hash } = lastRow(this.#open.db));
    } catch {
      // What cannot be read now is read before the next append.
    }
  }

  /**
   * At most one checkpoint in `checkpointMs`, so that its two fsyncs are shared by many groups; at once when a study
   * ends, as that is when people open the file with something else.
   */
  #planCheckpoint(entries: readonly JournalEntry[]): void {
    if (this.#checkpointMs === null) return;
    if (entries.some(({ event }) => event.type === 'studyEnded' || event.type === 'studyDeleted')) {
      this.checkpoint();
      return;
    }
    this.#timer ??= this.#clock.after(this.#checkpointMs, () => {
      if (!this.checkpoint()) this.#planCheckpoint([]);
    });
  }

  #cancelTimer(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = null;
  }
}

/** A connection to the journal's file, and what is prepared on it. */
class OpenFile {
  readonly db: DatabaseSync;
  readonly place: Place;
  readonly derivation: Derivation;
  readonly insert: StatementSync;
  readonly setHead: StatementSync;

  constructor(db: DatabaseSync, path: string) {
    this.db = db;
    this.place = new Place(path);
    this.derivation = new Derivation(db);
    this.insert = db.prepare('INSERT INTO hpo_event VALUES (?, ?, ?, ?, ?, ?, ?)');
    this.setHead = db.prepare(`UPDATE hpo_meta SET value = ? WHERE key = 'head'`);
  }
}

/** How long a write waits for another program that writes to the file. */
const busyTimeoutMs = 2000;

/** By a file beside the journal; makes the journal's own file readable by its owner alone. */
function lockFile(path: string): Disposable {
  refuseNotAFile(path);
  const lock = lockJournal(path);
  try {
    refuseRemains(path);
    keepPrivate(path);
    return lock;
  } catch (error) {
    lock[Symbol.dispose]();
    throw error;
  }
}

/** SQLite would delete a WAL without its file, and an unfinished repair leaves the journal without its WAL. */
function refuseRemains(path: string): void {
  if (existsSync(repairedFile(path))) {
    throw new HpoError(
      'HPO-6009',
      `A repair of the journal ${path} was interrupted. Nothing was changed or deleted.`,
      'Bring it to its end: hpo doctor --repair',
    );
  }
  if (isOnlyWal(path)) throw damaged(path, onlyWal(path));
}

function openForWriting(path: string): DatabaseSync {
  // Optuna's foreign keys are declared and, as in Optuna, not enforced: what another tool deleted must not stop an append.
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  try {
    db.exec(`PRAGMA busy_timeout = ${busyTimeoutMs}`);
    const tables = db.prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`).all();
    const names = tables.map((row) => String(row['name']));
    if (names.length > 0 && !names.includes('hpo_meta')) {
      throw new HpoError(
        'HPO-6004',
        `${path} is not a journal but the database of another program (it has the tables ${names.slice(0, 3).join(', ')} …). It was left as it is.`,
        'Move it away, or set HPO_HOME to another folder.',
      );
    }
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    if (names.length === 0) createTables(db);
    return db;
  } catch (error) {
    db.close();
    throw error;
  }
}

function createTables(db: DatabaseSync): void {
  transaction(db, () => {
    db.exec(truthTables + derivedTables);
    const insert = db.prepare('INSERT INTO hpo_meta VALUES (?, ?)');
    insert.run('schemaVersion', String(schemaVersion));
    insert.run('derivedVersion', String(derivedVersion));
    insert.run('epoch', '0');
    insert.run('head', '0 ');
  });
}

/** Checks that this program may write the file, and takes it over. */
function beginEpoch(db: DatabaseSync, path: string): number {
  refuseNewer(db, path);
  const fault = checkHead(db);
  if (fault !== null) throw damaged(path, fault);
  refuseShorter(path, lastRow(db).seq);
  if (Number(readMeta(db, 'derivedVersion')) !== derivedVersion || !hasDerivedTables(db) || !listsRightly(db))
    rebuildDerived(db, path);
  const epoch = Number(readMeta(db, 'epoch')) + 1;
  db.prepare(`UPDATE hpo_meta SET value = ? WHERE key = 'epoch'`).run(String(epoch));
  return epoch;
}

/** Another program may have dropped one. */
function hasDerivedTables(db: DatabaseSync): boolean {
  const names = new Set(
    db
      .prepare(`SELECT name FROM sqlite_master WHERE type = 'table'`)
      .all()
      .map((row) => row['name']),
  );
  return derivedTableNames.every((name) => names.has(name));
}

function describeDamage(path: string, cause: unknown): unknown {
  try {
    using journal = openReadOnly(path);
    const check = journal.verifyChain();
    const said = cause instanceof Error ? ` (SQLite said: ${cause.message})` : '';
    if (check.ok)
      return damaged(path, `all ${check.events} events can still be read, the tables around them cannot${said}`, cause);
    const rest = check.intact === 0 ? 'no event can still be read' : `events 1 to ${check.intact} can still be read`;
    return damaged(path, `${rest}; then ${check.why}${said}`, cause);
  } catch {
    return storeError(cause, path);
  }
}

/** JSON has no NaN and would silently write null; the vocabulary names it instead. */
function assertNumbers(event: StudyEvent): void {
  const record =
    event.type === 'trialCreated' || event.type === 'pointEnqueued' ? event.params : 'values' in event ? event.values : null;
  if (record === null) return;
  for (const [name, value] of Object.entries(record)) {
    if (typeof value === 'number' && !Number.isFinite(value))
      throw new TypeError(`${event.type} holds ${name}=${value}, which JSON cannot`);
  }
}
