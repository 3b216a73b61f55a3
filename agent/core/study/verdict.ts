import type { Failure, MetricValues } from '../../protocol/study.ts';
import { unreachable } from '../../protocol/view.ts';
import { evaluate } from '../space/index.ts';
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

/** Attempts that a trial may lose to the infrastructure; after the last it fails. */
export const maxLost = 3;
/** Wait before a lost attempt is repeated: this long, and four times as long after each further one. */
export const retryDelayMs = 1_000;

/** What follows for the trial when its attempt has ended. */
export function verdict(
  state: StudyState,
  outcome: AttemptOutcome,
): Verdict | { readonly type: 'retry'; readonly notBefore: number } {
  const { live, failure } = outcome;
  if (failure === null) {
    const isStopped = live.stopReason !== null && !isPastStop(state, live, outcome.exitCode);
    return isStopped ? afterStop(state, outcome) : afterEnd(state, live);
  }
  if (failure.kind === 'preempted') return { type: 'retry', notBefore: outcome.at };
  if (failure.kind === 'infrastructure') {
    const nLost = (state.nLost.get(live.number) ?? 0) + 1;
    if (nLost < maxLost) return { type: 'retry', notBefore: outcome.at + retryDelayMs * 4 ** (nLost - 1) };
  }
  return { type: 'end', state: 'failed', values: latest(state, live), failure };
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
      return { type: 'retry', notBefore: outcome.at };
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
