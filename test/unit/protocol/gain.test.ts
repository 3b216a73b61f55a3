import { describe, expect, it } from 'vitest';
import {
  baselineValue,
  bestGainSentence,
  gainFigure,
  gainOf,
  gainSentence,
  noGainReason,
  paretoFront,
} from '../../../agent/protocol/gain.ts';
import type { MetricValue } from '../../../agent/protocol/study.ts';
import type { StudyView, TrialView } from '../../../agent/protocol/view.ts';
import { scene, studyOf } from '../../support/views.ts';

describe('gain over the script’s own values', () => {
  it.each<['min' | 'max', MetricValue, MetricValue, string, string]>([
    ['max', 0.5, 0.75, '+50 %', "better than 0.5 with the script's own values"],
    ['max', 0.5, 0.25, '-50 %', "worse than 0.5 with the script's own values"],
    ['min', 0.5, 0.25, '-50 %', "better than 0.5 with the script's own values"],
    ['min', -2, -3, '-50 %', "better than -2 with the script's own values"],
    ['min', 0, -0.25, '-0.25', "better than 0 with the script's own values"],
    ['max', 0.5, 0.5, '0 %', "equal to the script's own values (0.5)"],
  ])('%s: %s → %s is %s', (direction, base, value, figure, sentence) => {
    const view = studyOf(direction, [base, value]);
    const gain = gainOf(view, view.trials[1] as TrialView);
    expect(gain).not.toBeNull();
    if (gain !== null) expect([gainFigure(gain), gainSentence(gain)]).toEqual([figure, sentence]);
  });

  it.each<[MetricValue, MetricValue]>([
    ['nan', 1],
    [1, 'nan'],
    ['inf', 1],
    [1, '-inf'],
  ])('%s → %s has none', (base, value) => {
    const view = studyOf('min', [base, value]);
    expect(gainOf(view, view.trials[1] as TrialView)).toBeNull();
  });

  it('says why there is none', () => {
    expect(noGainReason(scene('empty'))).toBe("Comes with the first trial, which runs the script's own values.");
    expect(noGainReason(scene('waiting'))).toBe("Trial 0 with the script's own values is running.");
    expect(noGainReason(scene('failed'))).toBe("Trial 0 with the script's own values failed.");
  });
});

it.each<[MetricValue[], number | null, string]>([
  [[0.5, 0.25], 1, "m 0.5 with the script's own values → 0.25 with trial 1 (-50 %)."],
  [[0, -0.25], 1, "m 0 with the script's own values → -0.25 with trial 1 (-0.25)."],
  [[0.5, 0.75], 0, "The script's own values are the best found: m 0.5."],
  [['nan', 0.75], 1, "Trial 0 with the script's own values gave no finite value."],
  [[0.5, '-inf'], 1, 'The best trial has no finite value.'],
  [[], null, "Comes with the first trial, which runs the script's own values."],
])('of the best of %j (trial %s): %s', (values, incumbent, sentence) => {
  expect(bestGainSentence({ ...studyOf('min', values), incumbent })).toBe(sentence);
});

describe('the trials that no other one beats', () => {
  const view = (...rows: readonly (readonly [MetricValue, MetricValue])[]): StudyView => {
    const one = studyOf(
      'min',
      rows.map(([loss]) => loss),
    );
    return {
      ...one,
      spec: {
        ...one.spec,
        objectives: [
          { metric: 'm', direction: 'min', goal: null },
          { metric: 'accuracy', direction: 'max', goal: null },
        ],
      },
      trials: one.trials.map((trial, index) => ({
        ...trial,
        values: { m: rows[index]?.[0] ?? 'nan', accuracy: rows[index]?.[1] ?? 'nan' },
      })),
    };
  };

  it.each<[string, StudyView, number[]]>([
    ['one is better in both', view([2, 0.5], [1, 0.6]), [1]],
    ['each is better in one', view([2, 0.9], [1, 0.6]), [0, 1]],
    ['a later one beats several earlier ones', view([2, 0.5], [3, 0.6], [4, 0.95], [1, 0.9]), [2, 3]],
    ['equal ones stay', view([1, 0.5], [1, 0.5], [1, 0.4]), [0, 1]],
    ['a value that is missing takes no part', view(['nan', 0.9], [1, 'nan'], [5, 0.1]), [2]],
    ['one that is infinite takes no part', view(['-inf', 0.1], [1, 0.5], [2, 'inf']), [1]],
    ['no trial', view(), []],
    ['one objective', studyOf('max', [1, 3, 3, 2]), [1, 2]],
  ])('%s', (_name, study, numbers) => {
    expect(paretoFront(study)).toEqual(numbers);
  });

  it('only complete trials take part', () => {
    const study = view([1, 0.9], [2, 0.5]);
    const trials = study.trials.map((trial) => (trial.number === 0 ? { ...trial, state: 'pruned' as const } : trial));
    expect(paretoFront({ ...study, trials })).toEqual([1]);
  });
});

it('has a baseline once the trial with the own values is complete', () => {
  expect(baselineValue(studyOf('min', [0.5, 1]), 'm')).toBe(0.5);
  expect(baselineValue(studyOf('min', [0.5, 1]), 'other')).toBeNull();
  expect(baselineValue(scene('waiting'), 'val_accuracy')).toBeNull();
});
