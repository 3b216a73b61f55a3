import { expect, test } from 'vitest';
import { History, type Proposal } from '../../../../agent/core/samplers/index.ts';
import { qmcSampler } from '../../../../agent/core/samplers/qmc.ts';
import { randomSampler } from '../../../../agent/core/samplers/random.ts';
import { type CompiledSpace, compileSpace } from '../../../../agent/core/space/index.ts';
import type { Params } from '../../../../agent/protocol/space.ts';
import { choice, float, int, parameter, searchSpace } from '../space/builders.ts';
import { contextOf } from './context.ts';

const paramsOf = (proposal: Proposal): Params => (proposal.type === 'point' ? proposal.params : {});
const points = (space: CompiledSpace, n: number, seed = 1): Params[] =>
  Array.from({ length: n }, (_, number) => paramsOf(qmcSampler.propose(contextOf(space, { seed, number }))));

test('every power of two of trials has one point in each of as many parts of every range', () => {
  const space = compileSpace(
    searchSpace([parameter('x', float(0, 1)), parameter('rate', float(1e-4, 1, { log: true })), parameter('n', int(0, 63))]),
  );
  for (const seed of [1, 2, 3]) {
    const units = points(space, 64, seed).map((params) => space.encode(params));
    for (let column = 0; column < 3; column++) {
      expect(new Set(units.map((unit) => Math.floor((unit[column] ?? 0) * 64))).size).toBe(64);
    }
  }
});

test('categories come up equally often', () => {
  const space = compileSpace(searchSpace([parameter('c', choice('a', 'b', 'c', 'd')), parameter('x', float(0, 1))]));
  const counts = new Map<unknown, number>();
  for (const { c } of points(space, 32)) counts.set(c, (counts.get(c) ?? 0) + 1);
  expect([...counts.values()]).toEqual([8, 8, 8, 8]);
});

test('the values of a conditional parameter are even, too', () => {
  const space = compileSpace(
    searchSpace([parameter('on', choice(false, true)), parameter('x', float(0, 1), { when: 'on == true' })]),
  );
  const xs = points(space, 64).flatMap(({ x }) => (x === undefined ? [] : [Number(x)]));
  expect(xs).toHaveLength(32);
  expect(new Set(xs.map((x) => Math.floor(x * 16))).size).toBe(16);
});

test('the point depends on the number alone, so a parallel study gets the same points', () => {
  const space = compileSpace(searchSpace([parameter('x', float(0, 1))]));
  const history = new History(space, [{ number: 0, params: { x: 0.5 }, state: 'pending', values: [NaN], resource: 0 }]);
  expect(qmcSampler.propose(contextOf(space, { number: 7 }))).toEqual(
    qmcSampler.propose(contextOf(space, { number: 7, history })),
  );
});

test('finds a place in the plane sooner than random points, over 40 seeds', () => {
  const space = compileSpace(searchSpace([parameter('x', float(0, 1)), parameter('y', float(0, 1))]));
  // Largest distance of a place of a grid to the nearest of 64 points.
  const gap = (sampler: typeof qmcSampler, seed: number): number => {
    const list = Array.from({ length: 64 }, (_, number) => paramsOf(sampler.propose(contextOf(space, { seed, number }))));
    let worst = 0;
    for (let i = 0; i <= 20; i++) {
      for (let j = 0; j <= 20; j++) {
        worst = Math.max(worst, Math.min(...list.map(({ x, y }) => Math.hypot(Number(x) - i / 20, Number(y) - j / 20))));
      }
    }
    return worst;
  };
  const nBetter = Array.from({ length: 40 }, (_, seed) => gap(qmcSampler, seed) < gap(randomSampler, seed)).filter(
    Boolean,
  ).length;
  expect(nBetter).toBeGreaterThanOrEqual(36);
});
