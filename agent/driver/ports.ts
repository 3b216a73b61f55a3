import type { JournalEntry, StudyEvent } from '../protocol/events.ts';

/** The journal as the driver needs it. Implemented by `store/journal.ts`. */
export interface Journal {
  /**
   * Appends all events in one durable transaction (and updates the derived tables in it), or throws and appends none.
   * Events of one call may belong to several studies; order is kept.
   */
  append(events: readonly { readonly studyId: string; readonly event: StudyEvent }[]): readonly JournalEntry[];
  /** Entries with seq > from in order; of one study, or of all when studyId is null. */
  read(studyId: string | null, from: number): Iterable<JournalEntry>;
  /** Ids of all studies that are not deleted, oldest first. */
  studies(): readonly string[];
}

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}
