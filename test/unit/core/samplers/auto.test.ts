import { expect, test } from 'vitest';
import { chooseSampler } from '../../../../agent/core/samplers/auto.ts';
import { createSampler, History, type SamplerContext } from '../../../../agent/core/samplers/index.ts';
import { compileSpace } from '../../../../agent/core/space/index.ts';
import type { SearchSpace } from '../../../../agent/protocol/space.ts';
import { float, int, parameter, searchSpace } from '../space/builders.ts';
import { contextOf } from './context.ts';

const wide = searchSpace([parameter('x', float(0, 1)), parameter('y', float(0, 1))]);

test('a space that the budget covers is listed', () => {
  const space = compileSpace(searchSpace([parameter('n', int(1, 120)), parameter('k', int(1, 120), { when: 'n < 1' })]));
  const proposal = createSampler('auto').propose(contextOf(space, { budgetTrials: 200 }));
  expect(proposal).toMatchObject({ type: 'point', params: { n: 1 } });
  expect(proposal.reason).toContain('all 120 points');
});

test.each<[name: string, why: string, given: Partial<SamplerContext>, space?: SearchSpace]>([
  ['gp', 'Gaussian process', {}],
  ['gp', 'Gaussian process', { trialMs: 5_000, parallel: 32 }],
  ['tpe', '90 parameters', {}, searchSpace(Array.from({ length: 90 }, (_, k) => parameter(`p${k}`, float(0, 1))))],
  ['tpe', '100 trials run at once', { parallel: 100 }],
  ['tpe', 'only 3 ms', { trialMs: 3 }],
  ['tpe', 'after 1500 trials', { history: ended(1_500) }],
  ['evolution', 'after 60000 trials', { history: ended(60_000) }],
])('takes %s: %s', (name, why, given, raw = wide) => {
  const space = compileSpace(raw);
  const chosen = chooseSampler(contextOf(space, given));
  expect(chosen.sampler.name).toBe(name);
  expect(chosen.why).toContain(why);
});

function ended(nTrials: number): History {
  const params = { x: 0.5, y: 0.5 };
  const trials = Array.from({ length: nTrials }, (_, number) => ({
    number,
    params,
    state: 'complete' as const,
    values: [1],
    resource: 1,
  }));
  return new History(compileSpace(wide), trials);
}
