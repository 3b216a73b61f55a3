import { describe, expect, test } from 'vitest';
import { stateHash } from '../../../../agent/core/study/index.ts';
import { ended, fidelity, Harness, metric, spec } from './harness.ts';

const long = { trials: 100, wallTimeMs: null, resource: null };

describe('patience', () => {
  test('ends the study after so many trials in a row without a better one', () => {
    const h = new Harness(spec({ budget: { ...long, patience: 3 } }));
    for (const [number, loss] of [5, 4, 4.5, 4, 3, 9, 9, 9].entries()) h.run(number, loss);
    expect(h.state.view.trials).toHaveLength(8);
    expect(h.state.view).toMatchObject({
      state: 'ended',
      endReason: 'plateau',
      message: 'No better loss in the last 3 trials (patience=3).',
    });
  });

  test('an equal value is not better, and a failed or pruned trial counts', () => {
    const h = new Harness(spec({ budget: { ...long, patience: 3 } }));
    h.run(0, 1);
    h.run(1, 1);
    h.run(2, 'nan');
    expect(h.state.view.state).toBe('running');
    h.run(3, 2);
    expect(h.state.view.endReason).toBe('plateau');
  });

  test('a cancelled trial says nothing', () => {
    const h = new Harness(spec({ budget: { ...long, patience: 1 } }));
    h.run(0, 1);
    h.command({ type: 'stopTrial', trial: 1 });
    h.see(ended(1, 1, { exitCode: null, signal: 'SIGTERM' }));
    expect(h.states()).toBe('complete cancelled running');
  });

  test('what runs goes on, and a better one lets the study go on', () => {
    const h = new Harness(spec({ search: { parallel: 3 }, budget: { ...long, patience: 2 } }));
    h.run(0, 1);
    h.run(1, 2);
    h.run(2, 2);
    expect(h.states()).toBe('complete complete complete running running');
    h.run(3, 0.5);
    expect(h.states()).toBe('complete complete complete complete running running running');
    for (let number = 4; h.state.live.has(number); number++) h.run(number, 7);
    expect(h.state.view.endReason).toBe('plateau');
  });

  test('with two objectives each new point of the front is better', () => {
    const objectives = (['loss', 'time'] as const).map((name) => ({ metric: name, direction: 'min' as const, goal: null }));
    const h = new Harness(spec({ objectives, budget: { ...long, patience: 2 } }));
    const run = (number: number, loss: number, time: number): void => {
      h.see(metric(number, 1, 1, { loss, time }));
      h.see(ended(number, 1));
    };
    for (const [number, [loss, time]] of (
      [
        [5, 5],
        [6, 6],
        [4, 9],
        [9, 4],
        [9, 9],
        [5, 5],
      ] as const
    ).entries())
      run(number, loss, time);
    expect(h.state.view).toMatchObject({
      endReason: 'plateau',
      message: 'No better loss, time in the last 2 trials (patience=2).',
    });
    expect(h.state.view.trials).toHaveLength(6);
  });

  test('a trial that is paused at a rung counts once, whether it is promoted or not', () => {
    const search = { scheduler: 'asha-promote', parallel: 1 } as const;
    const h = new Harness(spec({ fidelity: fidelity(1, 9), search, budget: { ...long, patience: 8 } }));
    for (let guard = 0; h.state.view.state === 'running' && guard < 100; guard++) {
      const [live] = h.state.live.values();
      if (live === undefined) break;
      for (let step = live.base + 1; step <= (live.target ?? 0); step++)
        h.see(metric(live.number, live.attempt, step, { loss: 1 }));
      h.see(ended(live.number, live.attempt));
    }
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'plateau' });
    expect(h.state.plateau?.since.size).toBeLessThanOrEqual(h.state.view.trials.length);
    expect(h.state.view.trials.length).toBeLessThan(20);
  });

  test('points that the user asks for are tried all the same', () => {
    const h = new Harness(
      spec({ search: { parallel: 1, points: [{ lr: 0.5 }, { lr: 0.6 }] }, budget: { ...long, patience: 1 } }),
    );
    h.run(0, 1);
    h.run(1, 2);
    h.run(2, 2);
    expect(h.state.view).toMatchObject({ endReason: 'plateau' });
    expect(h.state.view.trials.map(({ origin }) => origin)).toEqual(['default', 'user', 'user']);
  });

  test('resumed, it has as many trials again', () => {
    const h = new Harness(spec({ budget: { ...long, patience: 2 } }));
    for (const [number, loss] of [1, 2, 2].entries()) h.run(number, loss);
    expect(h.state.view.endReason).toBe('plateau');
    h.command({ type: 'resume' });
    for (const number of [3, 4]) h.run(number, 2);
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'plateau' });
    expect(stateHash(h.replay())).toBe(stateHash(h.state));
  });

  test('in batches what counts is known when the batch has ended', () => {
    const h = new Harness(spec({ search: { parallel: 2, batch: 4 }, budget: { ...long, patience: 3 } }));
    const losses = [1, 2, 2, 2];
    for (const number of [1, 0, 3, 2]) if (h.state.live.has(number)) h.run(number, losses[number] ?? 2);
    for (const number of [0, 1, 2, 3]) if (h.state.live.has(number)) h.run(number, losses[number] ?? 2);
    expect(h.state.view).toMatchObject({ endReason: 'plateau' });
    expect(h.state.view.trials).toHaveLength(4);
  });
});

describe('min_gain', () => {
  test('ends the study when the next trials promise less', () => {
    const h = new Harness(spec({ budget: { ...long, minGain: 0.01 } }));
    for (let number = 0; h.state.live.has(number); number++) h.run(number, 1 + 1 / (number + 1) ** 3);
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'plateau' });
    expect(h.state.view.message).toMatch(
      /^The next 10 trials would improve loss by [\d.e-]+ in the mean, less than min_gain=0\.01\.$/,
    );
    const { length } = h.state.view.trials;
    expect(length).toBeGreaterThanOrEqual(10);
    h.command({ type: 'resume' });
    expect(h.state.live.size).toBe(1);
  });

  test('does not while they promise more', () => {
    const h = new Harness(spec({ budget: { ...long, trials: 40, minGain: 0.01 } }));
    for (let number = 0; h.state.live.has(number); number++) h.run(number, 100 - number);
    expect(h.state.view.endReason).toBe('budget');
  });
});
