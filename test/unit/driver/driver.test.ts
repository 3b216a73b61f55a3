import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Executor } from '../../../agent/executors/executor.ts';
import { usualRetries } from '../../../agent/core/study/index.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';
import { countTrials } from '../../../agent/protocol/view.ts';
import { cluster } from '../core/study/clusterSpec.ts';
import { ended, study, training, until, World } from './world.ts';

const checkpoint = { dir: 'ckpt' };
const steady = training(1_000, 1);

describe('a study', () => {
  test('the same study a second time is refused, and harms nothing that is asked beside it', async () => {
    using world = new World();
    await using life = await world.open();
    const asked = ['a', 'a', 'b'].map((studyId) => life.driver.createStudy(studyId, study({ budget: { trials: 1 } })));
    const [first, second, other] = await Promise.allSettled(asked);
    expect(first).toMatchObject({ status: 'fulfilled' });
    expect(second).toMatchObject({ status: 'rejected', reason: { code: 'HPO-4046' } });
    expect(other).toMatchObject({ status: 'fulfilled' });
    await ended(life.driver, 'a');
    await ended(life.driver, 'b');
  });

  test('runs to its budget', async () => {
    using world = new World();
    await using life = await world.open();
    await life.driver.createStudy('s', study({ search: { parallel: 2 } }));
    const view = await ended(life.driver, 's');
    expect(view).toMatchObject({ endReason: 'budget', incumbent: expect.any(Number) });
    expect(countTrials(view)).toMatchObject({ complete: 6 });
    expect([...world.starts.values()]).toEqual([1, 1, 1, 1, 1, 1]);
    expect(life.driver.isBusy).toBe(false);
    expect(world.logged).toEqual([]);
  });

  test('proposes the same sequence for the same seed, and another for another', async () => {
    const sequence = async (seed: number): Promise<unknown> => {
      using world = new World();
      await using life = await world.open();
      await life.driver.createStudy('s', study({ search: { seed, sampler: 'tpe' }, budget: { trials: 15 } }));
      return (await ended(life.driver, 's')).trials.map(({ params }) => params);
    };
    const [first, again, other] = [await sequence(1), await sequence(1), await sequence(2)];
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
  });

  test('gets the slot that another one gives back', async () => {
    using world = new World({ cpus: 1, program: training(3, 5) });
    await using life = await world.open();
    const one = { search: { parallel: 1 }, budget: { trials: 1 } };
    await Promise.all(['a', 'b'].map((studyId) => life.driver.createStudy(studyId, study(one))));
    await ended(life.driver, 'a');
    await ended(life.driver, 'b');
  });

  test('shares the machine with another: never more than it has, and the small one is not kept waiting', async () => {
    let most = 0;
    const train = training(3, 1);
    using world = new World({
      cpus: 2,
      program: (process) => {
        most = Math.max(most, world.machine.processes);
        return train(process);
      },
    });
    await using life = await world.open();
    await life.driver.createStudy('large', study({ search: { parallel: 2 }, budget: { trials: 40 } }));
    await until(() => life.driver.view('large').trials.length > 4);
    await life.driver.createStudy('small', study({ search: { parallel: 1 }, budget: { trials: 3 } }));
    await ended(life.driver, 'small');
    expect(life.driver.view('large').trials.length).toBeLessThan(20);
    await ended(life.driver, 'large');
    expect(most).toBe(2);
  });

  test('that waits for another gets its place when that one is deleted', async () => {
    using world = new World({
      cpus: 1,
      program: (process) => (process.attempt.key.studyId === 'a' ? steady : training())(process),
    });
    await using life = await world.open();
    await life.driver.createStudy('a', study());
    await until(() => world.starts.size === 1);
    await life.driver.createStudy('b', study({ budget: { trials: 2 } }));
    expect(life.driver.view('b').trials).toHaveLength(0);
    await life.driver.command('a', { type: 'delete' });
    await ended(life.driver, 'b');
  });
});

describe('commands', () => {
  test('stop: what runs is ended, the study with it', async () => {
    using world = new World({ program: steady });
    await using life = await world.open();
    await life.driver.createStudy('s', study({ search: { parallel: 2 } }));
    await until(() => life.driver.view('s').trials.some(({ curve }) => curve.length > 0));
    await life.driver.command('s', { type: 'stop' });
    const view = await ended(life.driver, 's');
    expect(view.endReason).toBe('stopped');
    expect(view.trials.map(({ state }) => state)).toEqual(['cancelled', 'cancelled']);
    expect(world.machine.processes).toBe(0);
    await expect(life.driver.command('s', { type: 'stop' })).rejects.toThrow(/has ended/);
  });

  test('pause without a checkpoint: what runs goes on, nothing new starts', async () => {
    using world = new World({ program: training(3, 3) });
    await using life = await world.open();
    await life.driver.createStudy('s', study({ search: { parallel: 2 } }));
    await until(() => world.starts.size === 2);
    await life.driver.command('s', { type: 'pause' });
    await until(() => countTrials(life.driver.view('s')).complete === 2);
    await sleep(10);
    expect(life.driver.view('s')).toMatchObject({ state: 'paused' });
    expect(world.starts.size).toBe(2);
    await life.driver.command('s', { type: 'resume' });
    expect(countTrials(await ended(life.driver, 's'))).toMatchObject({ complete: 6 });
  });

  test('pause with a checkpoint: what runs makes room, and goes on where it stood', async () => {
    using world = new World({
      program: async (process) => {
        for (let step = Number(process.checkpoint.get('step') ?? 0) + 1; step <= 60; step++) {
          process.print(`epoch ${step} loss=${1 / step}\n`);
          process.checkpoint.set('step', String(step));
          await process.sleep(2);
        }
        return 0;
      },
    });
    await using life = await world.open();
    await life.driver.createStudy('s', study({ checkpoint, budget: { trials: 1 } }));
    await until(() => (life.driver.view('s').trials[0]?.curve.length ?? 0) > 2);
    await life.driver.command('s', { type: 'pause' });
    await until(() => world.machine.processes === 0);
    await life.driver.command('s', { type: 'resume' });
    const { trials } = await ended(life.driver, 's');
    expect(trials[0]?.attempts).toHaveLength(2);
    expect(trials[0]?.curve.map(({ step }) => step)).toEqual(Array.from({ length: 60 }, (_, i) => i + 1));
  });

  test('scale: more at once, then fewer', async () => {
    using world = new World({ program: steady });
    await using life = await world.open();
    await life.driver.createStudy('s', study());
    await until(() => world.machine.processes === 1);
    await life.driver.command('s', { type: 'scale', parallel: 3 });
    await until(() => world.machine.processes === 3);
    await life.driver.command('s', { type: 'scale', parallel: 1 });
    await life.driver.command('s', { type: 'stopTrial', trial: 0 });
    await until(() => world.machine.processes === 2);
    await sleep(10);
    expect(world.starts.size).toBe(3);
    await expect(life.driver.command('s', { type: 'scale', parallel: 0 })).rejects.toThrow(/cannot run 0/);
    await life.driver.command('s', { type: 'stop' });
    await ended(life.driver, 's');
  });

  test('stopTrial: that one is cancelled, the others go on', async () => {
    using world = new World({ program: (process) => (process.attempt.key.trial === 0 ? steady : training())(process) });
    await using life = await world.open();
    await life.driver.createStudy('s', study({ search: { parallel: 2 } }));
    await until(() => countTrials(life.driver.view('s')).complete > 1);
    await life.driver.command('s', { type: 'stopTrial', trial: 0 });
    const view = await ended(life.driver, 's');
    expect(countTrials(view)).toMatchObject({ complete: 5, cancelled: 1 });
    expect(view.trials[0]?.attempts[0]?.stopReason).toBe('user');
  });

  test('delete: stored code that no other study refers to is let go, then and at the next start', async () => {
    using world = new World({ program: steady });
    {
      await using life = await world.open();
      for (const [studyId, snapshot] of [
        ['a', 'abc'],
        ['b', 'abc'],
        ['c', 'other'],
      ] as const)
        await life.driver.createStudy(studyId, study({ snapshot }));
      await life.driver.command('a', { type: 'delete' });
      await until(() => world.machine.kept.size === 2);
      await life.driver.command('b', { type: 'delete' });
      await until(() => world.machine.kept.size === 1);
      expect([...world.machine.kept]).toEqual(['other']);
    }
    world.machine.kept = new Set();
    await using next = await world.open();
    await until(() => world.machine.kept.size === 1);
    expect(next.driver.views().map((view) => view.studyId)).toEqual(['c']);
  });

  test('delete: the study, its processes and its files are gone, also when the agent dies in between', async () => {
    using world = new World({ program: steady });
    const life = await world.open((append) => (events) => {
      const entries = append(events);
      if (!events.some(({ event }) => event.type === 'studyDeleted')) return entries;
      life.isDead = true;
      throw new Error('killed');
    });
    await life.driver.createStudy('s', study({ search: { parallel: 2 } }));
    await until(() => world.machine.processes === 2);
    await expect(life.driver.command('s', { type: 'delete' })).rejects.toThrow('killed');
    life.kill();
    expect(world.machine.processes).toBe(2);
    await using next = await world.open();
    expect(() => next.driver.view('s')).toThrow(/there is no study/);
    await until(() => world.machine.attempts(null).length === 0);
    expect(world.machine.processes).toBe(0);
    await expect(next.driver.command('s', { type: 'pause' })).rejects.toMatchObject({ code: 'HPO-4004', exitCode: 3 });
  });
});

/** An executor that takes its time to do something. */
function slow(what: 'prepare' | 'start' | 'cleanup', ms: number): (executor: Executor) => Executor {
  return (executor) =>
    new Proxy(executor, {
      get(target, name) {
        const value: unknown = Reflect.get(target, name, target);
        if (typeof value !== 'function') return value;
        const call = (...args: unknown[]): unknown => Reflect.apply(value, target, args);
        return name === what ? async (...args: unknown[]) => (await sleep(ms), call(...args)) : call;
      },
    });
}

describe('an executor that takes its time', () => {
  test.each(['prepare', 'start'] as const)('stop during %s: what starts afterwards is stopped', async (what) => {
    using world = new World({ program: steady, executor: slow(what, 20) });
    await using life = await world.open();
    await life.driver.createStudy('s', study());
    await life.driver.command('s', { type: 'stop' });
    expect((await ended(life.driver, 's')).endReason).toBe('stopped');
    expect(world.machine.processes).toBe(0);
  });

  test.each(['prepare', 'start'] as const)('delete during %s: nothing is left running', async (what) => {
    using world = new World({ program: steady, executor: slow(what, 20) });
    {
      await using life = await world.open();
      await life.driver.createStudy('s', study());
      await life.driver.command('s', { type: 'delete' });
      await sleep(40);
    }
    expect(world.machine.processes).toBe(0);
    expect(world.machine.attempts(null)).toEqual([]);
  });

  test('resume right after a stop: the tidying up of the end does not hit the new beginning', async () => {
    using world = new World({ program: training(2, 2), executor: slow('cleanup', 15) });
    await using life = await world.open();
    await life.driver.createStudy('s', study());
    await until(() => countTrials(life.driver.view('s')).complete === 1);
    await life.driver.command('s', { type: 'stop' });
    await ended(life.driver, 's');
    await life.driver.command('s', { type: 'resume' });
    const view = await ended(life.driver, 's');
    expect(view.endReason).toBe('budget');
    expect(countTrials(view).failed).toBe(0);
    expect(view.trials.every(({ attempts }) => attempts.length === 1)).toBe(true);
  });

  test('an agent that ends during a start leaves it to the next one, and takes no more commands', async () => {
    using world = new World({ executor: slow('prepare', 20) });
    const life = await world.open();
    await life.driver.createStudy('s', study({ budget: { trials: 1 } }));
    await life[Symbol.asyncDispose]();
    expect(world.starts.size).toBe(0);
    await expect(life.driver.command('s', { type: 'pause' })).rejects.toMatchObject({ code: 'HPO-5002' });
    await using next = await world.open();
    await ended(next.driver, 's');
    expect([...world.starts.values()]).toEqual([1]);
  });
});

describe('what goes wrong in a trial', () => {
  test('too much output: the trial is ended and says so, what it reported is kept', async () => {
    using world = new World({
      program: async (process) => {
        process.print('loss=0.5\n');
        for (;;) {
          process.print(`${'x'.repeat(999)}\n`);
          await process.sleep(0);
        }
      },
    });
    await using life = await world.open();
    await life.driver.createStudy('s', study({ budget: { trials: 1 }, limits: { outputBytes: 50_000 } }));
    const { trials } = await ended(life.driver, 's');
    expect(trials[0]).toMatchObject({
      state: 'failed',
      failure: { code: 'HPO-3008' },
      curve: [{ step: 1, values: { loss: 0.5 } }],
    });
    expect(world.machine.processes).toBe(0);
  });

  test('a start that fails is tried again, and the trial says why it failed', async () => {
    let nStarts = 0;
    using world = new World({
      executor: (executor) =>
        withStart(executor, (attempt) =>
          ++nStarts <= 1
            ? Promise.reject(new HpoError('HPO-2301', `no folder ${'/long'.repeat(60)}: EACCES`, 'check it'))
            : executor.start(attempt),
        ),
    });
    await using life = await world.open();
    await life.driver.createStudy('s', study({ budget: { trials: 1 } }));
    const { trials } = await ended(life.driver, 's');
    expect(trials[0]).toMatchObject({ state: 'complete' });
    const [failure] = world
      .entries('s')
      .flatMap(({ event }) => (event.type === 'attemptEnded' && event.failure !== null ? [event.failure] : []));
    expect(failure).toMatchObject({
      kind: 'infrastructure',
      message: expect.stringMatching(/no folder \/long.*EACCES \(HPO-2301\)\. Check it\. It is tried again/),
    });
  });

  test('while the container engine is away the study waits, then goes on by itself, and nothing of it counts', async () => {
    let isAway = true;
    using world = new World({
      executor: (executor) => ({
        ...withStart(executor, (attempt) =>
          isAway ? Promise.reject(new HpoError('HPO-2402', 'Docker is not running', 'start it')) : executor.start(attempt),
        ),
        isReady: () => Promise.resolve(!isAway),
      }),
    });
    await using life = await world.open();
    await life.driver.createStudy('s', study({ budget: { trials: 2 }, retry: { ...usualRetries, lost: 0 } }));
    await until(() => life.driver.view('s').state === 'paused');
    const { failure, message } = life.driver.view('s');
    expect(failure).toMatchObject({ kind: 'infrastructure', code: 'HPO-3020' });
    expect(message).toMatch(/Docker is not running \(HPO-2402\)\. Start it\./);
    // It does not end for want of something to do.
    expect(life.driver.isBusy).toBe(true);
    isAway = false;
    const { trials } = await ended(life.driver, 's');
    expect(trials.map(({ state }) => state)).toEqual(['complete', 'complete']);
  });
});

/** An executor that starts attempts in another way. */
function withStart(executor: Executor, start: Executor['start']): Executor {
  return {
    name: executor.name,
    prepare: (prepared) => executor.prepare(prepared),
    start,
    stop: (key, graceMs) => executor.stop(key, graceMs),
    list: () => executor.list(),
    cleanup: (studyId, options) => executor.cleanup(studyId, options),
    capacity: () => executor.capacity(),
    isReady: (studyId) => executor.isReady(studyId),
    studies: () => executor.studies(),
    [Symbol.asyncDispose]: () => executor[Symbol.asyncDispose](),
  };
}

describe('studies of several places', () => {
  test('those of this machine share it; those of a cluster take nothing from it', async () => {
    using world = new World({ program: steady, cpus: 2 });
    await using life = await world.open();
    const running = (studyId: string): number =>
      life.driver.view(studyId).trials.filter(({ state }) => state === 'running').length;
    await life.driver.createStudy('cluster', study({ executor: 'kubernetes', search: { parallel: 5 }, budget: { trials: 9 } }));
    await life.driver.createStudy('a', study({ search: { parallel: 2 }, budget: { trials: 9 } }));
    await life.driver.createStudy('b', study({ search: { parallel: 2 }, budget: { trials: 9 } }));
    await until(() => running('cluster') === 5 && running('a') + running('b') === 2);
    // One that asks for more than the machine has gets it, and a cluster's number is no such word.
    await life.driver.command('a', { type: 'scale', parallel: 3 });
    await until(() => running('a') + running('b') === 3);
    expect(running('cluster')).toBe(5);
  });

  test('on clusters each has its own number, whatever happens to others', async () => {
    using world = new World({
      program: steady,
      executor: (executor) =>
        withStart(executor, (attempt) => (attempt.key.studyId === 'stuck' ? Promise.resolve() : executor.start(attempt))),
    });
    await using life = await world.open();
    const begun = (studyId: string): number =>
      life.driver.view(studyId).trials.filter(({ startedAt }) => startedAt !== null).length;
    const asked = (studyId: string): number => life.driver.view(studyId).trials.filter(({ state }) => state === 'running').length;
    const on = (context: string) =>
      study({ executor: 'kubernetes', cluster: cluster({ context }), search: { parallel: 4 }, budget: { trials: 20 } });
    await life.driver.createStudy('stuck', on('away'));
    await until(() => asked('stuck') === 4);
    await life.driver.createStudy('a', on('roomy'));
    await life.driver.createStudy('b', on('roomy'));
    await until(
      () => begun('a') === 4 && begun('b') === 4,
      () => [begun('a'), begun('b')],
      3_000,
    );
    expect(begun('stuck')).toBe(0);
  });
});

describe('an agent that begins', () => {
  test('an attempt that was lost while no agent was there, before and after its beginning, is repeated', async () => {
    using world = new World({ program: (process) => (process.attempt.key.attempt === 1 ? steady : training())(process) });
    const life = await world.open((append) => (events) => {
      const entries = append(events);
      life.isDead = events.some(({ event }) => event.type === 'attemptStarted');
      return entries;
    });
    await life.driver.createStudy('s', study({ budget: { trials: 1 } }));
    await until(() => life.isDead);
    life.kill();
    world.machine.lose({ studyId: 's', trial: 0, attempt: 1 });
    await using next = await world.open();
    const { trials } = await ended(next.driver, 's');
    expect(trials[0]).toMatchObject({ state: 'complete', attempts: [{}, {}] });
    const failures = world.entries('s').flatMap(({ event }) => (event.type === 'attemptEnded' ? [event.failure?.message] : []));
    expect(failures).toEqual([expect.stringContaining('vanished without a record of its end'), undefined]);
  });

  test('hears of what an earlier one started: what it prints, and its end', async () => {
    using world = new World({ program: training(3, 100) });
    const life = await world.open();
    await life.driver.createStudy('s', study({ budget: { trials: 1 } }));
    await until(() => life.driver.view('s').trials[0]?.attempts[0]?.state === 'started');
    life.kill();
    await using next = await world.open();
    await until(
      () => next.driver.view('s').state === 'ended',
      () => next.driver.view('s'),
      4_000,
    );
    expect(world.recorded('s', 0, 1).map(({ step }) => step)).toEqual([1, 2, 3]);
    expect(world.starts.get('s/0/1')).toBe(1);
  });

  test('takes for begun what reports, where nobody told that it has', async () => {
    using world = new World({
      listener: (listener) => ({
        waits: (key, reason) => listener.waits(key, reason),
        room: (studyId, attempts) => listener.room(studyId, attempts),
        started: () => {},
        output: (key) => listener.output(key),
        ended: (key, ending) => listener.ended(key, ending),
      }),
    });
    await using life = await world.open();
    await life.driver.createStudy('s', study({ budget: { trials: 1 } }));
    await ended(life.driver, 's');
    const told = world.entries('s').map(({ event }) => event.type);
    expect(told.filter((type) => type === 'attemptStarted')).toHaveLength(1);
    expect(told.indexOf('attemptStarted')).toBeLessThan(told.indexOf('metricReported'));
  });

  test('stops what runs with its mark and belongs to no study', async () => {
    using world = new World({ program: steady });
    const stranger = world.machine.connect({
      waits: () => {},
      room: () => {},
      started: () => {},
      output: () => {},
      ended: () => {},
    });
    await using first = await world.open();
    await first.driver.createStudy('s', study({ budget: { trials: 1 } }));
    await until(() => world.machine.processes === 1);
    first.kill();
    const own = world.machine.find({ studyId: 's', trial: 0, attempt: 1 });
    for (const [studyId, attempt] of [
      ['gone', 1],
      ['s', 2],
    ] as const) {
      await stranger.start({
        key: { studyId, trial: 0, attempt },
        snapshot: 'abc',
        command: ['x'],
        environment: {},
        files: [],
        checkpointDir: null,
        checkpointFrom: null,
        timeoutMs: null,
        graceMs: 1_000,
        outputBytes: 1e6,
        metricFiles: [],
        pool: null,
        cpus: 1,
      });
    }
    expect(world.machine.processes).toBe(3);
    await using next = await world.open();
    await until(() => world.machine.processes === 1);
    expect(own?.ending).toBeNull();
    // Whose files these are is not known here: they stay.
    expect(world.machine.attempts('gone')).toHaveLength(1);
    await next.driver.command('s', { type: 'stop' });
    await ended(next.driver, 's');
  });
});
