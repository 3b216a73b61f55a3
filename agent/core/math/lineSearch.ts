/** Value at `x`; writes the gradient. NaN and ±∞ say that the point is of no use. */
export type Differentiable = (x: Float64Array, gradient: Float64Array) => number;

/** Least gain, as a part of what the slope promises, and how flat the end has to be: the two constants of Wolfe's conditions. */
const sufficient = 1e-4;
const flat = 0.9;
/** Most values of f that one search asks for. */
const mostTries = 20;

/**
 * Looks for a step t along d = target − x, φ(t) = f(x + t d), that satisfies the strong Wolfe conditions, or at least the first
 * where the box ends or the tries do.
 *
 * J. Nocedal, S. J. Wright: Numerical Optimization, 2nd edition, algorithms 3.5 and 3.6 with cubic interpolation (3.59). A
 * non-finite value counts as far too high.
 */
export class LineSearch {
  /** Where the last run that succeeded ended. */
  readonly x: Float64Array;
  readonly gradient: Float64Array;
  value = NaN;
  /** Of all runs. */
  evaluations = 0;

  private readonly f: Differentiable;
  private readonly lower: Float64Array;
  private readonly upper: Float64Array;
  private readonly direction: Float64Array;
  private start: Float64Array;
  private slope = 0;

  constructor(f: Differentiable, lower: Float64Array, upper: Float64Array) {
    this.f = f;
    this.lower = lower;
    this.upper = upper;
    this.x = new Float64Array(lower.length);
    this.gradient = new Float64Array(lower.length);
    this.direction = new Float64Array(lower.length);
    this.start = this.x;
  }

  /** From `x`, whose value and gradient are given, towards and past `target`; both in the box. False where nothing lower was found. */
  run(x: Float64Array, value: number, gradient: Float64Array, target: Float64Array, limit: number): boolean {
    const { direction } = this;
    this.start = x;
    let slope = 0;
    let farthest = Infinity;
    for (let i = 0; i < x.length; i++) {
      const d = (target[i] ?? 0) - (x[i] ?? 0);
      direction[i] = d;
      slope += d * (gradient[i] ?? 0);
      if (d !== 0) farthest = Math.min(farthest, ((d > 0 ? (this.upper[i] ?? 0) : (this.lower[i] ?? 0)) - (x[i] ?? 0)) / d);
    }
    if (!(slope < 0 && slope > -Infinity)) return false;
    farthest = Math.max(1, farthest);

    // `low` is the best step so far; the other end of the bracket, once there is one, is `high`.
    let low = 0;
    let lowValue = value;
    let lowSlope = slope;
    let high = Infinity;
    let highValue = Infinity;
    let highSlope = NaN;
    let isAtLow = true;
    let step = 1;
    for (let tries = Math.min(mostTries, limit); tries > 0; tries--) {
      this.evaluate(step);
      const isTooHigh = !(this.value <= value + sufficient * step * slope) || (low > 0 && this.value >= lowValue);
      if (isTooHigh) {
        high = step;
        highValue = this.value;
        highSlope = this.slope;
        isAtLow = false;
      } else {
        if (Math.abs(this.slope) <= -flat * slope) return true;
        // The minimum is on the side to which the slope points down.
        const isBeyond = high === Infinity ? this.slope >= 0 : this.slope * (high - low) >= 0;
        if (isBeyond) {
          high = low;
          highValue = lowValue;
          highSlope = lowSlope;
        } else if (high === Infinity && step >= farthest) return true;
        low = step;
        lowValue = this.value;
        lowSlope = this.slope;
        isAtLow = true;
      }
      if (high === Infinity) step = Math.min(farthest, 4 * step);
      else {
        step = inside(low, lowValue, lowSlope, high, highValue, highSlope);
        if (Math.abs(high - low) * size(direction) <= Number.EPSILON * size(x)) break;
      }
    }
    if (low === 0) return false;
    if (!isAtLow) this.evaluate(low);
    return this.value < value;
  }

  /** φ(t) and its slope; ∞ where the value or the gradient is not finite. */
  private evaluate(t: number): void {
    const { x, start, direction, lower, upper } = this;
    this.evaluations++;
    for (let i = 0; i < x.length; i++) {
      const from = start[i] ?? 0;
      const by = t * (direction[i] ?? 0);
      // What misses a bound by rounding is at the bound: the next step counts on it.
      const rounding = 2 * Number.EPSILON * (Math.abs(from) + Math.abs(by));
      const low = lower[i] ?? 0;
      const high = upper[i] ?? 0;
      x[i] = from + by <= low + rounding ? low : from + by >= high - rounding ? high : from + by;
    }
    this.value = this.f(x, this.gradient);
    this.slope = 0;
    for (let i = 0; i < x.length; i++) this.slope += (direction[i] ?? 0) * (this.gradient[i] ?? NaN);
    if (!Number.isFinite(this.value) || !Number.isFinite(this.slope)) this.value = Infinity;
  }
}

/** The minimum of the cubic through both ends, kept away from them; a tenth of the way where the far end tells nothing. */
function inside(low: number, lowValue: number, lowSlope: number, high: number, highValue: number, highSlope: number): number {
  const span = high - low;
  if (!Number.isFinite(highValue) || !Number.isFinite(highSlope)) return low + 0.1 * span;
  const d1 = lowSlope + highSlope - (3 * (lowValue - highValue)) / (low - high);
  const d2 = Math.sign(span) * Math.sqrt(Math.max(0, d1 * d1 - lowSlope * highSlope));
  const step = high - (span * (highSlope + d2 - d1)) / (highSlope - lowSlope + 2 * d2);
  const part = (step - low) / span;
  if (!Number.isFinite(part)) return low + 0.5 * span;
  return low + Math.min(0.9, Math.max(0.1, part)) * span;
}

function size(values: Float64Array): number {
  let largest = 0;
  for (let i = 0; i < values.length; i++) largest = Math.max(largest, Math.abs(values[i] ?? 0));
  return largest;
}
