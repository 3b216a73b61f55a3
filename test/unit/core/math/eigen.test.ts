import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { symmetricEigen } from '../../../../agent/core/math/eigen.ts';
import { createRng } from '../../../../agent/core/math/rng.ts';
import { readFixture } from './fixture.ts';

/** Largest |A v − λ v| and |v_i · v_j − δ_ij|, in units of the largest entry of A. */
function errorsOf(a: Float64Array, n: number, vectors: Float64Array, values: Float64Array): number {
  const size = a.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0) || 1;
  let error = 0;
  for (let k = 0; k < n; k++)
    for (let i = 0; i < n; i++) {
      let product = 0;
      let inner = 0;
      for (let j = 0; j < n; j++) {
        product += ((a[i * n + j] ?? 0) / size) * (vectors[k * n + j] ?? 0);
        inner += (vectors[k * n + j] ?? 0) * (vectors[i * n + j] ?? 0);
      }
      const expected = ((values[k] ?? 0) / size) * (vectors[k * n + i] ?? 0);
      error = Math.max(error, Math.abs(product - expected), Math.abs(inner - (i === k ? 1 : 0)));
    }
  return error;
}

function randomSymmetric(n: number, seed: number, scale = 1): Float64Array {
  const rng = createRng(seed);
  const a = new Float64Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j <= i; j++) a[i * n + j] = a[j * n + i] = scale * rng.normal();
  return a;
}

const matrices = readFixture('matrices') as { name: string; a: number[][]; eigenvalues: number[] }[];

test.each(matrices)('eigenvalues of $name', ({ a, eigenvalues }) => {
  const n = a.length;
  const vectors = Float64Array.from(a.flat());
  const values = new Float64Array(n);
  expect(symmetricEigen(vectors, n, values)).toBe(true);
  const largest = Math.max(...eigenvalues);
  eigenvalues.forEach((expected, k) => expect(Math.abs((values[k] ?? NaN) - expected)).toBeLessThanOrEqual(1e-15 * n * largest));
  expect(errorsOf(Float64Array.from(a.flat()), n, vectors, values)).toBeLessThan(1e-14);
});

test('random matrices', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 30 }), fc.integer(), fc.constantFrom(1, 1e-300, 1e300), (n, seed, scale) => {
      const a = randomSymmetric(n, seed, scale);
      const vectors = a.slice();
      const values = new Float64Array(n);
      expect(symmetricEigen(vectors, n, values)).toBe(true);
      expect(errorsOf(a, n, vectors, values)).toBeLessThan(1e-13);
      expect([...values]).toEqual([...values].toSorted((x, y) => x - y));
    }),
    { numRuns: 150 },
  );
});

describe('at the limits', () => {
  test.each<[string, number[], number[]]>([
    ['nothing', [], []],
    ['zero', [0, 0, 0, 0], [0, 0]],
    ['denormal', [2 ** -1074, 0, 0, 3 * 2 ** -1074], [2 ** -1074, 3 * 2 ** -1074]],
    ['largest', [1e308, 0, 0, -1.7e308], [-1.7e308, 1e308]],
    ['already diagonal', [3, 0, 0, 0, 1, 0, 0, 0, 2], [1, 2, 3]],
    ['exchange', [0, 1, 1, 0], [-1, 1]],
    ['rank one', [1, 1, 1, 1, 1, 1, 1, 1, 1], [0, 0, 3]],
  ])('%s', (_, entries, expected) => {
    const n = Math.sqrt(entries.length);
    const vectors = Float64Array.from(entries);
    const values = new Float64Array(n);
    expect(symmetricEigen(vectors, n, values)).toBe(true);
    expected.forEach((value, k) =>
      expect(Math.abs((values[k] ?? NaN) - value)).toBeLessThanOrEqual(1e-15 * Math.max(...expected)),
    );
    expect(errorsOf(Float64Array.from(entries), n, vectors, values)).toBeLessThan(1e-14);
  });

  test.each([NaN, Infinity])('%d is refused', (value) => {
    expect(symmetricEigen(Float64Array.from([1, value, value, 1]), 2, new Float64Array(2))).toBe(false);
  });

  test('200 × 200', () => {
    const a = randomSymmetric(200, 4);
    const vectors = a.slice();
    const values = new Float64Array(200);
    expect(symmetricEigen(vectors, 200, values)).toBe(true);
    expect(errorsOf(a, 200, vectors, values)).toBeLessThan(1e-12);
  });
});
