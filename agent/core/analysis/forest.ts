import { createRng, type Rng } from '../math/index.ts';
import type { Evidence } from './evidence.ts';

/**
 * A forest of regression trees over the unit cube of the parameters, for exact averages over any of them.
 *
 * - Categories stand on their axis in the order of their mean loss, so that one threshold can part them as well as any subset
 *   could (L. Breiman et al.: Classification and Regression Trees, 1984, section 9.4).
 * - Where a parameter is inactive it does not matter: each tree sees it at random places there, and so learns nothing from it.
 * - Each tree is grown to the end on a bootstrap sample of at most 2,000 trials.
 */
export interface Forest {
  readonly axes: readonly Axis[];
  readonly trees: readonly Tree[];
}

export interface Axis {
  /** Place on the axis of each category, by index of the choice; null for the others, whose place is their unit value. */
  readonly categories: Float64Array | null;
}

/** Node k splits axis[k] at threshold[k] into left[k] (≤) and right[k]; −1 as axis marks a leaf with its value. */
export interface Tree {
  readonly axis: Int32Array;
  readonly threshold: Float64Array;
  readonly left: Int32Array;
  readonly right: Int32Array;
  readonly value: Float64Array;
}

const nTrees = 64;
const mostRows = 2000;

/** Trees of the ranked trials' losses. `losses` are finite, one a row of `rows`, which are rows of the evidence. */
export function growForest(evidence: Evidence, rows: readonly number[], losses: Float64Array, seed: number): Forest {
  const { space, unit } = evidence;
  const width = space.parameters.length;
  const n = rows.length;
  const places = new Float64Array(width * n);
  const axes = space.parameters.map(({ index, size, distribution }): Axis => {
    const column = places.subarray(index * n, (index + 1) * n);
    rows.forEach((row, k) => (column[k] = unit[row * width + index] ?? NaN));
    const categories = distribution.type === 'categorical' ? categoryPlaces(column, losses, size) : null;
    if (categories !== null)
      for (let k = 0; k < n; k++) {
        const u = column[k] ?? NaN;
        if (!Number.isNaN(u)) column[k] = categories[Math.floor(u * size)] ?? 0.5;
      }
    return { categories };
  });
  const grower = new Grower(places, width, losses);
  const trees = Array.from({ length: nTrees }, (_, tree) => grower.grow(createRng(seed, 0x7ee5, tree)));
  return { axes, trees };
}

/** Middle of each category's cell when they stand in the order of their mean loss; unseen ones as if they had the mean of all. */
function categoryPlaces(column: Float64Array, losses: Float64Array, size: number): Float64Array {
  const sums = new Float64Array(size);
  const counts = new Float64Array(size);
  let total = 0;
  column.forEach((u, k) => {
    const loss = losses[k] ?? 0;
    total += loss / losses.length;
    if (Number.isNaN(u)) return;
    const category = Math.floor(u * size);
    sums[category] = (sums[category] ?? 0) + loss;
    counts[category] = (counts[category] ?? 0) + 1;
  });
  const means = sums.map((sum, category) => (counts[category] === 0 ? total : sum / (counts[category] ?? 1)));
  const order = Array.from(means, (_, category) => category).sort((a, b) => (means[a] ?? 0) - (means[b] ?? 0) || a - b);
  const places = new Float64Array(size);
  order.forEach((category, place) => (places[category] = (place + 0.5) / size));
  return places;
}

/** Grows one tree after the other in the same work space. */
class Grower {
  private readonly places: Float64Array;
  private readonly losses: Float64Array;
  private readonly n: number;
  /** Rows in which each axis is inactive. */
  private readonly inactive: readonly (readonly number[])[];
  /** All rows in the order of each axis. */
  private readonly orders: readonly Int32Array[];
  /** How often each row is in the sample. */
  private readonly weights: Int32Array;
  /** The sample's rows in the order of each axis; a node is the same range of all of them. */
  private readonly sorted: readonly Int32Array[];
  private readonly held: Int32Array;
  private readonly isLeft: Uint8Array;
  private bestAxis = -1;
  private bestCut = 0;

  constructor(places: Float64Array, width: number, losses: Float64Array) {
    const n = losses.length;
    const axes = Array.from({ length: width }, (_, axis) => axis);
    this.places = places;
    this.losses = losses;
    this.n = n;
    this.inactive = axes.map((axis) => {
      const rows: number[] = [];
      for (let k = 0; k < n; k++) if (Number.isNaN(places[axis * n + k])) rows.push(k);
      return rows;
    });
    this.orders = axes.map(() => Int32Array.from({ length: n }, (_, k) => k));
    this.weights = new Int32Array(n);
    this.sorted = axes.map(() => new Int32Array(Math.min(n, mostRows)));
    this.held = new Int32Array(Math.min(n, mostRows));
    this.isLeft = new Uint8Array(n);
    axes.forEach((axis) => this.sortAxis(axis));
  }

  grow(rng: Rng): Tree {
    const { n, weights, places } = this;
    weights.fill(0);
    for (let draw = 0; draw < Math.min(n, mostRows); draw++) {
      const row = rng.int(n);
      weights[row] = (weights[row] ?? 0) + 1;
    }
    this.inactive.forEach((rows, axis) => {
      for (const row of rows) places[axis * n + row] = rng.next();
      if (rows.length > 0) this.sortAxis(axis);
    });
    let count = 0;
    this.orders.forEach((order, axis) => {
      count = 0;
      for (const row of order) if ((weights[row] ?? 0) > 0) (this.sorted[axis] ?? order)[count++] = row;
    });

    const axis: number[] = [];
    const threshold: number[] = [];
    const left: number[] = [];
    const right: number[] = [];
    const value: number[] = [];
    const build = (from: number, to: number): number => {
      const node = axis.length;
      const split = this.split(from, to);
      axis.push(split === from ? -1 : this.bestAxis);
      threshold.push(this.bestCut);
      left.push(-1);
      right.push(-1);
      value.push(split === from ? this.mean(from, to) : 0);
      if (split === from) return node;
      left[node] = build(from, split);
      right[node] = build(split, to);
      return node;
    };
    build(0, count);
    return {
      axis: Int32Array.from(axis),
      threshold: Float64Array.from(threshold),
      left: Int32Array.from(left),
      right: Int32Array.from(right),
      value: Float64Array.from(value),
    };
  }

  private sortAxis(axis: number): void {
    const { places } = this;
    const at = axis * this.n;
    this.orders[axis]?.sort((a, b) => (places[at + a] ?? 0) - (places[at + b] ?? 0) || a - b);
  }

  private mean(from: number, to: number): number {
    const rows = this.sorted[0] ?? this.held;
    let sum = 0;
    let weight = 0;
    for (let k = from; k < to; k++) {
      const row = rows[k] ?? 0;
      sum += (this.weights[row] ?? 0) * (this.losses[row] ?? 0);
      weight += this.weights[row] ?? 0;
    }
    return weight === 0 ? 0 : sum / weight;
  }

  /** Parts the node's range where the squared error falls most and returns the border; `from` where no cut lowers it. */
  private split(from: number, to: number): number {
    const { weights, losses, places, n, isLeft } = this;
    const mean = this.mean(from, to);
    let total = 0;
    let best = 1e-14;
    this.bestAxis = -1;
    this.sorted.forEach((rows, axis) => {
      const at = axis * n;
      total = 0;
      for (let k = from; k < to; k++) total += weights[rows[k] ?? 0] ?? 0;
      // With losses taken from the mean, the gain is S² (1 / W_left + 1 / W_right), S the sum on one side.
      let sum = 0;
      let weight = 0;
      for (let k = from; k + 1 < to; k++) {
        const row = rows[k] ?? 0;
        sum += (weights[row] ?? 0) * ((losses[row] ?? 0) - mean);
        weight += weights[row] ?? 0;
        const here = places[at + row] ?? 0;
        const next = places[at + (rows[k + 1] ?? 0)] ?? 0;
        if (!(next > here)) continue;
        const gain = sum * sum * (1 / weight + 1 / (total - weight));
        if (gain <= best) continue;
        best = gain;
        this.bestAxis = axis;
        const middle = (here + next) / 2;
        // Between neighbouring doubles there is none.
        this.bestCut = middle < next ? middle : here;
      }
    });
    if (this.bestAxis < 0) return from;
    const at = this.bestAxis * n;
    const some = this.sorted[0] ?? this.held;
    for (let k = from; k < to; k++) {
      const row = some[k] ?? 0;
      isLeft[row] = (places[at + row] ?? 0) <= this.bestCut ? 1 : 0;
    }
    let border = from;
    for (const rows of this.sorted) {
      let kept = 0;
      border = from;
      for (let k = from; k < to; k++) {
        const row = rows[k] ?? 0;
        if (isLeft[row] === 1) rows[border++] = row;
        else this.held[kept++] = row;
      }
      for (let k = 0; k < kept; k++) rows[border + k] = this.held[k] ?? 0;
    }
    return border;
  }
}
