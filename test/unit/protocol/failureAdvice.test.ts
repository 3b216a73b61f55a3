import { describe, expect, test } from 'vitest';
import { failureCodes, failurePolicy } from '../../../agent/core/study/failurePolicy.ts';
import { adviceOf, failedTrial, remedyOf, withoutDurations } from '../../../agent/protocol/failureAdvice.ts';
import { howToGoOn } from '../../../agent/cli/pausedText.ts';
import type { Failure } from '../../../agent/protocol/study.ts';
import { scene } from '../../support/views.ts';

const failure = (code: string, kind: Failure['kind'] = 'userError'): Failure => ({ kind, code, message: 'x' });

describe('where it can be mended', () => {
  test.each([
    ['program', 'either'],
    ['start', 'either'],
    ['noObjective', 'again'],
    ['objectiveNotFinite', 'again'],
    ['timeout', 'again'],
    ['memory', 'either'],
    ['memoryAlone', 'either'],
    ['lost', 'resume'],
    ['outputLimit', 'again'],
    ['preempted', 'resume'],
    ['cannotStart', 'resume'],
    ['diskFull', 'resume'],
    ['module', 'resume'],
    ['readOnly', 'again'],
    ['noNetwork', 'again'],
    ['moduleInImage', 'again'],
    ['memoryLimit', 'again'],
  ] as const)('%s: %s', (name, remedy) => {
    const one = failure(failureCodes[name]);
    expect(remedyOf(one)).toBe(remedy);
    // What cannot be mended outside of what the study keeps must not send anyone to resume it, and the other way round.
    expect(/resume/.test(adviceOf(one))).toBe(remedy !== 'again');
    expect(/tune again/.test(adviceOf(one))).toBe(remedy !== 'resume');
  });

  test('memory: fewer at once, but not for one that ran alone', () => {
    const alone = failure(failureCodes.memoryAlone, 'outOfMemory');
    expect(adviceOf(alone)).toMatch(/^Narrow the parameters/);
    const rows = (one: Failure) => howToGoOn({ studyId: 's1', script: null, failure: one, nFailed: 1 }).join('\n');
    expect(rows(alone)).not.toMatch(/fewer|hpo scale/);
    expect(rows(failure(failureCodes.memory, 'outOfMemory'))).toMatch(/hpo scale s1 1/);
    expect(adviceOf(failure(failureCodes.memory, 'outOfMemory'))).toMatch(/^Let fewer trials run at once/);
  });
});

test.each([
  ['ended after 12 ms and', 'ended after 18 ms and', true],
  ['ended after 850 ms and', 'ended after 1 s and', true],
  ['ended after 110 s.', 'ended after 2.5 h.', true],
  ['exit code 3. After 3 s', 'exit code 4. After 3 s', false],
  ['data-3 s', 'data-3 h', false],
  ['x3 s', 'x3 h', false],
  ['3 sheep', '4 sheep', false],
])('%j and %j are one but for what they took: %j', (a, b, areOne) => {
  expect(withoutDurations(a) === withoutDurations(b)).toBe(areOne);
});

test('the log that says more is that of the newest trial with the failure', () => {
  expect(failedTrial(scene('pausedItself'))).toBe(3);
  expect(failedTrial(scene('failed'))).toBeNull();
  const view = scene('pausedItself');
  expect(failedTrial({ ...view, failure: failure('HPO-3010', 'infrastructure') })).toBeNull();
});

test('every kind of failure has its rule', () => {
  for (const { title, because } of Object.values(failurePolicy)) expect([title, because]).not.toContain('');
});
