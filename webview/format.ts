import type { ParamValue } from '../agent/protocol/space.ts';
import type { MetricValue } from '../agent/protocol/study.ts';

/** Shown where there is no value. */
export const nothing = '–';

/**
 * A number for people: `digits` significant digits, whole numbers below ten million in full,
 * very small and very large ones as `3.2e-4`.
 */
export function formatNumber(value: number, digits = 4): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '∞' : '−∞';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) {
    const [mantissa = '0', exponent = '0'] = value.toExponential(digits - 1).split('e');
    return minus(`${String(Number(mantissa))}e${Number(exponent)}`);
  }
  return minus(Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(digits))));
}

/** With a plus sign where it is positive: for differences. */
export function formatSigned(value: number, digits = 3): string {
  return value > 0 ? `+${formatNumber(value, digits)}` : formatNumber(value, digits);
}

export function formatMetric(value: MetricValue | undefined, digits = 4): string {
  if (value === undefined) return nothing;
  if (typeof value === 'number') return formatNumber(value, digits);
  return value === 'nan' ? 'NaN' : value === 'inf' ? '∞' : '−∞';
}

export function formatParam(value: ParamValue | undefined, digits = 4): string {
  if (value === undefined) return nothing;
  if (typeof value === 'number') return formatNumber(value, digits);
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean' || value === null) return String(value);
  return `[${value.map((item) => formatParam(item, digits)).join(', ')}]`;
}

/** The two largest units of a duration in milliseconds: `0.4 s`, `42 s`, `3 min 05 s`, `2 h 05 min`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  if (!(ms >= 0)) return nothing;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${two(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${two(minutes % 60)} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

/** `1 trial`, `2 trials`. */
export function count(n: number, noun: string): string {
  return `${formatNumber(n)} ${noun}${n === 1 ? '' : 's'}`;
}

const two = (n: number) => String(n).padStart(2, '0');
const minus = (text: string) => text.replace('-', text.startsWith('-') ? '−' : '-');
