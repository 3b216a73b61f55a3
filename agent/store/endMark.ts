import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import { HpoError } from '../protocol/errors.ts';
import { hex } from './chain.ts';

/**
 * A note beside the journal of where it ends. SQLite takes a WAL that was removed, cut or damaged for one that was never
 * written, and an older copy of the journal looks like any journal: only somebody else can tell that something is missing.
 *
 * It is written after each append and not flushed, so it costs microseconds and is never ahead of the journal: where the
 * machine loses power it may be behind, which says nothing.
 */
export class EndMark implements Disposable {
  readonly #file: number | null;

  constructor(path: string) {
    this.#file = open(endMarkFile(path));
  }

  write(seq: number, hash: Uint8Array): void {
    if (this.#file === null) return;
    try {
      writeSync(this.#file, `${seq} ${hex(hash)}`.padEnd(recordBytes - 1).concat('\n'), 0);
    } catch {
      // On a full disk the note stays behind.
    }
  }

  [Symbol.dispose](): void {
    if (this.#file !== null) closeSync(this.#file);
  }
}

const recordBytes = 96;

export function endMarkFile(path: string): string {
  return `${path}.end`;
}

/** Throws HPO-6011 where the note beside the journal knows of an event that the journal, which ends at `last`, does not have. */
export function refuseShorter(path: string, last: number): void {
  const noted = notedEnd(path);
  if (noted === null || noted <= last) return;
  const missing = noted - last;
  throw new HpoError(
    'HPO-6011',
    `The journal ${path} ends at event ${last}, but event ${noted} was recorded: the last ${missing === 1 ? 'one is' : `${missing} are`} missing, as its -wal was removed, cut or damaged, or an older copy was put in its place. Nothing was changed or deleted.`,
    'Put back what is missing. Or, to go on without those events: hpo doctor --repair; trials that are not recorded any more are run again.',
  );
}

/** The last event that was recorded; null where there is no note that can be read. */
export function notedEnd(path: string): number | null {
  try {
    const seq = /^(\d{1,15}) [0-9a-f]{64} *\n$/.exec(readFileSync(endMarkFile(path), 'utf8'))?.[1];
    return seq === undefined ? null : Number(seq);
  } catch {
    return null;
  }
}

function open(file: string): number | null {
  try {
    // Not to append: it is written over at its beginning.
    return openSync(file, 'r+', 0o600);
  } catch {
    try {
      return openSync(file, 'w', 0o600);
    } catch {
      return null;
    }
  }
}
