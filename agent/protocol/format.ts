import type { Distribution, Params, ParamValue } from './space.ts';
import type { MetricValue } from './study.ts';

/** How numbers, values and times read: the same in the terminal, the editor, the panel and the report. */

/** Shown where there is no value. */
export const noValue = '–';

/**
 * At most `digits` significant digits; whole numbers below ten million in full, very small and very large ones as
 * `3.2e-4`. What is no number is named as in a metric: `nan`, `inf`, `-inf`.
 */
export function formatNumber(value: number, digits = 4): string {
  if (Number.isNaN(value)) return 'nan';
  if (!Number.isFinite(value)) return value > 0 ? 'inf' : '-inf';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e7)) {
    const [mantissa = '0', exponent = '0'] = value.toExponential(digits - 1).split('e');
    return `${Number(mantissa)}e${Number(exponent)}`;
  }
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(digits)));
}

/** With a plus sign where it is positive: for differences. */
export function formatSigned(value: number, digits = 3): string {
  return value > 0 ? `+${formatNumber(value, digits)}` : formatNumber(value, digits);
}

export function formatMetric(value: MetricValue | undefined, digits = 4): string {
  if (value === undefined) return noValue;
  return typeof value === 'number' ? formatNumber(value, digits) : value;
}

/** As the literal would stand in a Python script, lists and tuples in square brackets: `0.1`, `"relu"`, `True`, `None`, `[64, 32]`. */
export function formatValue(value: ParamValue | undefined, digits = 4): string {
  if (value === undefined) return noValue;
  if (value === null) return 'None';
  if (typeof value === 'number') return formatNumber(value, digits);
  if (typeof value === 'string') return JSON.stringify(value);
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return `[${value.map((item) => formatValue(item, digits)).join(', ')}]`;
}

/** `lr=3.2e-4 depth=6`, within `limit` characters. */
export function formatParams(params: Params, limit = Infinity): string {
  return joinWithin(
    Object.entries(params).map(([name, value]) => `${name}=${formatValue(value)}`),
    limit,
  );
}

/** As many whole parts as fit into `limit` characters, at least one; `…` stands for the others. */
export function joinWithin(parts: readonly string[], limit: number): string {
  let text = '';
  for (const [index, part] of parts.entries()) {
    const longer = index === 0 ? part : `${text} ${part}`;
    if (index > 0 && longer.length > limit) return `${text} …`;
    text = longer;
  }
  return text;
}

/** `float 1e-5 to 0.1, log`, `one of "a", "b"`, `8 < 16 < 32`. */
export function formatDistribution(distribution: Distribution, maxChoices = Infinity): string {
  if ('choices' in distribution) {
    const { choices, type } = distribution;
    const isOrdered = type === 'ordinal';
    const shown = choices
      .slice(0, maxChoices)
      .map((choice) => formatValue(choice))
      .join(isOrdered ? ' < ' : ', ');
    return `${isOrdered ? '' : 'one of '}${shown}${choices.length > maxChoices ? ` … (${choices.length})` : ''}`;
  }
  const { type, low, high, log, revlog, step } = distribution;
  const scale = log ? ', log' : revlog ? ', revlog' : '';
  return `${type} ${formatNumber(low)} to ${formatNumber(high)}${scale}${step === null ? '' : `, step ${formatNumber(step)}`}`;
}

/** The two largest units of a duration in milliseconds: `0.4 s`, `42 s`, `3 min 05 s`, `2 h 05 min`, `3 d 4 h`. */
export function formatDuration(ms: number): string {
  if (!(ms >= 0)) return noValue;
  if (ms < 9_950) return `${(ms / 1_000).toFixed(1)} s`;
  const seconds = Math.round(ms / 1_000);
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min ${twoDigits(seconds % 60)} s`;
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? `${hours} h ${twoDigits(minutes % 60)} min` : `${Math.floor(hours / 24)} d ${hours % 24} h`;
}

export function formatBytes(bytes: number): string {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} kB`;
  if (bytes < 1024 ** 3) return `${(bytes / 1024 ** 2).toFixed(1)} MB`;
  return `${(bytes / 1024 ** 3).toFixed(1)} GB`;
}

/** `1 trial`, `2 trials`. */
export function plural(count: number, noun: string): string {
  return `${formatNumber(count)} ${noun}${count === 1 ? '' : 's'}`;
}

function twoDigits(value: number): string {
  return String(value).padStart(2, '0');
}
