import type { Objective } from '../../protocol/space.ts';
import type { History } from './history.ts';
import { bestOfFronts } from './pareto.ts';

export interface Split {
  /** Rows of the history that the good density is fitted to, in order of arrival. */
  readonly below: readonly number[];
  /** All other rows. */
  readonly above: readonly number[];
}

/**
 * Parts the observations into the best tenth (at most 25, as in Optuna) and the rest.
 *
 * Complete trials come first, by value or, with several objectives, by Pareto front and crowding; then pruned ones, the
 * further they came the better, and by their last report. NaN, failed and infeasible ones are never among the best.
 * A pending trial counts as if it had reached the worst, mean or best loss so far (constant liar: Ginsbourger, Le Riche,
 * Carraro 2010): the lower the lie, the more the sampler gathers where trials are already running.
 */
export function splitObservations(history: History, objectives: readonly Objective[], liar: 'min' | 'mean' | 'max'): Split {
  const signs = objectives.map(({ direction }) => (direction === 'min' ? 1 : -1));
  const lossOf = (row: number, objective: number): number => (signs[objective] ?? 1) * (history.at(row).values[objective] ?? NaN);
  const complete: number[] = [];
  const pruned: number[] = [];
  const pending: number[] = [];
  for (let row = 0; row < history.size; row++) {
    const { state } = history.at(row);
    const isRanked = signs.some((_, objective) => lossOf(row, objective) < Infinity);
    if (state === 'pending') pending.push(row);
    else if (state === 'complete' && isRanked) complete.push(row);
    else if (state === 'pruned' && isRanked) pruned.push(row);
  }
  const nBelow = Math.min(25, Math.ceil(0.1 * (complete.length + pruned.length)));
  /** A missing objective is the worst there is: the others still count. */
  const losses = (row: number): number[] =>
    signs.map((_, objective) => (Number.isNaN(lossOf(row, objective)) ? Infinity : lossOf(row, objective)));
  const isSingle = signs.length === 1;
  const best = isSingle
    ? smallest(complete, nBelow, (a, b) => lossOf(a, 0) - lossOf(b, 0))
    : bestOfFronts(complete, complete.map(losses), nBelow);
  const worstOfBest = best.at(-1);
  if (best.length < nBelow) {
    const compare = (a: number, b: number): number =>
      history.at(b).resource - history.at(a).resource || (isSingle ? lossOf(a, 0) - lossOf(b, 0) : a - b);
    best.push(...smallest(pruned, nBelow - best.length, compare));
  }
  // With a single objective the mean is nearly always worse than the best tenth; if not (all equal), it is among them.
  const isMeanGood =
    isSingle && worstOfBest !== undefined && mean(complete.map((row) => lossOf(row, 0))) <= lossOf(worstOfBest, 0);
  if (liar === 'min' || (liar === 'mean' && isMeanGood)) best.push(...pending);
  const isBelow = new Set(best);
  const below = best.sort((a, b) => a - b);
  const above: number[] = [];
  for (let row = 0; row < history.size; row++) if (!isBelow.has(row)) above.push(row);
  return { below, above };
}

/** The `count` smallest in order; equal ones in the order given. One pass: `count` is small. */
function smallest(rows: readonly number[], count: number, compare: (a: number, b: number) => number): number[] {
  const best: number[] = [];
  for (const row of rows) {
    const worst = best.at(-1);
    if (best.length >= count && (worst === undefined || compare(row, worst) >= 0)) continue;
    let place = best.length;
    while (place > 0 && compare(row, best[place - 1] ?? row) < 0) place--;
    best.splice(place, 0, row);
    if (best.length > count) best.pop();
  }
  return best;
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
