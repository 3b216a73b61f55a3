import { describe, expect, it } from 'vitest';
import type { MetricValue } from '../../../agent/protocol/study.ts';
import type { TrialView } from '../../../agent/protocol/view.ts';
import { bestSoFar, budgetUse, emptyChartReason, etaMs, metricNames, rungsOf, trialValue } from '../../../webview/insight.ts';
import { scene, startMs, studyOf } from '../../support/views.ts';

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
