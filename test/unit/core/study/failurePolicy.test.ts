import { describe, expect, test } from 'vitest';
import { decide, nextWakeup } from '../../../../agent/core/study/index.ts';
import type { AttemptEnding } from '../../../../agent/core/study/index.ts';
import { delayOf, failurePolicy, repetition, usualRetries } from '../../../../agent/core/study/failurePolicy.ts';
import type { FailureKind, RetrySettings, StudySpec } from '../../../../agent/protocol/study.ts';
import { ended, fidelity, Harness, metric, spec } from './harness.ts';

const error = (text: string) => `Traceback (most recent call last):\n  File "/a/train.py", line 1, in <module>\n${text}\n`;

/** How an attempt ends so that it has failed with the kind. */
const endings: Readonly<Record<Exclude<FailureKind, 'cancelled'>, Partial<AttemptEnding>>> = {
  userError: { exitCode: 1, outputTail: error('ValueError: x') },
  badMetric: {},
  outOfMemory: { exitCode: 1, outputTail: error('MemoryError') },
  timeout: { exitCode: null, signal: 'SIGTERM', isTimeout: true },
  preempted: { exitCode: null, isPreempted: true },
  infrastructure: { exitCode: null, isLost: true },
};

type World = 'plain' | 'checkpoint' | 'company';

/** Fails attempt after attempt of trial 0, without progress, until it waits for nothing; the number of attempts. */
function attemptsOf(kind: keyof typeof endings, retry: RetrySettings | undefined, world: World, most = 12): Harness {
  const changes: Partial<StudySpec> = retry === undefined ? {} : { retry };
  const checkpoint = world === 'checkpoint' ? { dir: 'c' } : null;
  const h = new Harness(
    spec({ ...changes, checkpoint, search: { parallel: world === 'company' ? 2 : 1 }, budget: { trials: 40 } }),
  );
  for (let attempt = 1; attempt <= most; attempt++) {
    if (h.state.live.get(0)?.attempt !== attempt) break;
    h.see({ type: 'started', number: 0, attempt, pid: 1 }, ended(0, attempt, endings[kind]));
    if (world === 'company' && h.state.waiting.get(0)?.isAlone === true) h.run(1, 0.5);
    const at = nextWakeup(h.state, h.now);
    if (h.state.view.trials[0]?.state === 'waiting' && at !== null) h.wait(at - h.now);
  }
  return h;
}

const two: RetrySettings = { error: 2, memory: 2, timeout: 2, lost: 2, preempted: 2 };

describe('kind of failure × settings: attempts, and what the sampler learns', () => {
  const rows: readonly [keyof typeof endings, World, RetrySettings | undefined, number, 'failed' | 'pruned' | 'pending'][] = [
    ['userError', 'plain', undefined, 1, 'failed'],
    ['userError', 'plain', two, 3, 'failed'],
    ['userError', 'checkpoint', two, 3, 'failed'],
    ['badMetric', 'plain', undefined, 1, 'failed'],
    ['badMetric', 'plain', two, 1, 'failed'],
    ['outOfMemory', 'plain', undefined, 1, 'failed'],
    ['outOfMemory', 'plain', two, 1, 'failed'],
    ['outOfMemory', 'company', undefined, 2, 'failed'],
    ['outOfMemory', 'company', { ...two, memory: 0 }, 1, 'failed'],
    ['timeout', 'plain', undefined, 1, 'failed'],
    ['timeout', 'plain', two, 1, 'failed'],
    ['timeout', 'checkpoint', undefined, 1, 'failed'],
    ['timeout', 'checkpoint', two, 3, 'failed'],
    ['preempted', 'plain', undefined, 12, 'pending'],
    ['preempted', 'plain', two, 3, 'pruned'],
    ['infrastructure', 'plain', undefined, 4, 'pruned'],
    ['infrastructure', 'plain', two, 3, 'pruned'],
    ['infrastructure', 'plain', { ...two, lost: 0 }, 1, 'pruned'],
  ];
  test.each(rows)('%s, %s, %j: %d attempts, the sampler sees it as %s', (kind, world, retry, nAttempts, learned) => {
    const h = attemptsOf(kind, retry, world);
    const trial = h.state.view.trials[0];
    expect(trial?.attempts.filter(({ state }) => state === 'ended')).toHaveLength(nAttempts);
    expect(h.state.history.of(0)?.state).toBe(learned);
    if (learned !== 'pending') expect(trial).toMatchObject({ state: 'failed', failure: { kind } });
    for (const attempt of trial?.attempts.slice(0, nAttempts - 1) ?? []) {
      expect(attempt.failure?.message).toMatch(/It is tried again (at once|in \d+ \w+|while no other trial of the study runs)/);
    }
    expect(h.replay()).toEqual(h.state);
  });

  test('every kind is in a row of the table, or never of an attempt', () => {
    expect(new Set([...rows.map(([kind]) => kind), 'cancelled'])).toEqual(new Set(Object.keys(failurePolicy)));
  });
});

describe('waits', () => {
  test.each([
    ['infrastructure', 1, 1_000],
    ['infrastructure', 3, 16_000],
    ['infrastructure', 30, 300_000],
    ['preempted', 3, 0],
    ['preempted', 4, 2_000],
    ['preempted', 2_000, 300_000],
    ['userError', 1, 1_000],
  ] as const)('%s, %d in a row: %d ms, give or take half', (kind, nInRow, nominal) => {
    const { backOff } = failurePolicy[kind];
    if (backOff === null) throw new Error('it has a wait');
    expect(delayOf(backOff, nInRow, 0)).toBe(nominal / 2);
    expect(delayOf(backOff, nInRow, 0.5)).toBe(nominal);
    expect(delayOf(backOff, nInRow, 1 - 2 ** -53)).toBe(nominal * 1.5);
  });

  test('a hundred trials lost together do not return together, and return alike when computed again', () => {
    const delays = () =>
      Array.from({ length: 100 }, (_, trial) => {
        const next = repetition({
          kind: 'infrastructure',
          nInRow: 2,
          retries: usualRetries,
          hasCheckpoint: false,
          hadCompany: true,
          seed: 7,
          trial,
          attempt: 2,
        });
        return next?.delayMs ?? NaN;
      });
    expect(delays()).toEqual(delays());
    expect(Math.min(...delays())).toBeLessThan(2_300);
    expect(Math.max(...delays())).toBeGreaterThan(5_700);
    // In no tenth of the time do more than a fifth return.
    for (let from = 2_000; from < 6_000; from += 400)
      expect(delays().filter((delay) => delay >= from && delay < from + 400).length).toBeLessThan(20);
  });
});

describe('progress begins the count anew', () => {
  const study = (checkpoint: { dir: string } | null, retry?: RetrySettings) =>
    new Harness(
      spec({
        checkpoint,
        fidelity: fidelity(1, 30),
        search: { scheduler: 'none' },
        ...(retry === undefined ? {} : { retry }),
      }),
    );
  const loseAt = (h: Harness, attempt: number, step: number, ending: Partial<AttemptEnding>) => {
    h.see({ type: 'started', number: 0, attempt, pid: 1 }, metric(0, attempt, step, { loss: 1 }), ended(0, attempt, ending));
    const at = nextWakeup(h.state, h.now);
    if (at !== null) h.wait(at - h.now);
  };

  test.each([
    [{ dir: 'c' }, [1, 2, 3, 4, 5, 6, 7], 'running'],
    [{ dir: 'c' }, [3, 3, 3, 3], 'failed'],
    [{ dir: 'c' }, [3, 2, 1, 4, 4, 3, 2], 'failed'],
    [null, [1, 2, 3, 4], 'failed'],
  ])('lost, checkpoint %j, at the steps %j: %s', (checkpoint, steps, state) => {
    const h = study(checkpoint);
    steps.forEach((step, i) => loseAt(h, i + 1, step, endings.infrastructure));
    expect(h.state.view.trials[0]?.state).toBe(state);
  });

  test('a resume begins it anew too', () => {
    const h = study(null);
    [1, 1, 1].forEach((step, i) => loseAt(h, i + 1, step, endings.infrastructure));
    h.command({ type: 'pause' });
    h.command({ type: 'resume' });
    [1, 1, 1].forEach((step, i) => loseAt(h, i + 4, step, endings.infrastructure));
    expect(h.state.view.trials[0]?.state).toBe('running');
    loseAt(h, 7, 1, endings.infrastructure);
    expect(h.state.view.trials[0]?.state).toBe('failed');
  });

  test('not for time: each attempt comes farther, and the number is a limit', () => {
    const h = study({ dir: 'c' }, two);
    [5, 10, 15].forEach((step, i) => loseAt(h, i + 1, step, endings.timeout));
    expect(h.state.view.trials[0]).toMatchObject({ state: 'failed', failure: { kind: 'timeout' } });
  });

  test('preempted after progress it comes back at once', () => {
    const h = study({ dir: 'c' });
    for (let attempt = 1; attempt <= 10; attempt++) {
      h.see(metric(0, attempt, attempt, { loss: 1 }), ended(0, attempt, endings.preempted));
      expect(h.state.live.get(0)?.attempt).toBe(attempt + 1);
    }
  });
});

describe('out of memory beside others', () => {
  const start = () => new Harness(spec({ search: { parallel: 3 }, budget: { trials: 20 } }));

  test('nothing new starts, what runs ends, then it runs alone, then the others come back', () => {
    const h = start();
    h.see(ended(1, 1, endings.outOfMemory));
    expect(h.states()).toBe('running waiting running');
    expect(h.state.view.trials[1]?.attempts[0]?.failure?.message).toMatch(
      /It is tried again while no other trial of the study runs/,
    );
    h.run(0, 0.5);
    expect(h.states()).toBe('complete waiting running');
    h.run(2, 0.5);
    expect(h.states()).toBe('complete running complete');
    expect(h.state.live.get(1)).toMatchObject({ isAlone: true, hadCompany: false });
    h.run(1, 0.5);
    expect(h.states()).toBe('complete complete complete running running running');
  });

  test('two at one moment: one after the other', () => {
    const h = start();
    h.see(ended(0, 1, endings.outOfMemory), ended(1, 1, endings.outOfMemory), ended(2, 1, endings.outOfMemory));
    expect(h.states()).toBe('running waiting waiting');
    h.run(0, 0.5);
    expect(h.states()).toBe('complete running waiting');
    h.see(ended(1, 2, endings.outOfMemory));
    expect(h.state.view.trials[1]).toMatchObject({
      state: 'failed',
      failure: { kind: 'outOfMemory', message: expect.stringMatching(/It was tried again alone\.$/) },
    });
    expect(h.states()).toBe('complete failed running');
  });

  test('the user pauses in between: it stays alone', () => {
    const h = new Harness(spec({ checkpoint: { dir: 'c' }, search: { parallel: 2 }, budget: { trials: 20 } }));
    h.see(ended(0, 1, endings.outOfMemory));
    h.run(1, 0.5);
    expect(h.state.live.get(0)?.isAlone).toBe(true);
    h.command({ type: 'pause' });
    h.see(ended(0, 2, { exitCode: null, signal: 'SIGTERM' }));
    h.command({ type: 'resume' });
    expect([...h.state.live.values()]).toMatchObject([{ number: 0, isAlone: true }]);
    expect(decide(h.state, { now: h.now, hasCapacity: true })).toEqual([]);
  });
});
