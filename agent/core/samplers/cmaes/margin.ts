import { normalCdf, normalQuantile } from '../../math/index.ts';
import { fromUnit, unitCell } from '../../space/index.ts';
import type { CompiledParameter } from '../../space/index.ts';

/**
 * Keeps a discrete coordinate from freezing: its normal N(mean, deviation²) is moved and widened so that each value beside the one
 * of its mean keeps a probability of `margin` in all, half on either side. Written to `target`: mean, deviation.
 *
 * R. Hamano, S. Saito, M. Nomura, S. Shirakawa: CMA-ES with margin, GECCO 2022, section 3.
 */
export function withMargin(
  parameter: CompiledParameter,
  mean: number,
  deviation: number,
  margin: number,
  target: Float64Array,
): void {
  const { distribution } = parameter;
  const [from, to] = unitCell(distribution, fromUnit(distribution, mean));
  target[0] = mean;
  target[1] = deviation;
  const isFirst = from <= edge;
  const isLast = to >= 1 - edge;
  if (isFirst && isLast) return;
  if (isFirst || isLast) {
    // P(beyond the inner edge) ≥ margin: the mean comes as near to the edge as that takes.
    const gap = isFirst ? to - mean : mean - from;
    const widest = -normalQuantile(margin) * deviation;
    if (gap > widest) target[0] = isFirst ? to - widest : from + widest;
    return;
  }
  const below = normalCdf((from - mean) / deviation);
  const above = normalCdf((mean - to) / deviation);
  if (below >= margin / 2 && above >= margin / 2) return;
  // Both raised to half the margin at least, at the cost of the middle.
  const raisedBelow = Math.max(margin / 2, below);
  const raisedAbove = Math.max(margin / 2, above);
  const middle = 1 - below - above;
  const excess = raisedBelow + raisedAbove + middle - 1;
  const free = raisedBelow + raisedAbove + middle - 1.5 * margin;
  const share = free > 0 ? excess / free : 0;
  const left = -normalQuantile(raisedBelow - share * (raisedBelow - margin / 2));
  const right = -normalQuantile(raisedAbove - share * (raisedAbove - margin / 2));
  if (!(left + right > 0)) return;
  target[1] = (to - from) / (left + right);
  target[0] = from + left * target[1];
}

const edge = 1e-12;
