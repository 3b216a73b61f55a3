import { describe, expect, test } from 'vitest';
import { chooseScheduler, createScheduler } from '../../../../agent/core/schedulers/index.ts';
import { schedulerNames, type SchedulerName } from '../../../../agent/protocol/study.ts';
import { config } from './config.ts';

describe('choosing a scheduler', () => {
  test.each([
    ['no fidelity', config({ fidelity: null }), 'none', /no resource/],
    ['a fidelity without room', config({ fidelity: { min: 9, max: 9, reductionFactor: 3 } }), 'none', /one value \(9\)/],
    ['several objectives', config({ directions: ['min', 'max'] }), 'asha-stop', /no checkpoint/],
    ['a checkpoint', config({ hasCheckpoint: true }), 'asha-promote', /checkpoint/],
    ['no checkpoint', config({}), 'asha-stop', /no checkpoint/],
  ] as const)('auto with %s', (_name, given, expected, reason) => {
    const chosen = chooseScheduler('auto', given);
    expect(chosen.name).toBe(expected);
    expect(chosen.reason).toMatch(reason);
    expect(createScheduler('auto', given).name).toBe(expected);
  });

  test('a name that does not exist: which do is said', () => {
    expect(() => createScheduler('nonsense' as SchedulerName, config({}))).toThrow(
      expect.objectContaining({
        code: 'HPO-4201',
        message: expect.stringContaining('nonsense'),
        next: expect.stringContaining('asha-stop, asha-promote'),
      }),
    );
  });

  test.each(schedulerNames.filter((name) => name !== 'auto' && name !== 'none'))('%s needs a fidelity', (name) => {
    expect(() => createScheduler(name, config({ fidelity: null, hasCheckpoint: true }))).toThrow(
      expect.objectContaining({ code: 'HPO-4202' }),
    );
  });

  test('pbt needs a checkpoint', () => {
    expect(() => createScheduler('pbt', config({}))).toThrow(expect.objectContaining({ code: 'HPO-4204' }));
  });

  test('pbt does not work in batches; all others do', () => {
    for (const name of schedulerNames) {
      const create = () => createScheduler(name, config({ hasCheckpoint: true, isBatched: true }));
      if (name === 'pbt') expect(create).toThrow(expect.objectContaining({ code: 'HPO-4205' }));
      else expect(create).not.toThrow();
    }
  });

  test('none with a fidelity trains in full, without one has no target', () => {
    expect(createScheduler('none', config({})).nextTrial(3)).toEqual({ type: 'trial', target: 27 });
    expect(createScheduler('none', config({ fidelity: null })).nextTrial(3)).toEqual({ type: 'trial', target: null });
  });
});
