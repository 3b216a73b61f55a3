import { describe, expect, test } from 'vitest';
import { chooseScheduler, createScheduler, planResource, planRungs } from '../../../../agent/core/schedulers/index.ts';
import type { SchedulerName } from '../../../../agent/protocol/study.ts';
import { config } from './config.ts';

describe('choosing a scheduler', () => {
  test.each([
    ['no fidelity', config({ fidelity: null }), 'none', /no resource/],
    ['a fidelity without room', config({ fidelity: { min: 9, max: 9, reductionFactor: 3 } }), 'none', /one value \(9\)/],
    ['several objectives', config({ directions: ['min', 'max'] }), 'none', /several objectives/],
    ['a checkpoint', config({ hasCheckpoint: true }), 'asha-promote', /checkpoint/],
    ['no checkpoint', config({}), 'asha-stop', /no checkpoint/],
  ] as const)('auto with %s', (_name, given, expected, reason) => {
    const chosen = chooseScheduler('auto', given);
    expect(chosen.name).toBe(expected);
    expect(chosen.reason).toMatch(reason);
    expect(createScheduler('auto', given).name).toBe(expected);
  });

  test.each(['median', 'sha', 'hyperband', 'async-hyperband', 'pbt', 'nonsense'])(
    '%s is not there, and which are is said',
    (name) => {
      expect(() => createScheduler(name as SchedulerName, config({}))).toThrow(
        expect.objectContaining({
          code: 'HPO-4201',
          message: expect.stringContaining(name),
          next: expect.stringContaining('asha-stop, asha-promote'),
        }),
      );
    },
  );

  test.each(['asha-stop', 'asha-promote'] as const)('%s needs a fidelity', (name) => {
    expect(() => createScheduler(name, config({ fidelity: null }))).toThrow(expect.objectContaining({ code: 'HPO-4202' }));
  });

  test('none with a fidelity trains in full, without one has no target', () => {
    expect(createScheduler('none', config({})).nextTrial(3)).toEqual({ type: 'trial', target: 27 });
    expect(createScheduler('none', config({ fidelity: null })).nextTrial(3)).toEqual({ type: 'trial', target: null });
  });
});

describe('plan', () => {
  test.each([
    ['none', config({}), [[27, 30]]],
    [
      'asha-promote',
      config({}),
      [
        [1, 30],
        [3, 10],
        [9, 4],
        [27, 2],
      ],
    ],
    [
      'asha-promote',
      config({ baseline: null, maxTrials: 27 }),
      [
        [1, 27],
        [3, 9],
        [9, 3],
        [27, 1],
      ],
    ],
    // Three or fewer: none would be promoted, so one is.
    [
      'asha-promote',
      config({ maxTrials: 3 }),
      [
        [1, 3],
        [3, 2],
        [9, 2],
        [27, 2],
      ],
    ],
    [
      'asha-promote',
      config({ maxTrials: 1 }),
      [
        [1, 1],
        [3, 1],
        [9, 1],
        [27, 1],
      ],
    ],
    // 2 of the first 2, then a third of each three: 2 + 1/3 + 1/4 + 1/5 + 2/6 = 3.1
    [
      'asha-stop',
      config({ maxTrials: 7 }),
      [
        [1, 7],
        [3, 4],
        [9, 3],
        [27, 3],
      ],
    ],
  ] as const)('%s', (name, given, expected) => {
    expect(planRungs(name, given)).toEqual(expected.map(([resource, trials]) => ({ resource, trials })));
  });

  test('without an end or a fidelity there is none', () => {
    expect(planRungs('asha-stop', config({ maxTrials: null }))).toBeNull();
    expect(planRungs('none', config({ fidelity: null }))).toBeNull();
  });

  test('resource: continued from checkpoints, or each promotion from the beginning', () => {
    const rungs = planRungs('asha-promote', config({})) ?? [];
    expect(planResource('asha-promote', rungs, true, true)).toBe(30 * 1 + 10 * 2 + 4 * 6 + 2 * 18);
    expect(planResource('asha-promote', rungs, false, true)).toBe(27 + 29 * 1 + 9 * 3 + 3 * 9 + 1 * 27);
    expect(planResource('none', planRungs('none', config({})) ?? [], false, true)).toBe(30 * 27);
  });

  test('a million trials are planned at once', () => {
    const [, second] = planRungs('asha-stop', config({ maxTrials: 1_000_000 })) ?? [];
    expect(second?.trials).toBeGreaterThan(333_000);
    expect(second?.trials).toBeLessThan(333_400);
  });
});
