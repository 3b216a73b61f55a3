import { join } from 'node:path';
import type { JournalEntry } from '../../agent/protocol/events.ts';
import { createView, foldView, type StudyView } from '../../agent/protocol/view.ts';

/** What a listener of the store hears: entries that were folded, or that everything was dropped to be read anew. */
export interface StoreChange {
  readonly entries: readonly JournalEntry[];
  readonly isReset: boolean;
}

/** Every study of the agent as this window sees it: the fold of the journal, kept over reconnects. */
export class StudyStore {
  readonly #studies = new Map<string, StudyView>();
  readonly #listeners = new Set<(change: StoreChange) => void>();
  #seq = 0;

  /** Where a subscription goes on: the last entry that was folded. */
  get seq(): number {
    return this.#seq;
  }

  get(studyId: string): StudyView | undefined {
    return this.#studies.get(studyId);
  }

  /** Newest first. */
  list(): readonly StudyView[] {
    return [...this.#studies.values()].sort((a, b) => b.createdAt - a.createdAt || (a.studyId < b.studyId ? 1 : -1));
  }

  /** Studies that run the script at this absolute path or tune a value in that file, newest first. */
  ofFile(path: string): readonly StudyView[] {
    return this.list().filter((view) => scriptPath(view) === path || tunesFile(view, path));
  }

  /** Everything anew: all studies as they were after the entry `seq`. */
  adopt(seq: number, views: readonly StudyView[]): void {
    this.#studies.clear();
    for (const view of views) this.#studies.set(view.studyId, view);
    this.#seq = seq;
    this.#tell({ entries: [], isReset: true });
  }

  /** Entries come in order; those seen before are skipped, so that a subscription may overlap the last one. */
  fold(entries: readonly JournalEntry[]): void {
    const fresh = entries.filter((entry) => entry.seq > this.#seq);
    for (const entry of fresh) {
      this.#seq = entry.seq;
      this.#foldOne(entry);
    }
    if (fresh.length > 0) this.#tell({ entries: fresh, isReset: false });
  }

  /** Forgets everything: the journal behind the connection is another one. */
  reset(): void {
    this.#studies.clear();
    this.#seq = 0;
    this.#tell({ entries: [], isReset: true });
  }

  onChange(listener: (change: StoreChange) => void): Disposable {
    this.#listeners.add(listener);
    return { [Symbol.dispose]: () => this.#listeners.delete(listener) };
  }

  #foldOne(entry: JournalEntry): void {
    if (entry.event.type === 'studyCreated') {
      this.#studies.set(entry.studyId, createView(entry));
      return;
    }
    const view = this.#studies.get(entry.studyId);
    if (view === undefined) return;
    foldView(view, entry);
    if (view.deleted) this.#studies.delete(entry.studyId);
  }

  #tell(change: StoreChange): void {
    for (const listener of this.#listeners) listener(change);
  }
}

/** Absolute path of the script that a study tunes; null for a study that only has a command. */
export function scriptPath(view: StudyView): string | null {
  return view.spec.script === null ? null : join(view.spec.root, view.spec.script);
}

function tunesFile(view: StudyView, path: string): boolean {
  return view.spec.space.parameters.some(({ site, literal }) => literal !== null && join(view.spec.root, site.file) === path);
}
