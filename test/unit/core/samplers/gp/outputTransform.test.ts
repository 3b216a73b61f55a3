import { expect, test } from 'vitest';
import { createRng } from '../../../../../agent/core/math/index.ts';
import { fitOutputTransform, inverseYeoJohnson, yeoJohnson } from '../../../../../agent/core/samplers/gp/outputTransform.ts';
import { chooseRows } from '../../../../../agent/core/samplers/gp/trainingSet.ts';

test.each([
  [2, 1, 2],
  [3, 0, Math.log(4)],
  [3, 2, 7.5],
  [-3, 2, -Math.log(4)],
  [-3, 1, -3],
  [-3, 0, -7.5],
])('Yeo and Johnson at %f with exponent %f: %f', (y, lambda, expected) => {
  expect(yeoJohnson(y, lambda)).toBeCloseTo(expected, 12);
  expect(inverseYeoJohnson(expected, lambda)).toBeCloseTo(y, 12);
});

const rng = createRng(1);
const draws = (of: (u: number) => number): Float64Array => Float64Array.from({ length: 40 }, () => of(rng.next()));

test.each<[string, Float64Array]>([
  ['uniform', draws((u) => u)],
  ['with a few that diverged', draws((u) => (u > 0.9 ? 1e6 * u : u))],
  ['over many orders of magnitude', draws((u) => 10 ** (8 * u))],
  ['with a long good tail', draws((u) => -1 / (0.01 + u))],
  ['near the largest double', draws((u) => (2 * u - 1) * 1.7e308)],
  ['tiny', draws((u) => u * 1e-300)],
])('losses that are %s become nearly normal and keep their order', (_, losses) => {
  const { apply, invert } = fitOutputTransform(losses);
  const y = losses.map(apply);
  const mean = y.reduce((sum, value) => sum + value, 0) / y.length;
  const variance = y.reduce((sum, value) => sum + (value - mean) ** 2, 0) / y.length;
  expect(mean).toBeCloseTo(0, 8);
  expect(variance).toBeCloseTo(1, 8);
  expect(y.every((value) => Math.abs(value) < 6)).toBe(true);
  const sorted = losses.toSorted().map(apply);
  expect(sorted.every((value, k) => k === 0 || value >= (sorted[k - 1] ?? 0))).toBe(true);
  const best = losses.reduce((a, b) => Math.min(a, b), Infinity);
  expect(invert(apply(best)) / best).toBeCloseTo(1, 6);
});

test.each([[[1]], [[2, 2, 2, 2]], [[0, 0, 0, 0, 1]], [[0, 0, 0, 0, -5e-324]]])('few or equal losses: %j', (losses) => {
  const { apply, invert } = fitOutputTransform(Float64Array.from(losses));
  for (const loss of losses) {
    expect(Number.isFinite(apply(loss))).toBe(true);
    expect(invert(apply(loss))).toBeCloseTo(loss, 6);
  }
});

test('of too many rows the best, those near the very best, and an even choice of the rest', () => {
  const scores = Float64Array.from({ length: 1000 }, (_, k) => Math.abs(k - 500));
  const rows = chooseRows(scores, 40, (best) => (index) => Math.abs(index - best - 100));
  expect(rows).toHaveLength(40);
  expect(new Set(rows).size).toBe(40);
  for (let k = 495; k <= 505; k++) expect(rows.includes(k)).toBe(k > 494 && k < 505);
  expect(rows.filter((row) => Math.abs(row - 600) <= 5).length).toBeGreaterThanOrEqual(10);
  expect(rows[0]).toBeLessThan(60);
  expect(rows.at(-1)).toBeGreaterThan(900);
  expect(chooseRows(scores, 1000)).toHaveLength(1000);
});
