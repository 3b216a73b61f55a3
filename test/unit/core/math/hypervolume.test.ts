import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { hypervolume, hypervolumeContributions } from '../../../../agent/core/math/hypervolume.ts';
import { createRng } from '../../../../agent/core/math/rng.ts';
import { readFixture } from './fixture.ts';

interface Row {
  readonly reference: readonly number[];
  readonly points: readonly (readonly number[])[];
  readonly volume: number;
  readonly contributions: readonly number[];
}

const volume = (points: readonly (readonly number[])[], reference: readonly number[]): number =>
  hypervolume(Float64Array.from(points.flat()), Float64Array.from(reference));
const contributions = (points: readonly (readonly number[])[], reference: readonly number[]): number[] => [
  ...hypervolumeContributions(Float64Array.from(points.flat()), Float64Array.from(reference)),
];

describe.each(readFixture('hypervolumes') as Row[])('$points.length points, $reference.length objectives', (row) => {
  test('volume', () => expect(volume(row.points, row.reference)).toBeCloseTo(row.volume, 12));
  test('contributions', () => {
    const actual = contributions(row.points, row.reference);
    expect(actual).toHaveLength(row.contributions.length);
    row.contributions.forEach((expected, k) => expect(actual[k]).toBeCloseTo(expected, 12));
  });
});

test.each<[string, number[][], number[], number, number[]]>([
  ['no points', [], [1, 1], 0, []],
  ['no objectives', [], [], 0, []],
  ['at the reference', [[1, 0]], [1, 1], 0, [0]],
  [
    'two equal ones',
    [
      [0, 0],
      [0, 0],
    ],
    [1, 1],
    1,
    [0, 0],
  ],
  [
    'dominated',
    [
      [0, 0],
      [0.5, 0.5],
    ],
    [1, 1],
    1,
    [0.75, 0],
  ],
  [
    'a missing value',
    [
      [Infinity, 0],
      [0, 0],
    ],
    [1, 1],
    1,
    [0, 1],
  ],
  [
    'the largest numbers',
    [
      [-1e308, 0],
      [0, -1],
    ],
    [1e308, 1],
    Infinity,
    [1e308, 1e308],
  ],
  ['denormals', [[0, 0]], [2 ** -1074, 1], 2 ** -1074, [2 ** -1074]],
])('%s', (_, points, reference, expected, alone) => {
  expect(volume(points, reference)).toBe(expected);
  expect(contributions(points, reference)).toEqual(alone);
});

test('order does not matter, one more point never takes away, and its gain is its contribution', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.integer({ min: 1, max: 25 }), fc.integer(), (m, n, seed) => {
      const rng = createRng(seed);
      // A coarse grid gives ties in single objectives.
      const points = Array.from({ length: n }, () => Array.from({ length: m }, () => Math.round(8 * rng.next()) / 8));
      const reference = Array.from({ length: m }, () => 1.1);
      const whole = volume(points, reference);
      expect(volume(points.toReversed(), reference)).toBeCloseTo(whole, 12);
      const before = volume(points.slice(1), reference);
      expect(whole).toBeGreaterThanOrEqual(before - 1e-12);
      expect(contributions(points, reference)[0]).toBeCloseTo(whole - before, 12);
    }),
    { numRuns: 200 },
  );
});
