import type { Rate } from '../../protocol/metered.ts';
import { isMeteredAffordable, meteredDeadline } from './metered.ts';
import type { StudyState, LiveAttempt } from './state.ts';
import type { AttemptOutcome } from './verdict.ts';

/** Whether an attempt that may consume `cost` of the resource, and uses up `rate` while it runs, fits into the budgets. */
export function isAffordable(state: StudyState, cost: number, rate: Rate | null): boolean {
  return fitsResource(state, cost) && isMeteredAffordable(state, rate);
}

/** Whether an attempt that may consume `cost` still fits into the budget of resource, live attempts counted in full. */
export function fitsResource(state: StudyState, cost: number): boolean {
  const { resource } = state.view.spec.budget;
  // Sums of fractions such as 0.1 end a little beside the budget.
  return resource === null || state.spent + state.reserved + cost <= resource * (1 + 1e-9);
}

/**
 * Whether a start fits into the budgets, as `isAffordable`. In batches, as to the resource, each start before it counts with all that it
 * may consume until the batch has ended, so that it does not matter who ends first.
 */
export function mayStart(state: StudyState, cost: number, rate: Rate | null): boolean {
  const { batch, view } = state;
  const { resource } = view.spec.budget;
  if (!isAffordable(state, cost, rate)) return false;
  return resource === null || batch === null || batch.spentBefore + batch.cost + cost <= resource * (1 + 1e-9);
}

/** What an attempt of the trial up to `target` may consume: the target, less what a checkpoint keeps. Zero without a fidelity. */
export function startCost(state: StudyState, number: number, target: number | null): number {
  if (target === null) return 0;
  return target - (state.view.spec.checkpoint === null ? 0 : Math.min(state.trial(number).resource, target));
}

/** What is set aside for a live attempt. */
export function reservation(live: LiveAttempt): number {
  return live.target === null ? 0 : live.target - live.base;
}

/**
 * Resource that an ended attempt is charged, counted by its steps. One that had to redo steps (a checkpoint older than its
 * last report) pays for them again; steps beyond the target are those of a script that counts something else.
 *
 * In batches one that the scheduler stopped (`isStopped`) pays up to the report that decided, which is the last that counts: how far it
 * came before it heard of that depends on the machine. What it did beyond, at most up to its target, is consumed without being charged.
 */
export function attemptCost(live: LiveAttempt, outcome: Pick<AttemptOutcome, 'failure'>, isStopped: boolean): number {
  if (live.target === null) return 0;
  const isWhole = !isStopped && outcome.failure === null && live.stopReason === null && hasReachedTarget(live);
  const end = isWhole ? live.target : Math.min(live.lastStep, live.target);
  // Only a step that was reported before is redone: between the last report and a target that counted as reached, the first
  // training may have been what this attempt now does.
  const isRedone = live.nReports > 1 && live.firstStep <= live.reportedBefore;
  const begin = isRedone ? Math.min(live.base, Math.max(0, live.firstStep - 1)) : live.base;
  return Math.max(0, end - begin);
}

/**
 * Whether an attempt that ended by itself did what it was asked for, rather than stopping early of its own accord. A script
 * that reports once tells its result; one that reports every few steps would have reported next at or after the target.
 */
export function hasReachedTarget(live: LiveAttempt): boolean {
  if (live.target === null || live.nReports <= 1) return true;
  return live.lastStep + Math.max(1, live.lastStep - live.previousStep) >= live.target;
}

/**
 * Whether an attempt that was asked to stop had come to its end before it heard of it: it ended by itself, after it had
 * reported its target. One that is not to wait but to end for good must have reported the full resource, and every metric
 * that counts, for nothing that it reports after the request is known.
 */
export function isPastStop(state: StudyState, live: LiveAttempt, exitCode: number | null): boolean {
  if (live.stopReason === null || exitCode !== 0 || !hasReportedTarget(live)) return false;
  if (live.stopReason === 'studyPaused') return true;
  const latest = state.latest.get(live.number) ?? {};
  return hasReportedAll(state, live) && state.requiredMetrics.every((name) => latest[name] !== undefined);
}

/** Whether a report says that the full resource was spent: a stop would save nothing. */
export function hasReportedAll({ view }: StudyState, live: LiveAttempt): boolean {
  return hasReportedTarget(live) && live.target === view.spec.fidelity?.max;
}

function hasReportedTarget(live: LiveAttempt): boolean {
  return live.nReports > 0 && live.target !== null && live.lastStep >= live.target;
}

/** When the budget of time runs out, in ms since the epoch; null without one or while the study does not run. */
export function timeDeadline(state: StudyState): number | null {
  const { wallTimeMs } = state.view.spec.budget;
  if (wallTimeMs === null || state.idleSince !== null) return null;
  return state.view.createdAt + state.idleMs + wallTimeMs;
}

/** When any budget runs out if nothing else happens. */
export function deadline(state: StudyState): number | null {
  const at = Math.min(timeDeadline(state) ?? Infinity, meteredDeadline(state) ?? Infinity);
  return at === Infinity ? null : at;
}

/** Whether the budget allows one more trial. */
export function mayCreate(state: StudyState): boolean {
  const { trials } = state.view.spec.budget;
  return trials === null || state.view.trials.length < trials;
}
