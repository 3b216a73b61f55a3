import type { CompiledSpace } from '../space/index.ts';
import { ParzenEstimator } from './parzen.ts';
import type { SamplerContext } from './sampler.ts';
import { type Split, splitObservations } from './split.ts';

/** The density of good points and that of the others. */
export interface Densities {
  readonly good: ParzenEstimator;
  readonly rest: ParzenEstimator;
}

/**
 * Fits both densities to a split of the study's own observations and to those of other studies, which are ranked among
 * themselves, as their values need not compare with ours. `lucky` are pending rows that count as good; the other ones in
 * `Split.pending` are among the rest, as all that is not good.
 */
export function fitDensities(context: SamplerContext, split: Split, lucky: readonly number[] = []): Densities {
  const { space, history, prior } = context;
  const good = new Kernels(space);
  const rest = new Kernels(space);
  if (prior !== null) {
    const trust = (priorWeight * priorHalfLife) / (priorHalfLife + history.ended);
    const earlier = splitObservations({ ...context, history: prior, liar: 'max' });
    earlier.below.forEach((row, k) => good.add(prior.unit, row, trust * (earlier.weights[k] ?? 1)));
    addOthers(rest, prior.unit, prior.size, earlier.below, maxPriorKernels, trust);
  }
  split.below.forEach((row, k) => good.add(history.unit, row, split.weights[k] ?? 1));
  for (const row of lucky) good.add(history.unit, row, 1);
  const below = lucky.length === 0 ? split.below : [...split.below, ...lucky].sort((a, b) => a - b);
  addOthers(rest, history.unit, history.size, below, maxKernels, 1);
  return { good: good.estimator('near'), rest: rest.estimator('wide') };
}

/** Kernels of the density of the rest; beyond it old observations are thinned, so the cost of a proposal has a bound. */
const maxKernels = 500;
const maxPriorKernels = 100;
/** Weight of an observation of another study before there are own ones, and the number of own ones that halves it. */
const priorWeight = 0.5;
const priorHalfLife = 5;

class Kernels {
  private readonly space: CompiledSpace;
  private readonly points: number[] = [];
  private readonly weights: number[] = [];

  constructor(space: CompiledSpace) {
    this.space = space;
  }

  add(unit: Float64Array, row: number, weight: number): void {
    const width = this.space.parameters.length;
    for (let k = row * width; k < (row + 1) * width; k++) this.points.push(unit[k] ?? NaN);
    this.weights.push(weight);
  }

  estimator(bandwidth: 'near' | 'wide'): ParzenEstimator {
    return new ParzenEstimator(this.space, Float64Array.from(this.points), Float64Array.from(this.weights), bandwidth);
  }
}

/**
 * Adds the rows that are not in `below`, in order of arrival: the newest half of `most` all, of the older ones evenly as many,
 * each weighing as much as those that it stands for.
 */
function addOthers(
  kernels: Kernels,
  unit: Float64Array,
  size: number,
  below: readonly number[],
  most: number,
  weight: number,
): void {
  const n = size - below.length;
  const nNew = n <= most ? n : Math.floor(most / 2);
  const stride = n <= most ? 1 : (n - nNew) / (most - nNew);
  let skipped = 0;
  for (let k = 0; k < Math.min(n, most); k++) {
    const isOld = n > most && k < most - nNew;
    const place = isOld ? Math.floor(k * stride) : n - Math.min(n, most) + k;
    // The place-th row that is not below.
    while (skipped < below.length && (below[skipped] ?? 0) <= place + skipped) skipped++;
    kernels.add(unit, place + skipped, weight * recency(place, n) * (isOld ? stride : 1));
  }
}

/** Weight of observation k of n from the oldest: the last 25 count fully, older ones from 1/n up to 1, as in Optuna. */
function recency(k: number, n: number): number {
  const nOld = n - 25;
  return k >= nOld ? 1 : 1 / n + ((1 - 1 / n) * k) / Math.max(1, nOld - 1);
}
