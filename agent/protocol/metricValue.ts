import type { MetricValue } from './study.ts';

/** The number behind a reported value; undefined and "nan" give NaN. */
export function metricNumber(value: MetricValue | undefined): number {
  if (typeof value === 'number') return value;
  if (value === 'inf') return Infinity;
  if (value === '-inf') return -Infinity;
  return NaN;
}

/** The reverse of `metricNumber`: NaN and the infinities get their names, so JSON keeps them. */
export function metricValue(value: number): MetricValue {
  if (Number.isNaN(value)) return 'nan';
  if (value === Infinity) return 'inf';
  if (value === -Infinity) return '-inf';
  return value;
}
