import type { Objective } from '../../../protocol/space.ts';
import { type CurveStep, fitCurveStep, type Forecast, forecastEnd, spreadOf } from '../../math/index.ts';
import type { History, Observation } from '../history.ts';
import type { FidelityLevels } from '../sampler.ts';

/** What is expected of trials at the full resource, from what they have shown of it. */
export interface Forecasts {
  /** Rows of the history with a usable loss at some level: ended, paused and running trials alike. */
  readonly rows: readonly number[];
  /** Their losses at the full resource, measured or expected. */
  readonly losses: Float64Array;
  /** Variance of each, in units of the squared spread of `losses`; 0 for what was measured. */
  readonly doubts: Float64Array;
  /** The highest level that many trials reached: their rows and losses there, which later reports do not change. */
  readonly common: { readonly rows: readonly number[]; readonly losses: Float64Array };
}

/** Trials at a level before it is preferred to the one below: no more than needed, as a low level may say nothing. */
const manyTrials = 12;
/** Pairs of losses that a step between two levels is fitted to, the newest: they are from where the search now is. */
const maxPairs = 96;

/**
 * Completes every learning curve by what the trials that came farther did from there on (see `learningCurve.ts`), so that a model
 * over the parameters learns from all trials at once, however early they were stopped.
 */
export function forecastsOf(history: History, [objective]: readonly Objective[], { levels }: FidelityLevels): Forecasts {
  const sign = objective?.direction === 'max' ? -1 : 1;
  const rows: number[] = [];
  const rowsAt = levels.map((): number[] => []);
  const lossAt = (row: number, level: number): number => sign * (history.at(row).curve?.[level] ?? NaN);
  for (let row = 0; row < history.size; row++) {
    if (!isUsable(history.at(row))) continue;
    rows.push(row);
    history.at(row).curve?.forEach((value, level) => {
      if (Number.isFinite(value)) rowsAt[level]?.push(row);
    });
  }
  const steps = levels.slice(1).map((_, k): CurveStep => {
    const both = (rowsAt[k + 1] ?? []).filter((row) => Number.isFinite(lossAt(row, k))).slice(-maxPairs);
    const spread = spreadOf((rowsAt[k] ?? []).map((row) => lossAt(row, k)));
    return fitCurveStep(
      both.map((row) => lossAt(row, k)),
      both.map((row) => lossAt(row, k + 1)),
      spread,
    );
  });
  const end: Forecast = { mean: 0, variance: 0 };
  const losses = new Float64Array(rows.length);
  const doubts = new Float64Array(rows.length);
  rows.forEach((row, i) => {
    const { curve, values } = history.at(row);
    // Without a curve it is a complete one, from elsewhere.
    const level = curve === undefined ? levels.length - 1 : curve.length - 1;
    forecastEnd(steps, level, curve === undefined ? sign * (values[0] ?? NaN) : lossAt(row, level), end);
    losses[i] = end.mean;
    doubts[i] = end.variance;
  });
  const spread = spreadOf(losses);
  for (let i = 0; i < doubts.length; i++) doubts[i] = (doubts[i] ?? 0) / spread / spread;
  let common = levels.length - 1;
  while (common > 0 && (rowsAt[common]?.length ?? 0) < manyTrials) common--;
  const many = rowsAt[common] ?? [];
  return { rows, losses, doubts, common: { rows: many, losses: Float64Array.from(many, (row) => lossAt(row, common)) } };
}

/** One that diverged, failed or broke what nobody measured tells where not to go, not how well a training ends. */
function isUsable({ curve, state, values, violations }: Observation): boolean {
  if (state === 'failed' || (state === 'infeasible' && violations === undefined)) return false;
  if (curve === undefined) return state === 'complete' && Number.isFinite(values[0]);
  return Number.isFinite(curve.at(-1));
}
