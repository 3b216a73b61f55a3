import { expect, test } from 'vitest';
import { interval, mean, median, ranks, ratio } from '../../bench/core/statistics.mjs';

test.each([
  [
    [3, 1, 2],
    [3, 1, 2],
  ],
  [
    [1, 1, 2],
    [1.5, 1.5, 3],
  ],
  [
    [5, 5, 5],
    [2, 2, 2],
  ],
  [
    [Infinity, 0, Infinity, -1],
    [3.5, 2, 3.5, 1],
  ],
])('ranks of %j', (values, expected) => {
  expect(ranks(values)).toEqual(expected);
});

test.each([
  [[1], 1],
  [[4, 1], 2.5],
  [[9, 1, 2], 2],
])('median of %j', (values, expected) => {
  expect(median(values)).toBe(expected);
});

test('an interval of a mean is about two standard errors wide on each side', () => {
  const values = Array.from({ length: 400 }, (_, k) => (k % 20) - 9.5);
  const standardError = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / 400 / 400);
  const [low, high] = interval(values, mean);
  expect(low / standardError).toBeCloseTo(-1.96, 0);
  expect(high / standardError).toBeCloseTo(1.96, 0);
});

test('a ratio is that of the means, and pairs are drawn together', () => {
  const found = ratio([
    [1, 2],
    [3, 6],
    [10, 20],
  ]);
  expect(found).toEqual({ value: 0.5, interval: [0.5, 0.5] });
});
