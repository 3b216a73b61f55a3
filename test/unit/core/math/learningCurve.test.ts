import { describe, expect, test } from 'vitest';
import { createRng, fitCurveStep, type Forecast, forecastEnd, spreadOf } from '../../../../agent/core/math/index.ts';

const { normal } = createRng(5, 1);
const x = Array.from({ length: 200 }, () => normal());

describe('a step of learning curves', () => {
  test.each<[string, (u: number) => number, number, number]>([
    ['a line is found', (u) => 0.5 * u - 1, 0.5, -1],
    ['noise around a line', (u) => 0.5 * u - 1 + 0.2 * normal(), 0.48, -1],
    ['nothing in common', () => normal(), 0, 0],
    ['the contrary', (u) => -u, 0, 0],
    ['nothing changes', (u) => u, 1, 0],
  ])('%s', (_, next, slope, intercept) => {
    const step = fitCurveStep(x, x.map(next), spreadOf(x));
    // A standard error below the least squares.
    expect(step.slope).toBeGreaterThanOrEqual(slope - 0.08);
    expect(step.slope).toBeLessThanOrEqual(slope + 0.05);
    expect(Math.abs(step.intercept - intercept)).toBeLessThan(0.2);
  });

  test('before any pair the loss is expected to stay, within a third of the spread', () => {
    expect(fitCurveStep([], [], 10)).toEqual({ intercept: 0, slope: 1, variance: 9 });
  });

  test('how bad the bad ones are does not matter', () => {
    const y = x.map((u) => 0.5 * u);
    const plain = fitCurveStep(x, y, 1);
    const diverged = fitCurveStep([...x, 1e9, 1e12], [...y, 1e9, 1e12], 1);
    expect(Math.abs(diverged.slope - plain.slope)).toBeLessThan(0.1);
  });

  test.each([[1e200], [1e-200], [-1e308]])('losses of size %d', (size) => {
    const losses = x.map((u) => u * size * 0.5);
    const step = fitCurveStep(losses, losses, spreadOf(losses));
    expect(step.slope).toBeGreaterThan(0.5);
    expect(Number.isNaN(step.intercept) || Number.isNaN(step.variance)).toBe(false);
  });
});

describe('a forecast', () => {
  const steps = [
    { intercept: 1, slope: 0.5, variance: 4 },
    { intercept: 0, slope: 2, variance: 1 },
  ];
  test.each<[number, number, Forecast]>([
    [2, 7, { mean: 7, variance: 0 }],
    [1, 7, { mean: 14, variance: 1 }],
    [0, 4, { mean: 6, variance: 17 }],
  ])('from level %d', (level, loss, expected) => {
    const out: Forecast = { mean: NaN, variance: NaN };
    forecastEnd(steps, level, loss, out);
    expect(out).toEqual(expected);
  });
});

test.each<[string, number[], number]>([
  ['none', [], 1],
  ['one value', [5], 1],
  ['all alike', [5, 5, 5], 1],
  ['alike up to the median', [5, 5, 5, 9], 4],
])('the spread of %s is positive', (_, losses, spread) => {
  expect(spreadOf(losses)).toBe(spread);
});
