import { createRng } from '../../../agent/core/math/index.ts';

export const mean = (values) => values.reduce((sum, value) => sum + value, 0) / values.length;

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/**
 * 95 % interval of a statistic of rows by the percentile bootstrap: the rows are drawn anew 2,000 times, always with the same draws.
 * @template T
 * @param {T[]} rows
 * @param {(rows: T[]) => number} statistic
 * @returns {[number, number]}
 */
export function interval(rows, statistic, draws = 2000) {
  const rng = createRng(1, 1003);
  const values = Array.from({ length: draws }, () => statistic(rows.map(() => rows[rng.int(rows.length)])));
  values.sort((a, b) => a - b);
  return [values[Math.floor(0.025 * draws)], values[Math.ceil(0.975 * draws) - 1]];
}

/** Ratio of the means of pairs `[ours, theirs]`, with its interval. */
export function ratio(pairs) {
  const of = (rows) => sum(rows, 0) / sum(rows, 1);
  return { value: of(pairs), interval: interval(pairs, of) };
}

const sum = (rows, column) => rows.reduce((total, row) => total + row[column], 0);

/** Ranks from 1; equal values share the mean of their places. */
export function ranks(values) {
  const order = values.map((_, k) => k).sort((a, b) => values[a] - values[b]);
  const out = values.map(() => 0);
  for (let start = 0; start < order.length; ) {
    let end = start + 1;
    while (end < order.length && values[order[end]] === values[order[start]]) end++;
    for (let k = start; k < end; k++) out[order[k]] = (start + end + 1) / 2;
    start = end;
  }
  return out;
}
