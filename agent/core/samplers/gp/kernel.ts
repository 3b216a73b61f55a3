import type { CompiledSpace } from '../../space/index.ts';

/**
 * Covariance of two points: a mixture of Matérn 5/2 over a distance with one length per column, and of the mean of the columns'
 * own Matérn 5/2. The second, additive part is what parameters do each on their own, of which a few trials tell much: without it
 * a model of many parameters knows nothing of corners and explores one after the other (D. Duvenaud, H. Nickisch,
 * C. E. Rasmussen: Additive Gaussian processes, NeurIPS 2011).
 *
 *   k(x, x') = s² ((1 − ρ) M(Σ_d δ_d²) + ρ/D Σ_d M(δ_d²)),   M(r²) = (1 + √5 r + 5/3 r²) e^(−√5 r)
 *
 *   δ_d = (w_d(x_d) − w_d(x'_d)) / ℓ_d   numbers, w_d the warp below
 *   δ_d = [x_d ≠ x'_d] / ℓ_d             categories
 *
 *   Where the column is inactive (NaN) in both, δ_d = 0; in one of the two, an inactive number stands at w = ½, an inactive
 *   category is one more category, and 1 / g_d² is added to δ_d².
 *
 * w(u) = 1 − (1 − u^a)^b, the Kumaraswamy distribution function: lets the function be livelier at one end of a range than at
 * the other (J. Snoek et al., Input warping for Bayesian optimization of non-stationary functions, ICML 2014).
 *
 * All hyperparameters are kept without bounds, θ = [log s², log σ², logit ρ, log ℓ_0 …, log g …, log a, log b …]; see `layoutOf`.
 */
export interface Column {
  /** `fixed`: has a single value and does not enter. */
  readonly kind: 'number' | 'category' | 'fixed';
  /** Whether a point may lack it: NaN. */
  readonly isOptional: boolean;
  readonly isWarped: boolean;
}

/** Places of the hyperparameters in θ; −1 where a column has none of the kind. */
export interface Layout {
  readonly columns: readonly Column[];
  readonly size: number;
  /** By column. */
  readonly length: Int32Array;
  readonly gap: Int32Array;
  /** Place of log a; log b follows. */
  readonly warp: Int32Array;
}

/** log s² and log σ². */
export const scaleAt = 0;
export const noiseAt = 1;
/** Place of the logit of the additive share ρ. */
export const shareAt = 2;

/** Above this many columns the few observations per column do not pay for two more hyperparameters of each. */
const maxWarped = 20;

/** One column per parameter, in the order of `CompiledSpace.encode`. */
export function columnsOf(space: CompiledSpace): Column[] {
  const nNumbers = space.parameters.filter(({ distribution, size }) => distribution.type !== 'categorical' && size > 1).length;
  return space.parameters.map(({ distribution, size, when }) => {
    const isOptional = when !== null;
    if (size === 1) return { kind: isOptional ? 'category' : 'fixed', isOptional, isWarped: false };
    if (distribution.type === 'categorical') return { kind: 'category', isOptional, isWarped: false };
    return { kind: 'number', isOptional, isWarped: size > 2 && nNumbers <= maxWarped };
  });
}

export function layoutOf(columns: readonly Column[]): Layout {
  let size = 3;
  const length = new Int32Array(columns.length).fill(-1);
  const gap = new Int32Array(columns.length).fill(-1);
  const warp = new Int32Array(columns.length).fill(-1);
  columns.forEach(({ kind }, d) => {
    if (kind !== 'fixed') length[d] = size++;
  });
  columns.forEach(({ isOptional }, d) => {
    if (isOptional) gap[d] = size++;
  });
  columns.forEach(({ isWarped }, d) => {
    if (!isWarped) return;
    warp[d] = size;
    size += 2;
  });
  return { columns, size, length, gap, warp };
}

/** Keeps the warp's slopes finite at both ends of the range. */
const inset = 1e-3;

export function warpOf(u: number, a: number, b: number): number {
  return 1 - (1 - (inset + (1 - 2 * inset) * u) ** a) ** b;
}

/** dw/du. */
export function warpSlope(u: number, a: number, b: number): number {
  const v = inset + (1 - 2 * inset) * u;
  const power = v ** a;
  return ((1 - 2 * inset) * a * b * (power / v) * (1 - power) ** b) / (1 - power);
}

/** ∂w/∂log a and ∂w/∂log b, given w = warpOf(u, a, b). */
export function warpByLogA(u: number, a: number, b: number): number {
  const v = inset + (1 - 2 * inset) * u;
  const power = v ** a;
  return (a * b * power * Math.log(v) * (1 - power) ** b) / (1 - power);
}
export function warpByLogB(u: number, a: number, b: number): number {
  const rest = 1 - (inset + (1 - 2 * inset) * u) ** a;
  return -b * rest ** b * Math.log(rest);
}

/** Writes the warped values of `n` rows, row-major in `x`, to `target`, column-major. */
export function warpRows(layout: Layout, theta: Float64Array, x: Float64Array, n: number, target: Float64Array): void {
  const { columns } = layout;
  const width = columns.length;
  for (let d = 0; d < width; d++) {
    const place = layout.warp[d] ?? -1;
    if (place < 0) {
      for (let i = 0; i < n; i++) target[d * n + i] = x[i * width + d] ?? NaN;
      continue;
    }
    const a = Math.exp(theta[place] ?? 0);
    const b = Math.exp(theta[place + 1] ?? 0);
    for (let i = 0; i < n; i++) target[d * n + i] = warpOf(x[i * width + d] ?? NaN, a, b);
  }
}

/**
 * One column's part of the covariances between one value and the `count` values at `values[from …]`: writes the squared
 * distances δ² to `own[0 …]`, and adds them to `squares[to …]` and `weight` times their correlations to `sums[to …]`.
 * `inverse` is 1/ℓ², `gapInverse` 1/g².
 */
export function addColumn(
  column: Column,
  value: number,
  values: Float64Array,
  from: number,
  count: number,
  inverse: number,
  gapInverse: number,
  weight: number,
  own: Float64Array,
  squares: Float64Array,
  sums: Float64Array,
  to: number,
): void {
  if (column.kind === 'category' && !column.isOptional) {
    const other = weight * matern(inverse);
    for (let j = 0; j < count; j++) {
      const isSame = values[from + j] === value;
      const square = isSame ? 0 : inverse;
      own[j] = square;
      squares[to + j] = (squares[to + j] ?? 0) + square;
      sums[to + j] = (sums[to + j] ?? 0) + (isSame ? weight : other);
    }
    return;
  }
  if (column.isOptional) writeOptional(column, value, values, from, count, inverse, gapInverse, own);
  else {
    for (let j = 0; j < count; j++) {
      const difference = value - (values[from + j] ?? 0);
      own[j] = inverse * difference * difference;
    }
  }
  for (let j = 0; j < count; j++) {
    const square = own[j] ?? 0;
    const t = Math.sqrt(5 * square);
    squares[to + j] = (squares[to + j] ?? 0) + square;
    sums[to + j] = (sums[to + j] ?? 0) + weight * (1 + t + (t * t) / 3) * Math.exp(-t);
  }
}

/** The squared distances where some of the values may be missing. */
function writeOptional(
  column: Column,
  value: number,
  values: Float64Array,
  from: number,
  count: number,
  inverse: number,
  gapInverse: number,
  own: Float64Array,
): void {
  const isMissing = Number.isNaN(value);
  for (let j = 0; j < count; j++) {
    const other = values[from + j] ?? NaN;
    const isOtherMissing = Number.isNaN(other);
    if (isMissing && isOtherMissing) {
      own[j] = 0;
      continue;
    }
    const difference =
      column.kind === 'category'
        ? Number(value !== other)
        : (isMissing ? inactiveAt : value) - (isOtherMissing ? inactiveAt : other);
    own[j] = inverse * difference * difference + (isMissing === isOtherMissing ? 0 : gapInverse);
  }
}

/**
 * Where an inactive number stands on its (warped) axis. With the gap at a right angle to the axis the distances are those of
 * points in a Euclidean space, so the covariance stays positive definite whatever gap and length are.
 */
export const inactiveAt = 0.5;

/** Number of columns that enter. */
export function nEntering(layout: Layout): number {
  return layout.columns.reduce((count, { kind }) => count + Number(kind !== 'fixed'), 0);
}

export function logistic(x: number): number {
  return 1 / (1 + Math.exp(-x));
}

/** The correlation at a squared distance. */
export function matern(square: number): number {
  const t = Math.sqrt(5 * square);
  return (1 + t + (t * t) / 3) * Math.exp(-t);
}

/** Its derivative by the squared distance, which is finite at 0. */
export function maternSlope(square: number): number {
  const t = Math.sqrt(5 * square);
  return (-5 / 6) * (1 + t) * Math.exp(-t);
}
