/**
 * What parts of learning curves say of their ends. The losses of trials at levels 0 … K−1 of a resource are related step by step:
 *
 *   y_{k+1} = a_k + b_k y_k + ε,   ε ~ N(0, σ_k²),   b_k ≥ 0
 *
 * by least squares over the trials that were measured at both levels, with a prior of b = 1 that weighs as much as a few trials,
 * and b one standard error lower than that. So a level that says nothing gets b near 0, and all trials there are forecast alike.
 * Losses are minimised and finite.
 */
export interface CurveStep {
  readonly intercept: number;
  readonly slope: number;
  readonly variance: number;
}

/** A normal distribution of the loss at the last level. */
export interface Forecast {
  mean: number;
  variance: number;
}

/** Trials that the prior weighs as much as: for the slope and for the variance. */
const slopeWeight = 3;
const varianceWeight = 3;
/** Before anything is known, the deviation of a step in units of the spread of losses. */
const priorDeviation = 0.3;

/**
 * Pairs (x, y) of one step; `spread` is a robust deviation of losses, positive. Pairs far on the bad side are drawn in: how bad a
 * bad trial was says little of the good ones.
 */
export function fitCurveStep(x: ArrayLike<number>, y: ArrayLike<number>, spread: number): CurveStep {
  const n = x.length;
  // In units of the spread, so that nothing overflows that need not.
  const u = inUnits(x, spread);
  const v = inUnits(y, spread);
  const meanU = mean(u);
  const meanV = mean(v);
  let uu = 0;
  let uv = 0;
  let vv = 0;
  for (let i = 0; i < n; i++) {
    const du = (u[i] ?? 0) - meanU;
    const dv = (v[i] ?? 0) - meanV;
    uu += du * du;
    uv += du * dv;
    vv += dv * dv;
  }
  const fitted = Math.max(0, (uv + slopeWeight) / (uu + slopeWeight));
  const residual = Math.max(0, vv - 2 * fitted * uv + fitted * fitted * uu);
  const variance = (residual + varianceWeight * priorDeviation ** 2) / (n + varianceWeight);
  const slope = Math.max(0, fitted - Math.sqrt(variance / (uu + slopeWeight)));
  const intercept = spread * (meanV - slope * meanU);
  // Without pairs, or with some beyond all measure, the loss is expected to stay.
  if (n === 0 || !Number.isFinite(intercept)) return { intercept: 0, slope: 1, variance: (priorDeviation * spread) ** 2 };
  return { intercept, slope, variance: variance * spread * spread };
}

/** The end of a trial that stands at `level` with `loss`; `steps[k]` leads from level k to k + 1. */
export function forecastEnd(steps: readonly CurveStep[], level: number, loss: number, out: Forecast): void {
  out.mean = loss;
  out.variance = 0;
  for (let k = level; k < steps.length; k++) {
    const step = steps[k];
    if (step === undefined) continue;
    out.mean = step.intercept + step.slope * out.mean;
    out.variance = step.slope * step.slope * out.variance + step.variance;
  }
}

/** Distance from the median to the best eighth, of which normal values have 1.15 deviations; positive. */
export function spreadOf(losses: ArrayLike<number>): number {
  const sorted = Float64Array.from(losses).sort();
  const n = sorted.length;
  const spread = ((sorted[n >> 1] ?? 0) - (sorted[n >> 3] ?? 0)) / 1.15;
  const range = (sorted[n - 1] ?? 0) - (sorted[0] ?? 0);
  return spread > 0 ? spread : range > 0 ? range : 1;
}

/** Far on the bad side cut to three spreads from the median. */
function inUnits(values: ArrayLike<number>, spread: number): Float64Array {
  const units = Float64Array.from(values, (value) => value / spread);
  const cap = (units.toSorted()[units.length >> 1] ?? 0) + 3;
  return units.map((value) => Math.min(cap, value));
}

function mean(values: Float64Array): number {
  let sum = 0;
  for (const value of values) sum += value / values.length;
  return sum;
}
