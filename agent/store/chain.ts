import { hash } from 'node:crypto';

/** One row of `hpo_event`. */
export interface EventRow {
  readonly seq: number;
  readonly epoch: number;
  readonly studyId: string;
  readonly type: string;
  readonly body: string;
}

/** `prevHash` of the first event: 32 zero bytes. */
export const genesisHash: Uint8Array = new Uint8Array(32);

/**
 * SHA-256 over the previous hash in hex and the row, one field a line. Neither type nor body (JSON) can hold a line
 * break, so no two rows share a text. Anyone can check the chain with any SHA-256.
 */
export function eventHash(prevHash: Uint8Array, row: EventRow): Uint8Array {
  const text = `${hex(prevHash)}\n${row.seq}\n${row.epoch}\n${row.studyId}\n${row.type}\n${row.body}`;
  return hash('sha256', text, 'buffer');
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}
