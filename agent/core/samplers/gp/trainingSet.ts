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
  const median = finite.map((list) => list.toSorted((a, b) => a - b)[list.length >> 1] ?? -Infinity);
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
    const own = used.map((k) => (lossOf(observation, k) === -Infinity ? (least[k] ?? NaN) : lossOf(observation, k)));
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
 * At most `most` of n rows, ascending: the best quarter by `scores` (smaller is better), the quarter nearest to the very best,
 * which the search is about to refine, and of the others an even choice over time. `distance(i)`: from the best.
 */
export function chooseRows(scores: Float64Array, distance: (index: number, best: number) => number, most: number): number[] {
  const n = scores.length;
  const all = Array.from({ length: n }, (_, index) => index);
  if (n <= most) return all;
  const order = all.toSorted((a, b) => (scores[a] ?? 0) - (scores[b] ?? 0) || a - b);
  const best = order[0] ?? 0;
  const chosen = new Set(order.slice(0, most >> 2));
  const distances = Float64Array.from(all, (index) => distance(index, best));
  for (const index of all.toSorted((a, b) => (distances[a] ?? 0) - (distances[b] ?? 0) || a - b)) {
    if (chosen.size >= most >> 1) break;
    chosen.add(index);
  }
  const rest = all.filter((index) => !chosen.has(index));
  const nRest = most - chosen.size;
  for (let k = 0; k < nRest; k++) chosen.add(rest[Math.floor((k * rest.length) / nRest)] ?? 0);
  return [...chosen].sort((a, b) => a - b);
}
