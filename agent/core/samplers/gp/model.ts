import { cholesky, type Rng, solveLower, solveLowerTransposed } from '../../math/index.ts';
import {
  addColumn,
  inactiveAt,
  logistic,
  matern,
  maternSlope,
  nEntering,
  noiseAt,
  scaleAt,
  shareAt,
  warpOf,
  warpRows,
  warpSlope,
} from './kernel.ts';
import { type Data, jitter, profileMean } from './likelihood.ts';

export interface Prediction {
  mean: number;
  /** Of the function itself, without the noise of an observation. */
  variance: number;
}

/**
 * The Gaussian process given data and hyperparameters: K = L Lᵀ, α = K⁻¹ (y − m), and at a point with covariances k
 *
 *   mean = m + kᵀ α,   variance = s² − |L⁻¹ k|²
 *
 * Notation as in `kernel.ts`. Points are rows of one value a column, NaN where inactive. Predictions reuse one work space, so
 * none of them allocates: O(n d) for the mean, n² / 2 more for the variance, n² for gradients.
 */
export class GpModel {
  readonly data: Data;
  readonly theta: Float64Array;
  readonly noiseVariance: number;
  private readonly scale: number;
  private readonly mean: number;
  private readonly factor: Float64Array;
  private readonly warped: Float64Array;
  private readonly inverseSquares: Float64Array;
  private readonly gapSquares: Float64Array;
  private readonly alpha: Float64Array;
  private readonly squares: Float64Array;
  /** Squared distances by one column. */
  private readonly own: Float64Array;
  private readonly share: number;
  private readonly perColumn: number;
  private readonly covariances: Float64Array;
  private readonly solved: Float64Array;
  private readonly point: Float64Array;

  /**
   * `same`: a model of the same points and hyperparameters, whose factor is shared.
   * @throws RangeError where the covariance matrix is singular, which the bounds of `prior.ts` rule out.
   */
  constructor(data: Data, theta: Float64Array, same?: GpModel) {
    const { n, layout } = data;
    const width = layout.columns.length;
    this.data = data;
    this.theta = theta;
    this.scale = Math.exp(theta[scaleAt] ?? 0);
    this.noiseVariance = Math.exp(theta[noiseAt] ?? 0);
    this.warped = same?.warped ?? new Float64Array(n * width);
    if (same === undefined) warpRows(layout, theta, data.x, n, this.warped);
    this.inverseSquares = Float64Array.from(layout.length, (place) => Math.exp(-2 * (theta[place] ?? 0)));
    this.gapSquares = Float64Array.from(layout.gap, (place) => Math.exp(-2 * (theta[place] ?? 0)));
    this.squares = new Float64Array(n);
    this.own = new Float64Array(n);
    this.share = logistic(theta[shareAt] ?? 0);
    this.perColumn = this.share / nEntering(layout);
    this.covariances = new Float64Array(n);
    this.solved = new Float64Array(n);
    this.point = new Float64Array(width);
    this.alpha = new Float64Array(n);
    this.factor = same?.factor ?? this.factored();
    this.mean = profileMean(this.factor, n, data.y, this.alpha, new Float64Array(n));
  }

  /** The mean alone, several times cheaper than both. */
  predictMean(x: Float64Array, offset = 0): number {
    this.relate(x, offset);
    let mean = this.mean;
    for (let i = 0; i < this.data.n; i++) mean += (this.covariances[i] ?? 0) * (this.alpha[i] ?? 0);
    return mean;
  }

  predict(x: Float64Array, out: Prediction, offset = 0): void {
    const { n } = this.data;
    out.mean = this.predictMean(x, offset);
    this.solved.set(this.covariances);
    solveLower(this.factor, n, n, this.solved);
    let explained = 0;
    for (let i = 0; i < n; i++) explained += (this.solved[i] ?? 0) ** 2;
    out.variance = Math.max(this.scale * 1e-9, this.scale - explained);
  }

  /** Also the derivatives by the point's numbers, of a column each; zero for all other columns. */
  predictGradient(x: Float64Array, out: Prediction, byMean: Float64Array, byVariance: Float64Array): void {
    const { n, layout } = this.data;
    const { solved, warped, squares } = this;
    this.predict(x, out);
    solveLowerTransposed(this.factor, n, n, solved);
    for (let i = 0; i < n; i++) squares[i] = 2 * this.scale * (1 - this.share) * maternSlope(squares[i] ?? 0);
    byMean.fill(0);
    byVariance.fill(0);
    for (let d = 0; d < layout.columns.length; d++) {
      const value = this.point[d] ?? NaN;
      const column = layout.columns[d];
      if (column?.kind !== 'number' || Number.isNaN(value)) continue;
      let mean = 0;
      let variance = 0;
      for (let i = 0; i < n; i++) {
        const other = warped[d * n + i] ?? NaN;
        const isGap = Number.isNaN(other);
        const difference = value - (isGap ? inactiveAt : other);
        const square = (this.inverseSquares[d] ?? 0) * difference * difference + (isGap ? (this.gapSquares[d] ?? 0) : 0);
        const pull = ((squares[i] ?? 0) + 2 * this.scale * this.perColumn * maternSlope(square)) * difference;
        mean += pull * (this.alpha[i] ?? 0);
        variance += pull * (solved[i] ?? 0);
      }
      const place = layout.warp[d] ?? -1;
      const slope = place < 0 ? 1 : warpSlope(x[d] ?? 0, Math.exp(this.theta[place] ?? 0), Math.exp(this.theta[place + 1] ?? 0));
      const factor = slope * (this.inverseSquares[d] ?? 0);
      byMean[d] = mean * factor;
      byVariance[d] = out.variance <= this.scale * 1e-9 ? 0 : -2 * variance * factor;
    }
  }

  /**
   * The model as it would be after trials at the points, each with a joint random draw of the results: one model a draw.
   * With L the factor of all points and z = L⁻¹ (y − m), new entries of z are independent standard normal.
   */
  fantasize(points: readonly Float64Array[], nDraws: number, rng: Rng): GpModel[] {
    const { data, theta } = this;
    const extended = extendData(data, points, new Float64Array(points.length));
    const base = new GpModel(extended, theta);
    const z = new Float64Array(extended.n);
    return Array.from({ length: nDraws }, () => {
      for (let i = 0; i < data.n; i++) z[i] = (data.y[i] ?? 0) - this.mean;
      solveLower(base.factor, data.n, extended.n, z);
      const y = new Float64Array(extended.n);
      y.set(data.y);
      for (let i = data.n; i < extended.n; i++) {
        z[i] = rng.normal();
        let sum = this.mean;
        for (let j = 0; j <= i; j++) sum += (base.factor[i * extended.n + j] ?? 0) * (z[j] ?? 0);
        y[i] = sum;
      }
      return new GpModel({ ...extended, y }, theta, base);
    });
  }

  /** Writes the covariances with all observations to `covariances`, and the squared distances to `squares`. */
  private relate(x: Float64Array, offset: number): void {
    const { n, layout } = this.data;
    const { squares, covariances, own, warped, point } = this;
    squares.fill(0);
    covariances.fill(0);
    for (let d = 0; d < layout.columns.length; d++) {
      const column = layout.columns[d];
      if (column === undefined) continue;
      const place = layout.warp[d] ?? -1;
      const u = x[offset + d] ?? NaN;
      const value = place < 0 ? u : warpOf(u, Math.exp(this.theta[place] ?? 0), Math.exp(this.theta[place + 1] ?? 0));
      point[d] = value;
      if (column.kind === 'fixed') continue;
      const [inverse, gap] = [this.inverseSquares[d] ?? 0, this.gapSquares[d] ?? 0];
      addColumn(column, value, warped, d * n, n, inverse, gap, this.perColumn, own, squares, covariances, 0);
    }
    for (let i = 0; i < n; i++)
      covariances[i] = this.scale * ((covariances[i] ?? 0) + (1 - this.share) * matern(squares[i] ?? 0));
  }

  private factored(): Float64Array {
    const { n, layout, noise } = this.data;
    const width = layout.columns.length;
    const factor = new Float64Array(n * n);
    const sums = new Float64Array(n * n);
    for (let d = 0; d < width; d++) {
      const column = layout.columns[d];
      if (column === undefined) continue;
      const from = d * n;
      const inverse = this.inverseSquares[d] ?? 0;
      const gap = this.gapSquares[d] ?? 0;
      if (column.kind === 'fixed') continue;
      for (let i = 1; i < n; i++) {
        const value = this.warped[from + i] ?? NaN;
        addColumn(column, value, this.warped, from, i, inverse, gap, this.perColumn, this.own, factor, sums, i * n);
      }
    }
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < i; j++)
        factor[i * n + j] = this.scale * ((sums[i * n + j] ?? 0) + (1 - this.share) * matern(factor[i * n + j] ?? 0));
      factor[i * n + i] = this.scale * (1 + jitter) + this.noiseVariance * (noise[i] ?? 1);
    }
    if (!cholesky(factor, n)) throw new RangeError(`a covariance matrix of ${n} points cannot be factored`);
    return factor;
  }
}

/** The data with further points and their values. */
export function extendData(data: Data, points: readonly Float64Array[], values: Float64Array): Data {
  const width = data.layout.columns.length;
  const n = data.n + points.length;
  const x = new Float64Array(n * width);
  x.set(data.x);
  points.forEach((point, k) => x.set(point, (data.n + k) * width));
  const y = new Float64Array(n);
  y.set(data.y);
  y.set(values, data.n);
  const noise = new Float64Array(n).fill(1);
  noise.set(data.noise);
  return { ...data, n, x, y, noise };
}
