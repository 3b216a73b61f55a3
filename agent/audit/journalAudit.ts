import type { JournalEntry } from '../protocol/events.ts';
import type { Check } from './check.ts';
import { type InvariantName, invariants, type Violation } from './invariants.ts';
import { StudyAudit } from './studyAudit.ts';

/**
 * Checks the invariants that a journal alone can show, event by event and in constant time each, without the program's
 * own fold: a fault in that would hide itself. An event that cannot follow from those before it is reported, and left out
 * of account from there on.
 */
export interface JournalAudit {
  /** Entries in order, of all studies or of those that are to be checked. */
  see(entry: JournalEntry): readonly Violation[];
  /**
   * What must hold when nothing goes on any more: every study has ended, or is paused and so waits for its user. Studies
   * for which `mayGoOn` holds, as those of a running agent, may do as they like.
   */
  end(mayGoOn?: (studyId: string) => boolean): readonly Violation[];
  /** How often each invariant was checked. */
  readonly checks: ReadonlyMap<InvariantName, number>;
}

export function createJournalAudit(): JournalAudit {
  return new Audit();
}

class Audit implements JournalAudit {
  readonly checks = new Map<InvariantName, number>();
  readonly #studies = new Map<string, StudyAudit>();
  #seq = 0;

  see(entry: JournalEntry): readonly Violation[] {
    const { seq, studyId, event } = entry;
    const found: Violation[] = [];
    const check = this.#checkInto(found, { studyId, seq });
    check('order', seq > this.#seq, () => `event ${seq} comes after event ${this.#seq}`);
    this.#seq = Math.max(this.#seq, seq);
    const known = this.#studies.get(studyId);
    if (known !== undefined) known.see(entry, check);
    else if (check('order', event.type === 'studyCreated', () => `${event.type} of a study that was never created`))
      this.#studies.set(studyId, new StudyAudit(entry));
    return found;
  }

  end(mayGoOn: (studyId: string) => boolean = () => false): readonly Violation[] {
    const found: Violation[] = [];
    for (const [studyId, study] of this.#studies) study.end(this.#checkInto(found, { studyId }), mayGoOn(studyId));
    return found;
  }

  #checkInto(found: Violation[], about: { readonly studyId: string; readonly seq?: number }): Check {
    return (invariant, isSo, what) => {
      this.checks.set(invariant, (this.checks.get(invariant) ?? 0) + 1);
      if (!isSo) found.push({ invariant, ...about, what: `${what()} (${invariants[invariant]})` });
      return isSo;
    };
  }
}
