import { logNormalCdf, normalCdf, normalQuantile } from './normal.ts';

/**
 * log P(from < Z < to) of a standard normal Z; −∞ where from ≥ to. Both ends in one tail lose nothing: the right one is
 * mirrored to the left, where small probabilities are exact.
 */
export function logNormalMass(from: number, to: number): number {
  if (!(from < to)) return -Infinity;
  if (from > 0) return logNormalMass(-to, -from);
  if (to > 0) return Math.log(normalCdf(to) - normalCdf(from));
  const logTo = logNormalCdf(to);
  return logTo + Math.log1p(-Math.exp(logNormalCdf(from) - logTo));
}

/**
 * The quantile at p in [0, 1] of a normal with the given mean and deviation, cut to [low, high]: with p uniform, a draw.
 * Always within [low, high]; exact to rounding as long as the interval holds some probability (within 37 deviations).
 */
export function truncatedNormalQuantile(mean: number, deviation: number, low: number, high: number, p: number): number {
  const from = (low - mean) / deviation;
  const to = (high - mean) / deviation;
  if (from > 0) return low + high - truncatedNormalQuantile(low + high - mean, deviation, low, high, 1 - p);
  const cdfFrom = normalCdf(from);
  const x = mean + deviation * normalQuantile(cdfFrom + p * (normalCdf(to) - cdfFrom));
  return Math.min(high, Math.max(low, x));
}
