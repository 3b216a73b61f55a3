import type { OutputCursor, StudyEvent } from '../../protocol/events.ts';
import type { MetricValues } from '../../protocol/study.ts';
import { unreachable } from '../../protocol/view.ts';
import { classify, type AttemptEnding } from './classify.ts';
import type { LiveAttempt, StudyState } from './state.ts';

/** What an executor saw of an attempt. */
export type Observation =
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
  /** It prints more than a trial may. */
  | { readonly type: 'outputLimit'; readonly number: number; readonly attempt: number }
  | ({ readonly type: 'ended'; readonly number: number; readonly attempt: number } & AttemptEnding);

/**
 * Admits what was seen, as events to record; none for what is late, repeated, or of an attempt that no longer counts.
 */
export function observe(state: StudyState, observation: Observation, now: number): readonly StudyEvent[] {
  const { number, attempt } = observation;
  const live = state.live.get(number);
  if (live === undefined || live.attempt !== attempt) return [];
  switch (observation.type) {
    case 'started': {
      // An attempt that is being stopped stays so.
      const isNew = state.trial(number).attempts[attempt - 1]?.state === 'requested';
      return isNew ? [{ type: 'attemptStarted', at: now, number, attempt, pid: observation.pid }] : [];
    }
    case 'metric': {
      const { step, values, cursor } = observation;
      return isCounted(live) ? [{ type: 'metricReported', at: now, number, attempt, step, values, cursor }] : [];
    }
    case 'outputLimit': {
      if (live.stopReason !== null) return [];
      const message = 'it prints more than a trial may';
      return [{ type: 'attemptStopRequested', at: now, number, attempt, why: 'outputLimit', message }];
    }
    case 'ended': {
      const { exitCode, signal } = observation;
      return [
        { type: 'attemptEnded', at: now, number, attempt, exitCode, signal, failure: classify(state, live, observation, now) },
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
