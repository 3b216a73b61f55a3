import { describe, expect, test } from 'vitest';
import { decide, intents, observe, pointOf } from '../../../../agent/core/study/index.ts';
import { ended, fidelity, Harness, metric, parameter, spec } from './harness.ts';

describe('a study without a fidelity', () => {
  test('trial 0 has the values of the script, the others are sampled, and the study ends with its trials', () => {
    const h = new Harness(spec({ budget: { trials: 3 } }));
    for (const loss of [0.5, 0.2, 0.9]) h.run(h.state.view.trials.length - 1, loss);
    expect(h.states()).toBe('complete complete complete');
    expect(h.state.view.trials.map((trial) => trial.origin)).toEqual(['default', 'sampler', 'sampler']);
    expect(h.state.view.trials[0]?.params).toEqual({ lr: 0.01 });
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'budget', incumbent: 1, message: 'All 3 trials are done.' });
    expect(h.story().at(-1)).toBe('studyEnded budget');
  });

  test('without a default there is no baseline', () => {
    const space = {
      parameters: [parameter('n', { type: 'int', low: 1, high: 5, log: false, revlog: false, step: null })],
      where: [],
    };
    const h = new Harness(spec({ space }));
    expect(h.state.view.trials[0]).toMatchObject({ origin: 'sampler', number: 0 });
  });

  test('as many run at once as asked for, in the lowest free slots', () => {
    const h = new Harness(spec({ search: { parallel: 3 } }));
    const slots = () => [...h.state.live.values()].map(({ number, slot }) => [number, slot]);
    expect(slots()).toEqual([
      [0, 0],
      [1, 1],
      [2, 2],
    ]);
    h.run(1, 0.3);
    expect(slots()).toEqual([
      [0, 0],
      [2, 2],
      [3, 1],
    ]);
  });

  test('without capacity nothing starts, and nothing ends either', () => {
    const h = new Harness(spec());
    h.hasCapacity = false;
    h.run(0, 0.3);
    expect(h.story().at(-1)).toBe('trialEnded 0 complete');
    h.hasCapacity = true;
    h.decide();
    expect(h.story().at(-1)).toBe('attemptRequested 1.1');
  });

  test('the last report counts, of every objective and every metric that a constraint reads', () => {
    const objectives = [
      { metric: 'loss', direction: 'min', goal: null },
      { metric: 'acc', direction: 'max', goal: null },
    ] as const;
    const h = new Harness(spec({ objectives, constraints: ['latency <= 20'] }));
    h.see(
      metric(0, 1, 1, { loss: 3, latency: 30 }),
      { ...metric(0, 1, 1, { acc: 0.5, other: 1 }), cursor: { out: 1, metrics: 1 } },
      { ...metric(0, 1, 2, { loss: 1 }), cursor: { out: 2, metrics: 1 } },
      { ...metric(0, 1, 2, { latency: 20 }), cursor: { out: 3, metrics: 1 } },
      ended(0, 1),
    );
    expect(h.state.view.trials[0]).toMatchObject({ state: 'complete', values: { loss: 1, acc: 0.5, latency: 20 } });
    expect(h.state.view.incumbent).toBeNull();
  });

  test.each([
    ['the same bytes again', { out: 20 }, 0],
    ['bytes before them, late', { out: 10 }, 0],
    ['one stream farther, the other back', { out: 10, metrics: 5 }, 0],
    ['the same step, printed again', { out: 30 }, 1],
    ['the same step from another stream', { out: 20, metrics: 5 }, 1],
  ])('a report counts once: %s', (_, cursor, more) => {
    const h = new Harness(spec());
    const report = metric(0, 1, 7, { loss: 3 });
    h.see({ ...report, cursor: { out: 20 } }, { ...report, cursor });
    expect(h.state.view.trials[0]?.curve).toHaveLength(1 + more);
    expect(h.replay()).toEqual(h.state);
  });

  test.each([
    ['kept', { latency: 20 }, 'complete'],
    ['violated', { latency: 20.1 }, 'infeasible'],
    ['NaN violates', { latency: 'nan' }, 'infeasible'],
    ['infinite', { latency: '-inf' }, 'complete'],
    ['never reported', {}, 'failed'],
  ] as const)('a constraint on a metric: %s', (_name, values, state) => {
    const h = new Harness(spec({ constraints: ['latency <= 20'] }));
    h.see(metric(0, 1, 1, { loss: 1, ...values }), ended(0, 1));
    expect(h.state.view.trials[0]?.state).toBe(state);
    expect(h.state.view.incumbent).toBe(state === 'complete' ? 0 : null);
  });

  test.each([
    ['min', 0.1, [0.3, 0.1], 1],
    ['max', 0.9, [0.3, 0.95], 1],
  ] as const)('reaching the goal (%s %d) ends it and what runs', (direction, goal, losses, winner) => {
    const h = new Harness(spec({ objectives: [{ metric: 'loss', direction, goal }], search: { parallel: 3 } }));
    h.run(0, losses[0]);
    h.see(metric(2, 1, 1, { loss: 0.5 }));
    h.run(1, losses[1]);
    expect(h.state.view.state).toBe('stopping');
    for (const number of h.state.live.keys()) h.see(ended(number, 1, { exitCode: null, signal: 'SIGTERM' }));
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'goal', incumbent: winner });
    expect(h.states()).toBe('complete complete pruned cancelled');
    expect(h.state.view.message).toContain(`Trial ${winner} reached the goal: loss`);
  });

  test('a space with no point left ends it as exhausted', () => {
    const space = { parameters: [parameter('flag', { type: 'categorical', choices: [false, true] }, true)], where: [] };
    const h = new Harness(spec({ space }));
    h.run(0, 1);
    h.run(1, 2);
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'exhausted', incumbent: 0 });
    expect(h.state.view.trials.map((trial) => trial.params)).toEqual([{ flag: true }, { flag: false }]);
  });

  test('the same seed and results give the same points, another seed others', () => {
    const paramsOf = (seed: number) => {
      const h = new Harness(spec({ search: { seed, sampler: 'tpe' }, budget: { trials: 25 } }));
      for (let number = 0; number < 25; number++) h.run(number, Number(h.state.view.trials[number]?.params['lr']));
      return h.state.view.trials.map((trial) => trial.params);
    };
    expect(paramsOf(3)).toEqual(paramsOf(3));
    expect(paramsOf(3).slice(1)).not.toEqual(paramsOf(4).slice(1));
  });
});

describe('what the world is asked for', () => {
  test('intents say what should be true until it is', () => {
    const h = new Harness(spec());
    expect(intents(h.state)).toEqual([{ type: 'startAttempt', number: 0, attempt: 1, target: null }]);
    h.see({ type: 'started', number: 0, attempt: 1, pid: 9 });
    expect(intents(h.state)).toEqual([]);
    h.command({ type: 'stop' });
    expect(intents(h.state)).toEqual([{ type: 'stopAttempt', number: 0, attempt: 1 }]);
    expect(intents(h.replay())).toEqual(intents(h.state));
  });

  test('a trial keeps its seed over its attempts, and has another than its neighbour', () => {
    const h = new Harness(spec({ search: { parallel: 2 } }));
    const before = pointOf(h.state, 0);
    h.see(ended(0, 1, { isLost: true }));
    h.wait(1_000);
    expect(pointOf(h.state, 0)).toEqual(before);
    expect(pointOf(h.state, 1).seed).not.toBe(before.seed);
    expect(Number.isInteger(before.seed) && before.seed >= 0 && before.seed < 2 ** 31).toBe(true);
  });
});

describe('what was seen too late, twice, or of another attempt comes to nothing', () => {
  const rows: readonly [string, (h: Harness) => void][] = [
    ['a second start', (h) => h.see({ type: 'started', number: 0, attempt: 1, pid: 1 })],
    ['a metric of an older attempt', (h) => h.see(metric(0, 0, 1, { loss: 1 }))],
    ['a metric of an attempt to come', (h) => h.see(metric(0, 2, 1, { loss: 1 }))],
    ['an end of another attempt', (h) => h.see(ended(0, 2))],
    ['anything of a trial that is not there', (h) => h.see(ended(77, 1), metric(77, 1, 1, { loss: 1 }))],
  ];
  test.each(rows)('%s', (_name, act) => {
    const h = new Harness(spec());
    h.see({ type: 'started', number: 0, attempt: 1, pid: 1 });
    const before = h.journal.length;
    act(h);
    expect(h.story(before)).toEqual([]);
  });

  test('after the end', () => {
    const h = new Harness(spec({ budget: { trials: 1 } }));
    h.run(0, 0.5);
    const before = h.journal.length;
    h.see(metric(0, 1, 2, { loss: 0 }), ended(0, 1), ended(0, 1, { exitCode: 1 }), {
      type: 'started',
      number: 0,
      attempt: 1,
      pid: 1,
    });
    expect(h.story(before)).toEqual([]);
  });

  test('a start that is seen after the stop does not undo the stop', () => {
    const h = new Harness(spec());
    h.command({ type: 'stop' });
    h.see({ type: 'started', number: 0, attempt: 1, pid: 1 });
    expect(intents(h.state)).toEqual([{ type: 'stopAttempt', number: 0, attempt: 1 }]);
  });
});

describe('asha-stop', () => {
  const staged = () =>
    new Harness(spec({ fidelity: fidelity(1, 9), search: { parallel: 4, scheduler: 'asha-stop' }, budget: { trials: 5 } }));

  test('the worst at a rung is stopped, and nothing it reports later counts', () => {
    const h = staged();
    h.see(...[1, 2].map((number) => metric(number, 1, 1, { loss: number })), metric(3, 1, 1, { loss: 3 }));
    expect(h.story().at(-1)).toBe('attemptStopRequested 3.1 pruned');
    const before = h.journal.length;
    h.see(metric(3, 1, 2, { loss: 0 }), metric(3, 1, 3, { loss: 0 }));
    expect(h.story(before)).toEqual([]);
    h.see(ended(3, 1, { exitCode: null, signal: 'SIGTERM' }));
    expect(h.story(before)).toEqual(['attemptEnded 3.1', 'trialEnded 3 pruned', 'trialCreated 4', 'attemptRequested 4.1 to 9']);
    expect(h.state.view.trials[3]).toMatchObject({ values: { loss: 3 }, resource: 1, failure: null });
  });

  test('several undecided reports in one group are all decided', () => {
    const h = staged();
    for (const number of [1, 2]) h.see(metric(number, 1, 1, { loss: 0 }));
    h.record(
      [0, 3].map((number) => ({
        type: 'metricReported',
        at: h.now,
        number,
        attempt: 1,
        step: 1,
        values: { loss: 9 },
        cursor: { out: 1, metrics: 0 },
      })),
    );
    expect(decide(h.state, { now: h.now, hasCapacity: true }).map((event) => event.type)).toEqual(['attemptStopRequested']);
  });

  test('reports of one group that go on to the full resource leave nothing to stop', () => {
    const h = staged();
    for (const number of [1, 2]) h.see(metric(number, 1, 1, { loss: 0 }));
    const reports = [1, 3, 9].flatMap((step) => observe(h.state, metric(3, 1, step, { loss: 9 }), h.now));
    h.record(reports.slice(0, 2));
    expect([...h.state.stopWanted]).toEqual([3]);
    h.record(reports.slice(2));
    h.decide();
    expect(h.story().at(-1)).toBe('metricReported 3.1');
    h.see(ended(3, 1));
    expect(h.state.view.trials[3]).toMatchObject({ state: 'complete', values: { loss: 9 }, resource: 9 });
  });

  test.each([
    ['by itself', 9, { exitCode: 0 }, 'complete'],
    ['by the signal', 9, { exitCode: null, signal: 'SIGTERM' }, 'pruned'],
    ['with an error on the signal', 9, { exitCode: 1 }, 'pruned'],
    ['by itself, before the full resource', 8, { exitCode: 0 }, 'pruned'],
  ] as const)('a stop that comes after the last report, and it ended %s (%i epochs)', (_name, step, ending, state) => {
    const h = staged();
    h.see(metric(3, 1, step, { loss: 9 }));
    const why = { why: 'pruned', message: '' } as const;
    h.record([{ type: 'attemptStopRequested', at: h.now, number: 3, attempt: 1, ...why }]);
    h.see(ended(3, 1, ending));
    expect(h.state.view.trials[3]).toMatchObject({ state, values: { loss: 9 }, failure: null });
    expect(h.replay()).toEqual(h.state);
  });

  test.each([
    ['user', { type: 'stopTrial', trial: 0 }, 'cancelled'],
    ['studyStopped', { type: 'stop' }, 'cancelled'],
  ] as const)('the same for a stop by %s', (_why, asked, otherwise) => {
    for (const [ending, state] of [
      [{}, 'complete'],
      [{ exitCode: null, signal: 'SIGTERM' }, otherwise],
    ] as const) {
      const h = staged();
      h.see(metric(0, 1, 9, { loss: 1 }));
      h.command(asked);
      h.see(ended(0, 1, ending));
      expect(h.state.view.trials[0]?.state).toBe(state);
    }
  });

  test('a metric that a constraint needs and that came after the stop is no failure', () => {
    const h = new Harness(spec({ fidelity: fidelity(1, 9), constraints: ['latency <= 20'], search: { scheduler: 'asha-stop' } }));
    h.see(metric(0, 1, 9, { loss: 1 }));
    h.command({ type: 'stopTrial', trial: 0 });
    h.see(metric(0, 1, 9, { latency: 1 }), ended(0, 1));
    expect(h.state.view.trials[0]).toMatchObject({ state: 'cancelled', failure: null });
  });

  test('the baseline goes through, however bad', () => {
    const h = staged();
    for (const number of [1, 2, 3]) h.see(metric(number, 1, 1, { loss: 0 }));
    for (let step = 1; step <= 9; step++) h.see(metric(0, 1, step, { loss: 100 }));
    h.see(ended(0, 1));
    expect(h.state.view.trials[0]).toMatchObject({ state: 'complete', values: { loss: 100 }, resource: 9 });
  });

  test('a script that stops early of its own accord is complete', () => {
    const h = staged();
    h.see(...[1, 2, 3, 4].map((step) => metric(0, 1, step, { loss: 1 })), ended(0, 1));
    expect(h.state.view.trials[0]).toMatchObject({ state: 'complete', resource: 4 });
    expect(h.state.spent).toBe(4);
  });
});

describe('asha-promote', () => {
  const staged = (changes: Parameters<typeof spec>[0] = {}) =>
    new Harness(
      spec({
        fidelity: fidelity(1, 9),
        checkpoint: { dir: 'ckpt' },
        budget: { trials: 4 },
        ...changes,
        search: { scheduler: 'asha-promote', ...changes.search },
      }),
    );
  /** Trains the live attempt of a trial to its target. */
  const train = (h: Harness, number: number, loss: number) => {
    const live = h.state.live.get(number);
    if (live === undefined) throw new Error(`trial ${number} does not run: ${h.states()}`);
    for (let step = live.base + 1; step <= (live.target ?? 0); step++) h.see(metric(number, live.attempt, step, { loss }));
    h.see(ended(number, live.attempt));
  };

  test('paused at the rung, promoted, complete at the end; the rest is pruned', () => {
    const h = staged();
    train(h, 0, 5);
    for (const number of [1, 2, 3]) train(h, number, number);
    const before = h.journal.length;
    train(h, 1, 1);
    train(h, 1, 1);
    expect(h.story(before).filter((line) => !line.startsWith('metric'))).toEqual([
      'attemptEnded 1.2',
      'trialPaused 1',
      'trialPromoted 1',
      'attemptRequested 1.3 to 9',
      'attemptEnded 1.3',
      'trialEnded 1 complete',
      'trialEnded 2 pruned',
      'trialEnded 3 pruned',
      'studyEnded budget',
    ]);
    expect(h.states()).toBe('complete complete pruned pruned');
    expect(h.state.view.trials[2]?.values).toEqual({ loss: 2 });
    expect(h.state.view.incumbent).toBe(1);
    expect(h.state.spent).toBe(9 + 1 + 2 + 6 + 1 + 1);
  });

  test.each([
    ['one report tells the result', [[1, 1]], 'paused', 3],
    [
      'counting from 0',
      [
        [1, 1],
        [2, 1],
      ],
      'paused',
      3,
    ],
    ['every second step', [[2, 1]], 'paused', 3],
    [
      'beyond the target',
      [
        [1, 1],
        [3, 1],
        [4, 1],
      ],
      'paused',
      4,
    ],
    [
      'early by itself',
      [
        [1, 1],
        [2, 1],
        [3, 1],
        [4, 1],
      ],
      'complete',
      4,
    ],
  ] as const)('has an attempt reached its target? %s', (name, reports, state, resource) => {
    const h = staged({ fidelity: fidelity(name === 'early by itself' ? 7 : 3, 21) });
    train(h, 0, 5);
    h.see(...reports.map(([step, loss]) => metric(1, 1, step, { loss })), ended(1, 1));
    expect(h.state.view.trials[1]).toMatchObject({ state, resource });
  });

  test('without a checkpoint each promotion starts from the beginning, and only its own reports count', () => {
    const h = staged({ checkpoint: null });
    train(h, 0, 5);
    for (const number of [1, 2, 3]) train(h, number, number);
    expect(h.state.live.get(1)).toMatchObject({ attempt: 2, base: 0, target: 3 });
    h.see(ended(1, 2));
    expect(h.state.view.trials[1]).toMatchObject({ state: 'failed', failure: { code: 'HPO-3003' } });
  });

  test('a rung value that is NaN fails the trial', () => {
    const h = staged();
    train(h, 0, 5);
    h.see(metric(1, 1, 1, { loss: 'nan' }), ended(1, 1));
    expect(h.state.view.trials[1]).toMatchObject({ state: 'failed', failure: { kind: 'badMetric', code: 'HPO-3004' } });
  });
});
