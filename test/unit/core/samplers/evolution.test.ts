import { describe, expect, test } from 'vitest';
import { evolutionSampler } from '../../../../agent/core/samplers/evolution.ts';
import { History, type Observation, type SamplerContext } from '../../../../agent/core/samplers/index.ts';
import { randomSampler } from '../../../../agent/core/samplers/random.ts';
import { type CompiledSpace, compileSpace } from '../../../../agent/core/space/index.ts';
import type { Params } from '../../../../agent/protocol/space.ts';
import { choice, float, parameter, searchSpace } from '../space/builders.ts';
import { bestAfter, contextOf } from './context.ts';
import { functions } from './functions.ts';

const square = compileSpace(searchSpace([parameter('x', float(0, 1)), parameter('y', float(0, 1))]));

/** Observations at places that `at` gives, all complete unless it says otherwise. */
function observed(space: CompiledSpace, n: number, at: (number: number) => { params: Params } & Partial<Observation>): History {
  const rows = Array.from({ length: n }, (_, number) => ({
    number,
    state: 'complete' as const,
    values: [1],
    resource: 1,
    ...at(number),
  }));
  return new History(space, rows);
}

/** Children of a study that stands as given, under many seeds. */
const children = (history: History, more: Partial<SamplerContext> = {}): Params[] =>
  Array.from({ length: 200 }, (_, seed) => {
    const context = contextOf(history.space, { history, seed, number: history.size, budgetTrials: history.size + 1, ...more });
    const proposal = evolutionSampler.propose(context);
    return proposal.type === 'point' ? proposal.params : {};
  });

/** Share of the children with both coordinates near those of a place. */
const shareNear = (list: readonly Params[], at: number): number =>
  list.filter(({ x, y }) => Math.hypot(Number(x) - at, Number(y) - at) < 0.1).length / list.length;

const spread = (number: number): Params => ({ x: ((number * 0.618) % 1) * 0.5 + 0.45, y: ((number * 0.755) % 1) * 0.5 + 0.45 });

describe('beats random search', () => {
  test.each(Object.entries(functions))('on %s, with 20 seeds and 100 trials each', (_, make) => {
    let nBetter = 0;
    for (let seed = 0; seed < 20; seed++) {
      const { space, lossAt } = make(seed);
      const options = { nTrials: 100, seed };
      if (bestAfter(evolutionSampler, space, lossAt, options) < bestAfter(randomSampler, space, lossAt, options)) nBetter++;
    }
    expect(nBetter).toBeGreaterThanOrEqual(18);
  });

  test('with 8 trials at once', () => {
    let nBetter = 0;
    for (let seed = 0; seed < 20; seed++) {
      const { space, lossAt } = functions.sphere(seed);
      const options = { nTrials: 100, seed, parallel: 8 };
      if (bestAfter(evolutionSampler, space, lossAt, options) < bestAfter(randomSampler, space, lossAt, options)) nBetter++;
    }
    expect(nBetter).toBeGreaterThanOrEqual(18);
  });
});

describe('parents', () => {
  test('are the best', () => {
    const history = observed(square, 30, (k) => (k === 20 ? { params: { x: 0.2, y: 0.2 }, values: [0] } : { params: spread(k) }));
    expect(shareNear(children(history), 0.2)).toBeGreaterThan(0.5);
  });

  test('are the best of many, where more is better', () => {
    const history = observed(square, 30, (k) => (k === 20 ? { params: { x: 0.2, y: 0.2 }, values: [2] } : { params: spread(k) }));
    const objectives = [{ metric: 'accuracy', direction: 'max' as const, goal: null }];
    expect(shareNear(children(history, { objectives }), 0.2)).toBeGreaterThan(0.5);
  });

  test('die of age', () => {
    const history = observed(square, 60, (k) => (k === 20 ? { params: { x: 0.2, y: 0.2 }, values: [0] } : { params: spread(k) }));
    expect(shareNear(children(history), 0.2)).toBe(0);
  });

  test.each<[string, Partial<Observation>]>([
    ['failed', { state: 'failed', values: [0] }],
    ['pending', { state: 'pending', values: [0] }],
    ['infeasible', { state: 'infeasible', values: [0] }],
    ['not a number', { values: [NaN] }],
    ['pruned, as long as others completed', { state: 'pruned', values: [0] }],
    ['violating a constraint', { values: [0], violations: [0.1] }],
  ])('are not those that are %s', (_, how) => {
    const history = observed(square, 30, (k) => (k === 20 ? { params: { x: 0.2, y: 0.2 }, ...how } : { params: spread(k) }));
    expect(shareNear(children(history), 0.2)).toBe(0);
  });

  test('come from the highest rung that enough have reached', () => {
    const history = observed(square, 60, (k) =>
      k < 20
        ? { params: spread(k), state: 'pruned', resource: 9, values: [5] }
        : { params: { x: 0.2, y: 0.2 }, state: 'pruned', resource: 3, values: [0] },
    );
    expect(shareNear(children(history, { fidelity: { levels: [1, 3, 9, 27] } }), 0.2)).toBe(0);
    expect(shareNear(children(history), 0.2)).toBeGreaterThan(0.7);
    // One rung higher too few have arrived: all that reached 3 count.
    const young = observed(square, 30, (k) => {
      if (k === 20) return { params: { x: 0.2, y: 0.2 }, state: 'pruned', values: [0], resource: 3 };
      return { params: spread(k), state: 'pruned', resource: k < 5 ? 9 : 3, values: [1] };
    });
    expect(young.size).toBe(30);
    expect(shareNear(children(young, { fidelity: { levels: [1, 3, 9] } }), 0.2)).toBeGreaterThan(0);
  });

  test('of several objectives are the front', () => {
    const objectives = ['a', 'b'].map((metric) => ({ metric, direction: 'min' as const, goal: null }));
    const history = observed(square, 30, (k) => {
      const params = k % 3 === 0 ? { x: k / 30, y: 0 } : spread(k);
      return { params, values: k % 3 === 0 ? [k, 30 - k] : [40, 40] };
    });
    const share = children(history, { objectives }).filter(({ y }) => Number(y) < 0.2).length / 200;
    expect(share).toBeGreaterThan(0.7);
  });

  test('are the best of earlier studies until there are results', () => {
    const prior = observed(square, 50, (k) => ({ params: k < 10 ? { x: 0.2, y: 0.2 } : spread(k), values: [k < 10 ? 0 : 1] }));
    expect(shareNear(children(new History(square), { prior, budgetTrials: 50 }), 0.2)).toBeGreaterThan(0.5);
  });
});

test('steps shrink as the budget is used', () => {
  const space = compileSpace(searchSpace([parameter('x', float(0, 1)), parameter('kind', choice('a', 'b'))]));
  const history = observed(space, 30, () => ({ params: { x: 0.5, kind: 'a' } }));
  const meanStep = (budgetTrials: number | null): number => {
    const steps = children(history, { budgetTrials }).map(({ x }) => Math.abs(Number(x) - 0.5));
    return steps.reduce((total, by) => total + by, 0) / steps.length;
  };
  expect(meanStep(30)).toBeLessThan(0.2 * meanStep(3000));
  expect(meanStep(null)).toBeLessThan(meanStep(3000));
});
