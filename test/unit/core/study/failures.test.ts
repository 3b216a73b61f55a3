import { describe, expect, test } from 'vitest';
import { nextWakeup, type AttemptEnding } from '../../../../agent/core/study/index.ts';
import { ended, Harness, metric, spec } from './harness.ts';

const traceback = (error: string) =>
  `epoch 1\nTraceback (most recent call last):\n  File "/a/work/train.py", line 12, in <module>\n    fit()\n${error}\n`;

describe('why an attempt did not deliver', () => {
  const rows: readonly [string, Partial<AttemptEnding>, string, string, RegExp][] = [
    [
      'an exception',
      { exitCode: 1, outputTail: traceback('ValueError: lr too high') },
      'userError',
      'HPO-3001',
      /^ValueError: lr too high \(train\.py, line 12\)\. See/,
    ],
    ['an exit code', { exitCode: 3, outputTail: 'bad\n\n' }, 'userError', 'HPO-3001', /exit code 3\. Last line: "bad"/],
    ['nothing printed', { exitCode: 3 }, 'userError', 'HPO-3001', /It printed nothing\./],
    ['a signal', { exitCode: null, signal: 'SIGSEGV' }, 'userError', 'HPO-3001', /SIGSEGV/],
    ['a kill', { exitCode: null, signal: 'SIGKILL' }, 'userError', 'HPO-3001', /too little memory/],
    [
      'a missing module',
      { exitCode: 1, outputTail: traceback("ModuleNotFoundError: No module named 'torch'") },
      'userError',
      'HPO-3002',
      /No module named 'torch' \(train\.py, line 12\)\. Install it for \/usr\/bin\/python3/,
    ],
    [
      'a syntax error',
      { exitCode: 1, outputTail: '  File "/a/train.py", line 3\n    x = = 1\n        ^\nSyntaxError: invalid syntax\n' },
      'userError',
      'HPO-3002',
      /invalid syntax \(train\.py, line 3\)/,
    ],
    [
      'a program that is not there',
      { exitCode: 127, outputTail: 'sh: python: not found' },
      'userError',
      'HPO-3002',
      /The program "python" cannot be run/,
    ],
    ['a time limit', { exitCode: null, signal: 'SIGTERM', isTimeout: true }, 'timeout', 'HPO-3005', /time limit of 3 s/],
    [
      'memory, by the kernel',
      { exitCode: null, signal: 'SIGKILL', isOutOfMemory: true },
      'outOfMemory',
      'HPO-3006',
      /out of memory/,
    ],
    [
      'memory, by the GPU',
      { exitCode: 1, outputTail: traceback('torch.cuda.OutOfMemoryError: CUDA out of memory.') },
      'outOfMemory',
      'HPO-3006',
      /CUDA out of memory/,
    ],
    ['memory, by Python', { exitCode: 1, outputTail: traceback('MemoryError') }, 'outOfMemory', 'HPO-3006', /MemoryError/],
  ];
  test.each(rows)('%s', (_name, ending, kind, code, message) => {
    const h = new Harness(spec({ limits: { timeoutMs: 3_000 } }));
    h.see({ type: 'started', number: 0, attempt: 1, pid: 1 }, metric(0, 1, 1, { loss: 1 }), ended(0, 1, ending));
    const trial = h.state.view.trials[0];
    expect(trial).toMatchObject({ state: 'failed', failure: { kind, code } });
    expect(trial?.failure?.message).toMatch(message);
  });

  test.each([
    [
      'nothing at all',
      {},
      'hello\n',
      'No metric "loss" was reported. train.py ended normally after 3 s and printed no metric at all. Last line: "hello". Print it as "loss=0.81".',
    ],
    [
      'another name',
      { acc: 0.81 },
      'x\nacc=0.81\n',
      'No metric "loss" was reported. train.py ended normally after 3 s and printed only "acc". Last lines: "x", "acc=0.81". Name one of them in "# @hpo.objective", or print "loss=0.81".',
    ],
  ])('the objective was never reported: %s', (_name, values, outputTail, message) => {
    const h = new Harness(spec());
    h.see({ type: 'started', number: 0, attempt: 1, pid: 1 });
    h.now += 3_000;
    if (Object.keys(values).length > 0) h.see(metric(0, 1, 1, values));
    h.see(ended(0, 1, { outputTail }));
    expect(h.state.view.trials[0]?.failure).toEqual({ kind: 'badMetric', code: 'HPO-3003', message });
  });

  test.each([
    [['nan'], 'failed'],
    [['nan', 0.5], 'complete'],
    [[0.5, 'nan'], 'failed'],
    [['inf'], 'complete'],
    [['-inf'], 'complete'],
  ] as const)('reports %j: %s', (losses, state) => {
    const h = new Harness(spec());
    h.run(0, ...losses);
    expect(h.state.view.trials[0]?.state).toBe(state);
  });

  test('too much output ends the attempt, and says so', () => {
    const h = new Harness(spec());
    h.see(
      metric(0, 1, 1, { loss: 1 }),
      { type: 'outputLimit', number: 0, attempt: 1 },
      { type: 'outputLimit', number: 0, attempt: 1 },
    );
    expect(h.story().slice(-1)).toEqual(['attemptStopRequested 0.1 outputLimit']);
    h.see(ended(0, 1, { exitCode: null, signal: 'SIGKILL' }));
    expect(h.state.view.trials[0]).toMatchObject({
      state: 'failed',
      failure: { code: 'HPO-3008', message: expect.stringContaining('100 MB') },
    });
  });
});

describe('what is not the fault of the trial is tried again', () => {
  test('lost: after 1 s, after 4 s, then it fails; no other trial takes its place meanwhile', () => {
    const h = new Harness(spec());
    h.see(ended(0, 1, { isLost: true, outputTail: 'spawn python ENOENT' }));
    expect(h.states()).toBe('waiting');
    expect(nextWakeup(h.state)).toBe(h.now + 1_000);
    h.wait(999);
    expect(h.states()).toBe('waiting');
    h.wait(1);
    expect(h.story().at(-1)).toBe('attemptRequested 0.2');
    h.see(ended(0, 2, { isLost: true, outputTail: 'spawn python ENOENT' }));
    expect(nextWakeup(h.state)).toBe(h.now + 4_000);
    h.wait(4_000);
    expect(nextWakeup(h.state)).toBeNull();
    h.see(ended(0, 3, { isLost: true, outputTail: 'spawn python ENOENT' }));
    expect(h.state.view.trials[0]).toMatchObject({
      state: 'failed',
      failure: { kind: 'infrastructure', message: expect.stringContaining('spawn python ENOENT') },
    });
    // Its point is not held against it.
    expect(h.state.history.countOf('failed')).toBe(0);
  });

  test('lost twice, then well', () => {
    const h = new Harness(spec());
    h.see(ended(0, 1, { isLost: true }));
    h.wait(1_000);
    h.see({ type: 'started', number: 0, attempt: 2, pid: 1 }, metric(0, 2, 1, { loss: 9 }), ended(0, 2, { isLost: true }));
    h.wait(4_000);
    h.see(ended(0, 3));
    // The report of the second attempt does not count for the third.
    expect(h.state.view.trials[0]).toMatchObject({ state: 'failed', failure: { code: 'HPO-3003' } });
  });

  test('preempted: at once, without limit', () => {
    const h = new Harness(spec());
    for (let attempt = 1; attempt <= 20; attempt++) h.see(ended(0, attempt, { isPreempted: true, exitCode: null }));
    expect(h.story().at(-1)).toBe('attemptRequested 0.21');
    expect(h.state.view.trials.length).toBe(1);
  });

  test('the back-off of one does not hold up the other slots', () => {
    const h = new Harness(spec({ search: { parallel: 2 } }));
    h.see(ended(0, 1, { isLost: true }));
    h.run(1, 0.5);
    expect(h.states()).toBe('waiting complete running');
    h.wait(1_000);
    expect(h.states()).toBe('running complete running');
  });

  test('when its time has come it takes the next slot, and the clock is not asked again', () => {
    const h = new Harness(spec());
    h.see(ended(0, 1, { isLost: true }));
    h.hasCapacity = false;
    h.wait(5_000);
    expect(h.states()).toBe('waiting');
    expect(nextWakeup(h.state, h.now)).toBeNull();
  });
});

describe('a study in which everything fails alike ends early and says the cause once', () => {
  const fail = (h: Harness, number: number, error: string) =>
    h.see(ended(number, 1, { exitCode: 1, outputTail: traceback(error) }));

  test('after three', () => {
    const h = new Harness(spec({ budget: { trials: 100 } }));
    for (const number of [0, 1, 2]) fail(h, number, `FileNotFoundError: data-${number}.csv`);
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'failed' });
    expect(h.state.view.message).toMatch(
      /^All 3 trials failed with the same error: FileNotFoundError: data-2\.csv \(train\.py, line 12\)/,
    );
    expect(h.state.view.trials.length).toBe(3);
  });

  test('with several at once, after as many; what still runs is stopped', () => {
    const h = new Harness(spec({ budget: { trials: 100 }, search: { parallel: 4 } }));
    for (const number of [0, 1, 2]) fail(h, number, 'ValueError: x');
    expect(h.state.view.state).toBe('running');
    fail(h, 3, 'ValueError: x');
    expect(h.state.view.state).toBe('stopping');
    for (const number of h.state.live.keys()) h.see(ended(number, 1, { exitCode: null, signal: 'SIGTERM' }));
    expect(h.states()).toBe('failed failed failed failed cancelled cancelled cancelled');
    expect(h.state.view.endReason).toBe('failed');
  });

  test('different causes, or one success, go on', () => {
    const h = new Harness(spec({ budget: { trials: 100 } }));
    ['ValueError: a', 'KeyError: b', 'ValueError: a', 'KeyError: b'].forEach((error, number) => fail(h, number, error));
    expect(h.state.view.state).toBe('running');
    h.run(4, 1);
    for (const number of [5, 6, 7, 8]) fail(h, number, 'ValueError: a');
    expect(h.state.view.state).toBe('running');
  });

  test('where the last of several alone failed so, it says that none succeeded', () => {
    const h = new Harness(spec({ budget: { trials: 100 } }));
    fail(h, 0, 'ValueError: a');
    fail(h, 1, "ModuleNotFoundError: No module named 'torch'");
    expect(h.state.view.message).toMatch(/^None of 2 trials succeeded, and the last one failed: ModuleNotFoundError/);
  });

  test('a script that cannot even begin ends it at once', () => {
    const h = new Harness(spec());
    fail(h, 0, "ModuleNotFoundError: No module named 'torch'");
    expect(h.state.view).toMatchObject({
      state: 'ended',
      endReason: 'failed',
      message: expect.stringMatching(/^The script failed with its own values: ModuleNotFoundError.*Install it for/),
    });
  });

  test('fewer trials than three, all failed: the study failed', () => {
    const h = new Harness(spec({ budget: { trials: 2 } }));
    for (const number of [0, 1]) fail(h, number, 'ValueError: x');
    expect(h.state.view).toMatchObject({ endReason: 'failed', message: expect.stringContaining('All 2 trials failed') });
  });

  test('whoever resumes it gets three more', () => {
    const h = new Harness(spec({ budget: { trials: 100 } }));
    for (const number of [0, 1, 2]) fail(h, number, 'ValueError: x');
    h.command({ type: 'resume' });
    for (const number of [3, 4]) fail(h, number, 'ValueError: x');
    expect(h.state.view.state).toBe('running');
    fail(h, 5, 'ValueError: x');
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'failed' });
  });
});
