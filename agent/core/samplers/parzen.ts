import { logSqrt2Pi, logSumExp, normalCdf, type Rng, truncatedNormalQuantile } from '../math/index.ts';
import { type CompiledParameter, type CompiledSpace, fromUnit, unitCell } from '../space/index.ts';

/**
 * A density over the points of a space: a mixture of product kernels on the unit cube.
 *
 *   p(x) = Σ_k w_k Π_d K_d(x_d | μ_kd, σ_kd),   k = 1 … K observations and, as the last kernel, the prior
 *
 * - continuous d: normal around the observation, cut to [0, 1];
 * - ints, steps and ordinals: the mass of that normal over the value's cell, so values of a small range keep their neighbours;
 * - categories: (δ + 1/K) / (1 + n/K), n the number of categories;
 * - a parameter that is inactive in the observation but active in the point: uniform, as observation k says nothing about it.
 *   One that is inactive in the point does not enter. So one estimator serves a space with conditions, whole groups of
 *   parameters included.
 *
 * σ_kd of the good density (`near`) is the larger distance to a neighbouring observation, at least 0.7 / min(100, K + 1): J. Bergstra
 * et al., Algorithms for Hyper-Parameter Optimization, NeurIPS 2011, section 4.1. That of the rest (`wide`) is
 * 0.2 · n_d^(−1/(D+4)) for n_d observations with a value and D parameters: Scott's rule, D. W. Scott, Multivariate Density
 * Estimation, 1992, equation 6.42, with 0.2 of the range for the deviation; a smooth g lets l alone say where it is narrow. Both
 * were chosen on half of the benchmark's real problems and confirmed on the other half. The prior has σ = 1.
 * Product kernels: S. Falkner, A. Klein, F. Hutter, BOHB, ICML 2018.
 */
export class ParzenEstimator {
  private readonly space: CompiledSpace;
  /** Kernels, the prior included. */
  private readonly count: number;
  private readonly logWeights: Float64Array;
  private readonly cumulative: Float64Array;
  /** Parameter-major: `mu[d * count + k]`, NaN where the observation has no value. */
  private readonly mu: Float64Array;
  private readonly sigma: Float64Array;

  /**
   * `points` are rows as `CompiledSpace.encode` writes them, one for each of the `weights`, which need not sum to 1; the prior
   * has weight 1.
   */
  constructor(space: CompiledSpace, points: Float64Array, weights: Float64Array, bandwidth: 'near' | 'wide') {
    this.space = space;
    const width = space.parameters.length;
    const count = weights.length + 1;
    this.count = count;
    this.mu = new Float64Array(width * count);
    this.sigma = new Float64Array(width * count);
    const exponent = -1 / (space.parameters.filter(({ size }) => size > 1).length + 4);
    for (const { index } of space.parameters) {
      const at = index * count;
      let n = 0;
      for (let k = 0; k < count - 1; k++) {
        const mu = points[k * width + index] ?? NaN;
        this.mu[at + k] = mu;
        if (!Number.isNaN(mu)) n++;
      }
      const sigma = this.sigma.subarray(at, at + count - 1);
      if (bandwidth === 'wide') sigma.fill(widest * Math.max(1, n) ** exponent);
      else setGaps(this.mu.subarray(at, at + count - 1), sigma);
      this.mu[at + count - 1] = 0.5;
      this.sigma[at + count - 1] = 1;
    }
    this.cumulative = new Float64Array(count);
    this.logWeights = new Float64Array(count);
    let total = 0;
    for (let k = 0; k < count; k++) {
      total += weights[k] ?? 1;
      this.cumulative[k] = total;
    }
    for (let k = 0; k < count; k++) this.logWeights[k] = Math.log((weights[k] ?? 1) / total);
  }

  /** Writes a draw's place in the unit cube to `target`, every parameter filled, also those that will prove inactive. */
  sample(rng: Rng, target: Float64Array): void {
    const { count } = this;
    const pick = rng.next() * (this.cumulative[count - 1] ?? 0);
    let kernel = 0;
    while (kernel < count - 1 && (this.cumulative[kernel] ?? 0) <= pick) kernel++;
    for (const { index, size, distribution } of this.space.parameters) {
      const mu = this.mu[index * count + kernel] ?? NaN;
      const u = rng.next();
      if (Number.isNaN(mu) || size === 1) target[index] = u;
      else if (distribution.type !== 'categorical')
        target[index] = truncatedNormalQuantile(mu, this.sigma[index * count + kernel] ?? 1, 0, 1, u);
      // The prior's share of a category's kernel is a uniform draw over all categories.
      else target[index] = kernel === count - 1 || u * (1 + size / count) < size / count ? rng.next() : mu;
    }
  }

  /** log p at `nPoints` places, rows of `points` as `CompiledSpace.encode` writes them. */
  logDensity(points: Float64Array, nPoints: number): Float64Array {
    const { count } = this;
    const width = this.space.parameters.length;
    const terms = new Float64Array(nPoints * count);
    for (let point = 0; point < nPoints; point++) terms.set(this.logWeights, point * count);
    const column = new Float64Array(nPoints);
    for (const parameter of this.space.parameters) {
      if (parameter.size === 1) continue;
      for (let point = 0; point < nPoints; point++) column[point] = points[point * width + parameter.index] ?? NaN;
      if (parameter.distribution.type === 'categorical') this.addCategories(parameter, column, terms);
      else if (parameter.size === Infinity) this.addContinuous(parameter, column, terms);
      else this.addCells(parameter, column, terms);
    }
    const densities = new Float64Array(nPoints);
    for (let point = 0; point < nPoints; point++) densities[point] = logSumExp(terms, point * count, (point + 1) * count);
    return densities;
  }

  private addContinuous(parameter: CompiledParameter, column: Float64Array, terms: Float64Array): void {
    const { count } = this;
    const mu = this.mu.subarray(parameter.index * count, (parameter.index + 1) * count);
    const { center, scale, offset } = this.kernelsOf(parameter);
    for (let point = 0; point < column.length; point++) {
      const u = column[point] ?? NaN;
      if (Number.isNaN(u)) continue;
      const row = point * count;
      for (let k = 0; k < mu.length; k++) {
        const z = (u - (center[k] ?? 0)) * (scale[k] ?? 0);
        terms[row + k] = (terms[row + k] ?? 0) + (offset[k] ?? 0) - z * z;
      }
    }
  }

  /** log density of kernel k at u: offset − ((u − center) · scale)²; 0 everywhere where the observation has no value. */
  private kernelsOf({ index }: CompiledParameter): Record<'center' | 'scale' | 'offset', Float64Array> {
    const { count } = this;
    const at = index * count;
    const center = new Float64Array(count);
    const scale = new Float64Array(count);
    const offset = new Float64Array(count);
    for (let k = 0; k < count; k++) {
      const mu = this.mu[at + k] ?? NaN;
      const sigma = this.sigma[at + k] ?? 1;
      if (Number.isNaN(mu)) continue;
      center[k] = mu;
      scale[k] = Math.SQRT1_2 / sigma;
      offset[k] = -Math.log(sigma) - logSqrt2Pi - logMass(mu, sigma, 0, 1);
    }
    return { center, scale, offset };
  }

  private addCells(parameter: CompiledParameter, column: Float64Array, terms: Float64Array): void {
    const { count } = this;
    const { distribution, size } = parameter;
    const at = parameter.index * count;
    // Observations of one value have one and the same kernel, so there are at most as many kernels as values.
    const shapeOf = new Int32Array(count);
    const shapes: number[] = [];
    const shapeByMu = new Map<number, number>();
    for (let k = 0; k < count; k++) {
      const mu = this.mu[at + k] ?? NaN;
      // The prior, which comes last, may share its mean with an observation, but not its width.
      let shape = k === count - 1 ? undefined : shapeByMu.get(mu);
      if (shape === undefined) {
        shape = shapes.push(k) - 1;
        shapeByMu.set(mu, shape);
      }
      shapeOf[k] = shape;
    }
    const { center, scale, offset } = this.kernelsOf(parameter);
    const byCell = new Map<number, Float64Array>();
    for (let point = 0; point < column.length; point++) {
      const u = column[point] ?? NaN;
      if (Number.isNaN(u)) continue;
      let masses = byCell.get(u);
      if (masses === undefined) {
        const [from, to] = unitCell(distribution, fromUnit(distribution, u));
        const logUniform = -Math.log(size);
        const logWidth = Math.log(to - from);
        masses = new Float64Array(shapes.length);
        for (let shape = 0; shape < shapes.length; shape++) {
          const k = shapes[shape] ?? 0;
          masses[shape] =
            (scale[k] ?? 0) === 0
              ? logUniform
              : (offset[k] ?? 0) + logCell(from - (center[k] ?? 0), to - (center[k] ?? 0), logWidth, scale[k] ?? 0);
        }
        byCell.set(u, masses);
      }
      const row = point * count;
      for (let k = 0; k < count; k++) terms[row + k] = (terms[row + k] ?? 0) + (masses[shapeOf[k] ?? 0] ?? 0);
    }
  }

  private addCategories(parameter: CompiledParameter, column: Float64Array, terms: Float64Array): void {
    const { count } = this;
    const { size } = parameter;
    const at = parameter.index * count;
    const logSame = Math.log((1 + 1 / count) / (1 + size / count));
    const logOther = Math.log(1 / count / (1 + size / count));
    const logUniform = -Math.log(size);
    for (let point = 0; point < column.length; point++) {
      const u = column[point] ?? NaN;
      if (Number.isNaN(u)) continue;
      const row = point * count;
      const category = Math.floor(u * size);
      for (let k = 0; k < count; k++) {
        const mu = this.mu[at + k] ?? NaN;
        const isUniform = k === count - 1 || Number.isNaN(mu);
        terms[row + k] =
          (terms[row + k] ?? 0) + (isUniform ? logUniform : Math.floor(mu * size) === category ? logSame : logOther);
      }
    }
  }
}

/** σ of a single observation among the rest. */
const widest = 0.2;
/** σ of a good one times K + 1, at least. */
const narrowest = 0.7;

/** σ per observation: the larger gap to its neighbours, an end of the range standing in where there is only one observation. */
function setGaps(mu: Float64Array, sigma: Float64Array): void {
  const sorted = mu.filter((value) => !Number.isNaN(value)).sort();
  const n = sorted.length;
  const least = narrowest / Math.min(100, n + 2);
  for (let k = 0; k < mu.length; k++) {
    const value = mu[k] ?? NaN;
    if (Number.isNaN(value)) {
      sigma[k] = 1;
      continue;
    }
    const place = lowerBound(sorted, value);
    // Equal values: the gap on the left belongs to the first of them, that on the right to the last.
    const isAlone = n === 1;
    const left = place > 0 ? value - (sorted[place - 1] ?? 0) : isAlone ? value : 0;
    const next = upperBound(sorted, value, place);
    const right = next < n ? (sorted[next] ?? 1) - value : isAlone ? 1 - value : 0;
    sigma[k] = Math.min(1, Math.max(least, left, right));
  }
}

/** First place of a sorted array whose value is not below `value`. */
function lowerBound(sorted: Float64Array, value: number): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** First place of a sorted array, from `from` on, whose value is above `value`. */
function upperBound(sorted: Float64Array, value: number, from: number): number {
  let low = from;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((sorted[middle] ?? 0) <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Distances in deviations beyond which a normal's tail, below 1e-16, is left out. */
const farAway = 8.3;
/** log of a mass that is as good as none: the prior kernel outweighs it in every mixture. */
const logNothing = -700;

/** log of the mass of N(mu, sigma²) in [from, to]; cheap, where precision of tiny masses does not matter. */
function logMass(mu: number, sigma: number, from: number, to: number): number {
  const a = (from - mu) / sigma;
  const b = (to - mu) / sigma;
  if (a < -farAway && b > farAway) return 0;
  if (a > farAway || b < -farAway) return logNothing;
  const mass = a > 0 ? normalCdf(-a) - normalCdf(-b) : normalCdf(b) - normalCdf(a);
  return mass > 0 ? Math.log(mass) : logNothing;
}

/**
 * log ∫ exp(−(t · scale)²) dt from `from` to `to`; `logWidth` = log(to − from). In narrow cells, which most are, by the value and
 * the even derivatives in the middle, to about 1e-5 relative where the kernel has its mass.
 */
function logCell(from: number, to: number, logWidth: number, scale: number): number {
  const h = (to - from) * scale;
  if (h > 0.5) return logMass(0, Math.SQRT1_2 / scale, from, to) + logSqrtPi - Math.log(scale);
  const z = ((from + to) / 2) * scale;
  const z2 = z * z;
  const h2 = h * h;
  return logWidth - z2 + Math.log(1 + (h2 * (2 * z2 - 1)) / 12 + (h2 * h2 * ((4 * z2 - 12) * z2 + 3)) / 480);
}

/** log √π */
const logSqrtPi = 0.5723649429247001;
