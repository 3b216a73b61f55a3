import { describe, expect, test } from 'vitest';
import { History, type Observation } from '../../../../../agent/core/samplers/index.ts';
import { forecastsOf } from '../../../../../agent/core/samplers/multiFidelity/forecasts.ts';
import { compileSpace } from '../../../../../agent/core/space/index.ts';
import { parameter } from '../../study/harness.ts';
import { loss } from '../context.ts';

const fidelity = { levels: [1, 3, 9] };
const space = compileSpace({
  parameters: [parameter('x', { type: 'float', low: 0, high: 1, log: false, revlog: false, step: null })],
  where: [],
});

function historyOf(...rows: readonly Partial<Observation>[]): History {
  return new History(
    space,
    rows.map((row, number) => ({
      number,
      params: { x: 0.5 },
      state: 'pruned',
      values: [row.curve?.at(-1) ?? NaN],
      resource: 1,
      ...row,
    })),
  );
}

/** Losses that halve from level to level: 20 complete ones. */
const halving = Array.from(
  { length: 20 },
  (_, k): Partial<Observation> => ({ state: 'complete', curve: [4 + k, (4 + k) / 2, (4 + k) / 4] }),
);

describe('forecasts', () => {
  test('of trials that stopped early follow those that came farther', () => {
    const { rows, losses, doubts } = forecastsOf(historyOf(...halving, { curve: [8] }, { curve: [8, 4] }), [loss], fidelity);
    expect(rows).toHaveLength(22);
    expect(losses[3]).toBe(7 / 4);
    expect(doubts[3]).toBe(0);
    expect(losses[20]).toBeGreaterThan(1.5);
    expect(losses[20]).toBeLessThan(4);
    expect(Math.abs((losses[21] ?? NaN) - 2)).toBeLessThan(0.4);
    expect(doubts[20]).toBeGreaterThan(doubts[21] ?? NaN);
  });

  test('keep the order of trials that stopped together, also of an objective to be maximised', () => {
    const maximised = halving.map(({ curve, ...row }) => ({ ...row, curve: (curve ?? []).map((value) => -value) }));
    const history = historyOf(...maximised, { curve: [-9] }, { curve: [-5] });
    const { losses } = forecastsOf(history, [{ ...loss, direction: 'max' }], fidelity);
    expect(losses[20]).toBeGreaterThan(losses[21] ?? NaN);
    expect(losses[0]).toBe(1);
  });

  test.each<[string, Partial<Observation>, boolean]>([
    ['a running trial counts by what it has shown', { state: 'pending', curve: [3] }, true],
    ['a running trial that has shown nothing', { state: 'pending', curve: [] }, false],
    ['one that diverged', { curve: [3, NaN] }, false],
    ['one that failed', { state: 'failed', curve: [3] }, false],
    ['one that nobody measured infeasible', { state: 'infeasible', curve: [3] }, false],
    ['one that violates a measured constraint', { state: 'infeasible', curve: [3], violations: [1] }, true],
    ['one that went on from a checkpoint of another', { curve: [NaN, 3] }, true],
    ['a complete one without a curve', { state: 'complete', values: [3] }, true],
    ['one without a curve that stopped early', { values: [3] }, false],
  ])('%s', (_, row, isUsed) => {
    expect(forecastsOf(historyOf(row), [loss], fidelity).rows).toEqual(isUsed ? [0] : []);
  });

  test('common: the highest level that many trials reached', () => {
    const partial = Array.from({ length: 30 }, (_, k) => ({ curve: [k, k / 2] }));
    const { common } = forecastsOf(historyOf(...halving.slice(0, 8), ...partial, { curve: [1] }), [loss], fidelity);
    expect(common.rows).toHaveLength(38);
    expect(common.losses[8]).toBe(0);
    expect(common.losses[37]).toBe(14.5);
  });

  test.each([[1e200], [-1e308], [1e-300]])('losses of size %d are finite', (size) => {
    const rows = halving.map(({ curve, ...row }) => ({ ...row, curve: (curve ?? []).map((value) => (value / 30) * size) }));
    const { losses, doubts } = forecastsOf(historyOf(...rows, { curve: [size / 8] }), [loss], fidelity);
    expect(Number.isFinite(losses[20])).toBe(true);
    expect(Number.isNaN(doubts[20])).toBe(false);
  });
});
