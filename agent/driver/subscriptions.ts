import type { JournalEntry } from '../protocol/events.ts';
import type { DriverPorts } from './ports.ts';

/** Entries of the past that are sent at once; between two chunks the agent does other work. */
const chunkEntries = 1_000;

interface Subscription {
  readonly studyId: string | null;
  readonly onEntries: (entries: readonly JournalEntry[]) => void;
  /** Last sequence number sent. */
  cursor: number;
  /** False while the past is still being sent. */
  isLive: boolean;
  isDisposed: boolean;
}

/** Readers of the journal with a cursor each: a client that was away is the same case as a new one. */
export class Subscriptions implements Disposable {
  readonly #ports: Pick<DriverPorts, 'journal' | 'clock'>;
  readonly #all = new Set<Subscription>();

  constructor(ports: Pick<DriverPorts, 'journal' | 'clock'>) {
    this.#ports = ports;
  }

  add(studyId: string | null, from: number, onEntries: (entries: readonly JournalEntry[]) => void): Disposable {
    const subscription: Subscription = { studyId, onEntries, cursor: from, isLive: false, isDisposed: false };
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
    if (entries.length === 0) return;
    for (const subscription of this.#all) {
      if (!subscription.isLive) continue;
      const { studyId, cursor } = subscription;
      // A cursor of another journal may be ahead of this one.
      const wanted = entries.filter((entry) => entry.seq > cursor && (studyId === null || entry.studyId === studyId));
      if (wanted.length > 0) subscription.onEntries(wanted);
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
      return;
    }
    subscription.cursor = last.seq;
    subscription.onEntries(chunk);
    this.#ports.clock.soon(() => this.#catchUp(subscription));
  }
}
