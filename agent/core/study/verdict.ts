import type { Failure, MetricValues } from '../../protocol/study.ts';
import { unreachable } from '../../protocol/view.ts';
import { evaluate } from '../space/index.ts';
import { afterFailure } from './afterFailure.ts';
import { hasReachedTarget, isPastStop } from './budget.ts';
import { asNumbers } from './proposalBase.ts';
import type { LiveAttempt, StudyState, Verdict } from './state.ts';

/** How an attempt ended. */
export interface AttemptOutcome {
  readonly live: LiveAttempt;
  readonly failure: Failure | null;
  readonly exitCode: number | null;
  readonly signal: string | null;
  /** When, in ms since the epoch. */
  readonly at: number;
}

/** A further attempt. `hold`: only once the study, which pauses for a fault of the machine, is resumed. */
export interface Retry {
  readonly type: 'retry' | 'hold';
  readonly notBefore: number;
  readonly isAlone: boolean;
}

/** What follows for the trial when its attempt has ended. */
export function verdict(state: StudyState, outcome: AttemptOutcome): Verdict | Retry {
  const { live, failure, at } = outcome;
  if (failure === null) {
    const isStopped = live.stopReason !== null && !isPastStop(state, live, outcome.exitCode);
    return isStopped ? afterStop(state, outcome) : afterEnd(state, live);
  }
  const follows = afterFailure(state, live, failure);
  switch (follows.type) {
    case 'retry':
      return { type: 'retry', notBefore: at + follows.repetition.delayMs, isAlone: follows.repetition.isAlone };
    case 'hold':
      return { type: 'hold', notBefore: at, isAlone: false };
    case 'fail':
      return { type: 'end', state: 'failed', values: latest(state, live), failure };
    default:
      return unreachable(follows);
  }
}

function afterStop(state: StudyState, outcome: AttemptOutcome): ReturnType<typeof verdict> {
  const { live } = outcome;
  const values = latest(state, live);
  const why = live.stopReason;
  switch (why) {
    case 'pruned':
      return { type: 'end', state: 'pruned', values, failure: null };
    case 'paused':
      return { type: 'pause', resource: Math.min(live.lastStep, live.target ?? live.lastStep) };
    case 'studyPaused':
      return { type: 'retry', notBefore: outcome.at, isAlone: live.isAlone };
    case 'studyStopped': {
      // The user threw it away; a budget or a goal only cut it short, and what it reported still tells something.
      const isCutShort = state.view.endReason !== 'stopped' && Object.keys(values).length > 0;
      return { type: 'end', state: isCutShort ? 'pruned' : 'cancelled', values, failure: null };
    }
    case 'user':
    case 'outputLimit':
    case null:
      return { type: 'end', state: 'cancelled', values, failure: null };
    default:
      return unreachable(why);
  }
}

function afterEnd(state: StudyState, live: LiveAttempt): Verdict {
  const { fidelity } = state.view.spec;
  if (fidelity !== null && live.target !== null && live.target < fidelity.max && hasReachedTarget(live)) {
    return { type: 'pause', resource: live.target };
  }
  const values = latest(state, live);
  const isFeasible = state.constraints.every(
    (constraint) => evaluate(constraint, { ...state.trial(live.number).params, ...asNumbers(values) }) === true,
  );
  return { type: 'end', state: isFeasible ? 'complete' : 'infeasible', values, failure: null };
}

function latest(state: StudyState, live: LiveAttempt): MetricValues {
  return { ...state.latest.get(live.number) };
}
