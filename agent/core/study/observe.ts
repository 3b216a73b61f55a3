import type { Dropped, OutputCursor, OutputStream, StudyEvent } from '../../protocol/events.ts';
import type { MetricValues, WaitReason } from '../../protocol/study.ts';
import { unreachable } from '../../protocol/view.ts';
import { withWhatFollows } from './afterFailure.ts';
import { classify, type AttemptEnding } from './classify.ts';
import type { LiveAttempt, StudyState } from './state.ts';

/** What an executor saw of an attempt. */
export type Observation =
  /** Why it has not begun. */
  | { readonly type: 'waits'; readonly number: number; readonly attempt: number; readonly reason: WaitReason | null }
  | { readonly type: 'started'; readonly number: number; readonly attempt: number; readonly pid: number | null }
  | {
      readonly type: 'metric';
      readonly number: number;
      readonly attempt: number;
      /** Resource spent so far, from 1. */
      readonly step: number;
      readonly values: MetricValues;
      readonly cursor: OutputCursor;
    }
  /** Of what it reported up to the cursor, this much was left out. */
  | {
      readonly type: 'dropped';
      readonly number: number;
      readonly attempt: number;
      readonly dropped: readonly Dropped[];
      readonly cursor: OutputCursor;
    }
  /** It prints more than a trial may. */
  | { readonly type: 'outputLimit'; readonly number: number; readonly attempt: number }
  | ({ readonly type: 'ended'; readonly number: number; readonly attempt: number } & AttemptEnding);

/**
 * Admits what was seen, as events to record; none for what is late, repeated, or of an attempt that no longer counts.
 */
export function observe(state: StudyState, observation: Observation, now: number): readonly StudyEvent[] {
  const { number, attempt } = observation;
  // What is seen of a study that another agent acts on is for that one to record.
  if (state.view.movedTo !== null) return [];
  const live = state.live.get(number);
  if (live === undefined || live.attempt !== attempt) return [];
  switch (observation.type) {
    case 'waits': {
      const { reason } = observation;
      const view = state.trial(number).attempts[attempt - 1];
      const isNew = view?.state === 'requested' && (view.waits?.kind !== reason?.kind || view.waits?.message !== reason?.message);
      return isNew ? [{ type: 'attemptWaits', at: now, number, attempt, reason }] : [];
    }
    case 'started': {
      // An attempt that is being stopped stays so.
      const isNew = state.trial(number).attempts[attempt - 1]?.state === 'requested';
      return isNew ? [{ type: 'attemptStarted', at: now, number, attempt, pid: observation.pid }] : [];
    }
    case 'metric': {
      const { step, values, cursor } = observation;
      return isCounted(live) && isNews(live.cursor, cursor)
        ? [{ type: 'metricReported', at: now, number, attempt, step, values, cursor }]
        : [];
    }
    case 'dropped': {
      // It may end where the last report does, of which it is a part.
      const { dropped, cursor } = observation;
      const isAfter = isNews(live.droppedCursor, cursor) && !isNews(cursor, live.cursor);
      return isCounted(live) && isAfter ? [{ type: 'metricsDropped', at: now, number, attempt, dropped, cursor }] : [];
    }
    case 'outputLimit': {
      if (live.stopReason !== null) return [];
      const message = 'it prints more than a trial may';
      return [{ type: 'attemptStopRequested', at: now, number, attempt, why: 'outputLimit', message }];
    }
    case 'ended': {
      const { exitCode, signal } = observation;
      const failure = classify(state, live, observation, now);
      return [
        {
          type: 'attemptEnded',
          at: now,
          number,
          attempt,
          exitCode,
          signal,
          failure: failure && withWhatFollows(state, live, failure),
        },
      ];
    }
    default:
      return unreachable(observation);
  }
}

/** What is reported after a stop changes nothing, unless the attempt will be continued: then the report will not come again. */
function isCounted({ stopReason }: LiveAttempt): boolean {
  return stopReason === null || stopReason === 'studyPaused' || stopReason === 'paused';
}

/** Whether it was read from beyond all that has been recorded of the attempt. */
function isNews(recorded: OutputCursor, cursor: OutputCursor): boolean {
  let isFarther = false;
  // Streams by name: the keys of two cursors.
  for (const stream of Object.keys({ ...recorded, ...cursor }) as OutputStream[]) {
    const change = (cursor[stream] ?? 0) - (recorded[stream] ?? 0);
    if (change < 0) return false;
    if (change > 0) isFarther = true;
  }
  return isFarther;
}
