/**
 * The part of the value axis that a chart shows. Few trials that diverge would flatten all others, so the side of the bad
 * values ends at a fence (third quartile + 3 interquartile ranges, after Tukey); what lies beyond is drawn at the edge.
 */
export interface ValueRange {
  readonly min: number;
  readonly max: number;
  /** How many of the values lie beyond the fence. */
  readonly nBeyond: number;
}

/** @param values finite or not; @param direction the side of `bad` values: above for min, below for max. Null when nothing is finite. */
export function valueRange(values: readonly number[], direction: 'min' | 'max'): ValueRange | null {
  const sorted = Float64Array.from(values.filter(Number.isFinite)).sort();
  const low = sorted[0];
  const high = sorted.at(-1);
  if (low === undefined || high === undefined) return null;
  const q1 = quantile(sorted, 0.25);
  const q3 = quantile(sorted, 0.75);
  const reach = 3 * (q3 - q1);
  let [min, max] = [low, high];
  if (sorted.length >= 8 && reach > 0) {
    if (direction === 'min') max = sorted.findLast((value) => value <= q3 + reach) ?? high;
    else min = sorted.find((value) => value >= q1 - reach) ?? low;
  }
  const nBeyond = sorted.reduce((n, value) => n + (value < min || value > max ? 1 : 0), 0);
  return { min, max, nBeyond };
}

/** Room around the range, so that no point sits on the frame. `isLog` needs min > 0. */
export function paddedRange(range: ValueRange, isLog: boolean): [number, number] {
  if (isLog) {
    const span = Math.log(range.max / range.min) || 1;
    return [range.min * Math.exp(-0.06 * span), range.max * Math.exp(0.06 * span)];
  }
  const span = range.max - range.min || Math.abs(range.max) * 0.1 || 1;
  return [range.min - 0.06 * span, range.max + 0.06 * span];
}

/** A logarithmic axis helps where all values are positive and span more than one and a half decades. */
export function doesLogHelp(range: ValueRange): boolean {
  return range.min > 0 && range.max / range.min > 30;
}

/** Without a word from the user the axis is logarithmic from two decades on. */
export function isLogByDefault(range: ValueRange): boolean {
  return range.min > 0 && range.max / range.min > 100;
}

function quantile(sorted: Float64Array, p: number): number {
  const position = (sorted.length - 1) * p;
  const below = sorted[Math.floor(position)] ?? 0;
  const above = sorted[Math.ceil(position)] ?? below;
  return below + (above - below) * (position - Math.floor(position));
}
