import type { Objective } from '../agent/protocol/space.ts';
import { metricNumber, stateHere, type StudyView, type TrialView } from '../agent/protocol/view.ts';
import { currencyOf, formatMoney, gpuHours, studyUse } from '../agent/protocol/metered.ts';
import { formatDuration, formatNumber } from '../agent/protocol/format.ts';
import { shownState, waitsOf } from '../agent/protocol/waits.ts';

/** What the numbers of a study mean. Everything here is a pure function of the view and, where it says so, of the time. */

/** The objective that the panel ranks and draws by; null for a study without one. */
export function mainObjective(view: StudyView): Objective | null {
  return view.spec.objectives[0] ?? null;
}

export interface TrialValue {
  readonly value: number;
  /** False while it is the latest report of a trial that has not ended. */
  readonly isFinal: boolean;
}

/** A trial's value of a metric: the final one, else the latest that was reported, else null. */
export function trialValue(trial: TrialView, metric: string): TrialValue | null {
  const final = trial.values[metric];
  if (final !== undefined) return { value: metricNumber(final), isFinal: true };
  const report = trial.curve.findLast((point) => point.values[metric] !== undefined);
  return report === undefined ? null : { value: metricNumber(report.values[metric]), isFinal: false };
}

export function isEnded(trial: TrialView): boolean {
  return trial.endedAt !== null;
}

export interface BudgetUse {
  readonly label: string;
  readonly used: number;
  readonly limit: number;
  readonly left: string;
}

/** Every limit of the study with what is used of it at `now` (milliseconds since the epoch). */
export function budgetUse(view: StudyView, now: number): BudgetUse[] {
  const { trials, wallTimeMs, resource, gpuMs, cost } = view.spec.budget;
  const uses: BudgetUse[] = [];
  if (trials !== null) {
    const used = view.trials.filter(isEnded).length;
    uses.push({ label: 'trials', used, limit: trials, left: `${formatNumber(Math.max(0, trials - used))} trials` });
  }
  if (wallTimeMs !== null) {
    const used = elapsedMs(view, now);
    uses.push({ label: 'time', used, limit: wallTimeMs, left: formatDuration(Math.max(0, wallTimeMs - used)) });
  }
  if (resource !== null) {
    const used = view.trials.reduce((sum, trial) => sum + resourceUsed(view, trial), 0);
    const unit = view.spec.fidelity?.name ?? 'steps';
    uses.push({ label: unit, used, limit: resource, left: `${formatNumber(Math.max(0, resource - used))} ${unit}` });
  }
  const metered = studyUse(view, now);
  if (gpuMs !== undefined) {
    const left = `${formatNumber(gpuHours(Math.max(0, gpuMs - metered.gpuMs)))} GPU hours`;
    uses.push({ label: 'GPU hours', used: gpuHours(metered.gpuMs), limit: gpuHours(gpuMs), left });
  }
  if (cost !== undefined) {
    const left = formatMoney({ amount: Math.max(0, cost.amount - metered.cost), currency: cost.currency });
    uses.push({ label: 'cost', used: metered.cost, limit: cost.amount, left });
  }
  return uses;
}

/** What the attempts used up so far, for people; null where nothing of it counts. */
export function spentText(view: StudyView, now: number): string | null {
  const { gpuMs, cost } = studyUse(view, now);
  const currency = currencyOf(view.spec);
  const parts = [
    currency === null ? null : formatMoney({ amount: cost, currency }),
    gpuMs === 0 ? null : `${formatNumber(gpuHours(gpuMs), 3)} GPU hours`,
  ].filter((part) => part !== null);
  return parts.length === 0 ? null : `${parts.join(', ')} used`;
}

/** Without a checkpoint each further attempt begins again from nothing. */
function resourceUsed(view: StudyView, trial: TrialView): number {
  const repeated = view.spec.checkpoint === null ? trial.attempts.slice(0, -1) : [];
  return repeated.reduce((sum, attempt) => sum + Math.min(attempt.target ?? 0, trial.resource), trial.resource);
}

export function elapsedMs(view: StudyView, now: number): number {
  return Math.max(0, (view.endedAt ?? now) - view.createdAt);
}

/** Milliseconds until the first limit is reached at the pace so far; null when paused, ended or without any pace yet. */
export function etaMs(view: StudyView, now: number): number | null {
  if (stateHere(view) !== 'running') return null;
  const elapsed = elapsedMs(view, now);
  const estimates = budgetUse(view, now)
    .filter((use) => use.used > 0)
    .map((use) => (use.label === 'time' ? use.limit - use.used : (elapsed / use.used) * (use.limit - use.used)));
  // A clock alone says when it must end, not when it will: it counts only beside a pace, or when there is no other limit.
  const others = budgetUse(view, now).filter((use) => use.label !== 'time');
  const hasPace = others.some((use) => use.used > 0);
  return estimates.length === 0 || (others.length > 0 && !hasPace) ? null : Math.max(0, Math.min(...estimates));
}

export interface BestSoFar {
  /** Trial numbers, ascending. */
  readonly numbers: number[];
  /** Best complete value among the trials up to and including this one; null before the first. */
  readonly best: (number | null)[];
}

/** The running best over trial numbers: a step function that never gets worse. */
export function bestSoFar(view: StudyView, objective: Objective): BestSoFar {
  const numbers: number[] = [];
  const best: (number | null)[] = [];
  let current: number | null = null;
  for (const trial of view.trials) {
    const value = trial.state === 'complete' ? metricNumber(trial.values[objective.metric]) : Number.NaN;
    if (Number.isFinite(value) && (current === null || (objective.direction === 'max' ? value > current : value < current)))
      current = value;
    numbers.push(trial.number);
    best.push(current);
  }
  return { numbers, best };
}

/** Names of all metrics that were reported, the objectives first. */
export function metricNames(view: StudyView): string[] {
  const names = new Set(view.spec.objectives.map((objective) => objective.metric));
  for (const trial of view.trials) {
    const last = trial.curve.at(-1);
    if (last !== undefined) for (const name of Object.keys(last.values)) names.add(name);
  }
  return [...names];
}

/** Resources at which trials are compared: min · factorⁱ below max, then max. Empty without a fidelity, or where the scheduler has no rungs. */
export function rungsOf(view: StudyView): number[] {
  const { fidelity, search } = view.spec;
  const hasRungs = search.scheduler !== 'none' && search.scheduler !== 'median' && search.scheduler !== 'pbt';
  if (fidelity === null || !hasRungs || !(fidelity.reductionFactor > 1) || !(fidelity.min > 0)) return [];
  const rungs: number[] = [];
  for (let rung = fidelity.min; rung < fidelity.max && rungs.length < 64; rung *= fidelity.reductionFactor) rungs.push(rung);
  return [...rungs, fidelity.max];
}

/** Why a chart is empty and what comes next. */
export function emptyChartReason(view: StudyView, metric: string): string {
  if (view.trials.length === 0) {
    if (view.state === 'ended') return 'The study ended before its first trial. The message above says why.';
    return view.state === 'paused'
      ? 'The study is paused before its first trial. Resume it to begin.'
      : 'Waiting for the first trial: the code is being prepared.';
  }
  const running = view.trials.find((trial) => shownState(trial) === 'running');
  if (running !== undefined)
    return `Waiting for the first ${metric} of trial ${running.number}. It draws as soon as the script prints it.`;
  if (view.trials.every((trial) => trial.state === 'failed'))
    return `${view.trials.length === 1 ? 'The only trial' : `All ${view.trials.length} trials`} failed before ${metric} was reported. The trial in detail below says why.`;
  if (view.state === 'ended') return `No trial reported ${metric}. Open the log of a trial to see what it printed.`;
  if (waitsOf(view).length > 0 && view.movedTo === null)
    return `Waiting for the first ${metric}: no trial has begun yet. Why stands above.`;
  return `Waiting for the first ${metric}: no trial runs at the moment.`;
}
