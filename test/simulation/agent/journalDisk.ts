import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { JournalEntry } from '../../../agent/protocol/events.ts';

/**
 * The journal's file: an SQLite database that several agents open and that keeps what was committed, as a disk does.
 * SQLite's own `memdb` shares one between connections by name, for as long as one is open: this one. What the agents do to it
 * is the real journal's doing; only a flush is one by definition here.
 */
export class JournalDisk implements Disposable {
  readonly path: string;
  readonly #db: DatabaseSync;
  #select: StatementSync | null = null;

  constructor(name: string) {
    this.path = `file:/${name}?vfs=memdb`;
    this.#db = new DatabaseSync(this.path);
  }

  /** What is committed with a sequence number above `from`, read past all agents. */
  read(from: number): { readonly entry: JournalEntry; readonly hash: string }[] {
    if (this.#select === null) {
      const isThere = this.#db.prepare(`SELECT 1 FROM sqlite_master WHERE name = 'hpo_event'`).get() !== undefined;
      if (!isThere) return [];
      this.#select = this.#db.prepare('SELECT seq, studyId, body, hash FROM hpo_event WHERE seq > ? ORDER BY seq');
    }
    return this.#select.all(from).map((row) => ({
      entry: { seq: Number(row['seq']), studyId: String(row['studyId']), event: JSON.parse(String(row['body'])) },
      hash: Buffer.from(row['hash'] instanceof Uint8Array ? row['hash'] : []).toString('hex'),
    }));
  }

  [Symbol.dispose](): void {
    this.#db.close();
  }
}
