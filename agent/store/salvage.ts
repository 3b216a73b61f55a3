import type { DatabaseSync, SQLOutputValue } from 'node:sqlite';
import { type EventRow, eventHash, genesisHash, hex } from './chain.ts';
import { Course } from './course.ts';
import { beginSearch, type Link, putBack } from './putBack.ts';
import { areOrdered, bytes, equal, eventRow, readMeta } from './read.ts';
import { sqliteCode } from './storeError.ts';

/** Events that are lost or not what was written. */
export interface Fault {
  /** `seq` of the first and the last of them. */
  readonly from: number;
  readonly to: number;
  /** Whose they are; null where that cannot be told. */
  readonly studyId: string | null;
  readonly why: string;
}

/** What of a damaged journal is worth keeping. */
export interface Salvage {
  readonly faults: readonly Fault[];
  /** Events that can be trusted and are kept. */
  readonly kept: number;
  /** Events of which a changed byte was put right (`putBack`). */
  readonly putBack: number;
  /** By study, events that can be read and are not kept, as what is lost may have come before them. */
  readonly cut: ReadonlyMap<string, { readonly from: number; readonly events: number }>;
  /** By study of which events are lost or cut and something is kept, oldest first: how it stood. */
  readonly courses: ReadonlyMap<string, Course>;
  /** The last event that was there, by the journal's own note of its end or what can be read. */
  readonly lastSeq: number;
  /** Largest epoch found. */
  readonly epoch: number;
}

/**
 * Finds what can be kept and hands each such event to `keep`, in order. An event is trusted when its hash, or what the
 * event after it says of it, fits, if need be after a changed byte was put right; without any fault all are kept. Of a study that an event was lost of, only what came before
 * is: all later events follow from it. Where it cannot be told whose a lost event was, that holds for every study that
 * was there.
 */
export function salvage(db: DatabaseSync, keep: (row: EventRow) => void): Salvage {
  const faults: Fault[] = [];
  const cutFrom = new Map<string, number>();
  const cut = new Map<string, { from: number; events: number }>();
  const known = new Map<string, Course>();
  let kept = 0;
  let nPutBack = 0;
  let epoch = Number(meta(db, 'epoch') ?? 0) || 0;
  let lastSeq = 0;
  const lose = (fault: Fault): void => {
    faults.push(fault);
    for (const studyId of fault.studyId === null ? known.keys() : [fault.studyId]) {
      if (!cutFrom.has(studyId)) cutFrom.set(studyId, fault.from);
      known.get(studyId)?.lose();
    }
  };
  const take = (row: EventRow): void => {
    if (row.type === 'studyCreated' && !cutFrom.has(row.studyId) && !known.has(row.studyId)) known.set(row.studyId, new Course());
    const course = known.get(row.studyId);
    // Of a study whose beginning is lost nothing can be kept.
    const from = cutFrom.get(row.studyId) ?? (course === undefined ? row.seq : null);
    if (from === null) {
      kept++;
      course?.keep(row);
      keep(row);
      return;
    }
    course?.leaveOut(row);
    const before = cut.get(row.studyId);
    if (before === undefined) cut.set(row.studyId, { from, events: 1 });
    else before.events++;
  };

  for (const found of trustedRows(db)) {
    if (found.type === 'fault') {
      const { fault, row } = found;
      // A study that nobody knows is the damage itself, unless it was about to begin.
      const isKnown = row !== undefined && (known.has(row.studyId) || row.type === 'studyCreated');
      lose(isKnown ? fault : { ...fault, studyId: null });
      lastSeq = Math.max(lastSeq, found.fault.to);
      continue;
    }
    if (found.isPutBack) nPutBack++;
    epoch = Math.max(epoch, found.row.epoch);
    lastSeq = Math.max(lastSeq, found.row.seq);
    take(found.row);
  }
  const end = noteOfEnd(db);
  if (end !== null && end > lastSeq) {
    lose({ from: lastSeq + 1, to: end, studyId: null, why: 'missing at the end' });
    lastSeq = end;
  }
  const courses = new Map([...known].filter(([studyId]) => cutFrom.has(studyId)));
  return { faults, kept, putBack: nPutBack, cut, courses, lastSeq, epoch };
}

type Found =
  /** `isPutBack`: a changed byte of it was put right. */
  | { readonly type: 'row'; readonly row: EventRow; readonly isPutBack: boolean }
  /** `row`: as it can be read. */
  | { readonly type: 'fault'; readonly fault: Fault; readonly row?: EventRow };

const notWritten = 'not what was written';

function* trustedRows(db: DatabaseSync): Generator<Found> {
  let lastSeq = 0;
  /** Hash of the event before, where that one is trusted. */
  let lastHash: Uint8Array | null = genesisHash;
  const search = beginSearch();
  const rows = readableRows(db);
  for (let next = rows.next(); next.done !== true; ) {
    const item = next.value;
    next = rows.next();
    if (item.raw === undefined) {
      // Which events were there is seen from the next one that can be read.
      const after = next.done === true ? noteOfEnd(db) : next.value.raw === undefined ? null : Number(next.value.raw['seq']) - 1;
      const to = Math.max(lastSeq + 1, after ?? lastSeq + 1);
      yield { type: 'fault', fault: { from: lastSeq + 1, to, studyId: null, why: item.why } };
      lastSeq = to;
      lastHash = null;
      continue;
    }
    const row = eventRow(item.raw);
    if (row.seq > lastSeq + 1) {
      yield { type: 'fault', fault: { from: lastSeq + 1, to: row.seq - 1, studyId: null, why: 'missing' } };
      lastHash = null;
    }
    const follower = next.done === true ? undefined : next.value.raw;
    const isNext = Number(follower?.['seq']) === row.seq + 1;
    const links = linksOf(item.raw, lastHash, isNext ? bytes(follower?.['prevHash']) : null);
    lastSeq = row.seq;
    const whole = links.find(({ prevHash, hash }) => equal(eventHash(prevHash, row), hash));
    const before = whole === undefined ? putBack(db, row, links, search) : null;
    lastHash = (whole ?? before)?.hash ?? null;
    if (whole !== undefined && isJson(row.body)) yield { type: 'row', row, isPutBack: false };
    else if (before !== null) yield { type: 'row', row: before.row, isPutBack: true };
    else yield { type: 'fault', fault: { from: row.seq, to: row.seq, studyId: row.studyId, why: notWritten }, row };
  }
}

/** What may link a row to those beside it. The damage may be in one of the two hashes that the row holds. */
function linksOf(raw: Raw['raw'], lastHash: Uint8Array | null, saidNext: Uint8Array | null): readonly Link[] {
  const links: Link[] = [];
  for (const prevHash of [lastHash, bytes(raw['prevHash'])]) {
    for (const hash of [saidNext, bytes(raw['hash'])]) {
      if (prevHash === null || hash === null) continue;
      if (!links.some((link) => equal(link.prevHash, prevHash) && equal(link.hash, hash))) links.push({ prevHash, hash });
    }
  }
  return links;
}

interface Raw {
  readonly raw: Readonly<Record<string, SQLOutputValue>>;
}

/** Rows that are tried one by one after one that cannot be read: more than fit on any page. */
const nSingleSteps = 512;
const pieceSize = 500;

/** All rows that SQLite can read, in order; in between, that some cannot be. */
function* readableRows(db: DatabaseSync): Generator<Raw | { readonly why: string; readonly raw?: never }> {
  const read = (after: number, limit: number): Raw['raw'][] | string => {
    try {
      const rows = db.prepare('SELECT * FROM hpo_event WHERE seq > ? ORDER BY seq LIMIT ?').all(after, limit);
      return areOrdered(rows, after) ? rows : 'its events are out of order';
    } catch (error) {
      if (sqliteCode(error) === null || !(error instanceof Error)) throw error;
      return error.message;
    }
  };
  let seq = 0;
  let limit = pieceSize;
  for (;;) {
    const piece = read(seq, limit);
    if (typeof piece !== 'string') {
      for (const raw of piece) yield { raw };
      const last = piece.at(-1);
      if (last === undefined || piece.length < limit) return;
      seq = Number(last['seq']);
      limit = pieceSize;
    } else if (limit > 1) {
      // Those of the piece that can be read, one by one.
      limit = 1;
    } else {
      yield { why: `cannot be read (${piece})` };
      const next = beyond(seq, (after) => typeof read(after, 1) !== 'string');
      if (next === null) return;
      seq = next;
      limit = 1;
    }
  }
}

/** From where on reading goes on after `seq`, from which it does not; null where it never does. */
function beyond(seq: number, canRead: (after: number) => boolean): number | null {
  for (let step = 1; step <= nSingleSteps; step++) if (canRead(seq + step)) return seq + step;
  let low = seq + nSingleSteps;
  let step = nSingleSteps;
  while (!canRead(low + step)) {
    low += step;
    step *= 2;
    if (low > Number.MAX_SAFE_INTEGER / 4) return null;
  }
  let high = low + step;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    if (canRead(middle)) high = middle;
    else low = middle;
  }
  return high;
}

function meta(db: DatabaseSync, key: string): string | null {
  try {
    return readMeta(db, key);
  } catch (error) {
    if (sqliteCode(error) === null) throw error;
    return null;
  }
}

/** `seq` of the last event as the last append noted it; null where that cannot be read. */
function noteOfEnd(db: DatabaseSync): number | null {
  const match = meta(db, 'head')?.match(/^(\d+) [0-9a-f]*$/);
  return match?.[1] === undefined ? null : Number(match[1]);
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The rows as a new journal has them: numbered without a gap and chained anew. */
export class Renumbering {
  readonly #kept: number[] = [];
  #hash: Uint8Array = genesisHash;

  get head(): string {
    return `${this.#kept.length} ${this.#kept.length === 0 ? '' : hex(this.#hash)}`;
  }

  next(row: EventRow): { readonly row: EventRow; readonly prevHash: Uint8Array; readonly hash: Uint8Array } {
    this.#kept.push(row.seq);
    const seq = this.#kept.length;
    const renumbered = { ...row, seq, body: seq === row.seq ? row.body : this.#renumberBody(row) };
    const prevHash = this.#hash;
    this.#hash = eventHash(prevHash, renumbered);
    return { row: renumbered, prevHash, hash: this.#hash };
  }

  /** A proposal says which event was the last that it knew. */
  #renumberBody({ type, body }: EventRow): string {
    if (type !== 'trialCreated') return body;
    const event: Record<string, unknown> = JSON.parse(body);
    const { basedOn } = event;
    return typeof basedOn === 'number' ? JSON.stringify({ ...event, basedOn: this.renumbered(basedOn) }) : body;
  }

  /** How many of the kept events come up to this one. */
  renumbered(seq: number): number {
    let low = 0;
    let high = this.#kept.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#kept[middle] ?? Infinity) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
