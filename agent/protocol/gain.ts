import { formatNumber, formatSigned } from './format.ts';
import type { TrialState } from './study.ts';
import { metricNumber, type StudyView, type TrialView } from './view.ts';
import { shownState } from './waits.ts';

/** What a trial gained over the values that the script had before. */
export interface Gain {
  readonly baseline: number;
  readonly value: number;
  /** Value minus baseline. */
  readonly change: number;
  /** Change over |baseline|; null where the baseline is 0. */
  readonly ratio: number | null;
  readonly verdict: 'better' | 'equal' | 'worse';
}

/** By the first objective; null until both trials are complete with finite values. */
export function gainOf(view: StudyView, trial: TrialView): Gain | null {
  const [objective] = view.spec.objectives;
  if (objective === undefined || trial.state !== 'complete') return null;
  const baseline = baselineValue(view, objective.metric);
  const value = metricNumber(trial.values[objective.metric]);
  if (baseline === null || !Number.isFinite(value)) return null;
  const change = value - baseline;
  const isBetter = objective.direction === 'max' ? change > 0 : change < 0;
  return {
    baseline,
    value,
    change,
    ratio: baseline === 0 ? null : change / Math.abs(baseline),
    verdict: change === 0 ? 'equal' : isBetter ? 'better' : 'worse',
  };
}

/** The value that the script's own values reach, once that trial is complete. */
export function baselineValue(view: StudyView, metric: string): number | null {
  const trial = baselineTrial(view);
  const value = trial?.state === 'complete' ? metricNumber(trial.values[metric]) : Number.NaN;
  return Number.isFinite(value) ? value : null;
}

/** The trial that ran the script's own values. */
function baselineTrial(view: StudyView): TrialView | null {
  return view.trials.find((trial) => trial.origin === 'default') ?? null;
}

/** `+3.4 %`, or the difference itself where a ratio says nothing. */
export function gainFigure(gain: Gain): string {
  return gain.ratio === null ? formatSigned(gain.change) : `${formatSigned(gain.ratio * 100)} %`;
}

/** `better than 0.58 with the script's own values`. */
export function gainSentence(gain: Gain): string {
  const base = formatNumber(gain.baseline);
  if (gain.verdict === 'equal') return `equal to the script's own values (${base})`;
  return `${gain.verdict} than ${base} with the script's own values`;
}

/** The gain of the best trial with the two values that it comes from, in one sentence; why there is none where there is none. */
export function bestGainSentence(view: StudyView): string {
  const [objective] = view.spec.objectives;
  const best = view.incumbent === null ? undefined : view.trials[view.incumbent];
  const gain = best === undefined ? null : gainOf(view, best);
  if (objective === undefined || best === undefined || gain === null) return noGainReason(view);
  if (best.origin === 'default')
    return `The script's own values are the best found: ${objective.metric} ${formatNumber(gain.value)}.`;
  return `${objective.metric} ${formatNumber(gain.baseline)} with the script's own values → ${formatNumber(gain.value)} with trial ${best.number} (${gainFigure(gain)}).`;
}

/**
 * Numbers of the complete trials that no other one beats: none is at least as good in every objective and better in one.
 * In order of number; trials with equal values are all among them, and one without a finite value for an objective never is.
 */
export function paretoFront(view: StudyView): number[] {
  const signs = view.spec.objectives.map(({ direction }) => (direction === 'min' ? 1 : -1));
  let front: { readonly number: number; readonly losses: readonly number[] }[] = [];
  for (const { number, state, values } of view.trials) {
    const losses = view.spec.objectives.map(({ metric }, index) => (signs[index] ?? 1) * metricNumber(values[metric]));
    if (state !== 'complete' || losses.length === 0 || !losses.every(Number.isFinite)) continue;
    if (front.some((member) => dominates(member.losses, losses))) continue;
    front = front.filter((member) => !dominates(losses, member.losses));
    front.push({ number, losses });
  }
  return front.map(({ number }) => number);
}

/** At least as good in every objective and better in one; losses, all of them finite. */
export function dominates(a: readonly number[], b: readonly number[]): boolean {
  let isBetter = false;
  for (let k = 0; k < a.length; k++) {
    const left = a[k] ?? 0;
    const right = b[k] ?? 0;
    if (left > right) return false;
    if (left < right) isBetter = true;
  }
  return isBetter;
}

/** Why there is no gain to show yet, for people. */
export function noGainReason(view: StudyView): string {
  const baseline = baselineTrial(view);
  if (view.spec.objectives.length > 1) return 'No single best with several objectives.';
  if (baseline === null)
    return view.trials.length === 0
      ? "Comes with the first trial, which runs the script's own values."
      : "No trial runs the script's own values.";
  const state = shownState(baseline);
  if (state !== 'complete') return `Trial ${baseline.number} with the script's own values ${stateWords[state]}.`;
  return baselineValue(view, view.spec.objectives[0]?.metric ?? '') === null
    ? `Trial ${baseline.number} with the script's own values gave no finite value.`
    : 'The best trial has no finite value.';
}

const stateWords: Readonly<Record<Exclude<TrialState, 'complete'>, string>> = {
  waiting: 'is waiting',
  running: 'is running',
  paused: 'is paused',
  pruned: 'was pruned',
  failed: 'failed',
  infeasible: 'is infeasible',
  cancelled: 'was cancelled',
};
