import { describe, expect, test } from 'vitest';
import type { SamplerContext } from '../../../../agent/core/samplers/index.ts';
import type { Scheduler } from '../../../../agent/core/schedulers/index.ts';
import { createStudy, decide, nextContext, type Proposed } from '../../../../agent/core/study/index.ts';
import type { StudyEvent } from '../../../../agent/protocol/events.ts';
import type { Params } from '../../../../agent/protocol/space.ts';
import type { MetricValue, PriorTrial, StudySpec } from '../../../../agent/protocol/study.ts';
import { ended, fidelity, Harness, metric, parameter, spec } from './harness.ts';

const checkpoint = { dir: 'ckpt' };

/** Lets a study's scheduler say what the test wants of it. */
function withScheduler(h: Harness, changes: Partial<Scheduler>): void {
  Object.assign(h.state.scheduler, changes);
}

const created = (h: Harness): readonly Extract<StudyEvent, { type: 'trialCreated' }>[] =>
  h.journal.flatMap(({ event }) => (event.type === 'trialCreated' ? [event] : []));

describe('a scheduler that lets wait', () => {
  test('is asked again after each event, and nothing starts before', () => {
    const h = new Harness(spec({ search: { parallel: 2 }, fidelity: fidelity(1, 9) }));
    withScheduler(h, { nextTrial: () => ({ type: 'wait' }) });
    expect(h.state.live.size).toBe(2);
    h.run(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    expect(h.states()).toBe('complete running');
    withScheduler(h, { nextTrial: () => ({ type: 'trial', target: 9 }) });
    h.see(metric(1, 1, 1, { loss: 1 }));
    expect(h.states()).toBe('complete running running');
  });

  test('with nothing live and nothing to promote, the study ends', () => {
    const h = new Harness(spec({ fidelity: fidelity(1, 9), search: { scheduler: 'asha-promote' } }));
    withScheduler(h, { nextTrial: () => ({ type: 'wait' }) });
    h.run(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    expect(h.state.view).toMatchObject({
      state: 'ended',
      endReason: 'exhausted',
      message: expect.stringMatching(/plan of the scheduler/),
    });
  });

  test('what it then promotes goes on first', () => {
    const h = new Harness(spec({ fidelity: fidelity(1, 9), search: { scheduler: 'asha-promote', seed: 1 } }));
    h.run(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    withScheduler(h, { nextTrial: () => ({ type: 'wait' }) });
    h.run(1, 1);
    expect(h.story().slice(-2)).toEqual(['trialPromoted 1', 'attemptRequested 1.2 to 3']);
    h.run(1, 1, 1, 1);
    h.run(1, 1, 1, 1, 1, 1, 1, 1, 1, 1);
    expect(h.states()).toBe('complete complete');
    expect(h.state.view.state).toBe('ended');
  });
});

describe('a fork', () => {
  const forked = (changes: { readonly checkpoint: StudySpec['checkpoint'] }): Harness => {
    const h = new Harness(
      spec({ fidelity: fidelity(1, 9), search: { parallel: 2, scheduler: 'none' }, budget: { resource: 100 }, ...changes }),
    );
    h.see(metric(1, 1, 3, { loss: 0.5 }));
    withScheduler(h, { nextTrial: () => ({ type: 'fork', parent: 1, target: 9 }) });
    h.run(0, 1, 2, 3, 4, 5, 6, 7, 8, 9);
    return h;
  };

  test('has changed values of its parent, says so, and goes on from where the parent stands', () => {
    const h = forked({ checkpoint });
    const [, parent, fork] = h.state.view.trials;
    expect(fork).toMatchObject({ parent: 1, origin: 'sampler', resource: 3, target: 9 });
    expect(fork?.reason).toMatch(/Trial 1/);
    expect(fork?.params).not.toEqual(parent?.params);
    expect(h.state.space.isValid(fork?.params ?? {})).toBe(true);
    expect(h.state.live.get(2)).toMatchObject({ base: 3 });
    // The baseline is done, the parent may still take 9 and the fork 6.
    expect(h.state.spent + h.state.reserved).toBe(9 + 9 + 6);
    expect(h.replay()).toEqual(h.state);
  });

  test('its curve holds only what was measured with its own values', () => {
    const h = forked({ checkpoint });
    expect(h.state.history.at(2).curve).toEqual([NaN, NaN]);
    h.see(metric(2, 1, 4, { loss: 0.4 }));
    expect(h.state.history.at(2)).toMatchObject({ curve: [NaN, NaN], values: [0.4], resource: 4 });
    h.see(metric(2, 1, 9, { loss: 0.3 }), ended(2, 1));
    expect(h.state.history.at(2)).toMatchObject({ state: 'complete', curve: [NaN, NaN, 0.3] });
    expect(h.state.spent).toBe(9 + 6);
  });

  test('that had to begin afresh pays for all its steps', () => {
    const h = forked({ checkpoint });
    for (let step = 1; step <= 9; step++) h.see(metric(2, 1, step, { loss: 1 / step }));
    h.see(ended(2, 1));
    expect(h.state.spent).toBe(9 + 9);
  });

  test('begins at the beginning where the script keeps no checkpoint', () => {
    const h = forked({ checkpoint: null });
    expect(h.state.view.trials[2]).toMatchObject({ parent: 1, resource: 0 });
    expect(h.state.live.get(2)).toMatchObject({ base: 0 });
    expect(h.state.history.at(2).curve).toEqual([]);
  });

  test('the same seed and number give the same fork', () => {
    expect(forked({ checkpoint }).state.view.trials[2]?.params).toEqual(forked({ checkpoint }).state.view.trials[2]?.params);
  });
});

describe('what is observed of a trial', () => {
  const levels = fidelity(1, 27);
  const reports = (...steps: readonly (readonly [number, MetricValue])[]): Harness => {
    const h = new Harness(spec({ fidelity: levels, search: { parallel: 2, scheduler: 'none' } }));
    for (const [step, loss] of steps) h.see(metric(1, 1, step, { loss }));
    return h;
  };

  test.each<[string, readonly (readonly [number, MetricValue])[], readonly number[]]>([
    ['nothing yet', [], []],
    [
      'each level in turn',
      [
        [1, 0.9],
        [2, 0.8],
        [3, 0.7],
        [9, 0.5],
      ],
      [0.9, 0.7, 0.5],
    ],
    [
      'the first report at or beyond a level counts',
      [
        [2, 0.8],
        [4, 0.6],
        [6, 0.5],
      ],
      [0.8, 0.6],
    ],
    ['beyond several levels: the highest only', [[10, 0.5]], [NaN, NaN, 0.5]],
    [
      'a repeated or late report changes nothing',
      [
        [3, 0.7],
        [3, 0.1],
        [1, 0.2],
      ],
      [NaN, 0.7],
    ],
    [
      'NaN is not known',
      [
        [1, 'nan'],
        [3, 0.7],
      ],
      [NaN, 0.7],
    ],
    ['infinite', [[1, 'inf']], [Infinity]],
  ])('curve: %s', (_, steps, curve) => {
    const h = reports(...steps);
    expect(h.state.history.at(1)).toMatchObject({ state: 'pending', curve });
    expect(h.replay()).toEqual(h.state);
  });

  test('the curve stays when the trial is pruned, and when it completes', () => {
    const h = reports([1, 0.9], [3, 0.7]);
    h.see(ended(1, 1, { isLost: true, exitCode: null }));
    h.run(0, ...Array.from({ length: 27 }, (_, i) => 1 / (i + 1)));
    expect(h.state.history.at(0)).toMatchObject({ state: 'complete', curve: [1, 1 / 3, 1 / 9, 1 / 27] });
    h.command({ type: 'stopTrial', trial: 1 });
    expect(h.state.history.at(1)).toMatchObject({ state: 'pruned', curve: [0.9, 0.7] });
    expect(h.state.curves.has(1)).toBe(false);
  });

  test('without a fidelity there is no curve', () => {
    const h = new Harness(spec());
    h.run(0, 1);
    expect(h.state.history.at(0)).not.toHaveProperty('curve');
  });

  test.each([checkpoint, null])('a promoted trial stays what it was until it gets farther, checkpoint %j', (given) => {
    const h = new Harness(
      spec({ fidelity: fidelity(1, 9), checkpoint: given, search: { scheduler: 'asha-promote' }, budget: { trials: 8 } }),
    );
    for (let step = 1; step <= 9; step++) h.see(metric(0, 1, step, { loss: 1 }));
    h.see(ended(0, 1));
    while (h.story().every((line) => !line.startsWith('trialPromoted'))) {
      const [number = NaN] = h.state.live.keys();
      h.run(number, number);
    }
    const [number = NaN] = h.state.live.keys();
    const before = h.state.history.at(number);
    expect(before).toMatchObject({ state: 'pending', values: [number], curve: [number], resource: 1 });
    const first = given === null ? 1 : 2;
    if (given === null) h.see(metric(number, 2, first, { loss: 99 }));
    expect(h.state.history.at(number)).toEqual({ ...before, values: [given === null ? 99 : number] });
    h.see(metric(number, 2, 3, { loss: 0.1 }));
    expect(h.state.history.at(number)).toMatchObject({ state: 'pending', values: [0.1], curve: [number, 0.1], resource: 3 });
  });

  test('constraints: how far they are violated, of trials that were measured to the end', () => {
    const h = new Harness(spec({ constraints: ['latency <= 10', 'loss < 5 and lr < 2'], search: { parallel: 3 } }));
    expect(h.state.history.at(0)).toMatchObject({ state: 'pending', violations: [NaN, NaN] });
    const run = (number: number, values: Record<string, MetricValue>): void =>
      h.see(metric(number, 1, 1, values), ended(number, 1));
    run(0, { loss: 1, latency: 4 });
    expect(h.state.history.at(0)).toMatchObject({ state: 'complete', violations: [-6, expect.any(Number)] });
    run(1, { loss: 7, latency: 12.5 });
    expect(h.state.history.at(1)).toMatchObject({ state: 'infeasible', violations: [2.5, 2] });
    h.see(ended(2, 1, { exitCode: 1 }));
    expect(h.state.history.at(2)).toMatchObject({ state: 'failed', violations: [NaN, NaN] });
  });

  test('how long trials take on average, over all their attempts', () => {
    const h = new Harness(spec());
    expect(nextContext(h.state)?.trialMs).toBeNull();
    h.see({ type: 'started', number: 0, attempt: 1, pid: 1 });
    h.wait(100);
    h.see(ended(0, 1, { isPreempted: true, exitCode: null }));
    h.see({ type: 'started', number: 0, attempt: 2, pid: 1 }, metric(0, 2, 1, { loss: 1 }));
    h.wait(50);
    h.see(ended(0, 2));
    expect(nextContext(h.state)).toMatchObject({ trialMs: 150, parallel: 1, number: 2 });
    h.see({ type: 'started', number: 1, attempt: 1, pid: 1 });
    h.wait(50);
    h.see(ended(1, 1, { exitCode: 1 }));
    expect(h.state.trialMs).toBe(100);
  });
});

const lr = { ...parameter('lr', { type: 'float', low: 1e-4, high: 1, log: true, revlog: false, step: null }, 0.01) };
const depth = parameter('depth', { type: 'int', low: 2, high: 10, log: false, revlog: false, step: 2 }, 4);
const kind = parameter('kind', { type: 'categorical', choices: ['adam', 'sgd', 3, true, null] }, 'adam');
const momentum = {
  ...parameter('momentum', { type: 'float', low: 0, high: 1, log: false, revlog: false, step: null }),
  when: 'kind == "sgd"',
};
const space = { parameters: [lr, depth, kind, momentum], where: ['lr * depth < 5'] };

describe('points of the user', () => {
  test('come right after the script’s own values, each once, and count in the budget', () => {
    const points: readonly Params[] = [{ lr: 0.1 }, { depth: 4 }, { lr: 0.1, depth: 4 }, { kind: 'sgd', momentum: 0.5 }];
    const h = new Harness(spec({ space, search: { points }, budget: { trials: 4 } }));
    while (h.state.live.size > 0) h.run([...h.state.live.keys()][0] ?? NaN, 1);
    expect(created(h).map(({ origin }) => origin)).toEqual(['default', 'user', 'user', 'sampler']);
    expect(
      created(h)
        .slice(0, 3)
        .map(({ params }) => params),
    ).toEqual([
      { lr: 0.01, depth: 4, kind: 'adam' },
      { lr: 0.1, depth: 4, kind: 'adam' },
      { lr: 0.01, depth: 4, kind: 'sgd', momentum: 0.5 },
    ]);
    expect(h.replay()).toEqual(h.state);
  });

  test.each<[string, Params, Params | string]>([
    ['a whole point', { lr: 0.5, depth: 6, kind: 'sgd', momentum: 1 }, { lr: 0.5, depth: 6, kind: 'sgd', momentum: 1 }],
    ['an inactive value is dropped', { momentum: 0.5 }, { lr: 0.01, depth: 4, kind: 'adam' }],
    ['a number between two steps', { depth: 7 }, { lr: 0.01, depth: 8, kind: 'adam' }],
    ['a choice as text', { kind: '3' }, { lr: 0.01, depth: 4, kind: 3 }],
    ['a choice in the words of Python', { kind: 'True' }, { lr: 0.01, depth: 4, kind: true }],
    ['None', { kind: 'None' }, { lr: 0.01, depth: 4, kind: null }],
    ['an unknown name', { rate: 1 }, 'HPO-4306'],
    ['beyond the range', { lr: 2 }, 'HPO-4307'],
    ['no number', { lr: 'much' }, 'HPO-4307'],
    ['NaN', { lr: NaN }, 'HPO-4307'],
    ['no whole number', { depth: 2.5 }, 'HPO-4307'],
    ['no choice', { kind: 'adagrad' }, 'HPO-4307'],
    ['a value that nobody gives', { kind: 'sgd' }, 'HPO-4308'],
    ['where', { lr: 1, depth: 10 }, 'HPO-4309'],
  ])('%s', (_, given, expected) => {
    const make = (): Harness =>
      new Harness(
        spec({
          space: { parameters: space.parameters.map((p) => (p === kind ? { ...p, default: 'adam' } : p)), where: space.where },
          search: { points: [given] },
        }),
      );
    if (typeof expected === 'string') expect(make).toThrow(expect.objectContaining({ code: expected, exitCode: 2 }));
    else expect([...make().state.points.values(), ...created(make()).map(({ params }) => params)]).toContainEqual(expected);
  });

  test('may be enqueued while the study runs', () => {
    const h = new Harness(spec({ space, budget: { trials: 4 } }));
    h.command({ type: 'enqueue', params: { lr: 0.2 } });
    expect([...h.state.points.values()]).toEqual([{ lr: 0.2, depth: 4, kind: 'adam' }]);
    const length = h.journal.length;
    h.command({ type: 'enqueue', params: { lr: 0.2 } });
    expect(h.journal).toHaveLength(length);
    h.run(0, 1);
    expect(created(h).at(-1)).toMatchObject({
      origin: 'user',
      params: { lr: 0.2, depth: 4, kind: 'adam' },
      reason: expect.stringMatching(/user/),
    });
    expect(h.state.points.size).toBe(0);
    expect(() => h.command({ type: 'enqueue', params: { lr: 0.2 } })).toThrow(/HPO-4310: Trial 1/);
    expect(() => h.command({ type: 'enqueue', params: { lr: 9 } })).toThrow(expect.objectContaining({ code: 'HPO-4307' }));
    h.command({ type: 'enqueue', params: { lr: 0.3 } });
    h.command({ type: 'enqueue', params: { lr: 0.4 } });
    expect(() => h.command({ type: 'enqueue', params: { lr: 0.5 } })).toThrow(/HPO-4311/);
    expect(h.replay()).toEqual(h.state);
    h.command({ type: 'stop' });
    expect(() => h.command({ type: 'enqueue', params: { lr: 0.6 } })).toThrow(/HPO-4301/);
  });

  test('one that the sampler finds first is tried once', () => {
    const h = new Harness(spec({ space: { parameters: [kind], where: [] }, search: { parallel: 2 }, budget: { trials: 9 } }));
    for (const choice of ['adam', 'sgd', '3', 'true', 'null']) {
      const known = h.state.view.trials.some(({ params }) => JSON.stringify(params['kind']).replaceAll('"', '') === choice);
      if (!known) h.command({ type: 'enqueue', params: { kind: choice } });
    }
    while (h.state.live.size > 0) h.run([...h.state.live.keys()][0] ?? NaN, 1);
    expect(h.state.view.trials).toHaveLength(5);
    expect(h.state.view.endReason).toBe('exhausted');
  });
});

test('earlier results are told to the sampler; those that are no points of the space are left out', () => {
  const prior: readonly PriorTrial[] = [
    { params: { lr: 0.1 }, state: 'complete', values: { loss: 1, latency: 12 }, resource: null },
    { params: { lr: 0.2 }, state: 'pruned', values: { loss: 2 }, resource: 4 },
    { params: { lr: 7 }, state: 'complete', values: { loss: 2 }, resource: 4 },
    { params: { rate: 7 }, state: 'failed', values: {}, resource: 4 },
    { params: { lr: 0.2 }, state: 'failed', values: { loss: 'nan' }, resource: 0 },
  ];
  const { state } = new Harness(spec({ fidelity: fidelity(1, 9), constraints: ['latency <= 10'], search: { prior } }));
  expect(state.base.nPriorSkipped).toBe(2);
  expect(nextContext(state)?.prior?.toJSON()).toEqual([
    { number: 0, params: { lr: 0.1 }, state: 'complete', values: [1], resource: 9, curve: ['nan', 'nan', 1], violations: [2] },
    { number: 1, params: { lr: 0.2 }, state: 'pruned', values: [2], resource: 4, curve: ['nan', 2], violations: ['nan'] },
    { number: 2, params: { lr: 0.2 }, state: 'failed', values: ['nan'], resource: 0, curve: [], violations: ['nan'] },
  ]);
  expect(new Harness(spec()).state.base.prior).toBeNull();
});

describe('a proposal that is on its way', () => {
  const open = (studySpec: StudySpec): Harness => new Harness(studySpec);

  test('holds back its slot alone: promotions, stops and the end go on', () => {
    const entry = open(spec()).journal[0];
    if (entry === undefined) throw new Error('no entry');
    const state = createStudy(entry);
    const asked: SamplerContext[] = [];
    const propose = (context: SamplerContext): Proposed | null => {
      asked.push(context);
      return null;
    };
    // The script's own values need no sampler.
    expect(decide(state, { now: 1, hasCapacity: true, propose }).map(({ type }) => type)).toEqual([
      'trialCreated',
      'attemptRequested',
    ]);
    expect(asked).toEqual([]);
  });

  test('starts nothing and does not end the study; then it is recorded with what it knew', () => {
    const h = open(spec());
    h.run(0, 1);
    // Trial 1 runs; from here on proposals come late.
    const answers: (Proposed | null)[] = [null, null, { type: 'point', params: { lr: 0.5 }, reason: 'late', basedOn: 3 }];
    h.propose = () => answers.shift() ?? null;
    h.run(1, 1);
    expect(h.state.view).toMatchObject({ state: 'running', trials: { length: 2 } });
    h.decide();
    expect(h.state.view.trials).toHaveLength(2);
    h.decide();
    expect(created(h).at(-1)).toMatchObject({ number: 2, params: { lr: 0.5 }, basedOn: 3, origin: 'sampler' });
    expect(h.replay()).toEqual(h.state);
  });

  test('exhausted ends it', () => {
    const h = open(spec());
    h.propose = () => ({ type: 'exhausted', reason: 'all is tried' });
    h.run(0, 1);
    h.run(1, 1);
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'exhausted', message: 'all is tried' });
  });
});
