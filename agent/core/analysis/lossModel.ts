import type { Evidence } from './evidence.ts';
import { growForest, type Forest } from './forest.ts';
import { leastTrials } from './importance.ts';
import { marginalsOf, type TreeMarginals } from './treeMarginals.ts';

/** A forest of the objective over the space, with its averages ready. Losses are scaled: loss = offset + scale · model. */
export interface LossModel {
  readonly forest: Forest;
  readonly marginals: readonly TreeMarginals[];
  readonly offset: number;
  readonly scale: number;
}

const mostRows = 4000;

/** Null with fewer than 10 trials that have a value. Same evidence and seed, same model. At most 4,000 trials enter. */
export function fitLossModel(evidence: Evidence, seed: number): LossModel | null {
  if (evidence.ranked < leastTrials) return null;
  const all: number[] = [];
  for (let row = 0; row < evidence.count; row++) if ((evidence.losses[row] ?? Infinity) < Infinity) all.push(row);
  // Of many an even sample, by their number of arrival.
  const step = Math.max(1, all.length / mostRows);
  const rows = Array.from({ length: Math.min(all.length, mostRows) }, (_, k) => all[Math.floor(k * step)] ?? 0);
  const losses = Float64Array.from(rows, (row) => evidence.losses[row] ?? 0);
  const sorted = losses.toSorted();
  const at = (part: number): number => sorted[Math.floor(part * (sorted.length - 1))] ?? 0;
  // One diverged trial must not be all of the variance: what lies ten times the middle half above it counts as just that bad.
  const spread = at(0.75) / 2 - at(0.25) / 2;
  const limit = spread > 0 ? at(0.75) + 20 * spread : at(1);
  const low = at(0);
  const high = Math.min(at(1), limit);
  // Halves, as the range itself may be beyond the largest double.
  const half = high / 2 - low / 2;
  const scaled = losses.map((loss) => (half > 0 ? (Math.min(loss, high) / 2 - low / 2) / half : 0));
  const forest = growForest(evidence, rows, scaled, seed);
  return { forest, marginals: marginalsOf(forest), offset: low, scale: Math.min(Number.MAX_VALUE, 2 * half) };
}
