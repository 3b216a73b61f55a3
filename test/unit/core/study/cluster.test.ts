import { describe, expect, it, test } from 'vitest';
import { DecisionCheck, followRoom, Pools } from '../../../../agent/core/study/index.ts';
import type { ClusterSettings, StudySpec } from '../../../../agent/protocol/study.ts';
import { cluster, pool } from './clusterSpec.ts';
import { ended, Harness, parameter, spec } from './harness.ts';

const layers = parameter('layers', { type: 'int', low: 1, high: 8, log: false, revlog: false, step: 1 }, 1);
const onCluster = (settings: Partial<ClusterSettings>, changes: Parameters<typeof spec>[0] = {}): StudySpec =>
  spec({ executor: 'kubernetes', cluster: cluster(settings), space: { parameters: [layers], where: [] }, ...changes });

describe('the pool of a trial', () => {
  const pools = new Pools(onCluster({ pools: [pool('large', { when: 'layers > 4' }), pool('small')] }));
  test.each([
    [5, 'large'],
    [4, 'small'],
  ])('%i layers: %s', (value, name) => {
    expect(pools.of({ layers: value })?.name).toBe(name);
  });
  it('is none on this machine', () => {
    expect(new Pools(spec()).of({ lr: 1 })).toBe(null);
  });
});

describe('slots of a pool', () => {
  const points = [8, 7, 6, 1, 2].map((value) => ({ layers: value }));
  const limited = (): Harness =>
    new Harness(
      onCluster(
        { pools: [pool('large', { when: 'layers > 4', slots: 1 }), pool('small')] },
        { search: { parallel: 3, points }, budget: { trials: 6 } },
      ),
    );
  const live = (h: Harness): readonly number[] => [...h.state.live.keys()];

  it('let trials wait, and those of other pools begin', () => {
    const h = limited();
    // Trial 0 is the script's own, with one layer; 1, 2 and 3 want the large pool, 4 does not.
    expect(h.state.view.trials.map(({ params }) => params['layers'])).toEqual(
      [1, 8, 7, 6, 2].slice(0, h.state.view.trials.length),
    );
    expect(live(h)).toEqual([0, 1, 4]);
    h.run(1, 0.5);
    expect(live(h)).toEqual([0, 4, 2]);
    h.run(0, 0.5);
    // The next of the large pool still waits for it.
    expect(live(h)).not.toContain(3);
    while (h.state.live.size > 0) h.run(live(h)[0] ?? 0, 0.5);
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'budget' });
    expect(h.states()).toBe('complete complete complete complete complete complete');
  });

  it('leads to the same decisions when they are made again, and after a restart', () => {
    const h = limited();
    h.run(1, 0.5);
    expect(h.replay()).toEqual(h.state);
    const [first, ...rest] = h.journal;
    if (first === undefined) throw new RangeError('an empty journal');
    const check = new DecisionCheck(first);
    expect(rest.flatMap((entry) => check.next(entry) ?? [])).toEqual([]);
    expect(check.nDecisions).toBeGreaterThan(3);
  });

  it('keep the search from running ahead of a full pool without end', () => {
    const all = Array.from({ length: 8 }, (_, i) => ({ layers: i + 1 }));
    const h = new Harness(
      onCluster(
        { pools: [pool('only', { slots: 1 })] },
        { search: { parallel: 3, points: all.slice(1) }, budget: { trials: 8 } },
      ),
    );
    expect([h.state.live.size, h.state.waiting.size]).toEqual([1, 3]);
  });
});

describe('how many run at once where the room of the cluster says it', () => {
  const following = (): Harness =>
    new Harness(onCluster({ followsCapacity: true }, { search: { parallel: 10 }, budget: { trials: 60 } }));
  const room = (h: Harness, attempts: number): number => {
    h.record(followRoom(h.state, { default: attempts }, h.now));
    return h.state.view.parallel;
  };

  it('begins with a few, asks for one more than there is room for, and never for more than the user wants', () => {
    const h = following();
    expect([h.state.view.parallel, h.state.live.size]).toEqual([4, 4]);
    expect([room(h, 6), room(h, 0), room(h, 500)]).toEqual([7, 1, 10]);
    expect(h.replay()).toEqual(h.state);
  });

  it('is what the user says from then on, until it is to follow again', () => {
    const h = following();
    h.command({ type: 'scale', parallel: 2 });
    expect([room(h, 8), h.state.view.followsRoom]).toEqual([2, false]);
    h.command({ type: 'scale', parallel: 'auto' });
    expect([room(h, 8), h.state.view.followsRoom]).toEqual([9, true]);
    // The number that it is already: the user wants it to stay.
    h.command({ type: 'scale', parallel: 9 });
    expect(room(h, 3)).toBe(9);
  });

  it('follows also in a study that began with a number of its own', () => {
    const h = new Harness(onCluster({}, { search: { parallel: 2 }, budget: { trials: 60 } }));
    expect(room(h, 8)).toBe(2);
    h.command({ type: 'scale', parallel: 'auto' });
    expect(room(h, 8)).toBe(9);
  });

  it('is that of each pool: a full one takes no slot from the others', () => {
    const pools = [pool('gpu', { when: 'layers > 4' }), pool('cpu')];
    const points = [1, 8, 2, 7, 6, 3, 4, 5].map((value) => ({ layers: value }));
    const h = new Harness(
      onCluster({ followsCapacity: true, pools }, { search: { parallel: 6, points: points.slice(1) }, budget: { trials: 8 } }),
    );
    const live = (): readonly unknown[] => [...h.state.live.keys()].map((n) => h.state.trial(n).params['layers']);
    expect(live()).toEqual([1, 8, 2, 7]);
    h.record(followRoom(h.state, { cpu: 3, gpu: 0 }, h.now));
    // One more than there is room for in each, all of them at most as many as the user wants.
    expect(h.state.view).toMatchObject({ parallel: 5, poolRoom: { cpu: 4, gpu: 1 } });
    expect(followRoom(h.state, { cpu: 3, gpu: 0 }, h.now)).toEqual([]);
    // Those that were asked for stay; trial 4 waits for the full pool, and trial 5 begins in the other one.
    h.see({ type: 'waits', number: 0, attempt: 1, reason: null });
    expect(live()).toEqual([1, 8, 2, 7, 3]);
    h.run(1, 0.5);
    expect(live()).toEqual([1, 2, 7, 3, 4]);
    expect(h.replay()).toEqual(h.state);
    // A pool of which nothing is known is tried with one; a number of the user's holds for all of them.
    h.record(followRoom(h.state, { cpu: 9 }, h.now));
    expect(h.state.view).toMatchObject({ parallel: 6, poolRoom: { cpu: 6, gpu: 1 } });
    h.command({ type: 'scale', parallel: 3 });
    expect(h.state.view.poolRoom).toBeUndefined();
  });

  it('cannot follow on this machine', () => {
    const h = new Harness(spec());
    expect(() => h.command({ type: 'scale', parallel: 'auto' })).toThrow(/^HPO-4315: The study runs on this machine/);
  });
});

describe('why an attempt waits', () => {
  const reason = { kind: 'unschedulable', message: '0/3 nodes are available: 3 Insufficient cpu.' } as const;
  const waits = (attempt: number, why: typeof reason | null) => ({ type: 'waits', number: 0, attempt, reason: why }) as const;

  it('is recorded when it changes, and over when it begins', () => {
    const h = new Harness(onCluster({}));
    h.see(waits(1, null), waits(1, reason), waits(1, reason));
    expect(h.story(3)).toHaveLength(1);
    expect(h.state.view.trials[0]?.attempts[0]?.waits).toEqual(reason);
    expect(h.replay()).toEqual(h.state);
    h.see({ type: 'started', number: 0, attempt: 1, pid: null }, waits(1, reason), waits(2, reason));
    expect(h.state.view.trials[0]?.attempts[0]?.waits).toBe(null);
    expect(h.story(4)).toHaveLength(1);
  });

  it('takes nothing from the time of the trial', () => {
    const h = new Harness(onCluster({}));
    h.see(waits(1, reason));
    h.wait(3_600_000);
    h.see({ type: 'started', number: 0, attempt: 1, pid: null });
    h.wait(5_000);
    h.see(ended(0, 1, { exitCode: 1, outputTail: 'ValueError: x\n' }));
    expect(h.state.trained).toEqual({ count: 1, ms: 5_000 });
  });
});

test.each([
  [[0, 1], 'The 2 waiting trials go on'],
  [[1], 'The 2 running and waiting trials go on'],
  [[], 'The 2 running trials go on'],
])('of %j, which wait, a pause says: %s', (waiting, text) => {
  const h = new Harness(onCluster({}, { search: { parallel: 2 } }));
  for (const number of waiting) h.see({ type: 'waits', number, attempt: 1, reason: { kind: 'queued', message: '' } });
  h.command({ type: 'pause' });
  expect(h.state.view.message).toBe(`Paused. ${text} to the end, as the script keeps no checkpoint; no new trial starts.`);
});

describe('what the cluster does is no fault of the trial', () => {
  it.each([
    ['the node gpu-7 was drained', 'The machine was taken away: the node gpu-7 was drained. It is tried again at once (1).'],
    ['', 'The machine was taken away. It is tried again at once (1).'],
  ])('preempted, as "%s"', (detail, message) => {
    const h = new Harness(onCluster({}));
    h.see({ type: 'started', number: 0, attempt: 1, pid: null }, ended(0, 1, { isPreempted: true, isLost: true, detail }));
    expect(h.state.view.trials[0]?.attempts[0]?.failure).toEqual({ kind: 'preempted', code: 'HPO-3009', message });
    expect(h.state.trial(0)).toMatchObject({ state: 'running', failure: null });
    expect(h.state.trial(0).attempts).toHaveLength(2);
  });

  it.each([
    [
      true,
      'the node n1 does not answer',
      'HPO-3007',
      /^The trial vanished without a record of its end: the node n1 does not answer\. /,
    ],
    [
      false,
      'the image reg/x@sha256:1 cannot be pulled: no such image.',
      'HPO-3010',
      /^The attempt could not be started: the image reg\/x@sha256:1 cannot be pulled: no such image\. Mend that, then resume the study\. /,
    ],
  ])('lost (begun: %s): %s', (hasBegun, detail, code, message) => {
    const h = new Harness(onCluster({}));
    if (hasBegun) h.see({ type: 'started', number: 0, attempt: 1, pid: null });
    h.see(ended(0, 1, { isLost: true, detail }));
    expect(h.state.view.trials[0]?.attempts[0]?.failure).toMatchObject({ kind: 'infrastructure', code });
    expect(h.state.view.trials[0]?.attempts[0]?.failure?.message).toMatch(message);
  });

  it('a cluster that is away pauses the study, and no attempt counts', () => {
    const h = new Harness(onCluster({}));
    const away = {
      isLost: true,
      outputTail: 'the cluster prod gives no answer (HPO-2462)',
      advice: 'see the network',
      away: 'cluster',
    } as const;
    for (let attempt = 1; attempt <= 5; attempt++) {
      h.see(ended(0, attempt, away));
      expect(h.state.view).toMatchObject({ state: 'paused', failure: { code: 'HPO-3022' } });
      expect(h.state.view.message).toMatch(/^No trial can run on the cluster at present: The cluster prod gives no answer/);
      h.command({ type: 'resume' });
    }
    h.run(0, 0.5);
    expect(h.state.trial(0).state).toBe('complete');
  });
});
