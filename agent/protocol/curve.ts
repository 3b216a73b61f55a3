import { metricNumber } from './metricValue.ts';
import type { Objective } from './space.ts';
import type { MetricValues } from './study.ts';

export interface CurvePoint {
  readonly step: number;
  readonly values: MetricValues;
}

/** How the curve of a trial with very many reports was thinned. */
export interface Thinning {
  /** Of so many reports that follow each other, one is kept: a power of two. */
  readonly stride: number;
  /** Reports since the trial began, those that a later attempt did again included. */
  readonly reports: number;
  /** The best value of each objective in the curve; NaN's name where there is none. */
  readonly best: MetricValues;
  /** Objectives in which the last point was better than all before it. */
  readonly improved: readonly string[];
}

/** A curve longer than this is thinned to half; some more than a screen has columns. */
export const maxCurvePoints = 1_000;

interface Curve {
  curve: CurvePoint[];
  curveStart: number;
  thinning: Thinning | null;
}

/**
 * Adds a report to a trial's curve; what earlier attempts reported from its step on is no longer so, as the trial went
 * back and did it again.
 *
 * A curve has at most `maxCurvePoints` points: when there are more, each second goes, and from then on only each second,
 * fourth … report is kept. Always there, exactly as reported: the last point, and the best of each objective. What comes
 * out depends on the reports alone, so everyone who folds the journal has the same points.
 */
export function addPoint(trial: Curve, point: CurvePoint, objectives: readonly Objective[]): void {
  replaceLater(trial, point, objectives);
  const { thinning } = trial;
  if (thinning === null) {
    trial.curve.push(point);
    if (trial.curve.length > maxCurvePoints) thin(trial, 1, trial.curve.length, objectives);
    return;
  }
  const { stride, reports, best, improved } = thinning;
  const better = betterOf(best, point.values, objectives);
  // It was there only for being the last.
  const isPassing = trial.curve.length > trial.curveStart && (reports - 1) % stride !== 0;
  if (isPassing && improved.every((metric) => better[metric] !== best[metric])) trial.curve.pop();
  trial.curve.push(point);
  trial.thinning = { stride, reports: reports + 1, best: better, improved: changed(better, best) };
  if (trial.curve.length > maxCurvePoints) thin(trial, stride, reports + 1, objectives);
}

function thin(trial: Curve, stride: number, reports: number, objectives: readonly Objective[]): void {
  const { curve, curveStart } = trial;
  const bestPoints = new Set(objectives.map(({ metric, direction }) => bestIndex(curve, metric, direction)));
  const isKept = (_: CurvePoint, index: number): boolean =>
    index % 2 === 0 || index === curve.length - 1 || bestPoints.has(index);
  trial.curve = curve.filter(isKept);
  trial.curveStart = curve.slice(0, curveStart).filter(isKept).length;
  const best = bestOf(trial.curve, objectives);
  trial.thinning = { stride: stride * 2, reports, best, improved: changed(best, bestOf(trial.curve.slice(0, -1), objectives)) };
}

function replaceLater(trial: Curve, point: CurvePoint, objectives: readonly Objective[]): void {
  const { curve, curveStart } = trial;
  const isFirst = curve.length === curveStart;
  // The attempt's first report has removed all that later steps could.
  if (curveStart === 0 || !(isFirst || point.step < (curve.at(-1)?.step ?? 0))) return;
  const kept = curve.slice(0, curveStart).filter(({ step }) => step < point.step);
  if (kept.length === curveStart) return;
  trial.curve = [...kept, ...curve.slice(curveStart)];
  trial.curveStart = kept.length;
  if (trial.thinning !== null) trial.thinning = { ...trial.thinning, best: bestOf(trial.curve, objectives), improved: [] };
}

function bestOf(curve: readonly CurvePoint[], objectives: readonly Objective[]): MetricValues {
  return curve.reduce<MetricValues>((best, { values }) => betterOf(best, values, objectives), {});
}

function betterOf(best: MetricValues, values: MetricValues, objectives: readonly Objective[]): MetricValues {
  let better = best;
  for (const { metric, direction } of objectives) {
    const value = values[metric];
    if (value === undefined || value === 'nan') continue;
    if (isBetter(metricNumber(value), metricNumber(better[metric]), direction)) better = { ...better, [metric]: value };
  }
  return better;
}

function changed(now: MetricValues, before: MetricValues): readonly string[] {
  return now === before ? [] : Object.keys(now).filter((metric) => now[metric] !== before[metric]);
}

/** The first of the best; -1 where no point has a number. */
function bestIndex(curve: readonly CurvePoint[], metric: string, direction: Objective['direction']): number {
  let found = -1;
  let best = NaN;
  for (const [index, { values }] of curve.entries()) {
    const value = metricNumber(values[metric]);
    if (Number.isNaN(value) || !isBetter(value, best, direction)) continue;
    found = index;
    best = value;
  }
  return found;
}

/** Anything is better than nothing (NaN). */
function isBetter(value: number, than: number, direction: Objective['direction']): boolean {
  return Number.isNaN(than) ? !Number.isNaN(value) : direction === 'min' ? value < than : value > than;
}
