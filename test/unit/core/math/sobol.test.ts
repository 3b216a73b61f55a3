import { describe, expect, test } from 'vitest';
import { ScrambledSobol, sobolBits, sobolDimensions } from '../../../../agent/core/math/sobol.ts';
import { readFixture } from './fixture.ts';

const fixture = readFixture('sobol') as {
  readonly dimensions: readonly number[];
  readonly points: readonly { readonly index: number; readonly bits: readonly number[] }[];
};

test.each(fixture.points)('point $index is that of SciPy', ({ index, bits }) => {
  expect(fixture.dimensions.map((dimension) => sobolBits(index, dimension))).toEqual(bits);
});

test('the last indexes have points too', () => {
  expect(sobolBits(2 ** 32 - 1, 0)).toBe(1);
  expect(sobolBits(2 ** 31, 0)).toBe(3);
});

const points = (n: number, dimensions: number, seed: number, from = 0): number[][] => {
  const sequence = new ScrambledSobol(dimensions, seed);
  const target = new Float64Array(dimensions);
  return Array.from({ length: n }, (_, k) => {
    sequence.point(from + k, target);
    return [...target];
  });
};

describe('scrambled', () => {
  test('equal seeds give equal points, by index alone', () => {
    expect(points(5, 300, 7, 40)).toEqual(points(45, 300, 7).slice(40));
    expect(points(3, 4, 7).map((point) => point.slice(0, 2))).toEqual(points(3, 2, 7));
  });

  test.each([8, -7, 7 + 2 ** 40])('seed %d differs from 7 in every dimension', (seed) => {
    const [a = []] = points(1, 300, 7);
    const [b = []] = points(1, 300, seed);
    a.forEach((value, dimension) => expect(value).not.toBe(b[dimension]));
  });

  test.each([0, 64, 2 ** 20, 2 ** 32 - 64])('64 points from %d have one in each 64th of every dimension', (from) => {
    const cells = points(64, sobolDimensions, 3, from).map((point) => point.map((value) => Math.floor(value * 64)));
    for (let dimension = 0; dimension < sobolDimensions; dimension++)
      expect(new Set(cells.map((point) => point[dimension])).size, `dimension ${dimension}`).toBe(64);
  });

  test('keeps the net of the first two dimensions: one point in each cell of every shape', () => {
    const net = points(64, 2, 11);
    for (let k = 0; k <= 6; k++)
      expect(new Set(net.map(([x = 0, y = 0]) => `${Math.floor(x * 2 ** k)} ${Math.floor(y * 2 ** (6 - k))}`)).size).toBe(64);
  });

  test('one point is uniform over seeds, and two coordinates of it are not related', () => {
    const n = 4000;
    for (const index of [0, 1, 5]) {
      const drawn = Array.from({ length: n }, (_, seed) => points(1, 3, seed, index)[0] ?? []);
      for (const dimension of [0, 1, 2]) {
        const counts = new Float64Array(16);
        for (const point of drawn) {
          const cell = Math.floor((point[dimension] ?? 0) * 16);
          counts[cell] = (counts[cell] ?? 0) + 1;
        }
        const chiSquared = counts.reduce((sum, count) => sum + (count - n / 16) ** 2 / (n / 16), 0);
        // Beyond 44.3 for one in 10,000 with 15 degrees of freedom.
        expect(chiSquared, `index ${index}, dimension ${dimension}`).toBeLessThan(44.3);
      }
      const covariance = drawn.reduce((sum, [x = 0, y = 0]) => sum + (x - 0.5) * (y - 0.5), 0) / n;
      expect(Math.abs(covariance)).toBeLessThan(5 / 12 / Math.sqrt(n));
    }
  });

  test('integrates better than random points: error of the mean of Π 2x over 256 points of 4 dimensions', () => {
    let squared = 0;
    for (let seed = 0; seed < 50; seed++) {
      const mean = points(256, 4, seed).reduce((sum, point) => sum + point.reduce((product, x) => product * 2 * x, 1), 0) / 256;
      squared += (mean - 1) ** 2 / 50;
    }
    // Random points: (4/3)⁴ − 1 over 256, a deviation of 0.092.
    expect(Math.sqrt(squared)).toBeLessThan(0.01);
  });

  test('beyond the table coordinates are random: mean and correlation with index and dimension', () => {
    const n = 4096;
    const drawn = points(n, 260, 5).map((point) => point.slice(256));
    for (let k = 0; k < 4; k++) {
      const mean = drawn.reduce((sum, point) => sum + (point[k] ?? 0), 0) / n;
      expect(Math.abs(mean - 0.5)).toBeLessThan(5 / Math.sqrt(12 * n));
      const covariance = drawn.reduce((sum, point) => sum + ((point[k] ?? 0) - 0.5) * ((point[(k + 1) % 4] ?? 0) - 0.5), 0) / n;
      expect(Math.abs(covariance)).toBeLessThan(5 / 12 / Math.sqrt(n));
    }
  });

  test('is strictly inside the cube', () => {
    for (const point of points(2000, 5, 1)) for (const value of point) expect(value > 0 && value < 1).toBe(true);
  });
});
