import { factorLu, solveLu } from './linearSolve.ts';

/**
 * The limited-memory model of L-BFGS-B: a quadratic with B = θI − W M Wᵀ around x, minimised inside a box.
 *
 * Notation as in R. H. Byrd, P. Lu, J. Nocedal, C. Zhu: A limited memory algorithm for bound constrained optimization, SIAM J.
 * Scientific Computing 16 (1995) 1190–1208: s and y are the last steps and changes of the gradient, W = [Y θS] (n × 2m, row i
 * is w_i), M⁻¹ = K = [−D Lᵀ; L θSᵀS] (equation 3.4), where SᵀY = L + D + R. All products with M are solutions with K.
 */
export class LimitedMemory {
  private readonly n: number;
  private readonly capacity: number;
  private theta = 1;
  /** Pairs that are kept, at most `capacity`. */
  private count = 0;
  /** Oldest pair first, pair k from k · n on. */
  private readonly s: Float64Array;
  private readonly y: Float64Array;
  /** sᵢᵀ yⱼ and sᵢᵀ sⱼ at i · capacity + j. */
  private readonly sy: Float64Array;
  private readonly ss: Float64Array;
  /** K, its factors, and those of K less the free variables' part; 2m × 2m at the stride 2 · capacity. */
  private readonly middle: Float64Array;
  private readonly factors: Float64Array;
  private readonly pivots: Int32Array;
  private readonly freeFactors: Float64Array;
  private readonly freePivots: Int32Array;
  // Work space: c, p, w and M w of the paper, breakpoints and their order, direction.
  private readonly c: Float64Array;
  private readonly p: Float64Array;
  private readonly w: Float64Array;
  private readonly mw: Float64Array;
  private readonly breakpoints: Float64Array;
  private readonly order: Int32Array;
  private readonly direction: Float64Array;
  private readonly isFree: Uint8Array;

  constructor(n: number, capacity: number) {
    this.n = n;
    this.capacity = capacity;
    const width = 2 * capacity;
    this.s = new Float64Array(capacity * n);
    this.y = new Float64Array(capacity * n);
    this.sy = new Float64Array(capacity * capacity);
    this.ss = new Float64Array(capacity * capacity);
    this.middle = new Float64Array(width * width);
    this.factors = new Float64Array(width * width);
    this.pivots = new Int32Array(width);
    this.freeFactors = new Float64Array(width * width);
    this.freePivots = new Int32Array(width);
    this.c = new Float64Array(width);
    this.p = new Float64Array(width);
    this.w = new Float64Array(width);
    this.mw = new Float64Array(width);
    this.breakpoints = new Float64Array(n);
    this.order = new Int32Array(n);
    this.direction = new Float64Array(n);
    this.isFree = new Uint8Array(n);
  }

  get isEmpty(): boolean {
    return this.count === 0;
  }

  clear(): void {
    this.count = 0;
  }

  /** Takes in a step s and the change y of the gradient along it; without curvature (sᵀy ≤ ε yᵀy) the model stays as it was. */
  add(s: Float64Array, y: Float64Array): void {
    const { n, capacity } = this;
    let curvature = 0;
    let length = 0;
    for (let i = 0; i < n; i++) {
      curvature += (s[i] ?? 0) * (y[i] ?? 0);
      length += (y[i] ?? 0) ** 2;
    }
    const theta = length / curvature;
    if (!(curvature > Number.EPSILON * length && theta > 0 && theta < Infinity)) return;
    if (this.count === capacity) this.dropOldest();
    const k = this.count++;
    this.s.set(s, k * n);
    this.y.set(y, k * n);
    this.theta = theta;
    for (let j = 0; j <= k; j++) {
      let sy = 0;
      let ys = 0;
      let ss = 0;
      for (let i = 0; i < n; i++) {
        const sj = this.s[j * n + i] ?? 0;
        sy += (s[i] ?? 0) * (this.y[j * n + i] ?? 0);
        ys += sj * (y[i] ?? 0);
        ss += sj * (s[i] ?? 0);
      }
      this.sy[j * capacity + k] = ys;
      this.sy[k * capacity + j] = sy;
      this.ss[j * capacity + k] = ss;
      this.ss[k * capacity + j] = ss;
    }
    if (!this.factorMiddle()) this.clear();
  }

  /**
   * Writes to `target` a point of the box with a lower value of the model: the first minimum along the projected steepest
   * descent (section 4), then the minimum over the variables that are not at a bound there (section 5.1, direct method), put
   * back into the box. `x` is in the box, `g` its gradient. False where rounding leaves no model.
   */
  minimum(x: Float64Array, g: Float64Array, lower: Float64Array, upper: Float64Array, target: Float64Array): boolean {
    if (this.isEmpty) return false;
    this.cauchyPoint(x, g, lower, upper, target);
    return this.subspaceMinimum(x, g, lower, upper, target);
  }

  private dropOldest(): void {
    const { n, capacity } = this;
    this.count--;
    this.s.copyWithin(0, n);
    this.y.copyWithin(0, n);
    for (let i = 0; i < this.count; i++)
      for (let j = 0; j < this.count; j++) {
        this.sy[i * capacity + j] = this.sy[(i + 1) * capacity + j + 1] ?? 0;
        this.ss[i * capacity + j] = this.ss[(i + 1) * capacity + j + 1] ?? 0;
      }
  }

  private factorMiddle(): boolean {
    const { capacity, count, middle, theta } = this;
    const stride = 2 * capacity;
    for (let i = 0; i < count; i++)
      for (let j = 0; j < count; j++) {
        const sy = this.sy[i * capacity + j] ?? 0;
        middle[i * stride + j] = i === j ? -sy : 0;
        middle[(count + i) * stride + j] = i > j ? sy : 0;
        middle[j * stride + count + i] = i > j ? sy : 0;
        middle[(count + i) * stride + count + j] = theta * (this.ss[i * capacity + j] ?? 0);
      }
    this.factors.set(middle);
    return factorLu(this.factors, 2 * count, stride, this.pivots);
  }

  /** w_i, row i of W. */
  private readRow(i: number, row: Float64Array): void {
    const { n, count, theta } = this;
    for (let k = 0; k < count; k++) {
      row[k] = this.y[k * n + i] ?? 0;
      row[count + k] = theta * (this.s[k * n + i] ?? 0);
    }
  }

  private solveMiddle(b: Float64Array): void {
    solveLu(this.factors, 2 * this.count, 2 * this.capacity, this.pivots, b);
  }

  /** Algorithm CP; leaves Wᵀ(x_c − x) in `c` and which variables are not at a bound in `isFree`. */
  private cauchyPoint(x: Float64Array, g: Float64Array, lower: Float64Array, upper: Float64Array, target: Float64Array): void {
    const { n, theta, c, p, w, mw, breakpoints, direction, isFree } = this;
    const width = 2 * this.count;
    p.fill(0);
    c.fill(0);
    let moving = 0;
    let slope = 0;
    for (let i = 0; i < n; i++) {
      const gi = g[i] ?? 0;
      const xi = x[i] ?? 0;
      const bound = gi < 0 ? (upper[i] ?? 0) : (lower[i] ?? 0);
      const breakpoint = gi === 0 ? Infinity : (xi - bound) / gi;
      breakpoints[i] = breakpoint;
      target[i] = xi;
      isFree[i] = breakpoint > 0 ? 1 : 0;
      direction[i] = breakpoint > 0 ? -gi : 0;
      if (!(breakpoint > 0) || gi === 0) continue;
      this.order[moving++] = i;
      slope -= gi * gi;
      this.readRow(i, w);
      for (let k = 0; k < width; k++) p[k] = (p[k] ?? 0) - gi * (w[k] ?? 0);
    }
    mw.set(p);
    this.solveMiddle(mw);
    let curvature = -theta * slope - dot(p, mw, width);
    const order = this.order.subarray(0, moving).sort((a, b) => (breakpoints[a] ?? 0) - (breakpoints[b] ?? 0));

    let time = 0;
    for (const i of order) {
      const next = breakpoints[i] ?? 0;
      const span = next - time;
      // Not below: also where rounding has taken the curvature to 0 or NaN, the search ends here.
      if (!(-slope / curvature >= span)) break;
      const gi = g[i] ?? 0;
      const bound = gi < 0 ? (upper[i] ?? 0) : (lower[i] ?? 0);
      target[i] = bound;
      isFree[i] = 0;
      const z = bound - (x[i] ?? 0);
      for (let k = 0; k < width; k++) c[k] = (c[k] ?? 0) + span * (p[k] ?? 0);
      this.readRow(i, w);
      mw.set(w);
      this.solveMiddle(mw);
      slope += span * curvature + gi * gi + theta * gi * z - gi * dot(mw, c, width);
      curvature += -theta * gi * gi - 2 * gi * dot(mw, p, width) - gi * gi * dot(mw, w, width);
      for (let k = 0; k < width; k++) p[k] = (p[k] ?? 0) + gi * (w[k] ?? 0);
      direction[i] = 0;
      time = next;
    }
    const rest = slope < 0 && curvature > 0 ? -slope / curvature : 0;
    for (let i = 0; i < n; i++) if (isFree[i] === 1) target[i] = (x[i] ?? 0) + (time + rest) * (direction[i] ?? 0);
    for (let k = 0; k < width; k++) c[k] = (c[k] ?? 0) + rest * (p[k] ?? 0);
  }

  /** From the Cauchy point in `target`. (I − MA)⁻¹M of equation 5.11 is (K − A)⁻¹ with A = Wᵀ Z Zᵀ W / θ. */
  private subspaceMinimum(
    x: Float64Array,
    g: Float64Array,
    lower: Float64Array,
    upper: Float64Array,
    target: Float64Array,
  ): boolean {
    const { n, theta, c, p, w, isFree, freeFactors, direction } = this;
    const width = 2 * this.count;
    const stride = 2 * this.capacity;
    this.solveMiddle(c);
    p.fill(0);
    freeFactors.set(this.middle);
    for (let i = 0; i < n; i++) {
      if (isFree[i] === 0) continue;
      this.readRow(i, w);
      const reduced = (g[i] ?? 0) + theta * ((target[i] ?? 0) - (x[i] ?? 0)) - dot(w, c, width);
      direction[i] = reduced;
      for (let k = 0; k < width; k++) {
        const wk = w[k] ?? 0;
        p[k] = (p[k] ?? 0) + wk * reduced;
        for (let j = 0; j < width; j++)
          freeFactors[k * stride + j] = (freeFactors[k * stride + j] ?? 0) - (wk * (w[j] ?? 0)) / theta;
      }
    }
    if (!factorLu(freeFactors, width, stride, this.freePivots)) return false;
    solveLu(freeFactors, width, stride, this.freePivots, p);
    for (let i = 0; i < n; i++) {
      if (isFree[i] === 0) continue;
      this.readRow(i, w);
      const step = -((direction[i] ?? 0) + dot(w, p, width) / theta) / theta;
      if (!Number.isFinite(step)) return false;
      // The projection of J. L. Morales, J. Nocedal: Remark on algorithm 778. ACM TOMS 38 (2011).
      target[i] = Math.min(upper[i] ?? 0, Math.max(lower[i] ?? 0, (target[i] ?? 0) + step));
    }
    return true;
  }
}

function dot(a: Float64Array, b: Float64Array, n: number): number {
  let sum = 0;
  for (let k = 0; k < n; k++) sum += (a[k] ?? 0) * (b[k] ?? 0);
  return sum;
}
