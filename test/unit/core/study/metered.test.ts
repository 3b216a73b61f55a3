import { describe, expect, test } from 'vitest';
import { nextWakeup, stateHash } from '../../../../agent/core/study/index.ts';
import { studyUse } from '../../../../agent/protocol/metered.ts';
import { cluster, container, pool } from './clusterSpec.ts';
import { ended, Harness, metric, spec } from './harness.ts';

const hour = 3_600_000;
const killed = { exitCode: null, signal: 'SIGTERM' } as const;
const usd = (amount: number) => ({ amount, currency: 'USD' });
const long = { trials: 1_000, wallTimeMs: null, resource: null };

/** Runs the live attempt of a trial for so long, and ends it with a loss. */
function runFor(h: Harness, number: number, ms: number): void {
  const { attempt = NaN } = h.state.live.get(number) ?? {};
  h.see({ type: 'started', number, attempt, pid: 1 });
  h.wait(ms);
  h.see(metric(number, attempt, 1, { loss: 1 }), ended(number, attempt));
}

describe('money', () => {
  test('a trial is not begun that would cost more than what is left, as trials took so far', () => {
    const h = new Harness(spec({ price: usd(2), budget: { ...long, cost: usd(7) } }));
    for (let number = 0; h.state.live.has(number); number++) runFor(h, number, hour);
    expect(h.states()).toBe('complete complete complete');
    expect(h.state.view).toMatchObject({
      endReason: 'budget',
      message: 'The budget is used: 6.00 USD of 7.00 USD. The rest is too little for another trial.',
    });
    expect(studyUse(h.state.view, h.now)).toEqual({ gpuMs: 0, cost: 6 });
  });

  test('an exact fit, with the second of its grace, is begun', () => {
    const h = new Harness(spec({ price: usd(2), budget: { ...long, cost: usd(6 + 2 / 3_600) } }));
    for (let number = 0; h.state.live.has(number); number++) runFor(h, number, hour);
    expect(h.state.view.trials).toHaveLength(3);
    expect(h.state.metered.cost).toBeCloseTo(6, 9);
  });

  test('what runs at once is set aside together', () => {
    const h = new Harness(spec({ price: usd(1), search: { parallel: 4 }, budget: { ...long, cost: usd(4.5) } }));
    expect(h.state.live.size).toBe(4);
    for (const number of [0, 1, 2, 3]) h.see({ type: 'started', number, attempt: 1, pid: 1 });
    h.wait(hour);
    h.see(metric(0, 1, 1, { loss: 1 }), ended(0, 1));
    // Four hours are used or set aside: half of one is left.
    expect(h.state.live.size).toBe(3);
  });

  test('what runs is ended in time for its grace, so that no more is spent', () => {
    const h = new Harness(spec({ price: usd(1), limits: { graceMs: 60_000 }, budget: { ...long, cost: usd(1) } }));
    expect(nextWakeup(h.state)).toBeNull();
    h.see({ type: 'started', number: 0, attempt: 1, pid: 1 }, metric(0, 1, 1, { loss: 3 }));
    expect(nextWakeup(h.state)).toBe(h.now + hour - 60_000);
    h.wait(hour - 60_000);
    expect(h.state.view).toMatchObject({ state: 'stopping', endReason: 'budget' });
    h.now += 60_000;
    h.see(ended(0, 1, killed));
    expect(h.states()).toBe('pruned');
    expect(h.state.metered.cost).toBeLessThanOrEqual(1);
    expect(stateHash(h.replay())).toBe(stateHash(h.state));
  });

  test('what waits for its place costs nothing, and what runs of a paused study does', () => {
    const h = new Harness(spec({ price: usd(1), budget: { ...long, cost: usd(1) } }));
    h.wait(50 * hour);
    expect(h.state.view.state).toBe('running');
    h.see({ type: 'started', number: 0, attempt: 1, pid: 1 });
    h.command({ type: 'pause' });
    expect(nextWakeup(h.state)).toBe(h.now + hour - 1_000);
    h.wait(hour);
    expect(h.state.view.state).toBe('stopping');
  });

  test('where each pool has a price, that of the study is not set aside', () => {
    const place = {
      executor: 'kubernetes',
      container: container(),
      cluster: cluster({ pools: [pool('all', { price: usd(1) })] }),
    } as const;
    const h = new Harness(spec({ ...place, price: usd(50), budget: { ...long, cost: usd(3) } }));
    for (let number = 0; h.state.live.has(number); number++) runFor(h, number, hour);
    expect(h.states()).toBe('complete complete');
  });

  test('a retried trial has to fit as well', () => {
    const h = new Harness(spec({ price: usd(1), budget: { ...long, trials: 2, cost: usd(2.5) } }));
    runFor(h, 0, hour);
    h.see({ type: 'started', number: 1, attempt: 1, pid: 1 });
    h.wait(hour);
    h.see(ended(1, 1, { exitCode: 1 }));
    expect(h.states()).toBe('complete failed');
    expect(() => h.command({ type: 'retry', number: 1 })).toThrow('HPO-4313: The budget of money leaves none for trial 1.');
  });
});

describe('GPU hours', () => {
  test('are those of all GPUs of all trials', () => {
    const h = new Harness(spec({ executor: 'docker', container: container({ gpus: 2 }), budget: { ...long, gpuMs: 5 * hour } }));
    for (let number = 0; h.state.live.has(number); number++) runFor(h, number, hour);
    expect(h.states()).toBe('complete complete');
    expect(h.state.metered.gpuMs).toBe(4 * hour);
    expect(h.state.view.message).toBe(
      'The budget is used: 4 GPU hours of 5 GPU hours. The rest is too little for another trial.',
    );
  });

  test('of a pool are its own, with its own price, and the rate stands with each attempt', () => {
    const pools = [pool('large', { when: 'lr > 0.5', gpus: 4, price: usd(9) }), pool('small')];
    const place = { executor: 'kubernetes', container: container({ gpus: 2 }), cluster: cluster({ pools }) } as const;
    const search = { points: [{ lr: 0.9 }, { lr: 0.1 }] };
    const h = new Harness(spec({ ...place, price: usd(1), search, budget: { trials: 3 } }));
    for (let number = 0; h.state.live.has(number); number++) runFor(h, number, hour);
    expect(h.state.view.trials.map(({ attempts }) => attempts[0]?.rate)).toEqual([
      { gpus: 0, perHour: 1 },
      { gpus: 4, perHour: 9 },
      { gpus: 0, perHour: 1 },
    ]);
    expect(studyUse(h.state.view, h.now)).toEqual({ gpuMs: 4 * hour, cost: 11 });
  });
});
