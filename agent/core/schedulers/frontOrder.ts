/**
 * The `count` best of some vectors (to be minimised, finite), as indexes, best first: front after front of those that no
 * other dominates, and inside a front by an ε-net: first the one with the least first objective, then always the one that
 * lies farthest from all chosen of its front, each objective scaled to its range there. So what goes on is good and
 * differs. Equal ones rank by index.
 *
 * R. Schmucker et al. (2021), "Multi-objective Asynchronous Successive Halving", arXiv 2106.12639, section 4 (the
 * ordering called EpsNet there). Time O(n² · objectives).
 */
export function frontOrder(vectors: readonly (readonly number[])[], count: number): number[] {
  // In this order nothing can be dominated by a later one, so each finds its front when it comes.
  const order = vectors.map((_, index) => index).sort((a, b) => compare(vectors[a] ?? [], vectors[b] ?? []) || a - b);
  const fronts: number[][] = [];
  for (const index of order) {
    const vector = vectors[index] ?? [];
    const front = fronts.find((members) => !isDominated(vector, members, vectors));
    if (front === undefined) fronts.push([index]);
    else front.push(index);
  }
  const chosen: number[] = [];
  for (const front of fronts) {
    if (chosen.length >= count) break;
    chosen.push(...epsilonNet(front, vectors, count - chosen.length));
  }
  return chosen;
}

/** Best first, at most `count`. `front` is sorted by the first objective. Distances are the squares of Euclid's. */
function epsilonNet(front: readonly number[], vectors: readonly (readonly number[])[], count: number): readonly number[] {
  if (front.length <= 1 || count <= 1) return front.slice(0, count);
  const points = scaled(front, vectors);
  const distances = new Float64Array(front.length).fill(Infinity);
  const chosen: number[] = [];
  for (let next = 0; chosen.length < Math.min(count, front.length); ) {
    chosen.push(front[next] ?? 0);
    distances[next] = -1;
    const center = points[next] ?? [];
    next = 0;
    for (let i = 0; i < points.length; i++) {
      const known = distances[i] ?? -1;
      if (known < 0) continue;
      const point = points[i] ?? [];
      let distance = 0;
      for (let k = 0; k < center.length; k++) distance += ((point[k] ?? 0) - (center[k] ?? 0)) ** 2;
      distances[i] = Math.min(known, distance);
      if ((distances[i] ?? -1) > (distances[next] ?? -1)) next = i;
    }
  }
  return chosen;
}

/** Each objective from 0 to 1 over the front. Halved before they are subtracted: two of the largest doubles differ by more. */
function scaled(front: readonly number[], vectors: readonly (readonly number[])[]): number[][] {
  const nObjectives = vectors[front[0] ?? 0]?.length ?? 0;
  const points = front.map((): number[] => []);
  for (let k = 0; k < nObjectives; k++) {
    let low = Infinity;
    let high = -Infinity;
    for (const index of front) {
      const value = (vectors[index]?.[k] ?? 0) / 2;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
    const range = high - low;
    front.forEach((index, i) => points[i]?.push(range > 0 ? ((vectors[index]?.[k] ?? 0) / 2 - low) / range : 0));
  }
  return points;
}

function isDominated(vector: readonly number[], members: readonly number[], vectors: readonly (readonly number[])[]): boolean {
  // The last to come lies nearest and dominates most often.
  for (let i = members.length - 1; i >= 0; i--) if (dominates(vectors[members[i] ?? 0] ?? [], vector)) return true;
  return false;
}

function dominates(a: readonly number[], b: readonly number[]): boolean {
  let isBetter = false;
  for (let k = 0; k < a.length; k++) {
    const left = a[k] ?? 0;
    const right = b[k] ?? 0;
    if (left > right) return false;
    if (left < right) isBetter = true;
  }
  return isBetter;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let k = 0; k < a.length; k++) {
    const left = a[k] ?? 0;
    const right = b[k] ?? 0;
    if (left !== right) return left < right ? -1 : 1;
  }
  return 0;
}
