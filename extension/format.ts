import type { Params, ParamValue } from '../agent/protocol/space.ts';
import type { MetricValue } from '../agent/protocol/study.ts';
import { bestTrial, countTrials, type StudyView, type TrialView } from '../agent/protocol/view.ts';

/** At most four significant digits: `0.9123`, `3.2e-4`, `12345`. */
export function shortNumber(value: number): string {
  if (Number.isInteger(value) && Math.abs(value) < 1e6) return String(value);
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size >= 1e-3 && size < 1e6) return String(Number(value.toPrecision(4)));
  return value
    .toExponential(3)
    .replace(/\.?0+e/, 'e')
    .replace('e+', 'e');
}

/** As the value would stand in Python. */
export function shortValue(value: ParamValue): string {
  if (typeof value === 'number') return shortNumber(value);
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  if (value === null) return 'None';
  return `(${value.map(shortValue).join(', ')})`;
}

export function shortMetric(value: MetricValue | undefined): string {
  if (value === undefined) return '–';
  return typeof value === 'number' ? shortNumber(value) : value;
}

/** `lr=3.2e-4 depth=6 …`, within `limit` characters. */
export function shortParams(params: Params, limit: number): string {
  return shortList(
    Object.entries(params).map(([name, value]) => `${name}=${shortValue(value)}`),
    limit,
  );
}

/** As many whole parts as fit into `limit` characters, at least one; `…` stands for the others. */
export function shortList(parts: readonly string[], limit: number): string {
  const kept: string[] = [];
  for (const part of parts) {
    if (kept.length > 0 && [...kept, part].join(' ').length > limit) return `${kept.join(' ')} …`;
    kept.push(part);
  }
  return kept.join(' ');
}

export function shortDuration(ms: number): string {
  const seconds = ms / 1000;
  if (seconds < 10) return `${seconds.toFixed(1)} s`;
  if (seconds < 90) return `${Math.round(seconds)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

export function endedTrials(view: StudyView): number {
  const counts = countTrials(view);
  return counts.complete + counts.pruned + counts.failed + counts.infeasible + counts.cancelled;
}

/** `3/20 · best 0.912`; the parts that are not known yet are left out. */
export function progressText(view: StudyView): string {
  const total = view.spec.budget.trials;
  const ended = endedTrials(view);
  const best = bestValue(view);
  return `${total === null ? ended : `${ended}/${total}`}${best === null ? '' : ` · best ${best}`}`;
}

/** The value of the first objective in the best trial; null while there is none. */
export function bestValue(view: StudyView): string | null {
  const best = bestTrial(view);
  const objective = view.spec.objectives[0];
  return best === null || objective === undefined ? null : shortMetric(best.values[objective.metric]);
}

/** The final value of the first objective, else the last one reported; null when nothing was. */
export function currentValue(view: StudyView, trial: TrialView): MetricValue | null {
  const metric = view.spec.objectives[0]?.metric;
  if (metric === undefined) return null;
  return trial.values[metric] ?? trial.curve.findLast((point) => point.values[metric] !== undefined)?.values[metric] ?? null;
}

export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}

/** The failures of a study merged by their message, the most frequent first: `12 of 12 trials failed: CUDA out of memory`. */
export function countedFailures(view: StudyView): string {
  const counts = new Map<string, number>();
  for (const { failure } of view.trials)
    if (failure !== null) counts.set(failure.message, (counts.get(failure.message) ?? 0) + 1);
  const [most] = [...counts].sort((a, b) => b[1] - a[1]);
  return most === undefined ? '' : `${most[1]} of ${plural(view.trials.length, 'trial')} failed: ${most[0]}`;
}
