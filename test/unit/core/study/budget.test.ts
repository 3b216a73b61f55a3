import { describe, expect, test } from 'vitest';
import { nextWakeup, observe } from '../../../../agent/core/study/index.ts';
import { ended, fidelity, Harness, metric, spec } from './harness.ts';

const killed = { exitCode: null, signal: 'SIGTERM' } as const;

describe('time', () => {
  test('at its end what runs is stopped: pruned where it reported, cancelled where not', () => {
    const h = new Harness(spec({ budget: { trials: null, wallTimeMs: 60_000 }, search: { parallel: 2 } }));
    expect(nextWakeup(h.state)).toBe(61_000);
    h.see(metric(0, 1, 1, { loss: 0.5 }));
    h.wait(59_999);
    expect(h.state.view.state).toBe('running');
    h.wait(1);
    expect(h.state.view).toMatchObject({ state: 'stopping', message: 'The time budget of 60 s is used.' });
    expect(nextWakeup(h.state)).toBeNull();
    h.see(ended(0, 1, killed), ended(1, 1, killed));
    expect(h.states()).toBe('pruned cancelled');
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'budget' });
    expect(h.state.view.trials[0]?.values).toEqual({ loss: 0.5 });
  });

  test('does not run while the study is paused', () => {
    const h = new Harness(spec({ budget: { trials: null, wallTimeMs: 60_000 } }));
    h.wait(30_000);
    h.command({ type: 'pause' });
    expect(nextWakeup(h.state)).toBeNull();
    h.wait(1e9);
    h.command({ type: 'resume' });
    expect(nextWakeup(h.state)).toBe(h.now + 30_000);
    h.wait(30_000);
    expect(h.state.view.state).toBe('stopping');
  });

  test('a clock that is set back while the study is paused takes nothing from it', () => {
    const h = new Harness(spec({ budget: { trials: null, wallTimeMs: 60_000 } }));
    const end = nextWakeup(h.state);
    h.command({ type: 'pause' });
    h.wait(-40_000);
    h.command({ type: 'resume' });
    expect(nextWakeup(h.state)).toBe(end);
  });
});

describe('resource', () => {
  /** Trains the live attempt to `last`, or to its target. */
  const train = (h: Harness, number: number, last = Infinity) => {
    const live = h.state.live.get(number);
    for (let step = (live?.base ?? 0) + 1; step <= Math.min(last, live?.target ?? 0); step++)
      h.see(metric(number, live?.attempt ?? 0, step, { loss: number }));
    h.see(ended(number, live?.attempt ?? 0));
  };

  test('a start that would exceed the rest is not made', () => {
    const h = new Harness(
      spec({ fidelity: fidelity(1, 9), search: { scheduler: 'none', parallel: 4 }, budget: { trials: 100, resource: 20 } }),
    );
    expect(h.state.live.size).toBe(2);
    expect(h.state.reserved).toBe(18);
    train(h, 0);
    expect(h.state.live.size).toBe(1);
    // The second ends early, and what it leaves is enough for one more.
    train(h, 1, 2);
    expect(h.state.live.size).toBe(1);
    train(h, 2);
    expect(h.state.view).toMatchObject({
      state: 'ended',
      endReason: 'budget',
      message: 'The budget of 20 epochs is used: 20 were, and 0 are too few for another start.',
    });
    expect(h.state.spent).toBe(20);
  });

  test('a budget below one full training has no baseline, and ends where not even one trial fits', () => {
    const promote = new Harness(spec({ fidelity: fidelity(1, 9), checkpoint: { dir: 'c' }, budget: { resource: 5 } }));
    expect(promote.state.view.trials[0]).toMatchObject({ origin: 'sampler', target: 1 });
    const none = new Harness(spec({ fidelity: fidelity(1, 9), search: { scheduler: 'none' }, budget: { resource: 5 } }));
    expect(none.state.view).toMatchObject({
      state: 'ended',
      trials: [],
      message: expect.stringContaining('5 are too few for another start'),
    });
  });

  test('what a checkpoint keeps is not paid again; a restart from the beginning is', () => {
    const spent = (checkpoint: { dir: string } | null, firstStep: number) => {
      const h = new Harness(spec({ fidelity: fidelity(1, 9), checkpoint, search: { scheduler: 'none' }, budget: { trials: 1 } }));
      for (const step of [1, 2, 3, 4, 5]) h.see(metric(0, 1, step, { loss: 1 }));
      h.see(ended(0, 1, { isLost: true }));
      h.wait(1_000);
      for (let step = firstStep; step <= 9; step++) h.see(metric(0, 2, step, { loss: 1 }));
      h.see(ended(0, 2));
      expect(h.state.view.trials[0]?.state).toBe('complete');
      return h.state.spent;
    };
    expect(spent({ dir: 'c' }, 6)).toBe(9);
    // The checkpoint was older than the last report.
    expect(spent({ dir: 'c' }, 4)).toBe(11);
    expect(spent(null, 1)).toBe(14);
  });

  test('a step that an early end had not trained is paid once', () => {
    const h = new Harness(
      spec({
        fidelity: fidelity(3, 9),
        checkpoint: { dir: 'ckpt' },
        search: { scheduler: 'asha-promote' },
        budget: { trials: 2, resource: 100 },
      }),
    );
    h.run(0, ...Array.from({ length: 9 }, () => 1));
    // Its last report would have come at the target: it counts as reached, and is paid.
    h.run(1, 1, 1);
    expect(h.state.spent).toBe(9 + 3);
    expect(h.state.live.get(1)).toMatchObject({ base: 3, target: 9 });
    for (let step = 3; step <= 9; step++) h.see(metric(1, 2, step, { loss: 1 }));
    h.see(ended(1, 2));
    expect(h.state.spent).toBe(9 + 9);
  });

  test.each([
    ['at once', 1, false],
    ['after 5 steps', 5, false],
    ['after all but one', 8, false],
    ['after all', 9, false],
    ['never: it had ended by itself', 9, true],
    ['never: it had ended by itself, before the last step', 8, true],
  ])('in batches a trial that is stopped pays up to the report that decided, when it hears of that %s', (_, nSteps, isOver) => {
    const search = { scheduler: 'asha-stop', batch: 3, parallel: 1 } as const;
    const h = new Harness(spec({ fidelity: fidelity(1, 9), search, budget: { trials: null, resource: 200 } }));
    for (const number of [0, 1, 2]) h.run(number, ...Array.from({ length: 9 }, () => 1));
    expect(h.state.spent).toBe(27);
    // Reports that are read together are recorded before anything is decided.
    for (let step = 1; step <= nSteps; step++) h.record(observe(h.state, metric(3, 1, step, { loss: 10 - step }), h.now));
    if (!isOver) h.decide();
    expect(h.state.live.get(3)?.stopReason).toBe(isOver ? null : 'pruned');
    h.see(ended(3, 1, isOver ? {} : { exitCode: null, signal: 'SIGTERM' }));
    expect(h.state.view.trials[3]).toMatchObject({ state: 'pruned', values: { loss: 9 } });
    expect(h.state.spent).toBe(27 + 1);
    expect(h.replay().spent).toBe(27 + 1);
  });

  test('fractions add up to the budget', () => {
    const h = new Harness(
      spec({ fidelity: fidelity(0.1, 0.1), search: { scheduler: 'none', parallel: 1 }, budget: { trials: null, resource: 0.3 } }),
    );
    for (const number of [0, 1, 2]) {
      h.see(metric(number, 1, 0.1, { loss: 1 }), ended(number, 1));
    }
    expect(h.states()).toBe('complete complete complete');
    expect(h.state.view.endReason).toBe('budget');
  });
});
