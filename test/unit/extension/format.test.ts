import { describe, expect, test } from 'vitest';
import {
  countedFailures,
  currentValue,
  progressText,
  shortDuration,
  shortNumber,
  shortParams,
  shortValue,
} from '../../../extension/format.ts';
import { scene, type SceneName } from '../../support/views.ts';

describe('numbers are short and exact enough', () => {
  test.each([
    [0, '0'],
    [1, '1'],
    [-3, '-3'],
    [64, '64'],
    [999_999, '999999'],
    [1e6, '1e6'],
    [1.5e6, '1.5e6'],
    [0.912345, '0.9123'],
    [0.1, '0.1'],
    [0.00032, '3.2e-4'],
    [3.217e-4, '3.217e-4'],
    [1e-5, '1e-5'],
    [-2.5e-7, '-2.5e-7'],
    [123.456, '123.5'],
    [Infinity, 'Infinity'],
    [NaN, 'NaN'],
  ])('%s → %s', (value, text) => expect(shortNumber(value)).toBe(text));
});

test.each([
  [true, 'True'],
  [null, 'None'],
  ['adam', 'adam'],
  [[64, [0.5, 'x']], '(64, (0.5, x))'],
] as const)('value %j → %s', (value, text) => expect(shortValue(value)).toBe(text));

test.each([
  [60, 'lr=3.2e-4 depth=6 solver=adam'],
  [20, 'lr=3.2e-4 depth=6 …'],
  [1, 'lr=3.2e-4 …'],
])('parameters within %d characters', (limit, text) =>
  expect(shortParams({ lr: 3.2e-4, depth: 6, solver: 'adam' }, limit)).toBe(text),
);

test.each([
  [420, '0.4 s'],
  [12_340, '12 s'],
  [89_000, '89 s'],
  [95_000, '2 min'],
  [3_600_000, '60 min'],
  [7_500_000, '2 h 5 min'],
])('%d ms → %s', (ms, text) => expect(shortDuration(ms)).toBe(text));

test.each<[SceneName, string]>([
  ['empty', '0/40'],
  ['ended', '40/40 · best 0.9721'],
  ['failed', '4/6'],
  ['minimise', '30/30 · best 0.02566'],
])('progress of the study %s is %s', (name, text) => expect(progressText(scene(name))).toBe(text));

test('failures with one cause are counted once', () => {
  expect(countedFailures(scene('failed'))).toMatch(/^4 of 4 trials failed: train.py ended with exit code 1/);
  expect(countedFailures(scene('empty'))).toBe('');
});

test('the value of a trial is its final one, else the last report, else none', () => {
  const view = scene('running');
  const [ended, running] = [
    view.trials.find((trial) => trial.state === 'complete'),
    view.trials.find((trial) => trial.state === 'running' && trial.curve.length > 0),
  ];
  expect(ended && currentValue(view, ended)).toBe(ended?.values['val_accuracy']);
  expect(running && currentValue(view, running)).toBe(running?.curve.at(-1)?.values['val_accuracy']);
  expect(scene('waiting').trials.map((trial) => currentValue(view, trial))).toContain(null);
});
