import { describe, expect, test } from 'vitest';
import { command, observe } from '../../../../agent/core/study/index.ts';
import { schedulerNames } from '../../../../agent/protocol/study.ts';
import { ended, fidelity, Harness, metric, replay, spec } from './harness.ts';

const failed = { exitCode: 1, outputTail: 'ValueError' } as const;
const killed = { exitCode: null, signal: 'SIGTERM' } as const;

/** Whatever lives is run to its target, until nothing lives. */
function finish(h: Harness, lossOf: (number: number, step: number) => number = (number) => number): void {
  for (let round = 0; h.state.live.size > 0; round++) {
    if (round > 1_000) throw new Error('it does not end');
    for (const { number, attempt, target } of Array.from(h.state.live.values())) {
      const last = target ?? 1;
      h.see({ type: 'started', number, attempt, pid: 1 });
      for (let step = 1; step <= last; step++) h.see(metric(number, attempt, step, { loss: lossOf(number, step) }));
      if (h.state.live.get(number)?.stopReason == null) h.see(ended(number, attempt));
      else h.see(ended(number, attempt, killed));
    }
  }
}

describe('a trial that is retried', () => {
  test('not before its end is recorded: a retry that comes with the end of its attempt is refused', () => {
    const h = new Harness(spec({ budget: { trials: 4 } }));
    h.record(observe(h.state, ended(0, 1, failed), h.now));
    expect(command(h.state, { type: 'retry', number: 0 }, h.now)).toMatchObject({ code: 'HPO-4312' });
    h.decide();
    expect(h.states()).toMatch(/^failed/);
    h.command({ type: 'retry', number: 0 });
    expect(h.states()).toMatch(/^(?:waiting|running)/);
  });

  test('keeps its number and values, and has a new attempt', () => {
    const h = new Harness(spec({ budget: { trials: 4 } }));
    h.run(0, 0.5);
    h.see(metric(1, 1, 1, { loss: 3 }), ended(1, 1, failed));
    const { params } = h.state.trial(1);
    expect(h.state.history.of(1)?.state).toBe('failed');
    h.command({ type: 'retry', number: 1 });
    expect(h.state.view.trials[1]).toMatchObject({ state: 'waiting', failure: null, values: {}, endedAt: null, params });
    expect(h.state.history.of(1)).toMatchObject({ state: 'pending' });
    h.run(2, 0.4);
    expect(h.state.live.get(1)).toMatchObject({ attempt: 2 });
    h.run(1, 0.1);
    expect(h.state.view.trials[1]).toMatchObject({ state: 'complete', values: { loss: 0.1 }, params });
    expect(h.state.view.incumbent).toBe(1);
    finish(h);
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'budget' });
    expect(h.state.view.trials).toHaveLength(4);
    expect(replay(h.journal)).toEqual(h.state);
  });

  test('goes on from its checkpoint, and pays only for what is left', () => {
    const h = new Harness(
      spec({
        checkpoint: { dir: 'c' },
        fidelity: fidelity(1, 9),
        search: { scheduler: 'none' },
        budget: { trials: 2, resource: 18 },
      }),
    );
    h.see(metric(0, 1, 6, { loss: 2 }), ended(0, 1, failed));
    h.command({ type: 'retry', number: 0 });
    finish(h);
    expect(h.state.view.trials[0]).toMatchObject({ state: 'complete', resource: 9 });
  });

  test('a cancelled one', () => {
    const h = new Harness(spec({ budget: { trials: 1 } }));
    h.command({ type: 'stopTrial', trial: 0 });
    h.see(ended(0, 1, killed));
    expect(h.state.view.state).toBe('ended');
    h.command({ type: 'retry', number: 0 });
    h.run(0, 0.5);
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'budget', incumbent: 0 });
  });

  test('how long it ran counts once, over all of its attempts', () => {
    const h = new Harness(spec({ budget: { trials: 2 } }));
    const attempt = (number: number, n: number, ms: number, ending = {}) => {
      h.see({ type: 'started', number, attempt: n, pid: 1 }, metric(number, n, 1, { loss: 1 }));
      h.now += ms;
      h.see(ended(number, n, ending));
    };
    attempt(0, 1, 100, failed);
    expect(h.state.trained).toEqual({ count: 1, ms: 100 });
    h.command({ type: 'retry', number: 0 });
    expect(h.state.trained).toEqual({ count: 0, ms: 0 });
    h.command({ type: 'stopTrial', trial: 1 });
    h.see(ended(1, 1, killed));
    attempt(0, 2, 50);
    expect(h.state.trained).toEqual({ count: 1, ms: 150 });
  });

  test('failures before it do not count again', () => {
    const h = new Harness(spec({ budget: { trials: 100 } }));
    for (const number of [0, 1]) h.see(ended(number, 1, failed));
    h.command({ type: 'retry', number: 0 });
    h.see(ended(2, 1, failed));
    h.see(ended(0, 2, failed));
    expect(h.state.view.state).toBe('running');
  });
});

describe('the study goes on for it', () => {
  test('one that paused itself goes on with everything', () => {
    const h = new Harness(spec({ budget: { trials: 8 } }));
    for (const number of [0, 1, 2]) h.see(ended(number, 1, failed));
    expect(h.state.view.state).toBe('paused');
    h.command({ type: 'retry', number: 0 });
    h.command({ type: 'retry', number: 1 });
    expect(h.state.view).toMatchObject({ state: 'running', failure: null });
    finish(h);
    expect(h.states()).toBe('complete complete failed complete complete complete complete complete');
  });

  test('one that the user paused waits for its resume', () => {
    const h = new Harness(spec({ budget: { trials: 4 } }));
    h.see(ended(0, 1, failed));
    h.command({ type: 'pause' });
    h.command({ type: 'retry', number: 0 });
    h.run(1, 0.5);
    expect(h.states()).toBe('waiting complete');
    expect(h.state.view.state).toBe('paused');
    h.command({ type: 'resume' });
    expect(h.state.live.has(0)).toBe(true);
  });

  test('one that was stopped goes on for the trial alone, and ends as it had', () => {
    const h = new Harness(spec({ budget: { trials: 50 } }));
    h.run(0, 0.5);
    h.see(ended(1, 1, failed));
    h.command({ type: 'stop' });
    h.see(ended(2, 1, killed));
    expect(h.states()).toBe('complete failed cancelled');
    h.command({ type: 'retry', number: 1 });
    expect(h.state.view).toMatchObject({ state: 'running', endReason: null, endedAt: null });
    h.run(1, 0.2);
    expect(h.states()).toBe('complete complete cancelled');
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'stopped', message: 'Stopped by the user.', incumbent: 1 });
    // Whoever wants it all goes on with it all.
    h.command({ type: 'resume' });
    expect(h.states()).toBe('complete complete cancelled running');
  });

  test('one that had reached its goal does not end at once', () => {
    const h = new Harness(
      spec({ objectives: [{ metric: 'loss', direction: 'min', goal: 0.3 }], search: { parallel: 2 }, budget: { trials: 9 } }),
    );
    h.see(ended(0, 1, failed));
    h.run(1, 0.2);
    h.see(ended(2, 1, killed));
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'goal' });
    h.command({ type: 'retry', number: 0 });
    expect(h.state.live.has(0)).toBe(true);
    h.run(0, 0.1);
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'goal', incumbent: 0 });
    expect(h.state.view.trials).toHaveLength(3);
  });

  test('one in which everything had failed, to its end', () => {
    const h = new Harness(spec({ budget: { trials: 2 } }));
    for (const number of [0, 1]) h.see(ended(number, 1, failed));
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'failed' });
    h.command({ type: 'retry', number: 1 });
    h.run(1, 0.2);
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'budget', incumbent: 1 });
    h.command({ type: 'retry', number: 0 });
    h.see(ended(0, 2, failed));
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'budget' });
  });
});

describe('its place in the rungs', () => {
  test('a rung that waits for all of its trials waits for it too', () => {
    const h = new Harness(spec({ fidelity: fidelity(1, 9), search: { scheduler: 'sha', parallel: 10 }, budget: { trials: 10 } }));
    h.see(ended(1, 1, failed));
    h.command({ type: 'retry', number: 1 });
    for (const number of [2, 3, 4, 5, 6, 7, 8, 9]) h.see(metric(number, 1, 1, { loss: number }), ended(number, 1));
    expect(h.story().filter((event) => event.startsWith('trialPromoted'))).toEqual([]);
    h.see(metric(1, 2, 1, { loss: 1 }), ended(1, 2));
    expect(h.story().filter((event) => event.startsWith('trialPromoted'))).toEqual([1, 2, 3].map((n) => `trialPromoted ${n}`));
  });

  test('one that was cancelled while it was paused has been measured: it goes on from there', () => {
    const h = new Harness(spec({ fidelity: fidelity(1, 9), search: { scheduler: 'asha-promote' }, budget: { trials: 3 } }));
    h.command({ type: 'scale', parallel: 2 });
    h.see(metric(1, 1, 1, { loss: 5 }), ended(1, 1));
    expect(h.state.trial(1).state).toBe('paused');
    h.command({ type: 'stopTrial', trial: 1 });
    h.command({ type: 'retry', number: 1 });
    expect(h.state.trial(1)).toMatchObject({ target: 3 });
    finish(h);
    expect(['complete', 'pruned']).toContain(h.state.trial(1).state);
    expect(h.state.trial(1).resource).toBeGreaterThanOrEqual(3);
  });
});

test('in batches: what the end of the study came to is known when it goes on', () => {
  const h = new Harness(
    spec({ fidelity: fidelity(1, 9), search: { scheduler: 'asha-promote', batch: 5, parallel: 5 }, budget: { trials: 20 } }),
  );
  h.hasCapacity = false;
  for (let step = 1; step <= 9; step++) h.see(metric(0, 1, step, { loss: 1 }));
  h.see(ended(0, 1));
  for (const number of [1, 2, 3]) h.see(metric(number, 1, 1, { loss: number }), ended(number, 1));
  h.see(ended(4, 1, failed));
  expect(h.states()).toBe('complete paused paused paused failed');
  expect(h.story()).toContain('batchEnded');
  h.command({ type: 'stop' });
  expect(h.states()).toBe('complete pruned pruned pruned failed');
  h.hasCapacity = true;
  h.command({ type: 'retry', number: 4 });
  expect(h.states()).toBe('complete pruned pruned pruned running');
  finish(h);
  expect(h.story().filter((event) => /^trialPromoted [123]/.test(event))).toEqual([]);
  expect(h.states()).toMatch(/^complete pruned pruned pruned (pruned|complete)$/);
  expect(replay(h.journal)).toEqual(h.state);
});

describe('the budget holds', () => {
  test('of resource', () => {
    const h = new Harness(spec({ fidelity: fidelity(1, 9), search: { scheduler: 'none' }, budget: { trials: 3, resource: 18 } }));
    h.see(metric(0, 1, 8, { loss: 2 }), ended(0, 1, failed));
    finish(h);
    expect(h.state.view.state).toBe('ended');
    expect(command(h.state, { type: 'retry', number: 0 }, h.now)).toMatchObject({
      code: 'HPO-4313',
      message: 'The budget of epochs leaves none for trial 0.',
    });
  });

  test('of time: what passed while the study had ended does not count, what had passed before does', () => {
    const study = (ms: number) => {
      const h = new Harness(spec({ budget: { trials: 2, wallTimeMs: 1_000 } }));
      h.see(ended(0, 1, failed));
      h.now += ms;
      h.wait(0);
      if (ms >= 1_000) h.see(ended(1, 1, killed));
      else h.run(1, 0.5);
      expect(h.state.view.state).toBe('ended');
      h.now += 1e9;
      return command(h.state, { type: 'retry', number: 0 }, h.now);
    };
    expect(study(999)).toMatchObject([{ type: 'trialRetried', number: 0 }, { type: 'studyResumed' }]);
    expect(study(1_000)).toMatchObject({ code: 'HPO-4313', message: 'The budget of time leaves none for trial 0.' });
  });
});

test.each([
  ['complete', 'HPO-4312', /cannot be retried: it is complete/],
  ['running', 'HPO-4312', /it is running/],
  ['absent', 'HPO-4304', /no trial 9/],
] as const)('one that is %s is refused', (what, code, message) => {
  const h = new Harness(spec());
  h.run(0, 0.5);
  const number = { complete: 0, running: 1, absent: 9 }[what];
  expect(command(h.state, { type: 'retry', number }, h.now)).toEqual({
    code,
    message: expect.stringMatching(message),
    next: expect.stringMatching(/./),
  });
});

test('asked twice it is retried once', () => {
  const h = new Harness(spec({ budget: { trials: 9 } }));
  h.see(ended(0, 1, failed));
  h.command({ type: 'retry', number: 0 });
  expect(command(h.state, { type: 'retry', number: 0 }, h.now)).toEqual([]);
});

describe.each(schedulerNames)('%s', (scheduler) => {
  const study = (changes: Partial<ReturnType<typeof spec>['search']> = {}) =>
    new Harness(
      spec({
        checkpoint: scheduler === 'pbt' ? { dir: 'c' } : null,
        fidelity: fidelity(1, 9),
        search: { scheduler, parallel: 3, ...changes },
        budget: { trials: 12 },
      }),
    );

  test('every trial that failed is retried after the end, and no trial is left or created', () => {
    const h = study();
    // Of the trials that run, those with an odd number fail.
    for (let round = 0; h.state.live.size > 0 && round < 200; round++) {
      for (const { number, attempt, target } of Array.from(h.state.live.values())) {
        if (number % 2 === 1) h.see(metric(number, attempt, 1, { loss: -number }), ended(number, attempt, failed));
        else {
          for (let step = 1; step <= (target ?? 1); step++) h.see(metric(number, attempt, step, { loss: number + 1 / step }));
          h.see(ended(number, attempt, h.state.live.get(number)?.stopReason == null ? {} : killed));
        }
      }
    }
    expect(h.state.view.state).toBe('ended');
    const nTrials = h.state.view.trials.length;
    const numbers = h.state.view.trials.filter(({ state }) => state === 'failed').map(({ number }) => number);
    expect(numbers.length).toBeGreaterThan(2);
    for (const number of numbers) h.command({ type: 'retry', number });
    finish(h, (number, step) => number + 1 / step);
    expect(h.state.view.state).toBe('ended');
    expect(h.state.view.trials).toHaveLength(nTrials);
    for (const { state } of h.state.view.trials) expect(['complete', 'pruned']).toContain(state);
    expect(h.state.latest.size + h.state.waiting.size + h.state.paused.size + h.state.live.size).toBe(0);
    expect(replay(h.journal)).toEqual(h.state);
  });

  test('retried while the study runs, it is compared as if it had not failed', () => {
    const h = study({ parallel: 1 });
    const straight = study({ parallel: 1 });
    // Trial 2 fails at once and is retried before anything else is decided.
    const run = (one: Harness, failing: number | null) => {
      for (let round = 0; one.state.live.size > 0 && round < 200; round++) {
        for (const { number, attempt, target } of Array.from(one.state.live.values())) {
          if (number === failing && attempt === 1) {
            one.record([
              {
                type: 'attemptEnded',
                at: one.now,
                number,
                attempt,
                exitCode: 1,
                signal: null,
                failure: { kind: 'userError', code: 'HPO-3001', message: 'x' },
              },
              {
                type: 'trialEnded',
                at: one.now,
                number,
                state: 'failed',
                values: {},
                failure: { kind: 'userError', code: 'HPO-3001', message: 'x' },
              },
            ]);
            one.command({ type: 'retry', number });
            continue;
          }
          for (let step = 1; step <= (target ?? 1); step++) one.see(metric(number, attempt, step, { loss: number + 1 / step }));
          one.see(ended(number, attempt, one.state.live.get(number)?.stopReason == null ? {} : killed));
        }
      }
    };
    run(h, 2);
    run(straight, null);
    expect(h.states()).toBe(straight.states());
    expect(h.state.view.trials.map(({ resource }) => resource)).toEqual(
      straight.state.view.trials.map(({ resource }) => resource),
    );
  });
});
