import { expect, test } from 'vitest';
import { createSampler, History } from '../../../../agent/core/samplers/index.ts';
import { gridSteps } from '../../../../agent/core/samplers/grid.ts';
import { compileSpace } from '../../../../agent/core/space/index.ts';
import type { Objective, Params, SearchSpace } from '../../../../agent/protocol/space.ts';
import type { SamplerName } from '../../../../agent/protocol/study.ts';
import { choice, float, int, parameter, searchSpace } from '../space/builders.ts';

const two = searchSpace([parameter('x', float(0, 1), { default: 0.3 }), parameter('c', choice('a', 'b'))]);
const objectives: Objective[] = [{ metric: 'm', direction: 'min', goal: null }];

test.each<[string, SearchSpace, number | null, number[]]>([
  ['lists are complete, numbers fill the budget', two, 9, [4, 2]],
  ['five values without a budget', two, null, [5, 2]],
  ['small ints are complete', searchSpace([parameter('n', int(1, 8)), parameter('m', int(1, 500))]), null, [8, 5]],
  [
    'numbers share the budget',
    searchSpace([parameter('x', float(0, 1)), parameter('y', float(0, 1)), parameter('n', int(1, 2))]),
    20,
    [3, 3, 2],
  ],
  ['a budget below the lists', searchSpace([parameter('c', choice(1, 2, 3)), parameter('x', float(0, 1))]), 2, [3, 1]],
])('gridSteps: %s', (_, space, budget, expected) => expect(gridSteps(compileSpace(space), budget)).toEqual(expected));

function all(name: SamplerName, raw: SearchSpace, budgetTrials: number | null): Params[] {
  const space = compileSpace(raw);
  const history = new History(space);
  const points: Params[] = [];
  for (let number = 0; number < 100; number++) {
    const proposal = createSampler(name).propose({
      space,
      objectives,
      history,
      seed: 1,
      number,
      budgetTrials,
      liar: 'max',
      parallel: 1,
      fidelity: null,
      prior: null,
      trialMs: null,
    });
    if (proposal.type === 'exhausted') break;
    points.push(proposal.params);
    history.upsert({ number, params: proposal.params, state: 'complete', values: [number], resource: 1 });
  }
  return points;
}

test('the grid runs from end to end, the last parameter fastest', () => {
  expect(all('grid', two, 7)).toEqual([
    { x: 0, c: 'a' },
    { x: 0, c: 'b' },
    { x: 0.5, c: 'a' },
    { x: 0.5, c: 'b' },
    { x: 1, c: 'a' },
    { x: 1, c: 'b' },
  ]);
  expect(all('grid', two, 2)).toEqual([
    { x: 0.3, c: 'a' },
    { x: 0.3, c: 'b' },
  ]);
});
