import { describe, expect, test } from 'vitest';
import { planStudy } from '../../../../agent/core/study/index.ts';
import { fidelity, parameter, spec } from './harness.ts';

const flags = {
  parameters: ['a', 'b'].map((name) => parameter(name, { type: 'categorical', choices: [false, true] }, true)),
  where: [],
};
const epochs = fidelity(1, 27);

describe('the plan of a study', () => {
  test.each([
    ['no fidelity', spec(), { scheduler: 'none', trials: 6, rungs: null, totalResource: null, fullResource: null }],
    [
      'promotion',
      spec({ fidelity: epochs, checkpoint: { dir: 'c' }, budget: { trials: 30 } }),
      { scheduler: 'asha-promote', totalResource: 30 + 20 + 24 + 36, fullResource: 810 },
    ],
    [
      'full training',
      spec({ fidelity: epochs, search: { scheduler: 'none' } }),
      { rungs: [{ resource: 27, trials: 6 }], totalResource: 162, fullResource: 162 },
    ],
    [
      'a budget of resource',
      spec({ fidelity: epochs, search: { scheduler: 'none' }, budget: { resource: 100 } }),
      { totalResource: 100, fullResource: 162 },
    ],
    ['a small space', spec({ space: flags, search: { sampler: 'tpe' }, budget: { trials: 50 } }), { sampler: 'tpe', trials: 4 }],
    ['a grid', spec({ search: { sampler: 'grid' }, budget: { trials: 50 } }), { sampler: 'grid', trials: 50 }],
    [
      'without an end',
      spec({ fidelity: epochs, budget: { trials: null } }),
      { trials: null, rungs: null, totalResource: null, fullResource: null },
    ],
  ])('%s', (_name, given, expected) => {
    expect(planStudy(given)).toMatchObject(expected);
  });

  test('a spec that cannot be run throws before anything starts', () => {
    expect(() => planStudy(spec({ search: { scheduler: 'asha-stop' } }))).toThrow(expect.objectContaining({ code: 'HPO-4202' }));
    expect(() => planStudy(spec({ fidelity: epochs, search: { scheduler: 'pbt' } }))).toThrow(
      expect.objectContaining({ code: 'HPO-4204' }),
    );
  });
});
