import { isDeepStrictEqual } from 'node:util';
import type { Violation } from '../audit/invariants.ts';
import { createJournalAudit } from '../audit/journalAudit.ts';
import type { JournalEntry, OutputCursor, OutputStream, StudyEvent } from '../protocol/events.ts';
import type { AttemptKey, MetricValues } from '../protocol/study.ts';
import { createView, foldView, type StudyView } from '../protocol/view.ts';

/** A report as the journal has it: from which stream, up to which byte. */
export interface Told {
  readonly seq: number;
  readonly stream: OutputStream;
  readonly end: number;
  readonly step: number;
  readonly values: MetricValues;
}

export interface RecordedAttempt {
  readonly key: AttemptKey;
  readonly told: Told[];
  cursor: OutputCursor;
  /** Whether everything that it reported is to be in the journal: it ended by itself, as it should. */
  isWhole: boolean;
  hasDropped: boolean;
  isLive: boolean;
}

/** What the journal says, in one reading. */
export interface Records {
  readonly events: number;
  readonly lastSeq: number;
  /** Studies that are not deleted. */
  readonly views: ReadonlyMap<string, StudyView>;
  readonly deleted: ReadonlySet<string>;
  /** By `studyId/trial/attempt`; not of deleted studies. */
  readonly attempts: ReadonlyMap<string, RecordedAttempt>;
  readonly violations: readonly Violation[];
  /** How often an invariant was checked, all together. */
  readonly checks: number;
}

/**
 * Reads all events: folds them, audits them, and compares the views that a running agent showed before with the folds up
 * to the same event.
 */
export function readRecords(
  entries: Iterable<JournalEntry>,
  shown: ReadonlyMap<string, StudyView>,
  options: { readonly studyId?: string | undefined; readonly mayGoOn: (studyId: string) => boolean },
): Records {
  const audit = createJournalAudit();
  const violations: Violation[] = [];
  const views = new Map<string, StudyView>();
  const deleted = new Set<string>();
  const attempts = new Map<string, RecordedAttempt>();
  const uncompared = new Map(shown);
  const incomplete = new Set<string>();
  let events = 0;
  let lastSeq = 0;
  let nViews = 0;
  const compare = (studyId: string): void => {
    const view = uncompared.get(studyId);
    const folded = views.get(studyId);
    if (view === undefined) return;
    uncompared.delete(studyId);
    nViews++;
    // Over the wire it was JSON.
    if (folded !== undefined && isDeepStrictEqual(JSON.parse(JSON.stringify(folded)), view)) return;
    const what = `the agent shows another study than the fold of the journal up to event ${view.seq}`;
    violations.push({ invariant: 'view', studyId, what });
  };
  for (const entry of entries) {
    const { studyId, event, seq } = entry;
    lastSeq = seq;
    if (options.studyId !== undefined && options.studyId !== studyId) continue;
    events++;
    if (incomplete.has(studyId)) continue;
    try {
      violations.push(...audit.see(entry));
      if ((uncompared.get(studyId)?.seq ?? Infinity) < seq) compare(studyId);
      foldInto(views, entry);
      if (event.type === 'studyDeleted') {
        deleted.add(studyId);
        views.delete(studyId);
        for (const [text, { key }] of attempts) if (key.studyId === studyId) attempts.delete(text);
      } else if ('attempt' in event && !deleted.has(studyId)) {
        remember(attempts, studyId, event, seq);
      }
    } catch (error) {
      if (!isIncomplete(error)) throw error;
      incomplete.add(studyId);
      const what = `${event.type} is not as hpo writes it (${error.message}); no later event of ${studyId} is looked at`;
      violations.push({ invariant: 'order', studyId, seq, what });
    }
  }
  for (const studyId of uncompared.keys()) compare(studyId);
  violations.push(...audit.end(options.mayGoOn));
  const checks = nViews + [...audit.checks.values()].reduce((sum, count) => sum + count, 0);
  return { events, lastSeq, views, deleted, attempts, violations, checks };
}

/** What cannot be folded is among the violations. */
function foldInto(views: Map<string, StudyView>, entry: JournalEntry): void {
  const view = views.get(entry.studyId);
  try {
    if (view !== undefined) foldView(view, entry);
    else if (entry.event.type === 'studyCreated') views.set(entry.studyId, createView(entry));
  } catch (error) {
    if (!isIncomplete(error)) throw error;
  }
}

/** What comes of an event that lacks something, or speaks of what is not there. */
export function isIncomplete(error: unknown): error is RangeError | TypeError {
  return error instanceof RangeError || error instanceof TypeError;
}

function remember(
  attempts: Map<string, RecordedAttempt>,
  studyId: string,
  event: Extract<StudyEvent, { attempt: number }>,
  seq: number,
): void {
  const text = `${studyId}/${event.number}/${event.attempt}`;
  if (event.type === 'attemptRequested') {
    const key = { studyId, trial: event.number, attempt: event.attempt };
    attempts.set(text, { key, told: [], cursor: {}, isWhole: true, hasDropped: false, isLive: true });
    return;
  }
  const attempt = attempts.get(text);
  if (attempt === undefined) return;
  switch (event.type) {
    case 'metricReported': {
      const place = newPlace(attempt.cursor, event.cursor);
      attempt.cursor = event.cursor;
      if (place !== null) attempt.told.push({ seq, ...place, step: event.step, values: event.values });
      return;
    }
    case 'metricsDropped':
      attempt.hasDropped = true;
      return;
    case 'attemptStopRequested':
      attempt.isWhole = false;
      return;
    case 'attemptEnded':
      attempt.isLive = false;
      if (event.failure !== null) attempt.isWhole = false;
      return;
    default:
  }
}

/** The stream that a report is from: the one whose cursor moved. */
function newPlace(before: OutputCursor, cursor: OutputCursor): { readonly stream: OutputStream; readonly end: number } | null {
  for (const [name, end] of Object.entries(cursor)) {
    // The names of a cursor are streams.
    const stream = name as OutputStream;
    if (end !== undefined && end > (before[stream] ?? 0)) return { stream, end };
  }
  return null;
}
