import { type Layout, noiseAt, scaleAt, shareAt } from './kernel.ts';

/** Independent normal priors of the hyperparameters, which are logarithms, each cut to [lower, upper]. */
export interface Prior {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
  readonly lower: Float64Array;
  readonly upper: Float64Array;
}

/** How rough and exact the values may be taken to be. */
export interface Limits {
  readonly shortest: number;
  readonly leastNoise: number;
}

/** Of measured values. */
export const measured: Limits = { shortest: 0.02, leastNoise: 1e-6 };
/** Of yes and no. Their steps are no reason to think that nothing can be known from near by. */
export const labels: Limits = { shortest: 0.3, leastNoise: 0.05 };

/**
 * y is standardised and x in the unit cube. Lengths grow with the root of the number of columns, so that the typical
 * correlation of two points does not vanish in many dimensions (C. Hvarfner, E. O. Hellsten, L. Nardi: Vanilla Bayesian
 * optimization performs great in high dimensions, ICML 2024).
 */
export function priorOf(layout: Layout, limits: Limits): Prior {
  const { size, columns } = layout;
  const nEntering = columns.filter(({ kind }) => kind !== 'fixed').length;
  const mean = new Float64Array(size);
  const deviation = new Float64Array(size);
  const lower = new Float64Array(size);
  const upper = new Float64Array(size);
  const set = (place: number, at: number, spread: number, from: number, to: number): void => {
    if (place < 0) return;
    mean[place] = at;
    deviation[place] = spread;
    lower[place] = from;
    upper[place] = to;
  };
  set(scaleAt, 0, 1, -4, 4);
  set(noiseAt, Math.max(Math.log(1e-3), Math.log(limits.leastNoise)), 2, Math.log(limits.leastNoise), Math.log(0.5));
  set(shareAt, 0, 1, -6, 4);
  const typicalLength = Math.log(0.5 * Math.sqrt(Math.max(1, nEntering)));
  columns.forEach((_, d) => {
    set(layout.length[d] ?? -1, typicalLength, 1, Math.log(limits.shortest), Math.log(50));
    set(layout.gap[d] ?? -1, typicalLength, 1, Math.log(limits.shortest), Math.log(50));
    const warp = layout.warp[d] ?? -1;
    if (warp < 0) return;
    set(warp, 0, 0.5, -1.5, 1.5);
    set(warp + 1, 0, 0.5, -1.5, 1.5);
  });
  return { mean, deviation, lower, upper };
}

/** −log p(θ) up to a constant; adds its gradient. */
export function addPrior(prior: Prior, theta: Float64Array, gradient: Float64Array): number {
  let value = 0;
  for (let k = 0; k < theta.length; k++) {
    const spread = prior.deviation[k] ?? 1;
    const z = ((theta[k] ?? 0) - (prior.mean[k] ?? 0)) / spread;
    value += 0.5 * z * z;
    gradient[k] = (gradient[k] ?? 0) + z / spread;
  }
  return value;
}
