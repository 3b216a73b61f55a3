import { symmetricEigen, type Rng } from '../../math/index.ts';
import type { Columns } from './columns.ts';

/** A normal distribution over the coordinates of the unit cube, N(m, σ² A C A), and shares of the categories. Plain data. */
export interface Model {
  /** m; one a coordinate, as all below but the matrices. */
  readonly mean: Float64Array;
  readonly sigma: number;
  /** Diagonal of A: see `margin.ts`. */
  readonly scale: Float64Array;
  /** Diagonal of C. */
  readonly variances: Float64Array;
  /** C and its axes; null where C is diagonal, whose axes are the coordinates. */
  readonly full: FullCovariance | null;
  /** Root of the variance along each axis. */
  readonly deviations: Float64Array;
  /** Evolution paths p_σ and p_c. */
  readonly sigmaPath: Float64Array;
  readonly path: Float64Array;
  /** Share of each coordinate's variance that the paths know of: 1 where the parameter was active in every member. */
  readonly known: Float64Array;
  /** Generations so far. */
  readonly generation: number;
  /** One array a categorical parameter: the probability of each choice. */
  readonly shares: readonly Float64Array[];
}

export interface FullCovariance {
  /** Row-major d × d. */
  readonly matrix: Float64Array;
  /** Row-major d × d: row k is the eigenvector that belongs to `deviations[k]`². */
  readonly axes: Float64Array;
}

/** The start of a run: a normal that knows no correlations, every choice equally likely. */
export function independentModel(
  mean: Float64Array,
  deviations: Float64Array,
  shares: readonly Float64Array[],
  isSeparable: boolean,
): Model {
  const d = mean.length;
  // The geometric mean is the step size; C has determinant 1.
  const sigma = d === 0 ? 1 : Math.exp(deviations.reduce((total, deviation) => total + Math.log(deviation), 0) / d);
  const variances = deviations.map((deviation) => (deviation / sigma) ** 2);
  return {
    mean,
    sigma,
    scale: new Float64Array(d).fill(1),
    variances,
    full: isSeparable ? null : { matrix: diagonalMatrix(variances), axes: diagonalMatrix(new Float64Array(d).fill(1)) },
    deviations: variances.map(Math.sqrt),
    sigmaPath: new Float64Array(d),
    path: new Float64Array(d),
    known: new Float64Array(d).fill(1),
    generation: 0,
    shares,
  };
}

function diagonalMatrix(diagonal: Float64Array): Float64Array {
  const d = diagonal.length;
  const matrix = new Float64Array(d * d);
  for (let j = 0; j < d; j++) matrix[j * d + j] = diagonal[j] ?? 0;
  return matrix;
}

export function evenShares({ categorical }: Columns): Float64Array[] {
  return categorical.map(({ size }) => new Float64Array(size).fill(1 / size));
}

/** The part of a model that follows from a covariance matrix; null where it has become singular. */
export function decompose(matrix: Float64Array, d: number): Pick<Model, 'full' | 'variances' | 'deviations'> | null {
  const axes = Float64Array.from(matrix);
  const eigenvalues = new Float64Array(d);
  if (!symmetricEigen(axes, d, eigenvalues) || !((eigenvalues[0] ?? 0) > 0)) return null;
  const variances = Float64Array.from({ length: d }, (_, j) => matrix[j * d + j] ?? 0);
  return { full: { matrix, axes }, variances, deviations: eigenvalues.map(Math.sqrt) };
}

/** Multiplies d numbers of `vector` from `offset` by the axes: coordinates → places along the axes. Written to `target`. */
export function toAxes({ full, mean }: Model, vector: Float64Array, offset: number, target: Float64Array): void {
  const d = mean.length;
  for (let k = 0; k < d; k++) {
    let along = full === null ? (vector[offset + k] ?? 0) : 0;
    if (full !== null) for (let j = 0; j < d; j++) along += (full.axes[k * d + j] ?? 0) * (vector[offset + j] ?? 0);
    target[k] = along;
  }
}

/** Places along the axes → coordinates; written to `target`. */
export function fromAxes({ full, mean }: Model, along: Float64Array, target: Float64Array): void {
  const d = mean.length;
  if (full === null) {
    target.set(along);
    return;
  }
  target.fill(0);
  for (let k = 0; k < d; k++) {
    const length = along[k] ?? 0;
    for (let j = 0; j < d; j++) target[j] = (target[j] ?? 0) + length * (full.axes[k * d + j] ?? 0);
  }
}

/** A draw, written to `unit` at the places of the columns' parameters; coordinates may lie outside of [0, 1]. */
export function drawFrom(model: Model, { numeric, categorical }: Columns, rng: Rng, unit: Float64Array): void {
  const y = new Float64Array(numeric.length);
  fromAxes(
    model,
    model.deviations.map((deviation) => deviation * rng.normal()),
    y,
  );
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
export function deviationOf({ sigma, scale, variances }: Model, j: number): number {
  return sigma * (scale[j] ?? 0) * Math.sqrt(variances[j] ?? 0);
}
