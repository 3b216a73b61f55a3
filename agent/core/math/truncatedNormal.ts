import { logNormalCdf, logNormalPdf, millsRatio, normalCdf, normalQuantile } from './normal.ts';

/*
 * Notation: φ, Φ and Q = 1 − Φ of a standard normal Z, R(t) = Q(t) / φ(t) Mills' ratio; ends in deviations from the mean.
 * Differences of Φ lose their digits in narrow intervals, where the density's Taylor series takes over, and in the tails,
 * where ratios of Q do.
 */

/** Both ends on one side and beyond this many deviations: a tail. */
const tailFrom = 6;

/**
 * log P(from < Z < to) of a standard normal Z; −∞ where from ≥ to. Both ends in one tail lose nothing: the right one is
 * mirrored to the left, where small probabilities are exact.
 */
export function logNormalMass(from: number, to: number): number {
  if (!(from < to)) return -Infinity;
  if (from > 0) return logNormalMass(-to, -from);
  const width = to - from;
  const middle = (from + to) / 2;
  if (width * Math.max(1, -middle) < 0.05) {
    // ∫ φ = w φ(m) (1 + (m² − 1) w²/24 + (m⁴ − 6 m² + 3) w⁴/1920 + …)
    const m2 = middle * middle;
    const w2 = width * width;
    return Math.log(width) + logNormalPdf(middle) + Math.log1p(((m2 - 1) * w2) / 24 + ((m2 * m2 - 6 * m2 + 3) * w2 * w2) / 1920);
  }
  if (to > -tailFrom) return Math.log(normalCdf(to) - normalCdf(from));
  return logNormalCdf(to) + Math.log(-Math.expm1(logTailRatio(-to, width)));
}

/**
 * The quantile at p in [0, 1] of a normal with the given mean and deviation, cut to [low, high]: with p uniform, a draw.
 * Always within [low, high], and exact to a few roundings however far the mean is and however wide the normal.
 */
export function truncatedNormalQuantile(mean: number, deviation: number, low: number, high: number, p: number): number {
  return Math.min(high, Math.max(low, quantile(mean, deviation, low, high, p)));
}

/** The same but for roundings across the ends. */
function quantile(mean: number, deviation: number, low: number, high: number, p: number): number {
  const from = (low - mean) / deviation;
  const to = (high - mean) / deviation;
  const width = (high - low) / deviation;
  if (from > tailFrom) return low + deviation * tailQuantile(from, width, p);
  if (to < -tailFrom) return high - deviation * tailQuantile(-to, width, 1 - p);
  // The density's slope is all that is left of it: u + (m w / 2) u (1 − u) = p.
  if (width < 1e-5) return low + (high - low) * (p - ((from + to) / 4) * width * p * (1 - p));
  if (from > 0) return mean - deviation * normalQuantile(between(normalCdf(-to), normalCdf(-from), 1 - p));
  return mean + deviation * normalQuantile(between(normalCdf(from), normalCdf(to), p));
}

function between(a: number, b: number, p: number): number {
  return a + p * (b - a);
}

/**
 * The s in [0, width] with Q(from + s) / Q(from) = q, where q falls from 1 to Q(from + width) / Q(from) as p rises from 0 to 1;
 * from ≥ 6. The start neglects how R changes, an error of 1 / from²; each step of Newton's method squares it.
 */
function tailQuantile(from: number, width: number, p: number): number {
  if (!(from < Infinity)) return 0;
  /** −log q */
  const target = -Math.log1p(p * Math.expm1(logTailRatio(from, width)));
  if (target === Infinity) return width;
  let s = (2 * target) / (from + Math.sqrt(from * from + 2 * target));
  for (let step = 0; step < 3; step++) s = Math.max(0, s + millsRatio(from + s) * (target + logTailRatio(from, s)));
  return s;
}

/** log Q(t + width) / Q(t) for t ≥ 6; of a small width by the slope −1 / R at its middle. */
function logTailRatio(t: number, width: number): number {
  if (width < 1e-4) return -width / millsRatio(t + width / 2);
  return -0.5 * width * (2 * t + width) + Math.log(millsRatio(t + width) / millsRatio(t));
}
