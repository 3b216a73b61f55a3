import type { Objective } from '../../../protocol/space.ts';
import type { History, Observation } from '../history.ts';

/** What the models learn from, by rows of a history. */
export interface TrainingSet {
  /** Rows with a finite loss in every objective that was ever finite. */
  readonly rows: readonly number[];
  /** Their losses, one array for each of these objectives; smaller is better. */
  readonly losses: readonly Float64Array[];
  /** Which objectives these are. */
  readonly objectives: readonly number[];
  /** Of each of `rows`: whether it may be the best, which pruned and infeasible trials may not. */
  readonly isEligible: readonly boolean[];
  /** Ended rows that gave a usable result, and those that did not for a reason other than a measured constraint. */
  readonly worked: readonly number[];
  readonly broke: readonly number[];
  readonly pending: readonly number[];
}

/**
 * −∞ counts as the best finite loss; NaN and +∞ as a trial that broke. A pruned trial is taken to be no better than the median
 * of the complete ones: it was stopped early for being bad.
 */
export function trainingSet(history: History, objectives: readonly Objective[]): TrainingSet {
  const signs = objectives.map(({ direction }) => (direction === 'min' ? 1 : -1));
  const lossOf = (observation: Observation, k: number): number => (signs[k] ?? 1) * (observation.values[k] ?? NaN);
  const finite = signs.map((): number[] => []);
  for (let row = 0; row < history.size; row++) {
    const observation = history.at(row);
    const isKnown = observation.state === 'complete' || observation.state === 'pruned' || observation.state === 'infeasible';
    if (!isKnown) continue;
    signs.forEach((_, k) => {
      const loss = lossOf(observation, k);
      if (Number.isFinite(loss)) finite[k]?.push(loss);
    });
  }
  const used = signs.map((_, k) => k).filter((k) => (finite[k]?.length ?? 0) > 0);
  const least = finite.map((list) => list.reduce((a, b) => Math.min(a, b), Infinity));
  const median = finite.map((list) => Float64Array.from(list).sort()[list.length >> 1] ?? -Infinity);
  const rows: number[] = [];
  const losses = used.map((): number[] => []);
  const isEligible: boolean[] = [];
  const worked: number[] = [];
  const broke: number[] = [];
  const pending: number[] = [];
  for (let row = 0; row < history.size; row++) {
    const observation = history.at(row);
    const { state } = observation;
    if (state === 'pending') {
      pending.push(row);
      continue;
    }
    const own = used.map((k) => Math.max(least[k] ?? NaN, lossOf(observation, k)));
    const isUsable = own.length > 0 && own.every(Number.isFinite);
    const isMeasured = observation.violations?.some((violation) => !Number.isNaN(violation)) === true;
    if (state === 'pruned' || (state === 'complete' && isUsable)) worked.push(row);
    else if (state !== 'infeasible' || !isMeasured) broke.push(row);
    if (!isUsable || state === 'failed') continue;
    rows.push(row);
    isEligible.push(state === 'complete');
    own.forEach((loss, k) => losses[k]?.push(state === 'pruned' ? Math.max(loss, median[used[k] ?? 0] ?? loss) : loss));
  }
  const asArrays = losses.map((list) => Float64Array.from(list));
  return { rows, losses: asArrays, objectives: used, isEligible, worked, broke, pending };
}

/**
 * At most `most` of n rows, ascending: the best quarter by `scores` (smaller is better), as many of those nearest to the very best,
 * which the search is about to refine, and of the others an even choice over time. `distanceTo(best)` measures how near rows are.
 */
export function chooseRows(
  scores: Float64Array,
  most: number,
  distanceTo: (best: number) => (index: number) => number = () => () => 0,
): number[] {
  const n = scores.length;
  const all = Array.from({ length: n }, (_, index) => index);
  if (n <= most) return all;
  const chosen = new Set(smallest(scores, most >> 2));
  const [best = 0] = chosen;
  const nearest = smallest(Float64Array.from(all, distanceTo(best)), most >> 1);
  for (const index of nearest) if (chosen.size < most >> 1) chosen.add(index);
  const rest = all.filter((index) => !chosen.has(index));
  const nRest = most - chosen.size;
  for (let k = 0; k < nRest; k++) chosen.add(rest[Math.floor((k * rest.length) / nRest)] ?? 0);
  return [...chosen].sort((a, b) => a - b);
}

/** Indexes of the `count` smallest in order, the earlier first of equal ones. */
function smallest(values: Float64Array, count: number): number[] {
  const limit = values.toSorted()[count - 1] ?? Infinity;
  const order: number[] = [];
  for (let index = 0; index < values.length; index++) if ((values[index] ?? NaN) <= limit) order.push(index);
  return order.sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0) || a - b).slice(0, count);
}

/** Of the row of `unit` that begins at `offset`. Inactive against active counts like a whole range. */
export function squaredDistance(unit: Float64Array, offset: number, center: Float64Array): number {
  let sum = 0;
  for (let d = 0; d < center.length; d++) {
    const [a, b] = [unit[offset + d] ?? NaN, center[d] ?? NaN];
    if (Number.isNaN(a) || Number.isNaN(b)) sum += Number(Number.isNaN(a) !== Number.isNaN(b));
    else sum += (a - b) ** 2;
  }
  return sum;
}
