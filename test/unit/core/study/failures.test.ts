import { describe, expect, test } from 'vitest';
import { nextWakeup, type AttemptEnding } from '../../../../agent/core/study/index.ts';
import type { MetricSource } from '../../../../agent/protocol/space.ts';
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
      'HPO-3012',
      /No module named 'torch' \(train\.py, line 12\)\. Install it for \/usr\/bin\/python3/,
    ],
    [
      'a syntax error',
      { exitCode: 1, outputTail: '  File "/a/train.py", line 3\n    x = = 1\n        ^\nSyntaxError: invalid syntax\n' },
      'userError',
      'HPO-3002',
      /invalid syntax \(train\.py, line 3\)/,
    ],
    ['a time limit', { exitCode: null, signal: 'SIGTERM', isTimeout: true }, 'timeout', 'HPO-3005', /time limit of 3 s/],
    [
      'memory, by the kernel',
      { exitCode: null, signal: 'SIGKILL', isOutOfMemory: true },
      'outOfMemory',
      'HPO-3015',
      /out of memory/,
    ],
    [
      'memory, by the GPU',
      { exitCode: 1, outputTail: traceback('torch.cuda.OutOfMemoryError: CUDA out of memory.') },
      'outOfMemory',
      'HPO-3015',
      /CUDA out of memory/,
    ],
    [
      'memory, by numpy',
      { exitCode: 1, outputTail: traceback('numpy._core._exceptions._ArrayMemoryError: Unable to allocate 9 TiB') },
      'outOfMemory',
      'HPO-3015',
      /Unable to allocate/,
    ],
    [
      'memory, by an older torch',
      { exitCode: 1, outputTail: traceback('RuntimeError: CUDA error: out of memory') },
      'outOfMemory',
      'HPO-3015',
      /CUDA error/,
    ],
    [
      'memory, by jax',
      {
        exitCode: 1,
        outputTail: traceback('jaxlib._jax.XlaRuntimeError: RESOURCE_EXHAUSTED: Out of memory allocating 9 bytes.'),
      },
      'outOfMemory',
      'HPO-3015',
      /RESOURCE_EXHAUSTED/,
    ],
    [
      'an error that speaks of memory',
      { exitCode: 1, outputTail: traceback('ValueError: value out of memory of tests') },
      'userError',
      'HPO-3001',
      /^ValueError: value out of memory of tests \(/,
    ],
    [
      'an error that names the other',
      { exitCode: 1, outputTail: traceback('KeyError: OutOfMemoryError') },
      'userError',
      'HPO-3001',
      /^KeyError/,
    ],
    ['memory, by Python', { exitCode: 1, outputTail: traceback('MemoryError') }, 'outOfMemory', 'HPO-3015', /MemoryError/],
  ];
  test.each(rows)('%s', (_name, ending, kind, code, message) => {
    const h = new Harness(spec({ limits: { timeoutMs: 3_000 } }));
    h.see({ type: 'started', number: 0, attempt: 1, pid: 1 }, metric(0, 1, 1, { loss: 1 }), ended(0, 1, ending));
    const trial = h.state.view.trials[0];
    expect(trial).toMatchObject({ state: 'failed', failure: { kind, code } });
    expect(trial?.failure?.message).toMatch(message);
  });

  test.each([
    ['/v/bin/python3.12', 'Install it for /v/bin/python3.12, or'],
    ['C:\\v\\python.exe', 'Install it for C:\\v\\python.exe, or'],
    ['sh', 'Install it for the Python that "sh t.sh" runs, or'],
  ])('a missing module is one of the Python that runs: %s', (interpreter, next) => {
    const environment = { interpreter, version: '', reason: 'command' };
    const h = new Harness(spec({ environment, command: ['sh', 't.sh'] }));
    h.see(ended(0, 1, { exitCode: 1, outputTail: traceback("ModuleNotFoundError: No module named 'torch'") }));
    expect(h.state.view.trials[0]?.failure?.message).toContain(next);
  });

  test.each<[MetricSource, RegExp]>([
    [
      { type: 'stdout', metric: 'loss', pattern: 'L: (.*)', stepPattern: null },
      /printed no line that matches "L: \(\.\*\)".*Last line: "loss=1"/,
    ],
    [{ type: 'json', metric: 'loss', path: 'out/m.json' }, /no "loss" came from the file "out\/m\.json", from which alone/],
    [{ type: 'csv', metric: 'loss', path: 'm.csv' }, /no "loss" came from the file "m\.csv"/],
    [{ type: 'tensorboard', metric: 'loss', dir: 'runs' }, /from the TensorBoard files in "runs"/],
  ])('the objective is read from elsewhere: %j', (source, message) => {
    const h = new Harness(spec({ metrics: [source] }));
    h.see({ type: 'started', number: 0, attempt: 1, pid: 1 }, ended(0, 1, { outputTail: 'loss=1\n' }));
    expect(h.state.view.trials[0]?.failure).toMatchObject({ code: 'HPO-3003', message: expect.stringMatching(message) });
    expect(h.state.view.trials[0]?.failure?.message).not.toContain('loss=0.81');
  });

  test.each([
    'setsid: failed to execute python: No such file or directory\n',
    'setsid: failed to execute python: Permission denied\n',
    "setsid: can't execute 'python': No such file or directory\n",
    'setsid: python konnte nicht ausgeführt werden: Datei oder Verzeichnis nicht gefunden\n',
    '/home/me/a b/shim-0123456789ab.sh: 69: exec: python: not found\n',
    '/home/me/shim-0123456789ab.sh: line 69: python: No such file or directory\n',
  ])('a program that is not there: %j', (outputTail) => {
    const h = new Harness(spec());
    h.see({ type: 'started', number: 0, attempt: 1, pid: 1 }, ended(0, 1, { exitCode: 127, outputTail }));
    expect(h.state.view.trials[0]?.failure).toMatchObject({
      kind: 'userError',
      code: 'HPO-3002',
      message: expect.stringContaining('The program "python" cannot be run'),
    });
  });

  test.each([
    ['done, bye\n', 127],
    ['', 127],
    ['t.sh: 3: nosuch: not found\n', 127],
    ['python: line 3: nosuch: command not found\n', 127],
    ['setsid: failed to execute python: printed by the program\nand more\n', 127],
    ['setsid: failed to execute nosuch: No such file or directory\n', 127],
    ['setsid: failed to execute python3: No such file or directory\n', 127],
    ['t.sh: 3: ./python: Permission denied\n', 126],
  ])(
    'what the program says itself with exit code 127 or 126 is its own error, also after others went well: %j',
    (outputTail, exitCode) => {
      const h = new Harness(spec());
      h.run(0, 0.5);
      h.see({ type: 'started', number: 1, attempt: 1, pid: 1 }, ended(1, 1, { exitCode, outputTail }));
      expect(h.state.view.trials[1]).toMatchObject({
        state: 'failed',
        failure: {
          kind: 'userError',
          code: 'HPO-3001',
          message: expect.stringMatching(new RegExp(`^The script ended with exit code ${exitCode}, with which a shell says`)),
        },
      });
    },
  );

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
    [['inf'], 'failed'],
    [['-inf'], 'failed'],
    [[-1, 'inf'], 'failed'],
    [['inf', '-inf', -1], 'complete'],
  ] as const)('reports %j: %s', (losses, state) => {
    const h = new Harness(spec());
    h.run(0, ...losses);
    expect(h.state.view.trials[0]?.state).toBe(state);
  });

  test.each([
    ['min', 'nan', /^"loss" was NaN at the end \(step 1\): the training diverged\./],
    ['min', 'inf', /^"loss" was inf at the end \(step 1\): the training diverged\./],
    ['max', '-inf', /^"loss" was -inf at the end \(step 1\): the training diverged\./],
    ['min', '-inf', /^"loss" was -inf at the end \(step 1\), better than any result can be: look for a logarithm of 0/],
    ['max', 'inf', /^"loss" was inf at the end \(step 1\), better than any result can be/],
  ] as const)('an objective to be %s that is %s is no result, and reaches no goal', (direction, value, message) => {
    const h = new Harness(spec({ objectives: [{ metric: 'loss', direction, goal: 0 }] }));
    h.run(0, value);
    expect(h.state.view).toMatchObject({ state: 'running', incumbent: null });
    expect(h.state.view.trials[0]?.failure).toMatchObject({ kind: 'badMetric', code: 'HPO-3004' });
    expect(h.state.view.trials[0]?.failure?.message).toMatch(message);
  });

  test.each([
    ['inf', 'infeasible'],
    ['-inf', 'complete'],
  ] as const)('the metric of a constraint may be infinite: %s is %s', (size, state) => {
    const h = new Harness(spec({ constraints: ['size <= 3'] }));
    h.see({ type: 'started', number: 0, attempt: 1, pid: 1 }, metric(0, 1, 1, { loss: 1, size }), ended(0, 1));
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
  test('lost: after about 1, 4 and 16 s, then it fails; no other trial takes its place meanwhile', () => {
    const h = new Harness(spec());
    h.see({ type: 'started', number: 0, attempt: 1, pid: 1 }, ended(0, 1, { isLost: true }));
    expect(h.states()).toBe('waiting');
    expect(h.state.view.trials[0]?.attempts[0]?.failure?.message).toMatch(
      /vanished without a record.*It is tried again in \d+ (ms|s) \(1 of 3\)\.$/,
    );
    for (const [i, nominal] of [1_000, 4_000, 16_000].entries()) {
      const at = nextWakeup(h.state) ?? NaN;
      expect(at - h.now).toBeGreaterThanOrEqual(nominal * 0.5);
      expect(at - h.now).toBeLessThanOrEqual(nominal * 1.5);
      h.wait(at - h.now - 1);
      expect(h.states()).toBe('waiting');
      h.wait(1);
      expect(h.story().at(-1)).toBe(`attemptRequested 0.${i + 2}`);
      h.see({ type: 'started', number: 0, attempt: i + 2, pid: 1 }, ended(0, i + 2, { isLost: true }));
    }
    expect(h.state.view.trials[0]).toMatchObject({
      state: 'failed',
      failure: {
        kind: 'infrastructure',
        code: 'HPO-3007',
        message: expect.stringMatching(/vanished.*It was tried again in vain\.$/),
      },
    });
    // Its point is not held against it.
    expect(h.state.history.countOf('failed')).toBe(0);
  });

  test('lost twice, then well', () => {
    const h = new Harness(spec());
    h.see(ended(0, 1, { isLost: true }));
    h.wait(1_500);
    h.see({ type: 'started', number: 0, attempt: 2, pid: 1 }, metric(0, 2, 1, { loss: 9 }), ended(0, 2, { isLost: true }));
    h.wait(6_000);
    h.see(ended(0, 3));
    // The report of the second attempt does not count for the third.
    expect(h.state.view.trials[0]).toMatchObject({ state: 'failed', failure: { code: 'HPO-3003' } });
  });

  test('preempted: three times at once, then ever later, without limit', () => {
    const h = new Harness(spec());
    const waits: number[] = [];
    for (let attempt = 1; attempt <= 20; attempt++) {
      h.see(ended(0, attempt, { isPreempted: true, exitCode: null }));
      const waitMs = (nextWakeup(h.state) ?? h.now) - h.now;
      waits.push(waitMs);
      h.wait(waitMs);
    }
    expect(h.story().at(-1)).toBe('attemptRequested 0.21');
    expect(h.state.view.trials.length).toBe(1);
    expect(waits.slice(0, 3)).toEqual([0, 0, 0]);
    waits.slice(3).forEach((waitMs, i) => {
      const nominal = Math.min(300_000, 2_000 * 2 ** i);
      expect(waitMs).toBeGreaterThanOrEqual(nominal / 2);
      expect(waitMs).toBeLessThanOrEqual(nominal * 1.5);
    });
  });

  test('the back-off of one does not hold up the other slots', () => {
    const h = new Harness(spec({ search: { parallel: 2 } }));
    h.see(ended(0, 1, { isLost: true }));
    h.run(1, 0.5);
    expect(h.states()).toBe('waiting complete running');
    h.wait(1_500);
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

  test.each([
    [{}, 'Look at free space, the limits of processes and files, and the interpreter.'],
    [{ advice: 'start it: sudo systemctl start docker' }, 'Start it: sudo systemctl start docker.'],
  ])('one that could not be started says what mends that, where that is known: %j', (known, said) => {
    const h = new Harness(spec());
    h.see(ended(0, 1, { isLost: true, outputTail: 'nobody answers (HPO-2402)', ...known }));
    expect(h.state.trial(0).attempts[0]?.failure).toMatchObject({
      code: 'HPO-3010',
      message: expect.stringContaining(
        `The attempt could not be started: nobody answers (HPO-2402). ${said} It is tried again in `,
      ),
    });
  });

  test.each([
    ['less than it has lasted', 400, 'waiting'],
    ['a minute', 60_000, 'running'],
    ['a day', 86_400_000, 'running'],
  ])('a clock that is set back by %s lengthens it by what it had lasted at most', (_by, ms, after) => {
    const h = new Harness(spec());
    h.see(ended(0, 1, { isLost: true }));
    h.wait(450);
    expect(h.states()).toBe('waiting');
    h.wait(-ms);
    expect(h.states()).toBe(after);
    h.wait(1_500);
    expect(h.states()).toBe('running');
  });
});

describe('a study in which everything fails alike pauses itself and says the cause once', () => {
  const fail = (h: Harness, number: number, error: string, attempt = 1) =>
    h.see(ended(number, attempt, { exitCode: 1, outputTail: traceback(error) }));

  test('after three', () => {
    const h = new Harness(spec({ budget: { trials: 100 } }));
    for (const number of [0, 1, 2]) fail(h, number, `FileNotFoundError: data-${number}.csv`);
    expect(h.state.view).toMatchObject({ state: 'paused', endReason: null, failure: { kind: 'userError', code: 'HPO-3001' } });
    expect(h.state.view.message).toMatch(
      /^All 3 trials failed with the same error: FileNotFoundError: data-2\.csv \(train\.py, line 12\)/,
    );
    expect(h.state.view.trials.length).toBe(3);
    expect(h.story().filter((event) => event === 'studyPaused')).toHaveLength(1);
  });

  test.each([null, { dir: 'c' }])(
    'with several at once, after as many; what runs goes on to its end, nothing new starts, checkpoint %j',
    (checkpoint) => {
      const h = new Harness(spec({ checkpoint, budget: { trials: 100 }, search: { parallel: 4 } }));
      for (const number of [0, 1, 2]) fail(h, number, 'ValueError: x');
      expect(h.state.view.state).toBe('running');
      fail(h, 3, 'ValueError: x');
      expect(h.state.view.state).toBe('paused');
      expect(h.states()).toBe('failed failed failed failed running running running');
      for (const number of [4, 5, 6]) fail(h, number, 'ValueError: x');
      expect(h.states()).toBe('failed failed failed failed failed failed failed');
      expect(h.state.view.state).toBe('paused');
      expect(h.story().filter((event) => event === 'studyPaused')).toHaveLength(1);
    },
  );

  test('one that still ran does well: not everything fails, and the study goes on by itself', () => {
    const h = new Harness(spec({ budget: { trials: 100 }, search: { parallel: 4 } }));
    for (const number of [0, 1, 2, 3]) fail(h, number, 'ValueError: x');
    h.run(4, 0.5);
    expect(h.state.view).toMatchObject({ state: 'running', failure: null, message: '' });
    expect(h.state.live.size).toBe(4);
    fail(h, 5, 'ValueError: x');
    expect(h.state.view.state).toBe('running');
  });

  test('also where they took longer or shorter, told in other units', () => {
    const h = new Harness(spec({ budget: { trials: 100 } }));
    [12, 900, 3_000].forEach((ms, number) => {
      h.see({ type: 'started', number, attempt: 1, pid: 1 });
      h.wait(ms);
      h.see(ended(number, 1));
    });
    expect(h.state.view).toMatchObject({ state: 'paused', failure: { code: 'HPO-3003' } });
    expect(h.state.view.message).toMatch(/^All 3 trials failed with the same error/);
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

  test('a script that cannot even begin pauses it at once', () => {
    const h = new Harness(spec());
    fail(h, 0, "ModuleNotFoundError: No module named 'torch'");
    expect(h.state.view).toMatchObject({
      state: 'paused',
      failure: { code: 'HPO-3012' },
      message: expect.stringMatching(/^The script failed with its own values: ModuleNotFoundError.*Install it for/),
    });
  });

  test.each([
    [2, 'All 2 trials failed'],
    [3, 'All 3 trials failed'],
  ])('where nothing would be left to do it ends instead: %d trials', (trials, message) => {
    const h = new Harness(spec({ budget: { trials } }));
    for (let number = 0; number < trials; number++) fail(h, number, 'ValueError: x');
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'failed', message: expect.stringContaining(message) });
  });

  test('whoever resumes it gets three more, and in the end it has failed', () => {
    const h = new Harness(spec({ budget: { trials: 7 } }));
    for (const number of [0, 1, 2]) fail(h, number, 'ValueError: x');
    h.command({ type: 'resume' });
    expect(h.state.view).toMatchObject({ state: 'running', failure: null });
    for (const number of [3, 4]) fail(h, number, 'ValueError: x');
    expect(h.state.view.state).toBe('running');
    fail(h, 5, 'ValueError: x');
    expect(h.state.view).toMatchObject({ state: 'paused', message: expect.stringMatching(/^The last 3 of 6 trials|^All 6/) });
    h.command({ type: 'resume' });
    fail(h, 6, 'ValueError: x');
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'failed' });
  });

  test('stopped while it is paused it ends as every other', () => {
    const h = new Harness(spec({ budget: { trials: 100 } }));
    for (const number of [0, 1, 2]) fail(h, number, 'ValueError: x');
    h.command({ type: 'stop' });
    expect(h.state.view).toMatchObject({ state: 'ended', endReason: 'stopped', failure: null });
  });
});

describe('a machine on which nothing can run pauses the study', () => {
  const cannotStart = { isLost: true, exitCode: null, outputTail: 'spawn python EAGAIN' } as const;
  const again = (h: Harness) => h.wait((nextWakeup(h.state, h.now) ?? h.now) - h.now);
  const failToStart = (h: Harness, number: number, from: number, count: number) => {
    for (let attempt = from; attempt < from + count; attempt++) {
      h.see(ended(number, attempt, cannotStart));
      if (attempt < from + count - 1) again(h);
    }
  };

  test('after four attempts that could not be started; no trial is lost, and a resume takes it up again', () => {
    const h = new Harness(spec({ budget: { trials: 3 } }));
    failToStart(h, 0, 1, 4);
    expect(h.states()).toBe('waiting');
    expect(h.state.view).toMatchObject({
      state: 'paused',
      failure: { kind: 'infrastructure', code: 'HPO-3010' },
      message: expect.stringMatching(
        /^No trial can run on this machine at present: The attempt could not be started: spawn python EAGAIN/,
      ),
    });
    h.command({ type: 'resume' });
    expect(h.story().at(-1)).toBe('attemptRequested 0.5');
    h.see({ type: 'started', number: 0, attempt: 5, pid: 1 }, metric(0, 5, 1, { loss: 1 }), ended(0, 5));
    expect(h.states()).toBe('complete running');
  });

  test('several at once: one pause, none is lost', () => {
    const h = new Harness(spec({ budget: { trials: 9 }, search: { parallel: 3 } }));
    for (let round = 0; h.state.view.state === 'running' && round < 30; round++) {
      for (const { number, attempt } of h.state.live.values()) h.see(ended(number, attempt, cannotStart));
      again(h);
    }
    expect(h.state.view.state).toBe('paused');
    for (const { number, attempt } of h.state.live.values()) h.see(ended(number, attempt, cannotStart));
    expect(h.states()).toBe('waiting waiting waiting');
    expect(h.story().filter((event) => event === 'studyPaused')).toHaveLength(1);
  });

  test('a trial that alone cannot be started, also after a resume, fails, and the study goes on', () => {
    const h = new Harness(spec({ budget: { trials: 3 } }));
    failToStart(h, 0, 1, 4);
    h.command({ type: 'resume' });
    failToStart(h, 0, 5, 4);
    expect(h.states()).toBe('failed running');
    expect(h.state.view).toMatchObject({ state: 'running', failure: null });
  });

  test('others start meanwhile: it is the trial', () => {
    const h = new Harness(spec({ budget: { trials: 30 }, search: { parallel: 2 } }));
    for (let attempt = 1, other = 1; attempt <= 4; attempt++, other++) {
      h.see(ended(0, attempt, cannotStart));
      h.run(other, 0.5);
      again(h);
    }
    expect(h.state.view.state).toBe('running');
    expect(h.state.view.trials[0]).toMatchObject({ state: 'failed', failure: { code: 'HPO-3010' } });
  });

  test('a full disk, seen by the script', () => {
    const h = new Harness(spec({ budget: { trials: 30 } }));
    h.run(0, 0.5);
    for (let attempt = 1; attempt <= 4; attempt++) {
      h.see(
        { type: 'started', number: 1, attempt, pid: 1 },
        ended(1, attempt, { exitCode: 1, outputTail: traceback('OSError: [Errno 28] No space left on device') }),
      );
      if (attempt < 4) again(h);
    }
    expect(h.state.view).toMatchObject({ state: 'paused', failure: { kind: 'infrastructure', code: 'HPO-3011' } });
    expect(h.states()).toBe('complete waiting');
  });

  test('an interpreter that was deleted in the middle', () => {
    const h = new Harness(spec({ budget: { trials: 30 } }));
    h.run(0, 0.5);
    for (let attempt = 1; attempt <= 4; attempt++) {
      h.see(
        { type: 'started', number: 1, attempt, pid: 1 },
        ended(1, attempt, { exitCode: 127, outputTail: 'setsid: failed to execute python: No such file or directory' }),
      );
      if (attempt < 4) again(h);
    }
    expect(h.state.view).toMatchObject({ state: 'paused', failure: { code: 'HPO-3010' } });
    expect(h.state.view.message).toMatch(/The program "python" can no longer be run/);
  });
});
