import { cholesky, choleskyInverse, logDeterminant, solveLower, solveLowerTransposed } from '../../math/index.ts';
import {
  addColumn,
  inactiveAt,
  type Layout,
  logistic,
  maternSlope,
  nEntering,
  noiseAt,
  scaleAt,
  shareAt,
  warpByLogA,
  warpByLogB,
  warpRows,
} from './kernel.ts';

/** What a model is fitted to. */
export interface Data {
  readonly layout: Layout;
  readonly n: number;
  /** Row-major, `n` rows of a column each; NaN where inactive. */
  readonly x: Float64Array;
  readonly y: Float64Array;
  /** The noise of row i has the variance σ² noise[i]. */
  readonly noise: Float64Array;
}

/** Keeps the matrix positive definite where points coincide; a part of s². */
export const jitter = 1e-8;
/** Deviation of the prior of the constant mean. */
export const meanDeviation = 1;

/**
 * −log p(y | X, θ), up to a constant, with its gradient; the constant mean m is the most probable one for each θ.
 *
 *   ½ (y − m)ᵀ K⁻¹ (y − m) + ½ log |K| + ½ m²/τ²,   K_ij = k(x_i, x_j) + δ_ij σ² noise_i,   α = K⁻¹ (y − m)
 *   ∂/∂θ = −½ tr((α αᵀ − K⁻¹) ∂K/∂θ)
 *
 * C. E. Rasmussen, C. K. I. Williams: Gaussian Processes for Machine Learning, 2006, equations 2.30 and 5.9. All arrays are
 * allocated once per set of data. n³ + d n² operations a call.
 */
export class Likelihood {
  private readonly data: Data;
  private readonly warped: Float64Array;
  /** Lower triangles: squared distances, then −(αα ᵀ − K⁻¹)_ij ∂k/∂r²; the factor of K. */
  private readonly squares: Float64Array;
  /** Lower triangle: the mean of the columns' own correlations. */
  private readonly additive: Float64Array;
  /** One row of one column's squared distances. */
  private readonly own: Float64Array;
  private readonly factor: Float64Array;
  private readonly inverse: Float64Array;
  private readonly alpha: Float64Array;
  private readonly ones: Float64Array;
  private readonly byWarped: Float64Array;
  private additiveScale = 0;

  constructor(data: Data) {
    const { n, layout } = data;
    this.data = data;
    this.warped = new Float64Array(n * layout.columns.length);
    this.squares = new Float64Array(n * n);
    this.factor = new Float64Array(n * n);
    this.additive = new Float64Array(n * n);
    this.own = new Float64Array(n);
    this.inverse = new Float64Array(n * n);
    this.alpha = new Float64Array(n);
    this.ones = new Float64Array(n);
    this.byWarped = new Float64Array(n);
  }

  /** Infinity where K cannot be factored; the gradient is then zero. */
  evaluate(theta: Float64Array, gradient: Float64Array): number {
    const { data, squares, additive, factor, inverse, alpha, ones } = this;
    const { n, layout, y, noise } = data;
    gradient.fill(0);
    warpRows(layout, theta, data.x, n, this.warped);
    this.fillSquares(theta);
    const scale = Math.exp(theta[scaleAt] ?? 0);
    const share = logistic(theta[shareAt] ?? 0);
    const noiseVariance = Math.exp(theta[noiseAt] ?? 0);
    for (let i = 0; i < n; i++) {
      const at = i * n;
      for (let j = 0; j < i; j++) {
        const t = Math.sqrt(5 * (squares[at + j] ?? 0));
        const decay = scale * Math.exp(-t);
        const joint = (1 + t + (t * t) / 3) * decay;
        factor[at + j] = (1 - share) * joint + share * scale * (additive[at + j] ?? 0);
        // By the logit of the share, kept above the diagonal.
        additive[j * n + i] = share * (1 - share) * (scale * (additive[at + j] ?? 0) - joint);
        squares[at + j] = (1 - share) * (-5 / 6) * (1 + t) * decay;
      }
      factor[at + i] = scale * (1 + jitter) + noiseVariance * (noise[i] ?? 1);
    }
    // The correlations are needed once more; the upper triangle has room for them.
    for (let i = 1; i < n; i++) for (let j = 0; j < i; j++) factor[j * n + i] = factor[i * n + j] ?? 0;
    if (!cholesky(factor, n)) return Infinity;
    const mean = profileMean(factor, n, y, alpha, ones);
    let fit = 0;
    for (let i = 0; i < n; i++) fit += ((y[i] ?? 0) - mean) * (alpha[i] ?? 0);
    const value = 0.5 * fit + 0.5 * logDeterminant(factor, n, n) + (0.5 * mean * mean) / meanDeviation ** 2;
    choleskyInverse(factor, n, n, inverse);

    let byScale = 0;
    let byNoise = 0;
    let byShare = 0;
    for (let i = 0; i < n; i++) {
      const at = i * n;
      const alphaI = alpha[i] ?? 0;
      for (let j = 0; j < i; j++) {
        const weight = (inverse[at + j] ?? 0) - alphaI * (alpha[j] ?? 0);
        byScale += weight * (factor[j * n + i] ?? 0);
        byShare += weight * (additive[j * n + i] ?? 0);
        squares[at + j] = weight * (squares[at + j] ?? 0);
        // From here on the weight of the additive part's correlations.
        additive[at + j] = weight;
      }
      const weight = (inverse[at + i] ?? 0) - alphaI * alphaI;
      byScale += 0.5 * weight * scale * (1 + jitter);
      byNoise += 0.5 * weight * noiseVariance * (noise[i] ?? 1);
    }
    gradient[scaleAt] = byScale;
    gradient[noiseAt] = byNoise;
    gradient[shareAt] = byShare;
    this.additiveScale = (scale * share) / nEntering(layout);
    for (let d = 0; d < layout.columns.length; d++) this.addGradient(d, theta, gradient);
    return value;
  }

  private fillSquares(theta: Float64Array): void {
    const { data, squares, additive, own, warped } = this;
    const { n, layout } = data;
    const count = nEntering(layout);
    squares.fill(0);
    additive.fill(0);
    layout.columns.forEach((column, d) => {
      if (column.kind === 'fixed') return;
      const inverse = Math.exp(-2 * (theta[layout.length[d] ?? -1] ?? 0));
      const gapInverse = Math.exp(-2 * (theta[layout.gap[d] ?? -1] ?? 0));
      for (let i = 1; i < n; i++)
        addColumn(
          column,
          warped[d * n + i] ?? NaN,
          warped,
          d * n,
          i,
          inverse,
          gapInverse,
          1 / count,
          own,
          squares,
          additive,
          i * n,
        );
    });
  }

  /**
   * The derivatives by column d's length, gap and warp. `squares` holds ∂value/∂r²_ij, `additive` ∂value/∂K_ij, of which the
   * column's own correlation is `additiveScale`.
   */
  private addGradient(d: number, theta: Float64Array, gradient: Float64Array): void {
    const { data, squares, additive, additiveScale, warped, byWarped } = this;
    const { n, layout } = data;
    const column = layout.columns[d];
    if (column === undefined || column.kind === 'fixed') return;
    const place = layout.length[d] ?? 0;
    const gap = layout.gap[d] ?? -1;
    const inverse = Math.exp(-2 * (theta[place] ?? 0));
    const gapInverse = Math.exp(-2 * (theta[gap] ?? 0));
    const from = d * n;
    const isNumber = column.kind === 'number';
    const slopeOfOther = additiveScale * maternSlope(inverse);
    let byLength = 0;
    let byGap = 0;
    byWarped.fill(0);
    for (let i = 1; i < n; i++) {
      const value = warped[from + i] ?? NaN;
      const isMissing = column.isOptional && Number.isNaN(value);
      let sum = 0;
      for (let j = 0; j < i; j++) {
        const other = warped[from + j] ?? NaN;
        const isOtherMissing = column.isOptional && Number.isNaN(other);
        const isGap = isMissing !== isOtherMissing;
        const byOwn = additive[i * n + j] ?? 0;
        const byJoint = squares[i * n + j] ?? 0;
        if (!isNumber) {
          if (value === other || (isMissing && isOtherMissing)) continue;
          const slope = isGap ? additiveScale * maternSlope(inverse + gapInverse) : slopeOfOther;
          const weight = byJoint + byOwn * slope;
          byLength += weight;
          if (isGap) byGap += weight;
          continue;
        }
        if (isMissing && isOtherMissing) continue;
        const difference = (isMissing ? inactiveAt : value) - (isOtherMissing ? inactiveAt : other);
        const square = inverse * difference * difference + (isGap ? gapInverse : 0);
        const weight = byJoint + byOwn * additiveScale * maternSlope(square);
        const pull = weight * difference;
        byLength += pull * difference;
        if (isGap) byGap += weight;
        if (!isMissing) sum += pull;
        if (!isOtherMissing) byWarped[j] = (byWarped[j] ?? 0) - pull;
      }
      byWarped[i] = (byWarped[i] ?? 0) + sum;
    }
    gradient[place] = -2 * inverse * byLength;
    if (gap >= 0) gradient[gap] = -2 * gapInverse * byGap;
    const warp = layout.warp[d] ?? -1;
    if (warp < 0) return;
    const a = Math.exp(theta[warp] ?? 0);
    const b = Math.exp(theta[warp + 1] ?? 0);
    const width = layout.columns.length;
    let byA = 0;
    let byB = 0;
    for (let i = 0; i < n; i++) {
      const u = data.x[i * width + d] ?? NaN;
      if (Number.isNaN(u)) continue;
      const pull = byWarped[i] ?? 0;
      byA += pull * warpByLogA(u, a, b);
      byB += pull * warpByLogB(u, a, b);
    }
    gradient[warp] = 2 * inverse * byA;
    gradient[warp + 1] = 2 * inverse * byB;
  }
}

/**
 * The most probable constant mean, m = 1ᵀ K⁻¹ y / (1ᵀ K⁻¹ 1 + 1/τ²), given the factor of K; writes K⁻¹ (y − m) to `alpha`.
 * `ones` is work space.
 */
export function profileMean(l: Float64Array, n: number, y: Float64Array, alpha: Float64Array, ones: Float64Array): number {
  alpha.set(y);
  ones.fill(1);
  solveLower(l, n, n, alpha);
  solveLower(l, n, n, ones);
  let above = 0;
  let below = 1 / meanDeviation ** 2;
  for (let i = 0; i < n; i++) {
    above += (ones[i] ?? 0) * (alpha[i] ?? 0);
    below += (ones[i] ?? 0) ** 2;
  }
  const mean = above / below;
  for (let i = 0; i < n; i++) alpha[i] = (alpha[i] ?? 0) - mean * (ones[i] ?? 0);
  solveLowerTransposed(l, n, n, alpha);
  return mean;
}
