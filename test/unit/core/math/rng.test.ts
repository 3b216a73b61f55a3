import { describe, expect, test } from 'vitest';
import { philox } from '../../../../agent/core/math/philox.ts';
import { createRng } from '../../../../agent/core/math/rng.ts';

// Known answers of Random123 (kat_vectors), "philox4x32 10": counter, key, result.
test.each<[[number, number, number, number], [number, number], string]>([
  [[0, 0, 0, 0], [0, 0], '6627e8d5 e169c58d bc57ac4c 9b00dbd8'],
  [[0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff], [0xffffffff, 0xffffffff], '408f276d 41c83b0e a20bc7c6 6d5451fd'],
  [[0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0], 'd16cfe09 94fdcceb 5001e420 24126ea1'],
])('philox %j %j', (counter, key, expected) => {
  const out = new Uint32Array(4);
  philox(...counter, ...key, out);
  expect([...out].map((word) => word.toString(16).padStart(8, '0')).join(' ')).toBe(expected);
});

const take = (n: number, seed: number, ...keys: number[]): number[] => {
  const rng = createRng(seed, ...keys);
  return Array.from({ length: n }, () => rng.next());
};

describe('createRng', () => {
  test('equal keys give equal streams', () => expect(take(9, 7, 1, 2)).toEqual(take(9, 7, 1, 2)));

  test.each<[string, number[], number[]]>([
    ['seed', [7, 1], [8, 1]],
    ['key', [7, 1], [7, 2]],
    ['order of keys', [7, 1, 2], [7, 2, 1]],
    ['number of keys', [7], [7, 0]],
    ['sign', [7], [-7]],
    ['upper half of the seed', [7], [7 + 2 ** 40]],
  ])('differs by %s', (_, a, b) => {
    const [seedA = 0, ...keysA] = a;
    const [seedB = 0, ...keysB] = b;
    expect(take(4, seedA, ...keysA)).not.toEqual(take(4, seedB, ...keysB));
  });

  test('is uniform: mean, variance, correlation of neighbours and of streams within five deviations', () => {
    const n = 20_000;
    const a = take(n, 1, 1);
    const b = take(n, 1, 2);
    const mean = (values: number[]): number => values.reduce((sum, value) => sum + value, 0) / n;
    expect(Math.abs(mean(a) - 0.5)).toBeLessThan(5 * Math.sqrt(1 / 12 / n));
    expect(Math.abs(mean(a.map((x) => (x - 0.5) ** 2)) - 1 / 12)).toBeLessThan(5 * Math.sqrt(1 / 180 / n));
    expect(Math.abs(mean(a.map((x, k) => (x - 0.5) * ((a[k + 1] ?? 0.5) - 0.5))))).toBeLessThan(5 / 12 / Math.sqrt(n));
    expect(Math.abs(mean(a.map((x, k) => (x - 0.5) * ((b[k] ?? 0.5) - 0.5))))).toBeLessThan(5 / 12 / Math.sqrt(n));
    expect(Math.min(...a)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...a)).toBeLessThan(1);
  });

  test('ints cover their range evenly, normals have mean 0 and variance 1', () => {
    const rng = createRng(3);
    const counts = [0, 0, 0];
    for (let k = 0; k < 9000; k++) {
      const value = rng.int(3);
      counts[value] = (counts[value] ?? 0) + 1;
    }
    for (const count of counts) expect(Math.abs(count - 3000)).toBeLessThan(5 * Math.sqrt(2000));
    const normals = Array.from({ length: 9000 }, () => rng.normal());
    expect(Math.abs(normals.reduce((sum, x) => sum + x, 0) / 9000)).toBeLessThan(5 / Math.sqrt(9000));
    expect(Math.abs(normals.reduce((sum, x) => sum + x * x, 0) / 9000 - 1)).toBeLessThan(5 * Math.sqrt(2 / 9000));
  });
});
