import { HpoError } from '../protocol/errors.ts';
import type { JournalEntry, StudyEvent } from '../protocol/events.ts';
import { eventHash, genesisHash, hex } from './chain.ts';

/**
 * The events of one study as they travel from one journal to another, one a line: numbered within the study, each with the hash of a
 * chain of their own. `basedOn` of a proposal counts events of the study here, as the journals number theirs differently.
 */
export interface HistoryEnd {
  readonly events: number;
  /** Hash of the chain after the last of them. */
  readonly head: string;
}

interface HistoryLine {
  readonly hash: string;
  readonly event: StudyEvent;
}

/** Hands each line to `write`, in order. The entries are all of one study. */
export function exportHistory(entries: Iterable<JournalEntry>, write: (line: string) => void): HistoryEnd {
  const chain = new Chain();
  for (const entry of entries) {
    const { hash, body } = chain.next(entry);
    write(`{"hash":"${hash}","event":${body}}\n`);
  }
  return chain.end;
}

/**
 * The events of a history that a journal lacks, as that one numbers them. `known` are the entries of the study that it has from an
 * earlier time, `nextSeq` the number of its next one.
 *
 * Throws HPO-2501 where a line is not what was written or some are missing, HPO-2502 where what is known went on differently.
 */
export function importHistory(
  studyId: string,
  lines: Iterable<string>,
  end: HistoryEnd,
  known: readonly JournalEntry[],
  nextSeq: number,
): readonly StudyEvent[] {
  const [first] = known;
  if (first !== undefined && first.studyId !== studyId) throw new TypeError(`entries of ${first.studyId}, not of ${studyId}`);
  const knownChain = new Chain();
  const knownHashes = known.map((entry) => knownChain.next(entry).hash);
  const seqs = known.map(({ seq }) => seq);
  const events: StudyEvent[] = [];
  let prevHash = genesisHash;
  let count = 0;
  for (const line of lines) {
    const { hash, event } = parseLine(line, studyId);
    count++;
    prevHash = eventHash(prevHash, { seq: count, epoch: 0, studyId, type: event.type, body: JSON.stringify(event) });
    if (hex(prevHash) !== hash) throw damagedHistory(studyId, `event ${count} is not what was written`);
    if (count <= known.length) {
      if (knownHashes[count - 1] !== hash) throw otherHistory(studyId, count);
      continue;
    }
    seqs.push(nextSeq + events.length);
    events.push(renumbered(event, (ordinal) => (ordinal === 0 ? 0 : (seqs[ordinal - 1] ?? 0))));
  }
  if (count !== end.events || (count > 0 && hex(prevHash) !== end.head))
    throw damagedHistory(studyId, `it has ${count} events where ${end.events} are due`);
  if (count < known.length) throw otherHistory(studyId, count + 1);
  return events;
}

/** The lines of a history's text. */
export function* historyLines(text: string): Generator<string> {
  for (let at = 0; at < text.length; ) {
    const end = text.indexOf('\n', at);
    const stop = end === -1 ? text.length : end;
    yield text.slice(at, stop);
    at = stop + 1;
  }
}

class Chain {
  readonly #seqs: number[] = [];
  #hash: Uint8Array = genesisHash;

  get end(): HistoryEnd {
    return { events: this.#seqs.length, head: hex(this.#hash) };
  }

  next({ seq, studyId, event }: JournalEntry): { readonly hash: string; readonly body: string } {
    this.#seqs.push(seq);
    const body = JSON.stringify(renumbered(event, (basedOn) => this.#countUpTo(basedOn)));
    const row = { seq: this.#seqs.length, epoch: 0, studyId, type: event.type, body };
    this.#hash = eventHash(this.#hash, row);
    return { hash: hex(this.#hash), body };
  }

  /** How many of the study's events come up to the one with this number. */
  #countUpTo(seq: number): number {
    let low = 0;
    let high = this.#seqs.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#seqs[middle] ?? Infinity) <= seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

function renumbered(event: StudyEvent, number: (basedOn: number) => number): StudyEvent {
  return event.type === 'trialCreated' && event.basedOn !== undefined ? { ...event, basedOn: number(event.basedOn) } : event;
}

function parseLine(line: string, studyId: string): HistoryLine {
  try {
    // Written by `exportHistory`; what it is not, its hash tells.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const parsed = JSON.parse(line) as Partial<HistoryLine> | null;
    if (typeof parsed?.hash === 'string' && typeof parsed.event?.type === 'string')
      return { hash: parsed.hash, event: parsed.event };
  } catch {
    // Said below.
  }
  throw damagedHistory(studyId, 'a line of it cannot be read');
}

function damagedHistory(studyId: string, why: string): HpoError {
  return new HpoError(
    'HPO-2501',
    `the history of ${studyId} did not arrive whole: ${why}`,
    'move the study again: it stays where it was',
  );
}

function otherHistory(studyId: string, event: number): HpoError {
  return new HpoError(
    'HPO-2502',
    `what is known of ${studyId} here and what comes differ from event ${event} on: one of the two went on from a copy`,
    `keep the one that you want: hpo delete ${studyId}, here or there, removes the other`,
  );
}
