import { expect, it } from 'vitest';
import { attemptNumber, trialNumber } from '../../../agent/cli/numbers.ts';

it('reads the numbers of trials and attempts', () => {
  expect(trialNumber('0', 's')).toBe(0);
  expect(attemptNumber('12', 's', 0)).toBe(12);
});

it.each(['', '-1', '1.5', 'x', '1e3', '99999999999999999999'])('takes %j for neither', (text) => {
  expect(() => trialNumber(text, 's')).toThrow(expect.objectContaining({ code: 'HPO-4019', exitCode: 2 }));
  expect(() => attemptNumber(text, 's', 3)).toThrow(
    expect.objectContaining({ code: 'HPO-4019', next: 'list them with: hpo trials s --trial 3' }),
  );
});

it('says that attempts are those of a trial, from 1', () => {
  expect(() => attemptNumber('0', 's', 3)).toThrow('the first of which is 1');
  expect(() => attemptNumber('1', 's', null)).toThrow(expect.objectContaining({ next: 'name it: hpo logs s TRIAL --attempt 1' }));
});
