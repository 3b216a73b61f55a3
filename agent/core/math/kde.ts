import { normalCdf } from './normal.ts';

/**
 * A weighted kernel density estimate on [0, 1], as its mass in each of `target.length` cells of equal width; sums to 1.
 *
 *   p(x) = Σ_k w_k φ((x − x_k) / h) / (h P_k) / Σ w,   P_k the mass of the k-th normal inside [0, 1]
 *
 * Each kernel is cut to [0, 1] and scaled back to mass 1, so nothing is lost at the ends. Without any weight: uniform. h > 0; from
 * 10,000 on a kernel is uniform to 1e-8, and no wider one is told from it.
 */
export function kdeMasses(points: Float64Array, weights: Float64Array, bandwidth: number, target: Float64Array): void {
  const cells = target.length;
  const h = Math.min(bandwidth, 1e4);
  target.fill(0);
  let total = 0;
  for (let k = 0; k < points.length; k++) {
    const weight = weights[k] ?? 0;
    if (!(weight > 0)) continue;
    total += weight;
    const x = points[k] ?? 0;
    const below = normalCdf(-x / h);
    const scale = weight / (normalCdf((1 - x) / h) - below);
    let from = below;
    for (let cell = 0; cell < cells; cell++) {
      const to = normalCdf(((cell + 1) / cells - x) / h);
      target[cell] = (target[cell] ?? 0) + (to - from) * scale;
      from = to;
    }
  }
  for (let cell = 0; cell < cells; cell++) target[cell] = total > 0 ? (target[cell] ?? 0) / total : 1 / cells;
}

/**
 * Scott's bandwidth, 1.059 min(σ, IQR / 1.34) n^(−1/5), of sorted `points`; the weights count observations. 0 for fewer than two
 * different points. D. W. Scott: Multivariate Density Estimation, 1992, section 6.2; the robust scale is Silverman's.
 */
export function scottBandwidth(points: Float64Array, weights: Float64Array): number {
  let total = 0;
  let mean = 0;
  for (let k = 0; k < points.length; k++) {
    total += weights[k] ?? 0;
    mean += (weights[k] ?? 0) * (points[k] ?? 0);
  }
  if (!(total > 1)) return 0;
  mean /= total;
  let variance = 0;
  for (let k = 0; k < points.length; k++) variance += (weights[k] ?? 0) * ((points[k] ?? 0) - mean) ** 2;
  const deviation = Math.sqrt(variance / (total - 1));
  const range = quantile(points, weights, 0.75 * total) - quantile(points, weights, 0.25 * total);
  // Where half of all points are one value, the range says nothing.
  const scale = range > 0 ? Math.min(deviation, range / 1.34) : deviation;
  return 1.059 * scale * total ** -0.2;
}

/** The first point up to which the weights sum to at least `sum`. */
function quantile(points: Float64Array, weights: Float64Array, sum: number): number {
  let seen = 0;
  for (let k = 0; k < points.length; k++) {
    seen += weights[k] ?? 0;
    if (seen >= sum) return points[k] ?? 0;
  }
  return points[points.length - 1] ?? 0;
}
