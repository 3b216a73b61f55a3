import { describe, expect, it } from 'vitest';
import { doesLogHelp, paddedRange, valueRange } from '../../../webview/chartRange.ts';
import { columnsOf, durationMs, nextSort, varyingParams, visibleTrials } from '../../../webview/trialRows.ts';
import { shownState, waitOf } from '../../../agent/protocol/waits.ts';
import { scene } from '../../support/views.ts';

const view = scene('ended');
const columns = columnsOf(view);
const numbers = (key: string, isDescending: boolean, states: Parameters<typeof visibleTrials>[1] = []) =>
  visibleTrials(view, states, { key, isDescending }, columns).map((trial) => trial.number);

describe('columns', () => {
  it('are number, state, objectives, resource, the params that vary, duration', () => {
    expect(columns.map((column) => column.key)).toEqual([
      'number',
      'state',
      'value:val_accuracy',
      'resource',
      'param:learning_rate',
      'param:batch_size',
      'param:hidden',
      'param:alpha',
      'param:activation',
      'duration',
    ]);
  });

  it('leave out what never varies, once there are two trials', () => {
    const same = { ...view, trials: view.trials.map((trial) => ({ ...trial, params: { ...trial.params, hidden: 64 } })) };
    expect(varyingParams(same)).not.toContain('hidden');
    expect(varyingParams({ ...same, trials: same.trials.slice(0, 1) })).toContain('hidden');
  });

  it('mark a value that is not final and count only the time that attempts ran', () => {
    const running = scene('running');
    const trial = running.trials.find((t) => t.state === 'running');
    const value = columnsOf(running).find((c) => c.key === 'value:val_accuracy');
    expect(trial && value?.text(trial, 0)).toMatch(/^… 0\.\d+$/);
    const paused = view.trials.find((t) => t.state === 'pruned' && t.attempts.length === 1);
    expect(paused && (durationMs(paused, 0) ?? 0) < (paused.endedAt ?? 0) - (paused.startedAt ?? 0)).toBe(true);
  });
});

describe('rows', () => {
  it('are in the order asked for, both ways', () => {
    const best = numbers('value:val_accuracy', true);
    expect(best[0]).toBe(view.incumbent);
    expect(numbers('value:val_accuracy', false)).toEqual(best.toReversed());
    expect(numbers('number', true)[0]).toBe(39);
  });

  it('put what has no value last in either order', () => {
    const failed = { ...scene('failed') };
    const mixed = { ...view, trials: [...failed.trials.slice(0, 2), ...view.trials.slice(2, 6)] };
    for (const isDescending of [true, false]) {
      const order = visibleTrials(mixed, [], { key: 'value:val_accuracy', isDescending }, columns).map((trial) => trial.number);
      expect(order.slice(-2)).toEqual([0, 1]);
    }
  });

  it('pass the filter of states', () => {
    const all = numbers('number', false);
    expect(numbers('number', false, ['failed', 'complete']).length).toBe(
      view.trials.filter((t) => t.state === 'failed' || t.state === 'complete').length,
    );
    expect(all.length).toBe(40);
    expect(numbers('a column that is gone', false)).toEqual(all);
  });

  it('that wait for a place are waiting, also for the filter and the order', () => {
    const waiting = scene('clusterWaits');
    const of = (states: Parameters<typeof visibleTrials>[1]) =>
      visibleTrials(waiting, states, { key: 'number', isDescending: false }, columnsOf(waiting));
    const wait = waiting.trials.filter((trial) => waitOf(trial) !== null);
    expect(wait.length).toBe(4);
    expect(of(['waiting'])).toEqual(wait);
    expect(of(['running']).length).toBeGreaterThan(0);
    expect(of(['running']).filter((trial) => wait.includes(trial))).toEqual([]);
    const state = columnsOf(waiting).find(({ key }) => key === 'state');
    expect(wait.map((trial) => state?.text(trial, 0))).toEqual([
      'waiting for a place',
      'waiting for a place',
      'waiting for its image',
      'waiting in a queue',
    ]);
    const byState = visibleTrials(waiting, [], { key: 'state', isDescending: false }, columnsOf(waiting)).map(shownState);
    expect(byState.lastIndexOf('running')).toBeLessThan(byState.indexOf('waiting'));
  });

  it('begin with the better values when an objective is clicked', () => {
    expect(nextSort(view, { key: 'number', isDescending: false }, 'value:val_accuracy').isDescending).toBe(true);
    const loss = scene('minimise');
    expect(nextSort(loss, { key: 'number', isDescending: false }, 'value:val_loss').isDescending).toBe(false);
  });
});

describe('the value axis', () => {
  it.each<[readonly number[], 'min' | 'max', { min: number; max: number; nBeyond: number } | null]>([
    [[], 'min', null],
    [[Number.NaN, Number.POSITIVE_INFINITY], 'min', null],
    [[2], 'min', { min: 2, max: 2, nBeyond: 0 }],
    [[1, 2, 3, 4, 5, 6, 7, 8, 1e9], 'min', { min: 1, max: 8, nBeyond: 1 }],
    [[1, 2, 3, 4, 5, 6, 7, 8, -1e9], 'min', { min: -1e9, max: 8, nBeyond: 0 }],
    [[1, 2, 3, 4, 5, 6, 7, 8, -1e9], 'max', { min: 1, max: 8, nBeyond: 1 }],
    [[3, 3, 3, 3, 3, 3, 3, 3, 9], 'min', { min: 3, max: 9, nBeyond: 0 }],
  ])('%j (%s)', (values, direction, expected) => expect(valueRange(values, direction)).toEqual(expected));

  it('has room at both ends, also where all values are equal', () => {
    for (const range of [
      { min: 2, max: 2, nBeyond: 0 },
      { min: 0, max: 0, nBeyond: 0 },
      { min: -1, max: 1, nBeyond: 0 },
    ]) {
      const [low, high] = paddedRange(range, false);
      expect(low).toBeLessThan(range.min);
      expect(high).toBeGreaterThan(range.max);
    }
    const [low, high] = paddedRange({ min: 1e-4, max: 1, nBeyond: 0 }, true);
    expect(low).toBeGreaterThan(0);
    expect(high).toBeGreaterThan(1);
  });

  it('may be logarithmic over decades of positive values', () => {
    expect([
      doesLogHelp({ min: 0.01, max: 2, nBeyond: 0 }),
      doesLogHelp({ min: 0, max: 2, nBeyond: 0 }),
      doesLogHelp({ min: 0.5, max: 1, nBeyond: 0 }),
    ]).toEqual([true, false, false]);
  });
});
