import type { JournalEntry } from '../protocol/events.ts';
import type { DriverPorts } from './ports.ts';

/** Entries of the past that are sent at once; between two chunks the agent does other work. */
const chunkEntries = 1_000;
/** Entries that may wait in memory for a reader; the rest waits for it in the journal. */
const maxUnsent = 5_000;

/** Takes entries; a promise says when they have left, and that more are wanted. */
export type EntrySink = (entries: readonly JournalEntry[]) => unknown;

interface Subscription {
  readonly studyId: string | null;
  readonly onEntries: EntrySink;
  /** Up to where the journal has been looked through. */
  cursor: number;
  /** False while the past is still being sent. */
  isLive: boolean;
  /** Entries that were handed over and have not left. */
  nUnsent: number;
  isDisposed: boolean;
}

/** Readers of the journal with a cursor each: a client that was away is the same case as a new one. */
export class Subscriptions implements Disposable {
  readonly #ports: Pick<DriverPorts, 'journal' | 'clock'>;
  readonly #all = new Set<Subscription>();

  constructor(ports: Pick<DriverPorts, 'journal' | 'clock'>) {
    this.#ports = ports;
  }

  add(studyId: string | null, from: number, onEntries: EntrySink): Disposable {
    const subscription: Subscription = { studyId, onEntries, cursor: from, isLive: false, nUnsent: 0, isDisposed: false };
    this.#all.add(subscription);
    this.#ports.clock.soon(() => this.#catchUp(subscription));
    return {
      [Symbol.dispose]: () => {
        subscription.isDisposed = true;
        this.#all.delete(subscription);
      },
    };
  }

  /** Entries that were just appended. */
  publish(entries: readonly JournalEntry[]): void {
    const first = entries[0];
    const last = entries.at(-1);
    if (first === undefined || last === undefined) return;
    for (const subscription of this.#all) {
      if (!subscription.isLive) continue;
      const { studyId, cursor } = subscription;
      // An append may say that it failed and be in the journal all the same: what nobody was told of is read from there. So
      // does whoever does not keep up, as soon as what is on its way has left.
      if (first.seq > cursor + 1 || subscription.nUnsent > maxUnsent) {
        subscription.isLive = false;
        if (subscription.nUnsent === 0) this.#ports.clock.soon(() => this.#catchUp(subscription));
        continue;
      }
      // A cursor of another journal may be ahead of this one.
      const wanted = entries.filter((entry) => entry.seq > cursor && (studyId === null || entry.studyId === studyId));
      subscription.cursor = Math.max(cursor, last.seq);
      if (wanted.length > 0) this.#send(subscription, wanted);
    }
  }

  [Symbol.dispose](): void {
    for (const subscription of this.#all) subscription.isDisposed = true;
    this.#all.clear();
  }

  /** Appending and publishing happen in one go, so a reader that found nothing more in the journal misses nothing by going live. */
  #catchUp(subscription: Subscription): void {
    if (subscription.isDisposed) return;
    const chunk: JournalEntry[] = [];
    for (const entry of this.#ports.journal.read(subscription.studyId, subscription.cursor)) {
      chunk.push(entry);
      if (chunk.length === chunkEntries) break;
    }
    const last = chunk.at(-1);
    if (last === undefined) {
      subscription.isLive = true;
      subscription.cursor = Math.max(subscription.cursor, this.#ports.journal.lastSeq());
      return;
    }
    subscription.cursor = last.seq;
    this.#send(subscription, chunk);
    if (subscription.nUnsent === 0) this.#ports.clock.soon(() => this.#catchUp(subscription));
  }

  #send(subscription: Subscription, entries: readonly JournalEntry[]): void {
    const sending = subscription.onEntries(entries);
    if (!(sending instanceof Promise)) return;
    subscription.nUnsent += entries.length;
    const sent = (): void => {
      subscription.nUnsent -= entries.length;
      if (subscription.nUnsent === 0 && !subscription.isLive) this.#catchUp(subscription);
    };
    // What cannot be sent ends with its connection, which disposes of the subscription.
    sending.then(sent, () => undefined);
  }
}
