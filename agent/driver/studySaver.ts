import { loadStudy, savedPageSize, savePage, saveRest, type StudyState } from '../core/study/index.ts';
import type { JournalEntry } from '../protocol/events.ts';
import type { DriverPorts } from './ports.ts';
import { messageOf } from './study.ts';

/** Entries after which a study's state is saved anew: folding as many takes less than half a second. */
const entriesBetweenSaves = 50_000;
/** Entries that are worth saving when the agent ends. */
const entriesAtEnd = 2_000;
/** Pages that are saved in one go when a state is completed, and the pause between those before. */
const lastPages = 4;
const pauseMs = 5;

interface Unsaved {
  /** Pages of trials that have changed since they were saved. */
  readonly pages: Set<number>;
  /** Entries since the last state that was completed. */
  nEntries: number;
  timer: Disposable | null;
}

/**
 * Saves the states of large studies now and then, a page at a time so that nobody waits for it, and finds them again when
 * the journal is opened. What goes wrong with it is said in the log and does no harm: the journal has everything.
 */
export class StudySaver implements Disposable {
  readonly #ports: Pick<DriverPorts, 'saved' | 'clock' | 'log'>;
  readonly #stateOf: (studyId: string) => StudyState | undefined;
  readonly #unsaved = new Map<string, Unsaved>();
  #isBroken = false;

  constructor(ports: Pick<DriverPorts, 'saved' | 'clock' | 'log'>, stateOf: (studyId: string) => StudyState | undefined) {
    this.#ports = ports;
    this.#stateOf = stateOf;
  }

  /** The state that was saved; null where none can be used. */
  load(created: JournalEntry): StudyState | null {
    const { studyId } = created;
    try {
      const saved = this.#ports.saved?.load(studyId) ?? null;
      if (saved === null) return null;
      const state = loadStudy(created, saved.rest, saved.pages);
      // Nothing of it has to be saved again.
      this.#unsaved.set(studyId, { pages: new Set(), nEntries: 0, timer: null });
      return state;
    } catch (error) {
      this.#ports.log.error('a saved state cannot be used; the journal is folded instead', { studyId, error: messageOf(error) });
      return null;
    }
  }

  /** An entry was folded, or read from the journal. */
  folded({ studyId, event }: JournalEntry): void {
    if (this.#ports.saved == null) return;
    const unsaved = this.#of(studyId);
    unsaved.nEntries++;
    if ('number' in event) unsaved.pages.add(pageOf(event.number));
    else if (event.type === 'batchEnded') for (const number of event.trials) unsaved.pages.add(pageOf(number));
  }

  /** What was folded last has not happened: it may be in any page. */
  reread(studyId: string): void {
    this.#unsaved.get(studyId)?.timer?.[Symbol.dispose]();
    this.#unsaved.delete(studyId);
  }

  /** All that was folded is in the journal. */
  committed(): void {
    if (this.#isBroken) return;
    for (const [studyId, unsaved] of this.#unsaved)
      if (unsaved.nEntries >= entriesBetweenSaves && unsaved.timer === null) this.#plan(studyId, unsaved);
  }

  forget(studyId: string): void {
    this.reread(studyId);
    this.#try(studyId, () => this.#ports.saved?.forget(studyId));
  }

  /** The agent ends, and everything that was folded is in the journal. */
  [Symbol.dispose](): void {
    for (const [studyId, unsaved] of this.#unsaved) {
      unsaved.timer?.[Symbol.dispose]();
      if (unsaved.nEntries >= entriesAtEnd) this.#complete(studyId, unsaved);
    }
  }

  #of(studyId: string): Unsaved {
    let unsaved = this.#unsaved.get(studyId);
    if (unsaved === undefined) {
      unsaved = { pages: new Set(), nEntries: 0, timer: null };
      this.#unsaved.set(studyId, unsaved);
    }
    return unsaved;
  }

  #plan(studyId: string, unsaved: Unsaved): void {
    unsaved.timer = this.#ports.clock.after(pauseMs, () => this.#step(studyId, unsaved));
  }

  #step(studyId: string, unsaved: Unsaved): void {
    unsaved.timer = null;
    const state = this.#stateOf(studyId);
    if (this.#isBroken || state === undefined) return;
    if (unsaved.pages.size <= lastPages) {
      this.#complete(studyId, unsaved);
      return;
    }
    const [page] = unsaved.pages;
    if (page === undefined) return;
    unsaved.pages.delete(page);
    this.#try(studyId, () => this.#ports.saved?.savePage(studyId, page, state.view.seq, savePage(state, page)));
    this.#plan(studyId, unsaved);
  }

  #complete(studyId: string, unsaved: Unsaved): void {
    const state = this.#stateOf(studyId);
    if (state === undefined || this.#isBroken) return;
    this.#try(studyId, () => {
      const pages = [...unsaved.pages].map((page) => [page, savePage(state, page)] as const);
      const nPages = Math.ceil(state.view.trials.length / savedPageSize);
      this.#ports.saved?.save(studyId, state.view.seq, saveRest(state), nPages, pages);
      unsaved.pages.clear();
      unsaved.nEntries = 0;
    });
  }

  /** After one failure no more is saved in this life: a full disk is needed for the journal. */
  #try(studyId: string, act: () => void): void {
    try {
      act();
    } catch (error) {
      this.#isBroken = true;
      this.#ports.log.error('the state of a study cannot be saved; it will be folded from the journal', {
        studyId,
        error: messageOf(error),
      });
    }
  }
}

function pageOf(number: number): number {
  return Math.floor(number / savedPageSize);
}
