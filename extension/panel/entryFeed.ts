import type { JournalEntry } from '../../agent/protocol/events.ts';
import type { StudyView } from '../../agent/protocol/view.ts';
import type { ToPage } from '../../webview/contract.ts';
import type { StoreChange, StudyStore } from '../client/studyStore.ts';
import { throttle } from '../client/throttle.ts';

const batchMs = 250;

/** What a page is told of one study: the whole of it when it asks, then what happens, in at most four messages a second. */
export class EntryFeed implements Disposable {
  readonly #store: StudyStore;
  readonly #post: (message: ToPage) => void;
  readonly #flush = throttle(() => this.#send(), batchMs);
  readonly #following: Disposable;
  #studyId: string;
  #queue: JournalEntry[] = [];
  /** Sequence number up to which the page knows the study; null before it has it. */
  #sent: number | null = null;

  constructor(store: StudyStore, studyId: string, post: (message: ToPage) => void) {
    this.#store = store;
    this.#studyId = studyId;
    this.#post = post;
    this.#following = store.onChange((change) => this.#receive(change));
  }

  get studyId(): string {
    return this.#studyId;
  }

  /** Another study in the same page. */
  choose(studyId: string): void {
    this.#studyId = studyId;
    this.sendStudy();
  }

  /** Sends the whole study; false while the store does not have it. What was queued is part of it. */
  sendStudy(): boolean {
    this.#queue = [];
    this.#sent = null;
    const view: StudyView | undefined = this.#store.get(this.#studyId);
    if (view === undefined) return false;
    this.#sent = view.seq;
    this.#post({ type: 'study', view });
    this.#post({ type: 'notice', notice: null });
    return true;
  }

  [Symbol.dispose](): void {
    this.#following[Symbol.dispose]();
    this.#flush.cancel();
  }

  #receive({ entries, isReset }: StoreChange): void {
    if (isReset) {
      this.sendStudy();
      return;
    }
    const own = entries.filter((entry) => entry.studyId === this.#studyId);
    const last = own.at(-1);
    if (last === undefined) return;
    if (last.event.type === 'studyDeleted') {
      this.#sent = null;
      this.#post({ type: 'notice', notice: { severity: 'info', text: 'This study was deleted.' } });
    } else if (this.#sent === null) {
      this.sendStudy();
    } else {
      this.#queue.push(...own);
      this.#flush.call();
    }
  }

  #send(): void {
    const entries = this.#queue;
    const last = entries.at(-1);
    if (last === undefined || this.#sent === null) return;
    this.#queue = [];
    const after = this.#sent;
    this.#sent = last.seq;
    this.#post({ type: 'entries', studyId: this.#studyId, entries, after });
  }
}
