import { symmetricEigen, type Rng } from '../../math/index.ts';
import type { Columns } from './columns.ts';

/**
 * A normal distribution over the coordinates of the unit cube, N(m, σ² A C A), and shares of the categories. Plain data.
 * Row k of `axes` is the eigenvector of C that belongs to `deviations[k]`², its eigenvalue. A is diagonal: see `margin.ts`.
 */
export interface Model {
  /** m; one a coordinate, as all below but the d × d matrices. */
  readonly mean: Float64Array;
  readonly sigma: number;
  /** Diagonal of A. */
  readonly scale: Float64Array;
  /** C, row-major. */
  readonly covariance: Float64Array;
  readonly axes: Float64Array;
  readonly deviations: Float64Array;
  /** Evolution paths p_σ and p_c. */
  readonly sigmaPath: Float64Array;
  readonly path: Float64Array;
  /** Generations so far. */
  readonly generation: number;
  /** One array a categorical parameter: the probability of each choice. */
  readonly shares: readonly Float64Array[];
}

/** The start of a run: a round normal, every choice equally likely. */
export function roundModel(mean: Float64Array, sigma: number, { categorical }: Columns): Model {
  const d = mean.length;
  const identity = new Float64Array(d * d);
  for (let j = 0; j < d; j++) identity[j * d + j] = 1;
  return {
    mean,
    sigma,
    scale: new Float64Array(d).fill(1),
    covariance: identity,
    axes: identity,
    deviations: new Float64Array(d).fill(1),
    sigmaPath: new Float64Array(d),
    path: new Float64Array(d),
    generation: 0,
    shares: categorical.map(({ size }) => new Float64Array(size).fill(1 / size)),
  };
}

/** Eigenvectors and roots of the eigenvalues of C; null where C has become singular. */
export function decompose(covariance: Float64Array, d: number): Pick<Model, 'axes' | 'deviations'> | null {
  const axes = Float64Array.from(covariance);
  const deviations = new Float64Array(d);
  if (!symmetricEigen(axes, d, deviations)) return null;
  for (let k = 0; k < d; k++) {
    const variance = deviations[k] ?? NaN;
    if (!(variance > 0)) return null;
    deviations[k] = Math.sqrt(variance);
  }
  return { axes, deviations };
}

/** A draw, written to `unit` at the places of the columns' parameters; coordinates may lie outside of [0, 1]. */
export function drawFrom(model: Model, { numeric, categorical }: Columns, rng: Rng, unit: Float64Array): void {
  const d = numeric.length;
  const y = new Float64Array(d);
  for (let k = 0; k < d; k++) {
    const length = (model.deviations[k] ?? 0) * rng.normal();
    for (let j = 0; j < d; j++) y[j] = (y[j] ?? 0) + length * (model.axes[k * d + j] ?? 0);
  }
  numeric.forEach(({ index }, j) => {
    unit[index] = (model.mean[j] ?? 0) + model.sigma * (model.scale[j] ?? 0) * (y[j] ?? 0);
  });
  categorical.forEach(({ index, size }, place) => {
    const shares = model.shares[place] ?? new Float64Array(0);
    let rest = rng.next();
    let choice = 0;
    while (choice < size - 1 && rest >= (shares[choice] ?? 0)) rest -= shares[choice++] ?? 0;
    unit[index] = (choice + 0.5) / size;
  });
}

/** Standard deviation of a coordinate. */
export function deviationOf(model: Pick<Model, 'sigma' | 'scale' | 'covariance' | 'mean'>, j: number): number {
  return model.sigma * (model.scale[j] ?? 0) * Math.sqrt(model.covariance[j * model.mean.length + j] ?? 0);
}
