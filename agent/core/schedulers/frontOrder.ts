import { dominates } from '../../protocol/gain.ts';

/** A point with its tie-breaker: equal ones rank by number. */
export interface Ranked {
  readonly number: number;
  /** To be minimised, finite; as many for each. */
  readonly scores: readonly number[];
}

/**
 * The `count` best of some points, best first: front after front of those that no other dominates; of the front that does
 * not fit as a whole an ε-net: first the one with the least first objective, then always the one that lies farthest from
 * all chosen of its front, each objective scaled to its range there. So what goes on is good and differs.
 *
 * R. Schmucker et al. (2021), "Multi-objective Asynchronous Successive Halving", arXiv 2106.12639, section 4 (EpsNet).
 * Time O(n² · objectives); with one objective O(n log n).
 */
export function frontOrder<T extends Ranked>(points: readonly T[], count: number): T[] {
  // In this order nothing can be dominated by a later one, so that a front is found in one pass.
  let rest = points.toSorted(compare);
  if ((rest[0]?.scores.length ?? 1) === 1) return rest.slice(0, count);
  const chosen: T[] = [];
  while (chosen.length < count && rest.length > 0) {
    const front: T[] = [];
    const dominated: T[] = [];
    for (const point of rest) (isDominated(point.scores, front) ? dominated : front).push(point);
    const nFree = count - chosen.length;
    for (const point of front.length <= nFree ? front : epsilonNet(front, nFree)) chosen.push(point);
    rest = dominated;
  }
  return chosen;
}

function isDominated(scores: readonly number[], front: readonly Ranked[]): boolean {
  // The last to come lies nearest and dominates most often.
  for (let i = front.length - 1; i >= 0; i--) if (dominates(front[i]?.scores ?? [], scores)) return true;
  return false;
}

function compare(a: Ranked, b: Ranked): number {
  for (let k = 0; k < a.scores.length; k++) {
    const left = a.scores[k] ?? 0;
    const right = b.scores[k] ?? 0;
    if (left !== right) return left < right ? -1 : 1;
  }
  return a.number - b.number;
}

/** `count` of a front that is sorted by the first objective. Distances are the squares of Euclid's. */
function epsilonNet<T extends Ranked>(front: readonly T[], count: number): T[] {
  const nObjectives = front[0]?.scores.length ?? 0;
  const places = scaled(front, nObjectives);
  const distances = new Float64Array(front.length).fill(Infinity);
  const chosen: T[] = [];
  for (let next = 0; chosen.length < count; ) {
    const point = front[next];
    if (point === undefined) break;
    chosen.push(point);
    distances[next] = -1;
    const center = next * nObjectives;
    let farthest = -1;
    for (let i = 0; i < front.length; i++) {
      const known = distances[i] ?? -1;
      if (known < 0) continue;
      let distance = 0;
      for (let k = 0; k < nObjectives; k++) distance += ((places[i * nObjectives + k] ?? 0) - (places[center + k] ?? 0)) ** 2;
      if (distance < known) distances[i] = distance;
      if ((distances[i] ?? -1) > farthest) {
        farthest = distances[i] ?? -1;
        next = i;
      }
    }
  }
  return chosen;
}

/** Each objective from 0 to 1 over the front. Halved before they are subtracted: two of the largest doubles differ by more. */
function scaled(front: readonly Ranked[], nObjectives: number): Float64Array {
  const places = new Float64Array(front.length * nObjectives);
  for (let k = 0; k < nObjectives; k++) {
    let low = Infinity;
    let high = -Infinity;
    for (const { scores } of front) {
      const half = (scores[k] ?? 0) / 2;
      if (half < low) low = half;
      if (half > high) high = half;
    }
    const range = high - low;
    for (let i = 0; i < front.length; i++)
      places[i * nObjectives + k] = range > 0 ? ((front[i]?.scores[k] ?? 0) / 2 - low) / range : 0;
  }
  return places;
}
