import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { afterEach, describe, expect, test } from 'vitest';
import { nextContext, ProposalMirrors, type ProposerRequest } from '../../../agent/core/study/index.ts';
import type { ProposerListener, ProposerThread, StartProposer } from '../../../agent/driver/ports.ts';
import { Proposals } from '../../../agent/driver/proposals.ts';
import { nodeClock } from '../../../agent/system/nodeClock.ts';
import type { Study } from '../../../agent/driver/study.ts';
import { Harness, metric, proposeAgain, replay, spec } from '../core/study/harness.ts';
import { thread } from './thread.ts';
import { ended, study, training, until, World } from './world.ts';

const heavy = { sampler: 'gp', seed: 3 } as const;

describe('a study whose proposals take long', () => {
  const run = async (proposer: StartProposer | undefined, parallel: number, trials: number, stepMs = 0): Promise<World> => {
    const world = new World({ cpus: 8, program: training(2, stepMs), ...(proposer === undefined ? {} : { proposer }) });
    await using life = await world.open();
    await life.driver.createStudy('s', study({ search: { ...heavy, parallel }, budget: { trials } }));
    await ended(life.driver, 's');
    return world;
  };

  test('gets the same points from the thread as it would from the driver itself', async () => {
    const params = (world: World): unknown[] =>
      world.entries().flatMap(({ event }) => (event.type === 'trialCreated' ? [event.params] : []));
    const seen: ProposerRequest[] = [];
    using beside = await run(thread(0, seen), 1, 20);
    using here = await run(undefined, 1, 20);
    expect(params(beside)).toEqual(params(here));
    expect(seen.filter(({ type }) => type === 'open')).toHaveLength(1);
    expect(seen.at(-1)).toEqual({ type: 'close', studyId: 's' });
    proposeAgain(beside.entries());
    expect(beside.logged).toEqual(['a thread for proposals starts']);
  });

  test('takes the prepared point where a new one would come too late, and says what it knew', async () => {
    using world = await run(thread(60), 4, 24, 10);
    expect(proposeAgain(world.entries()).late).toBeGreaterThan(0);
    expect(replay(world.entries()).view.trials).toHaveLength(24);
    expect(world.logged).toEqual(['a thread for proposals starts']);
  });

  test('does not hold up the driver', async () => {
    const busyMs = 800;
    const code = `
      const { parentPort } = require('node:worker_threads');
      parentPort.on('message', ({ type, studyId, id }) => {
        if (type !== 'propose') return;
        for (const until = performance.now() + ${busyMs}; performance.now() < until; );
        parentPort.postMessage({ type: 'proposed', studyId, id, proposal: { type: 'point', params: { lr: 1 / (id + 2) }, reason: 'slow' } });
      });`;
    const start: StartProposer = (listener) => {
      const worker = new Worker(code, { eval: true });
      worker.on('message', (answer) => listener.answered(answer));
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      return { post: (request) => worker.postMessage(request), [Symbol.dispose]: () => void worker.terminate() };
    };
    using delay = new Delay();
    using world = await run(start, 2, 8);
    expect(
      world.entries().filter(({ event }) => event.type === 'trialCreated' && event.reason === 'slow').length,
    ).toBeGreaterThan(2);
    expect(delay.maxMs).toBeLessThan(busyMs * 0.75);
  });

  test.each([
    ['breaks at once', 0],
    ['breaks now and then', 2],
  ])('goes on where its thread %s', async (_, nAnswers) => {
    let nStarts = 0;
    const start: StartProposer = (listener) => {
      nStarts++;
      return breakingAfter(nAnswers, listener);
    };
    using world = await run(start, 2, 20);
    expect(replay(world.entries()).view).toMatchObject({ state: 'ended', endReason: 'budget', trials: { length: 20 } });
    expect(nStarts).toBe(3);
    expect(world.logged.filter((line) => line.startsWith('the thread for proposals broke'))).toHaveLength(3);
    expect(world.logged.some((line) => /in the agent itself from now on/.test(line))).toBe(true);
  });

  test('forgets what the thread was told where the journal could not be written', async () => {
    using world = new World({ cpus: 4, proposer: thread(1), program: training(2, 1) });
    let nAppends = 0;
    await using life = await world.open((append) => (events) => {
      nAppends++;
      if (nAppends % 12 === 0 && nAppends < 60) throw new Error('disk full');
      return append(events);
    });
    await life.driver.createStudy('s', study({ search: { ...heavy, parallel: 2 }, budget: { trials: 16 } }));
    await until(
      () => life.driver.view('s').state === 'ended',
      () => life.driver.view('s').trials.length,
      20_000,
    );
    proposeAgain(world.entries());
  });

  test('goes on in the next life of the agent', async () => {
    using world = new World({ cpus: 4, proposer: thread(5), program: training(2, 1) });
    {
      await using life = await world.open();
      await life.driver.createStudy('s', study({ search: { ...heavy, parallel: 2 }, budget: { trials: 24 } }));
      await until(() => life.driver.view('s').trials.length > 10);
      life.kill();
    }
    await using life = await world.open();
    await ended(life.driver, 's');
    proposeAgain(world.entries());
  });
});

describe('a desk', () => {
  const open: Proposals[] = [];
  afterEach(() => {
    for (const proposals of open.splice(0)) proposals[Symbol.dispose]();
  });

  /** A running study of so many ended trials; its last trial runs. */
  function studyOf(
    nTrials: number,
    sampler: 'gp' | 'random' = 'gp',
    parallel = 2,
  ): { readonly h: Harness; readonly study: Study } {
    const h = new Harness(spec({ search: { sampler }, budget: { trials: nTrials + 100 } }));
    h.propose = ({ number }) => ({ type: 'point', params: { lr: 0.5 ** (number % 10) * (1 - number / 1e6) }, reason: '' });
    while (h.state.view.trials.length <= nTrials) h.run([...h.state.live.keys()][0] ?? NaN, h.state.view.trials.length % 7);
    // From here on proposals are asked for by the test.
    h.propose = () => null;
    h.command({ type: 'scale', parallel });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- proposals touch no executor
    return { h, study: { studyId: 's', state: h.state } as Study };
  }

  function proposalsOf(start: StartProposer | null): { readonly proposals: Proposals; readonly ready: { count: number } } {
    const ready = { count: 0 };
    const log = { info: () => undefined, error: () => undefined };
    const proposals = new Proposals({ proposer: start, clock: nodeClock, log, onReady: () => void ready.count++ });
    open.push(proposals);
    return { proposals, ready };
  }

  const contextOf = ({ state }: Study): NonNullable<ReturnType<typeof nextContext>> => {
    const context = nextContext(state);
    if (context === null) throw new Error('no trial is next');
    return context;
  };

  test('answers at once what takes no time, and where there is no thread', () => {
    const light = studyOf(20, 'random').study;
    expect(proposalsOf(thread(0)).proposals.propose(light, contextOf(light))).toMatchObject({ type: 'point' });
    const { study: long } = studyOf(20);
    expect(proposalsOf(null).proposals.propose(long, contextOf(long))).toMatchObject({ type: 'point' });
    expect(proposalsOf(thread(0)).proposals.propose(long, contextOf(long))).toBeNull();
  });

  test('a prepared proposal is taken at once while nothing has changed', async () => {
    const seen: ProposerRequest[] = [];
    const told = { answers: 0 };
    const { proposals, ready } = proposalsOf(thread(0, seen, told));
    const { study: long } = studyOf(20);
    proposals.prepare(long);
    proposals.prepare(long);
    await until(() => told.answers === 1);
    expect(ready.count).toBe(0);
    expect(proposals.propose(long, contextOf(long))).not.toHaveProperty('basedOn');
    expect(seen.filter(({ type }) => type === 'propose')).toHaveLength(1);
  });

  test('what changed since is sent, and a proposal that knows it is asked for', async () => {
    const seen: ProposerRequest[] = [];
    const told = { answers: 0 };
    const { proposals, ready } = proposalsOf(thread(0, seen, told));
    const { h, study: long } = studyOf(20);
    // Trials of a minute: a slot has time to wait for a second.
    Object.assign(h.state.trained, { count: 1, ms: 60_000 });
    proposals.prepare(long);
    await until(() => told.answers === 1);
    h.see(metric(20, 1, 5, { loss: 0.25 }));
    proposals.changed('s', 20);
    expect(proposals.propose(long, contextOf(long))).toBeNull();
    await until(() => ready.count > 0);
    expect(seen.at(-2)).toMatchObject({ type: 'observe', observations: [{ number: 20, values: [0.25] }] });
    expect(proposals.propose(long, contextOf(long))).toMatchObject({ type: 'point' });
  });

  test('after a while the prepared one will do', async () => {
    let nAnswers = 0;
    // The first question is answered at once, the second never.
    const slow: StartProposer = (listener): ProposerThread => ({
      post: (request) => {
        if (request.type !== 'propose' || nAnswers > 0) return;
        nAnswers++;
        const { studyId, id } = request;
        const proposal = { type: 'point', params: { lr: 0.77 }, reason: 'prepared' } as const;
        listener.answered({ type: 'proposed', studyId, id, proposal });
      },
      [Symbol.dispose]: () => undefined,
    });
    const { proposals, ready } = proposalsOf(slow);
    const { h, study: long } = studyOf(20);
    proposals.prepare(long);
    await until(() => nAnswers === 1);
    const known = long.state.view.seq;
    h.see(metric(20, 1, 5, { loss: 0.25 }));
    proposals.changed('s', 20);
    const startedAt = performance.now();
    expect(proposals.propose(long, contextOf(long))).toBeNull();
    await until(() => ready.count > 0);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(20);
    expect(proposals.propose(long, contextOf(long))).toMatchObject({ type: 'point', basedOn: known });
  });

  test('one trial after the other: each waits for the proposal that knows all, and nothing is prepared', async () => {
    const seen: ProposerRequest[] = [];
    const { proposals, ready } = proposalsOf(thread(80, seen));
    const { h, study: long } = studyOf(20, 'gp', 1);
    proposals.prepare(long);
    await sleep(5);
    expect(seen).toEqual([]);
    expect(proposals.propose(long, contextOf(long))).toBeNull();
    await sleep(5);
    h.see(metric(20, 1, 5, { loss: 0.25 }));
    proposals.changed('s', 20);
    await until(() => ready.count > 0);
    expect(proposals.propose(long, contextOf(long))).toMatchObject({ type: 'point' });
    expect(seen.filter(({ type }) => type === 'propose')).toHaveLength(1);
  });

  test('the prepared one is taken at once where proposals are known to take longer than a slot would wait', async () => {
    const seen: ProposerRequest[] = [];
    const told = { answers: 0 };
    const { proposals } = proposalsOf(thread(60, seen, told));
    const { h, study: long } = studyOf(20);
    proposals.prepare(long);
    await until(() => told.answers === 1);
    const known = long.state.view.seq;
    h.see(metric(20, 1, 5, { loss: 0.25 }));
    proposals.changed('s', 20);
    expect(proposals.propose(long, contextOf(long))).toMatchObject({ type: 'point', basedOn: known });
    await sleep(5);
    expect(seen.filter(({ type }) => type === 'propose')).toHaveLength(1);
  });

  test('a question that is no longer one gives way to the next', async () => {
    const seen: ProposerRequest[] = [];
    const { proposals, ready } = proposalsOf(thread(0, seen));
    const { h, study: long } = studyOf(20, 'gp', 1);
    expect(proposals.propose(long, contextOf(long))).toBeNull();
    // The user's point takes the number before the question is sent.
    h.command({ type: 'enqueue', params: { lr: 0.123 } });
    h.run(20, 1);
    proposals.changed('s', 20);
    proposals.changed('s', 21);
    expect(h.state.view.trials).toHaveLength(22);
    expect(proposals.propose(long, contextOf(long))).toBeNull();
    await until(() => ready.count === 1);
    expect(proposals.propose(long, contextOf(long))).toBeNull();
    await until(() => ready.count === 2);
    expect(proposals.propose(long, contextOf(long))).toMatchObject({ type: 'point' });
    expect(seen.flatMap((request) => (request.type === 'propose' ? [request.moment.number] : []))).toEqual([22]);
  });

  test('a long history is sent in pieces, the agent does other work between', async () => {
    const seen: ProposerRequest[] = [];
    const { proposals } = proposalsOf(thread(0, seen));
    const { study: long } = studyOf(450);
    proposals.prepare(long);
    await until(() => seen.some(({ type }) => type === 'propose'));
    expect(seen.map((request) => (request.type === 'observe' ? request.observations.length : request.type))).toEqual([
      'open',
      200,
      200,
      51,
      'propose',
    ]);
  });
});

/** The longest time for which nothing else could run. */
class Delay implements Disposable {
  readonly #histogram = monitorEventLoopDelay({ resolution: 5 });
  constructor() {
    this.#histogram.enable();
  }
  get maxMs(): number {
    return this.#histogram.max / 1e6;
  }
  [Symbol.dispose](): void {
    this.#histogram.disable();
  }
}

function breakingAfter(nAnswers: number, listener: ProposerListener): ProposerThread {
  const mirrors = new ProposalMirrors();
  let left = nAnswers;
  let isBroken = false;
  return {
    post: (request) => {
      if (isBroken) return;
      const answer = mirrors.handle(structuredClone(request));
      if (answer === null) return;
      left--;
      isBroken = left < 0;
      setImmediate(() => (left < 0 ? listener.broke('for a test') : listener.answered(answer)));
    },
    [Symbol.dispose]: () => undefined,
  };
}
