import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cholesky,
  choleskyAppend,
  choleskyInverse,
  choleskyUpdate,
  logDeterminant,
  solveLower,
  solveLowerTransposed,
} from '../../../../agent/core/math/cholesky.ts';
import { createRng } from '../../../../agent/core/math/rng.ts';
import { readFixture } from './fixture.ts';

/** A = B Bᵀ + ridge · I with the seed's B, rows at `stride`, everything else filled with `rest`. */
function positiveDefinite(n: number, seed: number, ridge: number, stride = n, rest = 0): Float64Array {
  const rng = createRng(seed);
  const b = Array.from({ length: n }, () => Array.from({ length: n }, () => rng.normal()));
  const a = new Float64Array(Math.max(1, (n + 2) * stride)).fill(rest);
  for (let i = 0; i < n; i++)
    for (let j = 0; j < n; j++)
      a[i * stride + j] = (b[i] ?? []).reduce((sum, x, k) => sum + x * (b[j]?.[k] ?? 0), i === j ? ridge : 0);
  return a;
}

/** L Lᵀ, n × n. */
function product(l: Float64Array, n: number, stride: number): number[] {
  const at = (i: number, j: number): number => (j <= i ? (l[i * stride + j] ?? 0) : 0);
  return Array.from({ length: n * n }, (_, place) => {
    let sum = 0;
    for (let k = 0; k < n; k++) sum += at(Math.floor(place / n), k) * at(place % n, k);
    return sum;
  });
}

function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  expect(actual.length).toBe(expected.length);
  const size = Math.max(1, ...Array.from(expected, Math.abs));
  for (let k = 0; k < expected.length; k++)
    expect(Math.abs((actual[k] ?? NaN) - (expected[k] ?? NaN)), `${k}`).toBeLessThanOrEqual(tolerance * size);
}

const square = (a: Float64Array, n: number, stride: number): number[] =>
  Array.from({ length: n * n }, (_, place) => a[Math.floor(place / n) * stride + (place % n)] ?? NaN);

// Every remainder of the blocks of four, below and above one block.
const sizes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 14, 33];

describe.each(sizes)('n = %d', (n) => {
  const stride = n + 3;
  const a = positiveDefinite(n, n, 0.5, stride, 7);
  const l = a.slice();
  const isFactored = cholesky(l, n, stride);

  test('L Lᵀ is A, and nothing else is touched', () => {
    expect(isFactored).toBe(true);
    expectClose(product(l, n, stride), square(a, n, stride), 1e-13);
    for (let i = 0; i < n + 1; i++) for (let j = i + 1; j < stride; j++) expect(l[i * stride + j]).toBe(a[i * stride + j]);
  });

  test('row by row gives the same factor', () => {
    const grown = a.slice();
    for (let k = 0; k < n; k++) expect(choleskyAppend(grown, k, stride)).toBe(true);
    expectClose(grown, l, 1e-13);
  });

  test('solves, inverse and determinant', () => {
    const rng = createRng(100 + n);
    const x = Array.from({ length: n }, () => rng.normal());
    const b = new Float64Array(n + 2).fill(9);
    for (let i = 0; i < n; i++) b[i + 1] = x.reduce((sum, value, k) => sum + value * (a[i * stride + k] ?? 0), 0);
    solveLower(l, n, stride, b, 1);
    solveLowerTransposed(l, n, stride, b, 1);
    expectClose(b, [9, ...x, 9], 1e-9);

    const inverse = new Float64Array(n * stride);
    choleskyInverse(l, n, stride, inverse);
    const identity = Array.from({ length: n * n }, (_, place) => {
      const i = Math.floor(place / n);
      let sum = 0;
      for (let k = 0; k < n; k++) sum += (a[i * stride + k] ?? 0) * (inverse[k * stride + (place % n)] ?? 0);
      return sum;
    });
    expectClose(
      identity,
      Array.from({ length: n * n }, (_, place) => (place % (n + 1) === 0 ? 1 : 0)),
      1e-10,
    );

    let log = 0;
    for (let k = 0; k < n; k++) log += Math.log(product(l, n, stride).length === 0 ? 1 : (l[k * stride + k] ?? 0) ** 2);
    expect(logDeterminant(l, n, stride)).toBeCloseTo(log, 9);
  });

  test('the factor of A + x xᵀ', () => {
    const rng = createRng(200 + n);
    const x = Float64Array.from({ length: n }, (_, k) => (k === 2 ? 0 : rng.normal()));
    const expected = square(a, n, stride).map((value, place) => value + (x[Math.floor(place / n)] ?? 0) * (x[place % n] ?? 0));
    const updated = l.slice();
    choleskyUpdate(updated, n, stride, x.slice());
    expectClose(product(updated, n, stride), expected, 1e-13);
  });
});

interface Row {
  readonly name: string;
  readonly condition: number;
  readonly a: readonly (readonly number[])[];
  readonly factor: readonly (readonly number[])[];
  readonly inverse: readonly (readonly number[])[];
  readonly logDeterminant: number;
}

test.each(readFixture('matrices') as Row[])('$name, as NumPy and mpmath', (row) => {
  const n = row.a.length;
  const l = Float64Array.from(row.a.flat());
  expect(cholesky(l, n)).toBe(true);
  const largest = (values: readonly number[]): number => Math.max(...values.map(Math.abs));
  const rounding = 1e-15 * row.condition;
  for (let i = 0; i < n; i++)
    for (let j = 0; j <= i; j++) {
      const expected = row.factor[i]?.[j] ?? NaN;
      expect(Math.abs((l[i * n + j] ?? NaN) - expected)).toBeLessThanOrEqual((1e-14 + rounding) * largest(row.factor.flat()));
    }
  const inverse = new Float64Array(n * n);
  choleskyInverse(l, n, n, inverse);
  const expected = row.inverse.flat();
  inverse.forEach((value, k) =>
    expect(Math.abs(value - (expected[k] ?? NaN))).toBeLessThanOrEqual((1e-14 + 4 * rounding) * largest(expected)),
  );
  expect(Math.abs(logDeterminant(l, n, n) - row.logDeterminant)).toBeLessThanOrEqual(1e-13 + n * rounding);
});

test.each<[string, number[], boolean]>([
  ['identity', [1, 0, 0, 1], true],
  ['indefinite', [1, 2, 2, 1], false],
  ['singular', [1, 1, 1, 1], false],
  ['zero', [0, 0, 0, 0], false],
  ['negative', [-1, 0, 0, 1], false],
  ['NaN', [1, NaN, NaN, 1], false],
  ['infinite', [Infinity, 0, 0, 1], false],
  ['overflow', [1, 1e200, 1e200, 1], false],
  ['one part in 2^52 from singular', [1, 1, 1, 1 + 2 ** -52], true],
  ['the smallest positive numbers', [4 * 2 ** -1074, 0, 0, 2 ** -1074], true],
  ['the largest numbers', [1e308, 1e307, 1e307, 1e308], true],
])('%s', (_, entries, expected) => {
  const a = Float64Array.from(entries);
  expect(cholesky(a, 2)).toBe(expected);
  if (expected) {
    expect(a.every(Number.isFinite)).toBe(true);
    const [a00 = 0, , a10 = 0, a11 = 0] = entries;
    expectClose([product(a, 2, 2)[0] ?? 0, product(a, 2, 2)[2] ?? 0, product(a, 2, 2)[3] ?? 0], [a00, a10, a11], 1e-15);
  }
});

test('a failing pivot is noticed in every place of the blocks', () => {
  for (let bad = 0; bad < 13; bad++) {
    const a = positiveDefinite(13, 5, 1);
    a[bad * 13 + bad] = -1;
    expect(cholesky(a, 13), `${bad}`).toBe(false);
  }
});

test('a row that cannot be appended leaves the others', () => {
  const l = Float64Array.from([1, 0, 1, 1]);
  expect(choleskyAppend(l, 1, 2)).toBe(false);
  expect(l[0]).toBe(1);
});

test('random matrices, updates and solves agree', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 20 }),
      fc.integer(),
      fc.double({ min: 1e-6, max: 1e3, noNaN: true }),
      (n, seed, ridge) => {
        const a = positiveDefinite(n, seed, ridge);
        const l = a.slice();
        expect(cholesky(l, n)).toBe(true);
        expectClose(product(l, n, n), square(a, n, n), 1e-12);
      },
    ),
    { numRuns: 60 },
  );
});
