import { describe, expect, it } from 'vitest';
import type { MetricValue } from '../../../agent/protocol/study.ts';
import type { StudyView, TrialView } from '../../../agent/protocol/view.ts';
import {
  bestSoFar,
  budgetUse,
  emptyChartReason,
  etaMs,
  gainFigure,
  gainOf,
  gainSentence,
  metricNames,
  noGainReason,
  rungsOf,
  trialValue,
} from '../../../webview/insight.ts';
import { scene, startMs } from '../../support/views.ts';

/** A study of complete trials with these values, the first being the script's own. */
function studyOf(direction: 'min' | 'max', values: readonly MetricValue[]): StudyView {
  const base = scene('ended');
  const trials = values.map(
    (value, number): TrialView => ({
      ...(base.trials[0] as TrialView),
      number,
      origin: number === 0 ? 'default' : 'sampler',
      state: 'complete',
      values: { m: value },
      curve: [],
    }),
  );
  return { ...base, spec: { ...base.spec, objectives: [{ metric: 'm', direction, goal: null }] }, trials };
}

describe('gain over the script’s own values', () => {
  it.each<['min' | 'max', MetricValue, MetricValue, string, string]>([
    ['max', 0.5, 0.75, '+50 %', "better than 0.5 with the script's own values"],
    ['max', 0.5, 0.25, '−50 %', "worse than 0.5 with the script's own values"],
    ['min', 0.5, 0.25, '−50 %', "better than 0.5 with the script's own values"],
    ['min', -2, -3, '−50 %', "better than −2 with the script's own values"],
    ['min', 0, -0.25, '−0.25', "better than 0 with the script's own values"],
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

it.each<['min' | 'max', readonly MetricValue[], readonly (number | null)[]]>([
  ['max', [1, 3, 2, 4], [1, 3, 3, 4]],
  ['min', [5, 6, 4, 'nan', 'inf', '-inf', 3], [5, 5, 4, 4, 4, 4, 3]],
  ['min', ['nan', 2], [null, 2]],
])('best so far (%s) of %j', (direction, values, expected) => {
  const view = studyOf(direction, values);
  expect(bestSoFar(view, { metric: 'm', direction, goal: null }).best).toEqual(expected);
});

it('takes the latest report while a trial runs, the final value after', () => {
  const running = scene('running').trials.find((trial) => trial.state === 'running');
  expect(running && trialValue(running, 'val_accuracy')?.isFinal).toBe(false);
  const done = scene('ended').trials[0];
  expect(done && trialValue(done, 'val_accuracy')).toEqual({ value: 0.581287, isFinal: true });
  expect(done && trialValue(done, 'other')).toBeNull();
});

describe('budget and time', () => {
  it('count what ended and what the clock took', () => {
    const view = scene('running');
    expect(budgetUse(view, startMs + 60_000)).toEqual([
      { label: 'trials', used: 3, limit: 40, left: '37 trials' },
      { label: 'time', used: 60_000, limit: 600_000, left: '9 min 00 s' },
    ]);
    // 37 more at 20 s each would take 740 s; the clock allows 540.
    expect(etaMs(view, startMs + 60_000)).toBe(540_000);
    expect(etaMs({ ...view, state: 'paused' }, startMs + 60_000)).toBeNull();
    expect(etaMs(scene('waiting'), startMs + 2_000)).toBeNull();
    expect(etaMs(scene('ended'), startMs + 2_000)).toBeNull();
  });

  it('sum the resource: attempts without a checkpoint begin again', () => {
    const view = scene('ended');
    const spec = { ...view.spec, budget: { trials: null, wallTimeMs: null, resource: 1_000 } };
    const [first] = view.trials;
    const one = { ...view, spec, trials: [first as TrialView] };
    expect(first?.attempts.map((attempt) => attempt.target)).toEqual([1, 3, 9, 27]);
    expect(budgetUse(one, 0)[0]).toMatchObject({ label: 'epochs', used: 27 });
    expect(budgetUse({ ...one, spec: { ...spec, checkpoint: null } }, 0)[0]).toMatchObject({ used: 1 + 3 + 9 + 27 });
  });
});

it('names metrics, rungs and the reasons for empty charts', () => {
  expect(metricNames(scene('ended'))).toEqual(['val_accuracy', 'loss']);
  expect([rungsOf(scene('ended')), rungsOf(scene('fiveThousand')), rungsOf(scene('minimise'))]).toEqual([
    [1, 3, 9, 27],
    [1, 3, 9, 27, 50],
    [],
  ]);
  expect(emptyChartReason(scene('empty'), 'acc')).toContain('Waiting for the first trial');
  expect(emptyChartReason(scene('waiting'), 'acc')).toContain('Waiting for the first acc of trial 0');
  expect(emptyChartReason(scene('failed'), 'acc')).toContain('All 4 trials failed');
  expect(emptyChartReason(scene('ended'), 'acc')).toContain('No trial reported acc');
});
