import type { Forest, Tree } from './forest.ts';

/**
 * Exact averages of a tree over all axes but one or two, and their variances.
 *
 * A tree is constant on boxes (its leaves). With the uniform measure μ on each axis and f the tree's value,
 *
 *   f_d(x_d) = Σ_leaves value · Π_{e≠d} μ_e(leaf)  over the leaves whose box holds x_d,   V_d = ∫ (f_d − mean)² dμ_d
 *
 * and likewise f_de and V_de of a pair; what the pair explains beyond its parts is V_de − V_d − V_e. F. Hutter, H. Hoos,
 * K. Leyton-Brown: An Efficient Approach for Assessing Hyperparameter Importance, ICML 2014, section 4.
 */
export class TreeMarginals {
  readonly mean: number;
  readonly variance: number;
  /** Ascending thresholds of each axis; cell k lies between cuts k − 1 and k. */
  private readonly cuts: readonly Float64Array[];
  /** Measure of all cells before cell k, the whole at the end. */
  private readonly before: readonly Float64Array[];
  /** Cells of leaf k on axis d: from[k · D + d] up to before to[k · D + d]. */
  private readonly from: Int32Array;
  private readonly to: Int32Array;
  private readonly values: Float64Array;
  private readonly measures: Float64Array;
  private readonly width: number;

  constructor(tree: Tree, width: number) {
    this.width = width;
    const thresholds = Array.from({ length: width }, () => new Set<number>());
    let nLeaves = 0;
    tree.axis.forEach((axis, node) => {
      if (axis < 0) nLeaves++;
      else thresholds[axis]?.add(tree.threshold[node] ?? 0);
    });
    this.cuts = thresholds.map((set) => Float64Array.from(set).sort());
    this.before = this.cuts.map((cuts) => Float64Array.from([0, ...cuts, 1]));
    const placeOf = this.cuts.map((cuts) => new Map(Array.from(cuts, (cut, place) => [cut, place])));
    this.from = new Int32Array(nLeaves * width);
    this.to = new Int32Array(nLeaves * width);
    this.values = new Float64Array(nLeaves);
    this.measures = new Float64Array(nLeaves * width);
    const low = new Int32Array(width);
    const high = Int32Array.from(this.cuts, (cuts) => cuts.length + 1);
    let leaf = 0;
    const visit = (node: number): void => {
      const axis = tree.axis[node] ?? -1;
      if (axis < 0) {
        this.from.set(low, leaf * width);
        this.to.set(high, leaf * width);
        this.values[leaf] = tree.value[node] ?? 0;
        for (let d = 0; d < width; d++)
          this.measures[leaf * width + d] = (this.before[d]?.[high[d] ?? 0] ?? 0) - (this.before[d]?.[low[d] ?? 0] ?? 0);
        leaf++;
        return;
      }
      const cut = placeOf[axis]?.get(tree.threshold[node] ?? 0) ?? 0;
      const [oldLow = 0, oldHigh = 0] = [low[axis], high[axis]];
      high[axis] = cut + 1;
      visit(tree.left[node] ?? 0);
      high[axis] = oldHigh;
      low[axis] = cut + 1;
      visit(tree.right[node] ?? 0);
      low[axis] = oldLow;
    };
    visit(0);
    let mean = 0;
    let square = 0;
    for (let k = 0; k < nLeaves; k++) {
      const share = this.measureWithout(k, -1, -1);
      const value = this.values[k] ?? 0;
      mean += share * value;
      square += share * value * value;
    }
    this.mean = mean;
    this.variance = Math.max(0, square - mean * mean);
  }

  /** f_d in each cell of axis d. */
  curve(d: number): Float64Array {
    const sums = new Float64Array((this.cuts[d]?.length ?? 0) + 2);
    for (let k = 0; k < this.values.length; k++) {
      const part = (this.values[k] ?? 0) * this.measureWithout(k, d, -1);
      const from = this.from[k * this.width + d] ?? 0;
      const to = this.to[k * this.width + d] ?? 0;
      sums[from] = (sums[from] ?? 0) + part;
      sums[to] = (sums[to] ?? 0) - part;
    }
    for (let cell = 1; cell < sums.length; cell++) sums[cell] = (sums[cell] ?? 0) + (sums[cell - 1] ?? 0);
    return sums.subarray(0, sums.length - 1);
  }

  /** V_d */
  mainVariance(d: number): number {
    const before = this.before[d] ?? new Float64Array(2);
    let sum = 0;
    this.curve(d).forEach((value, cell) => {
      sum += ((before[cell + 1] ?? 0) - (before[cell] ?? 0)) * (value - this.mean) ** 2;
    });
    return sum;
  }

  /** V_de: of both axes together, their own parts included. */
  pairVariance(d: number, e: number): number {
    const [beforeD = new Float64Array(2), beforeE = new Float64Array(2)] = [this.before[d], this.before[e]];
    const [rows, columns] = [beforeD.length, beforeE.length];
    const grid = new Float64Array(rows * columns);
    for (let k = 0; k < this.values.length; k++) {
      const part = (this.values[k] ?? 0) * this.measureWithout(k, d, e);
      const at = k * this.width;
      const fromRow = (this.from[at + d] ?? 0) * columns;
      const toRow = (this.to[at + d] ?? 0) * columns;
      const fromColumn = this.from[at + e] ?? 0;
      const toColumn = this.to[at + e] ?? 0;
      grid[fromRow + fromColumn] = (grid[fromRow + fromColumn] ?? 0) + part;
      grid[toRow + fromColumn] = (grid[toRow + fromColumn] ?? 0) - part;
      grid[fromRow + toColumn] = (grid[fromRow + toColumn] ?? 0) - part;
      grid[toRow + toColumn] = (grid[toRow + toColumn] ?? 0) + part;
    }
    let sum = 0;
    for (let row = 0; row + 1 < rows; row++) {
      const measure = (beforeD[row + 1] ?? 0) - (beforeD[row] ?? 0);
      for (let column = 0; column + 1 < columns; column++) {
        const at = row * columns + column;
        const above = row > 0 ? (grid[at - columns] ?? 0) : 0;
        const left = column > 0 ? (grid[at - 1] ?? 0) : 0;
        const corner = row > 0 && column > 0 ? (grid[at - columns - 1] ?? 0) : 0;
        const value = (grid[at] ?? 0) + above + left - corner;
        grid[at] = value;
        sum += measure * ((beforeE[column + 1] ?? 0) - (beforeE[column] ?? 0)) * (value - this.mean) ** 2;
      }
    }
    return sum;
  }

  /** The cell of axis d that holds a place. */
  cellOf(d: number, place: number): number {
    const cuts = this.cuts[d] ?? new Float64Array();
    let low = 0;
    let high = cuts.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((cuts[middle] ?? 0) < place) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  private measureWithout(leaf: number, d: number, e: number): number {
    let product = 1;
    for (let axis = 0; axis < this.width; axis++)
      if (axis !== d && axis !== e) product *= this.measures[leaf * this.width + axis] ?? 0;
    return product;
  }
}

export function marginalsOf(forest: Forest): TreeMarginals[] {
  return forest.trees.map((tree) => new TreeMarginals(tree, forest.axes.length));
}
