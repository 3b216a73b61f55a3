import { describe, expect, test } from 'vitest';
import { kdeMasses, scottBandwidth } from '../../../../agent/core/math/kde.ts';
import { readFixture } from './fixture.ts';

interface Row {
  readonly name: string;
  readonly points: readonly number[];
  readonly weights: readonly number[];
  readonly bandwidth: number;
  readonly masses: readonly number[];
  readonly scott: number;
}

const masses = (points: Iterable<number>, weights: Iterable<number>, bandwidth: number, cells: number): number[] => {
  const target = new Float64Array(cells);
  kdeMasses(Float64Array.from(points), Float64Array.from(weights), bandwidth, target);
  return [...target];
};

describe.each(readFixture('kde') as Row[])('$name, bandwidth $bandwidth', (row) => {
  test('masses', () => {
    const actual = masses(row.points, row.weights, row.bandwidth, row.masses.length);
    row.masses.forEach((expected, cell) => expect(actual[cell]).toBeCloseTo(expected, 10));
    expect(actual.reduce((sum, mass) => sum + mass, 0)).toBeCloseTo(1, 12);
  });

  test("Scott's bandwidth", () =>
    expect(scottBandwidth(Float64Array.from(row.points), Float64Array.from(row.weights))).toBeCloseTo(row.scott, 12));
});

test.each<[string, number[], number[]]>([
  ['no points', [], []],
  ['no weight', [0.2, 0.4], [0, 0]],
])('%s: uniform', (_, points, weights) => {
  expect(masses(points, weights, 0.1, 4)).toEqual([0.25, 0.25, 0.25, 0.25]);
  expect(scottBandwidth(Float64Array.from(points), Float64Array.from(weights))).toBe(0);
});

test.each([
  [1e-300, [0, 1, 0, 0]],
  [1e300, [0.25, 0.25, 0.25, 0.25]],
])('a bandwidth of %d', (bandwidth, expected) => {
  masses([0.3], [1], bandwidth, 4).forEach((mass, cell) => expect(mass).toBeCloseTo(expected[cell] ?? NaN, 7));
});

test('one value many times has no bandwidth', () => {
  expect(scottBandwidth(Float64Array.from([0.4]), Float64Array.from([20]))).toBe(0);
});
