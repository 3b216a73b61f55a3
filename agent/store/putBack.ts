import { hash as digest } from 'node:crypto';
import type { DatabaseSync } from 'node:sqlite';
import { type EventRow, hex } from './chain.ts';
import { bytes } from './read.ts';

/** Bytes that are hashed at most in the search for a changed byte of one row: some seconds. */
const maxHashed = 2e9;
const lineBreak = 0x0a;

/** What is left of the search in one journal: where very much is damaged, single bytes explain nothing. */
export interface Search {
  bytesLeft: number;
}

export function beginSearch(): Search {
  return { bytesLeft: 4 * maxHashed };
}

/** What a row's hash is made of besides its own fields, and what that hash was. */
export interface Link {
  readonly prevHash: Uint8Array;
  readonly hash: Uint8Array;
}

/**
 * The row as it was written, where one byte of its texts has changed since, as on a disk that forgets; null where that does not
 * explain what is there. No other row has its hash, so what is found is what was written.
 *
 * Tries every flipped bit of every byte, then, for rows that are not too long, every other value.
 */
export function putBack(
  db: DatabaseSync,
  row: EventRow,
  links: readonly Link[],
  search: Search,
): { row: EventRow; hash: Uint8Array } | null {
  const raw = db
    .prepare(
      'SELECT CAST(studyId AS BLOB) AS studyId, CAST(type AS BLOB) AS type, CAST(body AS BLOB) AS body FROM hpo_event WHERE seq = ?',
    )
    .get(row.seq);
  const fields = ['studyId', 'type', 'body'].map((name) => Buffer.from(bytes(raw?.[name])));
  for (const { prevHash, hash } of links) {
    const head = Buffer.from(`${hex(prevHash)}\n${row.seq}\n${row.epoch}`);
    const text = Buffer.concat([head, ...fields.flatMap((field) => [Buffer.of(lineBreak), field])]);
    if (!findChange(text, head.length, Buffer.from(hash), search)) continue;
    const [studyId = '', type = '', body = ''] = text
      .subarray(head.length + 1)
      .toString()
      .split('\n');
    return { row: { ...row, studyId, type, body }, hash };
  }
  return null;
}

/** Puts the changed byte right in the text itself. */
function findChange(text: Buffer, from: number, wanted: Buffer, search: Search): boolean {
  const fits = (changes: readonly number[]): boolean => {
    const cost = text.length * text.length * changes.length;
    if (cost > search.bytesLeft) return false;
    search.bytesLeft -= cost;
    for (let at = from; at < text.length; at++) {
      const found = text[at] ?? 0;
      if (found === lineBreak) continue;
      for (const change of changes) {
        text[at] = found ^ change;
        if (digest('sha256', text, 'buffer').equals(wanted)) return true;
      }
      text[at] = found;
    }
    return false;
  };
  const bits = Array.from({ length: 8 }, (_, bit) => 1 << bit);
  if (fits(bits)) return true;
  const others = Array.from({ length: 255 }, (_, i) => i + 1).filter((change) => !bits.includes(change));
  return text.length * text.length * others.length <= maxHashed && fits(others);
}
