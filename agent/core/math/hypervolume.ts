/**
 * The volume of the part of objective space that is dominated by the points and dominates the reference; all objectives are
 * minimised. `points` stands row-major with one column an objective, as many as the reference has; no NaN. A point that is not
 * better than the reference in every objective adds nothing.
 *
 * Two objectives by a sweep in O(n log n). More by L. While, L. Bradstreet, L. Barone: A fast way of calculating exact hypervolumes,
 * IEEE Trans. Evolutionary Computation 16 (2012): the sum over the points of what each adds to those before it, where the part
 * shared with the others is a smaller problem, one objective fewer as the points are taken in the order of the last.
 */
export function hypervolume(points: Float64Array, reference: Float64Array): number {
  const { gains, rows, extents } = gainsOf(points, reference);
  const workspace = new Workspace(reference.length, rows.length);
  workspace.level(reference.length).set(gains);
  return inUnits(workspace.volume(reference.length, rows.length), extents);
}

/**
 * What each point alone adds: the hypervolume of all less that of all others. 0 for dominated points and for each of several
 * equal ones. Arguments as of `hypervolume`.
 */
export function hypervolumeContributions(points: Float64Array, reference: Float64Array): Float64Array {
  const m = reference.length;
  const contributions = new Float64Array(m === 0 ? 0 : points.length / m);
  const { gains, rows, extents } = gainsOf(points, reference);
  const workspace = new Workspace(m, rows.length);
  const limited = workspace.level(m);
  for (let k = 0; k < rows.length; k++) {
    let own = 1;
    for (let i = 0; i < m; i++) own *= gains[k * m + i] ?? 0;
    let count = 0;
    for (let j = 0; j < rows.length; j++) if (j !== k) count = addLimited(gains, k, j, m, m, limited, count);
    contributions[rows[k] ?? 0] = inUnits(Math.max(0, own - workspace.volume(m, count)), extents);
  }
  return contributions;
}

interface Gains {
  readonly gains: Float64Array;
  readonly rows: readonly number[];
  readonly extents: readonly Extent[];
}

/** The largest gain is length / unit, where unit is 1, or ½ for a gain beyond the largest double. */
interface Extent {
  readonly length: number;
  readonly unit: number;
}

/**
 * The points that are better than the reference, as gains over it in units of the largest, so that nothing overflows on the way:
 * (reference − point) / extent, in (0, 1], maximised from here on. `rows`: which points these are.
 */
function gainsOf(points: Float64Array, reference: Float64Array): Gains {
  const m = reference.length;
  const rows: number[] = [];
  const n = m === 0 ? 0 : points.length / m;
  for (let row = 0; row < n; row++) {
    let isBetter = true;
    for (let i = 0; i < m; i++) isBetter = isBetter && (points[row * m + i] ?? NaN) < (reference[i] ?? NaN);
    if (isBetter) rows.push(row);
  }
  const gains = new Float64Array(rows.length * m);
  const extents: Extent[] = [];
  for (let i = 0; i < m && rows.length > 0; i++) {
    const best = rows.reduce((least, row) => Math.min(least, points[row * m + i] ?? NaN), Infinity);
    const end = reference[i] ?? NaN;
    const unit = end - best === Infinity ? 0.5 : 1;
    const length = end * unit - best * unit;
    rows.forEach((row, k) => (gains[k * m + i] = (end * unit - (points[row * m + i] ?? NaN) * unit) / length));
    extents.push({ length, unit });
  }
  return { gains, rows, extents };
}

/** A volume of the unit cube in the objectives' units. */
function inUnits(volume: number, extents: readonly Extent[]): number {
  return extents.reduce((product, { length, unit }) => (product * length) / unit, volume);
}

/** Sets of points for each number of objectives, as the recursion needs one of each. */
class Workspace {
  private readonly levels: readonly Float64Array[];
  private readonly orders: readonly Int32Array[];

  constructor(m: number, n: number) {
    this.levels = Array.from({ length: m + 1 }, (_, width) => new Float64Array(width * n));
    this.orders = Array.from({ length: m + 1 }, () => new Int32Array(n));
  }

  level(m: number): Float64Array {
    return this.levels[m] ?? new Float64Array();
  }

  /** Volume between the origin and the first `count` points of level m. */
  volume(m: number, count: number): number {
    if (count === 0) return 0;
    const points = this.level(m);
    if (m === 1) return points.subarray(0, count).reduce((most, value) => Math.max(most, value), 0);
    const order = (this.orders[m] ?? new Int32Array()).subarray(0, count);
    for (let k = 0; k < count; k++) order[k] = k;
    if (m === 2) {
      order.sort((a, b) => (points[2 * b] ?? 0) - (points[2 * a] ?? 0));
      let area = 0;
      let height = 0;
      for (const k of order) {
        const y = points[2 * k + 1] ?? 0;
        if (y <= height) continue;
        area += (points[2 * k] ?? 0) * (y - height);
        height = y;
      }
      return area;
    }
    order.sort((a, b) => (points[m * a + m - 1] ?? 0) - (points[m * b + m - 1] ?? 0));
    let sum = 0;
    for (let place = 0; place < count; place++) {
      const k = order[place] ?? 0;
      let own = 1;
      for (let i = 0; i + 1 < m; i++) own *= points[m * k + i] ?? 0;
      // Those that follow reach as far in the last objective, so what they share with k is a matter of the others.
      let shared = 0;
      const smaller = this.level(m - 1);
      for (let next = place + 1; next < count; next++)
        shared = addLimited(points, k, order[next] ?? 0, m, m - 1, smaller, shared);
      sum += (points[m * k + m - 1] ?? 0) * (own - this.volume(m - 1, shared));
    }
    return sum;
  }
}

/**
 * Adds to the first `count` rows of `target` what point j shares with point k in the first `width` of m objectives, unless one
 * there covers it; those that it covers go. The new count.
 */
function addLimited(
  points: Float64Array,
  k: number,
  j: number,
  m: number,
  width: number,
  target: Float64Array,
  count: number,
): number {
  // The place after the last row is free: there are fewer rows than points.
  const at = count * width;
  for (let i = 0; i < width; i++) target[at + i] = Math.min(points[k * m + i] ?? 0, points[j * m + i] ?? 0);
  for (let row = 0; row < count; row++) if (covers(target, row * width, at, width)) return count;
  let kept = 0;
  for (let row = 0; row <= count; row++) {
    if (row < count && covers(target, at, row * width, width)) continue;
    if (kept !== row) target.copyWithin(kept * width, row * width, (row + 1) * width);
    kept++;
  }
  return kept;
}

/** Whether the row at `a` is at least that at `b` in everything. */
function covers(rows: Float64Array, a: number, b: number, width: number): boolean {
  for (let i = 0; i < width; i++) if (!((rows[a + i] ?? 0) >= (rows[b + i] ?? 0))) return false;
  return true;
}
