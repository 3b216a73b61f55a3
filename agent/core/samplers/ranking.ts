import type { Objective } from '../../protocol/space.ts';
import type { History, Observation } from './history.ts';
import { bestOfFronts } from './pareto.ts';

/** Order of a study's observations from the best to the worst, for samplers that only compare. */
export interface Ranking {
  /** Whether the row can be compared: it ended, and either some objective or how far it violates a constraint is known. */
  readonly isRanked: (row: number) => boolean;
  /** The `count` best of rows that are all ranked, best first; the earlier of equal ones. */
  readonly best: (rows: readonly number[], count: number) => number[];
}

/**
 * Complete trials come first, by loss or, with several objectives, by Pareto front and crowding; then pruned ones, the further
 * they came the better, and by their last report; then those that violate measured constraints, by the sum of the violations
 * (K. Deb: An efficient constraint handling method for genetic algorithms, CMAME 186 (2000)).
 */
export function rankingOf(history: History, objectives: readonly Objective[]): Ranking {
  const signs = objectives.map(({ direction }) => (direction === 'min' ? 1 : -1));
  /** A missing objective is the worst there is: the others still count. */
  const lossOf = (row: number, k: number): number => {
    const loss = (signs[k] ?? 1) * (history.at(row).values[k] ?? NaN);
    return Number.isNaN(loss) ? Infinity : loss;
  };
  const classOf = (row: number): number => {
    const observation = history.at(row);
    if (observation.state === 'failed' || observation.state === 'pending') return unranked;
    if (violation(observation) > 0) return 2;
    if (observation.state === 'infeasible' || !signs.some((_, k) => lossOf(row, k) < Infinity)) return unranked;
    return observation.state === 'complete' ? 0 : 1;
  };
  const compare = (a: number, b: number): number => difference(lossOf(a, 0), lossOf(b, 0));
  return {
    isRanked: (row) => classOf(row) !== unranked,
    best: (rows, count) => {
      const classes: [number[], number[], number[]] = [[], [], []];
      for (const row of rows) classes[classOf(row)]?.push(row);
      const [complete, pruned, violating] = classes;
      const losses = (row: number): number[] => signs.map((_, k) => lossOf(row, k));
      const first = signs.length === 1 ? complete.toSorted(compare) : bestOfFronts(complete, complete.map(losses), count);
      const further = (a: number, b: number): number => history.at(b).resource - history.at(a).resource || compare(a, b);
      const milder = (a: number, b: number): number => violation(history.at(a)) - violation(history.at(b));
      return [...first, ...pruned.toSorted(further), ...violating.toSorted(milder)].slice(0, count);
    },
  };
}

const unranked = 3;

/** Sum of what the measured constraints are violated by; 0 where all that is known holds. */
function violation({ violations }: Observation): number {
  let sum = 0;
  for (const by of violations ?? []) if (by > 0) sum += by;
  return sum;
}

/** Of losses that may both be infinite. */
function difference(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
