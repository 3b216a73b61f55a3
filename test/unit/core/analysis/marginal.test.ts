import { expect, test } from 'vitest';
import { fitLossModel, marginal, type Marginal } from '../../../../agent/core/analysis/index.ts';
import type { Objective, SearchSpace } from '../../../../agent/protocol/space.ts';
import { choice, float, int, ordinal, parameter, searchSpace } from '../space/builders.ts';
import { accuracy, evidenceOf, loss, numberOf, type Outcome, randomTrials } from './build.ts';
import type { Params } from '../../../../agent/protocol/space.ts';

const space = searchSpace([
  parameter('lr', float(1e-4, 1, { log: true })),
  parameter('kind', choice('a', 'b', 'c')),
  parameter('depth', int(1, 6)),
  parameter('batch', ordinal(16, 32, 64)),
]);

function curves(f: (params: Params) => Outcome, objective: Objective = loss, over: SearchSpace = space): Marginal[] {
  const evidence = evidenceOf(over, randomTrials(over, 400, 8, f), objective);
  const model = fitLossModel(evidence, 3);
  if (model === null) throw new Error('there is a model');
  return evidence.space.parameters.map((one) => marginal(evidence, model, one));
}

const additive = (params: Params): number =>
  (Math.log10(numberOf(params, 'lr')) + 2) ** 2 + { a: 0, b: 1, c: 0.2 }[String(params['kind']) as 'a' | 'b' | 'c'];

test.each([loss, accuracy])('a sum of two parts: each curve is its part plus the mean of the other ($direction)', (objective) => {
  const sign = objective.direction === 'min' ? 1 : -1;
  const [lr, kind, depth] = curves((params) => sign * additive(params), objective);
  // ∫ (t + 2)² over t in [−4, 0] is 16 / 3, its mean 4 / 3; the mean of the kinds 0.4.
  for (const { value, mean } of lr?.points ?? []) {
    const expected = sign * ((Math.log10(Number(value)) + 2) ** 2 + 0.4);
    expect(Math.abs(mean - expected), `lr ${String(value)}`).toBeLessThan(0.35);
  }
  expect(kind?.points.map(({ value }) => value)).toEqual(['a', 'b', 'c']);
  kind?.points.forEach(({ mean }, k) => expect(Math.abs(mean - sign * (4 / 3 + [0, 1, 0.2][k]!))).toBeLessThan(0.25));
  expect(depth?.points.map(({ value }) => value)).toEqual([1, 2, 3, 4, 5, 6]);
  const heights = depth?.points.map(({ mean }) => mean) ?? [];
  expect(Math.max(...heights) - Math.min(...heights)).toBeLessThan(0.2);
});

test('points stand on the own axis: log, ascending, 32 of a continuous one, all of a small discrete one', () => {
  const [lr, , , batch] = curves(additive);
  expect(lr?.points).toHaveLength(32);
  lr?.points.forEach(({ value, place }, k) => {
    expect(place).toBeCloseTo((k + 0.5) / 32, 12);
    expect(Math.log10(Number(value))).toBeCloseTo(-4 + 4 * place, 9);
  });
  expect(batch?.points.map(({ value }) => value)).toEqual([16, 32, 64]);
});

test('the uncertainty is larger where there are few trials', () => {
  const one = searchSpace([parameter('x', float(0, 1)), parameter('y', float(0, 1))]);
  const trials = randomTrials(one, 200, 2, (params) => Math.sin(9 * numberOf(params, 'x')) + numberOf(params, 'y')).filter(
    ({ params }, k) => numberOf(params, 'x') < 0.6 || k % 20 === 0,
  );
  const evidence = evidenceOf(one, trials);
  const model = fitLossModel(evidence, 3);
  const [x] = evidence.space.parameters;
  if (model === null || x === undefined) throw new Error('there is a model');
  const { points } = marginal(evidence, model, x);
  const mean = (from: number, to: number): number => {
    const part = points.filter(({ place }) => place >= from && place < to);
    return part.reduce((sum, { deviation }) => sum + deviation / part.length, 0);
  };
  expect(mean(0.6, 1)).toBeGreaterThan(1.5 * mean(0, 0.6));
});

test('no model of nine trials', () => {
  expect(fitLossModel(evidenceOf(space, randomTrials(space, 9, 1, additive)), 1)).toBeNull();
});

test('a range beyond the largest double gives finite curves', () => {
  for (const { points } of curves((params) => (additive(params) - 2) * 1e308))
    for (const { mean, deviation } of points) expect([mean, deviation].every((value) => !Number.isNaN(value))).toBe(true);
});
