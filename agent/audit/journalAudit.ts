import type { JournalEntry } from '../protocol/events.ts';
import type { InvariantName, Violation } from './invariants.ts';

/**
 * Checks the invariants that a journal alone can show, event by event and in constant time each, without the program's
 * own fold: a fault in that would hide itself.
 */
export interface JournalAudit {
  /** Entries of all studies, in order. */
  see(entry: JournalEntry): readonly Violation[];
  /** What must hold when nothing goes on any more: of studies that ended, or all where none may be waiting. */
  end(): readonly Violation[];
  /** How often each invariant was checked. */
  readonly checks: ReadonlyMap<InvariantName, number>;
}
