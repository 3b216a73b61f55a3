import { expect, test } from 'vitest';
import { History, isHeavy, type SamplerContext } from '../../../../agent/core/samplers/index.ts';
import { compileSpace } from '../../../../agent/core/space/index.ts';
import type { SamplerName } from '../../../../agent/protocol/study.ts';
import { float, int, parameter, searchSpace } from '../space/builders.ts';

const wide = (width: number) =>
  compileSpace(searchSpace(Array.from({ length: width }, (_, i) => parameter(`p${i}`, float(0, 1)))));
const small = compileSpace(searchSpace([parameter('n', int(1, 8))]));

test.each<[SamplerName, number, number, Partial<SamplerContext>, boolean]>([
  ['random', 50, 10_000, {}, false],
  ['grid', 50, 10_000, {}, false],
  ['qmc', 50, 10_000, {}, false],
  ['evolution', 50, 10_000, {}, false],
  ['tpe', 5, 100, {}, false],
  ['tpe', 5, 1_000, {}, true],
  ['cmaes', 10, 50, {}, false],
  ['cmaes', 10, 1_000, {}, true],
  ['cmaes', 60, 50, {}, true],
  ['gp', 5, 3, {}, false],
  ['gp', 5, 4, {}, true],
  // What it stands for decides.
  ['auto', 5, 3, {}, false],
  ['auto', 5, 20, {}, true],
  ['auto', 5, 20, { trialMs: 3 }, false],
  ['auto', 5, 20, { space: small, budgetTrials: 8 }, false],
])('%s, %d parameters, %d trials, %j', (name, width, nTrials, changes, expected) => {
  const space = wide(width);
  const history = new History(
    space,
    Array.from({ length: nTrials }, (_, number) => ({ number, params: {}, state: 'complete', values: [1], resource: 0 })),
  );
  const context: SamplerContext = {
    space,
    history,
    objectives: [],
    seed: 1,
    number: nTrials,
    budgetTrials: null,
    parallel: 1,
    liar: 'mean',
    fidelity: null,
    prior: null,
    trialMs: null,
    ...changes,
  };
  expect(isHeavy(name, context)).toBe(expected);
});
