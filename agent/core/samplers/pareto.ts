import { dominates } from '../../protocol/gain.ts';

/** Takes `count` of a front's members, which are indices of `losses`. */
export type Choice = (front: readonly number[], losses: readonly (readonly number[])[], count: number) => number[];

/**
 * The `count` best rows with several objectives, best first: one Pareto front after the other, inside of a front the least
 * crowded first (K. Deb et al.: NSGA-II, IEEE Transactions on Evolutionary Computation 6 (2002), sections III.A and III.B), or in the order
 * in which `choose` takes them. `losses[i]` belongs to `rows[i]`; smaller is better; no NaN.
 */
export function bestOfFronts(
  rows: readonly number[],
  losses: readonly (readonly number[])[],
  count: number,
  choose: Choice = leastCrowded,
): number[] {
  const chosen: number[] = [];
  let rest = rows.map((_, index) => index);
  // In this order nothing can be dominated by a later one, so a front is found in one pass.
  rest.sort((a, b) => compareInOrder(losses[a] ?? [], losses[b] ?? []) || a - b);
  while (chosen.length < count && rest.length > 0) {
    const front: number[] = [];
    const dominated: number[] = [];
    for (const index of rest) {
      const loss = losses[index] ?? [];
      const isDominated = front.some((member) => dominates(losses[member] ?? [], loss));
      (isDominated ? dominated : front).push(index);
    }
    const free = count - chosen.length;
    chosen.push(...choose(front, losses, free));
    rest = dominated;
  }
  return chosen.map((index) => rows[index] ?? 0);
}

function compareInOrder(a: readonly number[], b: readonly number[]): number {
  for (let k = 0; k < a.length; k++) {
    const difference = (a[k] ?? 0) - (b[k] ?? 0);
    if (difference !== 0 && !Number.isNaN(difference)) return difference;
  }
  return 0;
}

/** The `count` members of a front that stand farthest from their neighbours. */
export function leastCrowded(front: readonly number[], losses: readonly (readonly number[])[], count: number): number[] {
  const distance = new Map<number, number>(front.map((index) => [index, 0]));
  const nObjectives = losses[front[0] ?? 0]?.length ?? 0;
  for (let k = 0; k < nObjectives; k++) {
    const value = (index: number | undefined): number => (index === undefined ? NaN : (losses[index]?.[k] ?? NaN));
    const order = front.toSorted((a, b) => value(a) - value(b) || a - b);
    const range = value(order.at(-1)) - value(order[0]);
    order.forEach((index, place) => {
      const gap =
        place === 0 || place === order.length - 1 ? Infinity : (value(order[place + 1]) - value(order[place - 1])) / range;
      distance.set(index, (distance.get(index) ?? 0) + (Number.isNaN(gap) ? 0 : gap));
    });
  }
  return front.toSorted((a, b) => (distance.get(b) ?? 0) - (distance.get(a) ?? 0) || a - b).slice(0, count);
}
