import { withoutDurations } from '../../protocol/failureAdvice.ts';
import type { Objective } from '../../protocol/space.ts';
import { endedTrialStates, type Failure, type MetricValues, type StudyEndReason } from '../../protocol/study.ts';
import { metricNumber } from '../../protocol/view.ts';
import { mayCreate, timeDeadline } from './budget.ts';
import { duration } from './classify.ts';
import { failureCodes } from './failurePolicy.ts';
import { isMeteredAffordable, meteredEnd, usedUp } from './metered.ts';
import { plateauEnd } from './plateau.ts';
import type { StudyState } from './state.ts';

export interface StudyEnd {
  readonly reason: StudyEndReason;
  /** For people. */
  readonly message: string;
}

/** Why the study is to end now although trials may still run, or null. */
export function endNow(state: StudyState, now: number): StudyEnd | null {
  return goalEnd(state) ?? timeEnd(state, now) ?? meteredEnd(state, now);
}

/** How a study ends in which nothing is left to do. `exhausted`: the sampler's reason for having no further point. */
export function endOfWork(state: StudyState, exhausted: string | null): StudyEnd {
  const { spec, trials } = state.view;
  const { streak, reopened } = state;
  if (state.nSucceeded === 0 && streak.failure !== null) {
    return { reason: 'failed', message: sameCause(state, streak.count, trials.length, streak.failure) };
  }
  if (reopened !== null) return reopened;
  if (exhausted !== null) return { reason: 'exhausted', message: exhausted };
  if (spec.budget.trials !== null && trials.length >= spec.budget.trials) {
    return { reason: 'budget', message: `${trials.length === 1 ? 'The trial is' : `All ${trials.length} trials are`} done.` };
  }
  const plateau = plateauEnd(state);
  if (plateau !== null) return plateau;
  if (!isMeteredAffordable(state, state.rateOf()))
    return { reason: 'budget', message: `${usedUp(state)} The rest is too little for another trial.` };
  const left = Math.max(0, (spec.budget.resource ?? 0) - state.spent);
  const unit = spec.fidelity?.name ?? 'resource';
  const message = `The budget of ${spec.budget.resource ?? 0} ${unit} is used: ${round(state.spent)} were, and ${round(left)} are too few for another start.`;
  return { reason: 'budget', message };
}

export function goalReached(objectives: readonly Objective[], values: MetricValues): boolean {
  const goals = objectives.filter((objective) => objective.goal !== null);
  return (
    goals.length > 0 &&
    goals.every(({ metric, direction, goal }) => {
      const value = metricNumber(values[metric]);
      return goal !== null && Number.isFinite(value) && (direction === 'min' ? value <= goal : value >= goal);
    })
  );
}

/** Equal for failures with one cause: durations, and digits with what hangs on them, vary from trial to trial. */
export function failureSignature({ code, message }: Failure): string {
  return `${code} ${withoutDurations(message)
    .slice(0, 400)
    .replaceAll(/[-+]?\d[\w.+-]*/g, '#')}`;
}

function goalEnd({ goalTrial, view, reopened }: StudyState): StudyEnd | null {
  // Whoever retries a trial of a study that has reached its goal wants more.
  if (goalTrial === null || reopened?.reason === 'goal') return null;
  const values = view.trials[goalTrial]?.values ?? {};
  const goals = view.spec.objectives.filter(({ goal }) => goal !== null);
  const reached = goals.map(({ metric, goal }) => `${metric} ${String(values[metric])} (goal ${String(goal)})`).join(', ');
  return { reason: 'goal', message: `Trial ${goalTrial} reached the goal: ${reached}.` };
}

export interface SelfPause {
  /** For people. */
  readonly reason: string;
  readonly failure: Failure;
}

/**
 * Why the study is to pause itself, or null. A study in which nothing has worked and everything fails alike waits for its user
 * before its budget is burnt: after the first trial where the script cannot even begin, else when as many as start together, and
 * at least three, failed with one cause. So does one on a machine on which no attempt can work. Where nothing would be left to
 * do after a resume, the study ends instead.
 */
export function selfPause(state: StudyState): SelfPause | null {
  const { streak, view, machineFault } = state;
  if (machineFault !== null) {
    const where = view.spec.cluster === undefined ? 'this machine' : 'the cluster';
    return { reason: `No trial can run on ${where} at present: ${machineFault.message}`, failure: machineFault };
  }
  const { failure, count } = streak;
  if (failure === null || count === 0 || state.nSucceeded > 0) return null;
  const cannotBegin = (failure.code === failureCodes.start || failure.code === failureCodes.module) && !state.hasReported;
  if (!cannotBegin && count < Math.max(3, state.batch?.size ?? view.parallel)) return null;
  const isWorkLeft = state.waiting.size > 0 || state.paused.size > 0 || (state.reopened === null && mayCreate(state));
  if (!isWorkLeft) return null;
  let nEnded = 0;
  for (const trial of view.trials) if (isEnded(trial.state)) nEnded++;
  return { reason: sameCause(state, count, nEnded, failure), failure };
}

function sameCause(state: StudyState, nSame: number, nEnded: number, failure: Failure): string {
  const [first] = state.view.trials;
  if (nEnded === 1)
    return first?.origin === 'default'
      ? `The script failed with its own values: ${failure.message}`
      : `The trial failed: ${failure.message}`;
  if (nSame <= 1) return `None of ${nEnded} trials succeeded, and the last one failed: ${failure.message}`;
  return nSame === nEnded
    ? `All ${nEnded} trials failed with the same error: ${failure.message}`
    : `The last ${nSame} of ${nEnded} trials failed with the same error and none succeeded: ${failure.message}`;
}

function timeEnd(state: StudyState, now: number): StudyEnd | null {
  const end = timeDeadline(state);
  if (end === null || now < end) return null;
  return { reason: 'budget', message: `The time budget of ${duration(state.view.spec.budget.wallTimeMs ?? 0)} is used.` };
}

function isEnded(state: string): boolean {
  return (endedTrialStates as readonly string[]).includes(state);
}

function round(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}
