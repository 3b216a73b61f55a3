import type { Distribution, FloatDistribution, IntDistribution, ParamValue } from '../../protocol/space.ts';
import { canonicalJson } from './canonical.ts';

/**
 * One parameter's values on the unit interval.
 *
 * Notation: x a value in [low, high], y = x (plain, log) or low + high − x (revlog), t = y or log y.
 * A continuous parameter has u = (t(x) − t(low)) / (t(high) − t(low)). A stepped one owns the cells
 * [x − step/2, x + step/2) of t, so that u uniform on [0, 1] gives every grid point of a plain range the same
 * probability; `toUnit` answers the place of x inside its cell. Categories are n equal cells, u = (index + ½) / n.
 */
export function toUnit(distribution: Distribution, value: ParamValue): number {
  if (distribution.type === 'categorical' || distribution.type === 'ordinal') {
    const index = choiceIndex(distribution.choices, value);
    return (Math.max(0, index) + 0.5) / distribution.choices.length;
  }
  const axis = axisOf(distribution);
  const x = Math.min(axis.high, Math.max(axis.low, Number(value)));
  if (!isWarped(distribution)) {
    if (axis.step !== null) return (Math.round((x - axis.low) / axis.step) + 0.5) / axis.count;
    return axis.high === axis.low ? 0.5 : clampUnit((x / 2 - axis.low / 2) / (axis.high / 2 - axis.low / 2));
  }
  const [from, to] = logEdges(axis);
  if (from === to) return 0.5;
  const y = distribution.revlog ? mirror(axis, x) : x;
  const u = (Math.log(y) - from) / (to - from);
  return clampUnit(distribution.revlog ? 1 - u : u);
}

/** The value at u in [0, 1]; u outside is clamped, and NaN counts as 0. The result always satisfies `contains`. */
export function fromUnit(distribution: Distribution, unit: number): ParamValue {
  const u = clampUnit(unit);
  if (distribution.type === 'categorical' || distribution.type === 'ordinal') {
    const { choices } = distribution;
    return choices[Math.min(choices.length - 1, Math.floor(u * choices.length))] ?? null;
  }
  const axis = axisOf(distribution);
  if (!isWarped(distribution)) {
    if (axis.step !== null) return gridValue(axis, Math.floor(u * axis.count));
    return nearestValue(axis, Math.min(axis.high, Math.max(axis.low, axis.low * (1 - u) + axis.high * u)));
  }
  const [from, to] = logEdges(axis);
  const t = distribution.revlog ? 1 - u : u;
  const y = Math.exp(from * (1 - t) + to * t);
  // The ends are met exactly: exp(log(high)) need not be high.
  const x = t === 0 ? axis.low : t === 1 ? axis.high : Math.min(axis.high, Math.max(axis.low, y));
  const value = distribution.revlog ? mirror(axis, x) : x;
  return nearestValue(axis, value);
}

/**
 * The part of the unit interval that `fromUnit` maps to the value of a discrete distribution, [from, to]; of a continuous one
 * a single point.
 */
export function unitCell(distribution: Distribution, value: ParamValue): [number, number] {
  if (distribution.type === 'categorical' || distribution.type === 'ordinal' || !isWarped(distribution)) {
    const count = size(distribution);
    const middle = toUnit(distribution, value);
    return count === Infinity ? [middle, middle] : [middle - 0.5 / count, middle + 0.5 / count];
  }
  const axis = axisOf(distribution);
  if (axis.step === null || axis.count === 1)
    return axis.step === null ? [toUnit(distribution, value), toUnit(distribution, value)] : [0, 1];
  const [from, to] = logEdges(axis);
  const y = distribution.revlog ? mirror(axis, Number(value)) : Number(value);
  const below = clampUnit((Math.log(Math.max(y - axis.step / 2, Math.exp(from))) - from) / (to - from));
  const above = clampUnit((Math.log(y + axis.step / 2) - from) / (to - from));
  return distribution.revlog ? [1 - above, 1 - below] : [below, above];
}

/** Whether the value is one that a trial may be given: of the right kind, in range, and on the grid. */
export function contains(distribution: Distribution, value: ParamValue): boolean {
  if (distribution.type === 'categorical' || distribution.type === 'ordinal')
    return choiceIndex(distribution.choices, value) >= 0;
  if (typeof value !== 'number' || !(value >= distribution.low && value <= distribution.high)) return false;
  if (distribution.type === 'int')
    return Number.isInteger(value) && remainder(value, distribution.low, distribution.step ?? 1) === 0;
  const axis = axisOf(distribution);
  if (axis.step === null) return true;
  const cells = (value - axis.low) / axis.step;
  // A millionth of a cell, and what rounding to a double does to a fine grid far from zero.
  const tolerance = 1e-6 + ((Math.abs(axis.low) + Math.abs(axis.high)) / axis.step) * 1e-14;
  return Math.abs(cells - Math.round(cells)) <= tolerance;
}

/** Number of different values; Infinity for a continuous range and for one of more cells than places on the unit axis. */
export function size(distribution: Distribution): number {
  if (distribution.type === 'categorical' || distribution.type === 'ordinal') return distribution.choices.length;
  return axisOf(distribution).count;
}

/** The value with this index in the order of a discrete distribution, from 0 to `size` − 1. */
export function valueAt(distribution: Distribution, index: number): ParamValue {
  if (distribution.type === 'categorical' || distribution.type === 'ordinal') return distribution.choices[index] ?? null;
  return gridValue(axisOf(distribution), index);
}

export type DistributionProblem =
  | 'reversed'
  | 'notFinite'
  | 'notInteger'
  | 'logNotPositive'
  | 'logTwice'
  | 'badStep'
  | 'noChoices'
  | 'duplicateChoice';

/** What is wrong with a distribution, first the most basic; empty when samplers can use it. */
export function validateDistribution(
  distribution: Distribution,
): { readonly problem: DistributionProblem; readonly message: string }[] {
  const problems: { problem: DistributionProblem; message: string }[] = [];
  const add = (problem: DistributionProblem, message: string): void => void problems.push({ problem, message });
  if (distribution.type === 'categorical' || distribution.type === 'ordinal') {
    const seen = new Set<string>();
    if (distribution.choices.length === 0) add('noChoices', 'the list of choices is empty');
    for (const choice of distribution.choices) {
      const key = canonicalJson(choice);
      if (seen.has(key)) add('duplicateChoice', `the choice ${key} stands there twice`);
      seen.add(key);
    }
    return problems;
  }
  const { low, high, step, log, revlog } = distribution;
  if (![low, high, step ?? 1].every(Number.isFinite)) {
    add('notFinite', `a range needs finite numbers, not ${low} to ${high}${step === null ? '' : `, step ${step}`}`);
    return problems;
  }
  if (low > high) add('reversed', `the range is reversed: ${low} is above ${high}`);
  if (distribution.type === 'int' && ![low, high, step ?? 1].every(Number.isSafeInteger)) {
    add(
      'notInteger',
      `an int range needs whole numbers below 2^53, not ${low} to ${high}${step === null ? '' : `, step ${step}`}`,
    );
  }
  if (step !== null && step <= 0) add('badStep', `a step must be above 0, not ${step}`);
  if (log && revlog) add('logTwice', 'log and revlog exclude each other');
  if ((log || revlog) && low <= 0) add('logNotPositive', `${log ? 'log' : 'revlog'} needs a lower end above 0, not ${low}`);
  return problems;
}

/** Equality of values as the journal sees them: lists item by item, 1 and true differ. */
export function valuesEqual(a: ParamValue | undefined, b: ParamValue | undefined): boolean {
  if (a === b) return true;
  if (!Array.isArray(a) || !Array.isArray(b))
    return typeof a === 'number' && typeof b === 'number' && Number.isNaN(a) && Number.isNaN(b);
  return a.length === b.length && a.every((item: ParamValue, index) => valuesEqual(item, b[index]));
}

interface Axis {
  readonly low: number;
  /** The highest value on the grid, which may lie below the written end. */
  readonly high: number;
  /** Null where continuous, and where there are more cells than the unit interval has places. */
  readonly step: number | null;
  readonly count: number;
  /** Distance of two values of an int; null for a float. */
  readonly whole: number | null;
}

/** From this many cells on a value would not survive the way to its place and back: as good as continuous. */
const maxCells = 2 ** 50;
/** The same of log and revlog, whose rounding grows with the number of decades. */
const maxWarpedCells = 2 ** 40;

function axisOf(distribution: FloatDistribution | IntDistribution): Axis {
  const { low, high } = distribution;
  const limit = isWarped(distribution) ? maxWarpedCells : maxCells;
  if (distribution.type === 'int') {
    const whole = distribution.step ?? 1;
    const last = high - remainder(high, low, whole);
    const count = (last - low) / whole + 1;
    return count < limit
      ? { low, high: last, step: whole, count, whole }
      : { low, high: last, step: null, count: Infinity, whole };
  }
  const { step } = distribution;
  if (step === null) return { low, high, step, count: low === high ? 1 : Infinity, whole: null };
  // A hair of tolerance, so that 0 to 1 by 0.1 has eleven points although 1 / 0.1 rounds.
  const count = Math.floor(((high - low) / step) * (1 + 1e-12) + 1e-9) + 1;
  if (!(count < limit)) return { low, high, step: null, count: Infinity, whole: null };
  const grid = { low, high, step, count, whole: null };
  return { ...grid, high: gridValue(grid, count - 1) };
}

/** The allowed value next to a number between the ends. */
function nearestValue(axis: Axis, value: number): number {
  const step = axis.whole ?? axis.step;
  return step === null ? value : gridValue(axis, Math.round((value - axis.low) / step));
}

function gridValue(axis: Axis, index: number): number {
  const k = Math.min(axis.count - 1, Math.max(0, index));
  if (axis.whole !== null) {
    // In two halves, each exact: k steps may be more than 2^53, both ends and all between are less.
    const half = Math.floor(k / 2);
    return Math.min(axis.high, axis.low + half * axis.whole + (k - half) * axis.whole);
  }
  const value = axis.low + k * (axis.step ?? 0);
  // 15 digits turn 0.30000000000000004 into 0.3, what a person would have written.
  return Math.min(axis.high, Math.max(axis.low, Number(value.toPrecision(15))));
}

/** (value − low) modulo step of whole numbers, in [0, step), without forming the difference, which may be above 2^53. */
function remainder(value: number, low: number, step: number): number {
  return ((((value % step) - (low % step)) % step) + step) % step;
}

function isWarped(distribution: FloatDistribution | IntDistribution): boolean {
  return distribution.log || distribution.revlog;
}

function mirror(axis: Axis, x: number): number {
  return Math.min(axis.high, Math.max(axis.low, axis.low + axis.high - x));
}

/** log of the outer edges of the first and the last cell; the first reaches at most halfway to zero. */
function logEdges(axis: Axis): [number, number] {
  if (axis.step === null) return [Math.log(axis.low), Math.log(axis.high)];
  if (axis.count === 1) return [0, 0];
  return [Math.log(axis.low - Math.min(axis.step, axis.low) / 2), Math.log(axis.high + axis.step / 2)];
}

function choiceIndex(choices: readonly ParamValue[], value: ParamValue): number {
  if (typeof value !== 'object' || value === null) return choices.indexOf(value);
  return choices.findIndex((choice) => valuesEqual(choice, value));
}

function clampUnit(u: number): number {
  return u > 0 ? Math.min(1, u) : 0;
}
