import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, inject, it } from 'vitest';
import type { AttemptStart, Ending, Executor, ExecutorListener } from '../../agent/executors/executor.ts';
import type { AttemptKey, ClusterSettings, ContainerSettings, WaitReason } from '../../agent/protocol/study.ts';

/** What a test program does, in words that every executor's machine can be taught. */
export type Step =
  | { readonly do: 'print'; readonly text: string }
  | { readonly do: 'report'; readonly line: string }
  | { readonly do: 'sleep'; readonly ms: number }
  | { readonly do: 'ignoreTerm' }
  | { readonly do: 'raise'; readonly signal: 'SIGTERM' | 'SIGKILL' }
  /** Leaves a process behind that has left the group, the session and its parent. */
  | { readonly do: 'escape' }
  | { readonly do: 'printFile'; readonly path: string }
  | { readonly do: 'printVariable'; readonly name: string }
  /** Appends to a file in HPO_CHECKPOINT_DIR, then prints that file. */
  | { readonly do: 'checkpoint'; readonly text: string }
  | { readonly do: 'exit'; readonly code: number };

/** A machine that stays while agents come and go. */
export interface ExecutorWorld extends AsyncDisposable {
  /** Hash of a snapshot that holds `snapshotFiles`. */
  readonly snapshot: string;
  /** Absolute path of the project. */
  readonly root: string;
  /** What containers get; null where attempts are processes. */
  readonly container: ContainerSettings | null;
  /** What pods get besides; null where there is no cluster. */
  readonly cluster: ClusterSettings | null;
  /** Of which each attempt gets so many; one by default. */
  readonly cpus?: number;
  /** The hands of a new agent. */
  connect(listener: ExecutorListener): Executor;
  command(steps: readonly Step[]): readonly string[];
  read(key: AttemptKey, stream: 'out' | 'metrics'): Promise<string>;
  /** Processes of any attempt that live. */
  processes(): Promise<number>;
}

export const snapshotFiles: Readonly<Record<string, string>> = {
  'train.py': 'lr = 0.1\n',
  'dir with space/q"\'$(id).txt': 'quoted\n',
  'new\nline.txt': 'newline\n',
  '-dash.txt': 'dash\n',
  'ünï🎉.txt': 'unicode\n',
};

/** An agent as far as an executor knows one: remembers what it is told. */
export class Observer implements ExecutorListener {
  readonly told: string[] = [];
  readonly endings = new Map<string, Ending>();
  readonly pids = new Map<string, number | null>();
  readonly #waiting: (() => void)[] = [];

  waits(key: AttemptKey, reason: WaitReason | null): void {
    this.#tell(`waits ${text(key)}${reason === null ? '' : ` ${reason.kind}`}`);
  }

  room(studyId: string, attempts: Readonly<Record<string, number>>): void {
    this.#tell(`room ${studyId} ${JSON.stringify(attempts)}`);
  }

  started(key: AttemptKey, info: { readonly pid: number | null }): void {
    this.#tell(`started ${text(key)}`);
    this.pids.set(text(key), info.pid);
  }

  output(key: AttemptKey): void {
    this.#tell(`output ${text(key)}`);
  }

  ended(key: AttemptKey, ending: Ending): void {
    this.endings.set(text(key), ending);
    this.#tell(`ended ${text(key)}`);
  }

  count(what: 'started' | 'output' | 'ended', key: AttemptKey): number {
    return this.told.filter((line) => line === `${what} ${text(key)}`).length;
  }

  /** Waits for the end of an attempt; fails after `patienceMs`. */
  async ending(key: AttemptKey): Promise<Ending> {
    const deadline = performance.now() + patienceMs;
    for (;;) {
      const ending = this.endings.get(text(key));
      if (ending !== undefined) return ending;
      if (performance.now() > deadline) throw new Error(`${text(key)} did not end; told: ${this.told.join(', ')}`);
      await Promise.race([new Promise<void>((resolve) => this.#waiting.push(resolve)), sleep(200)]);
    }
  }

  #tell(line: string): void {
    this.told.push(line);
    for (const resolve of this.#waiting.splice(0)) resolve();
  }
}

export function text({ studyId, trial, attempt }: AttemptKey): string {
  return `${studyId}/${trial}/${attempt}`;
}

/** Waits until the probe is true; fails after `patienceMs`. */
export async function eventually(probe: () => boolean | Promise<boolean>, what: string): Promise<void> {
  const deadline = performance.now() + patienceMs;
  while (!(await probe())) {
    if (performance.now() > deadline) expect.fail(`never came true: ${what}`);
    await sleep(20);
  }
}

export const key = (trial: number, attempt = 1, studyId = 'study-1'): AttemptKey => ({ studyId, trial, attempt });

export function attemptOf(world: ExecutorWorld, steps: readonly Step[], more: Partial<AttemptStart> = {}): AttemptStart {
  return {
    key: key(0),
    snapshot: world.snapshot,
    command: world.command(steps),
    environment: {},
    files: [],
    checkpointDir: null,
    checkpointFrom: null,
    timeoutMs: null,
    graceMs: 1_000,
    outputBytes: 1 << 30,
    metricFiles: [],
    pool: null,
    cpus: world.cpus ?? 1,
    ...more,
  };
}

const ordinary = {
  exitCode: 0,
  signal: null,
  isTimeout: false,
  isOutOfMemory: false,
  isLost: false,
  isPreempted: false,
  detail: '',
};
const patienceMs = inject('patienceMs');
/** What is left behind lives longer than anybody waits for its end. */
const foreverMs = patienceMs + 5_000;

const forever: Step = { do: 'sleep', ms: foreverMs };

/** What every executor must do. `open` makes a machine with nothing on it. */
export function executorSuite(executorName: string, open: () => Promise<ExecutorWorld>): void {
  describe.concurrent(`executor: ${executorName}`, () => {
    const endings: { name: string; steps: readonly Step[]; ending: Partial<Ending> }[] = [
      { name: 'success', steps: [], ending: {} },
      { name: 'an exit code', steps: [{ do: 'exit', code: 3 }], ending: { exitCode: 3 } },
      { name: 'the highest exit code', steps: [{ do: 'exit', code: 255 }], ending: { exitCode: 255 } },
      { name: 'a signal', steps: [{ do: 'raise', signal: 'SIGTERM' }], ending: { exitCode: null, signal: 'SIGTERM' } },
      { name: 'a kill', steps: [{ do: 'raise', signal: 'SIGKILL' }], ending: { exitCode: null, signal: 'SIGKILL' } },
    ];
    it.each(endings)('tells the end: $name', async ({ steps, ending }) => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      await executor.start(attemptOf(world, [{ do: 'print', text: 'last words\n' }, ...steps]));
      expect(await observer.ending(key(0))).toEqual({ ...ordinary, ...ending });
      expect(await world.read(key(0), 'out')).toBe('last words\n');
      expect(observer.count('started', key(0))).toBeGreaterThan(0);
      expect(observer.told.findIndex((line) => line.startsWith('started'))).toBeLessThan(
        observer.told.findIndex((line) => line.startsWith('ended')),
      );
    });

    it('starts once, however often it is asked, and tells the end once', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      const attempt = attemptOf(world, [{ do: 'checkpoint', text: 'ran ' }]);
      await Promise.all([executor.start(attempt), executor.start(attempt)]);
      await observer.ending(key(0));
      await executor.start(attempt);
      await sleep(100);
      expect(await world.read(key(0), 'out')).toBe('ran ');
      expect(observer.count('ended', key(0))).toBe(1);
    });

    it('lets output and metrics be read while the program runs, and hints at them', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      await executor.start(
        attemptOf(world, [
          { do: 'sleep', ms: 200 },
          { do: 'print', text: 'epoch 1\n' },
          { do: 'report', line: '{"loss":1}' },
          forever,
        ]),
      );
      await eventually(async () => (await world.read(key(0), 'metrics')) === '{"loss":1}\n', 'metrics are there');
      await eventually(() => observer.count('output', key(0)) > 0, 'a hint came');
      // Each file is read by itself: what was written first may come second.
      await eventually(async () => (await world.read(key(0), 'out')) === 'epoch 1\n', 'output is there');
      expect(observer.count('ended', key(0))).toBe(0);
    });

    it('stops gently: asks first', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      await executor.start(attemptOf(world, [forever]));
      const asked = performance.now();
      await executor.stop(key(0), 8_000);
      expect(performance.now() - asked).toBeLessThan(500);
      expect(await observer.ending(key(0))).toEqual({ ...ordinary, exitCode: null, signal: 'SIGTERM' });
    });

    it('kills after the grace what does not listen, wherever it went', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      await executor.start(attemptOf(world, [{ do: 'ignoreTerm' }, { do: 'escape' }, { do: 'print', text: 'ready' }, forever]));
      await eventually(async () => (await world.read(key(0), 'out')) === 'ready', 'the program ignores TERM');
      await executor.stop(key(0), 300);
      const asked = performance.now();
      expect(await observer.ending(key(0))).toMatchObject({ signal: 'SIGKILL', isTimeout: false, isOutOfMemory: false });
      expect(performance.now() - asked).toBeGreaterThan(200);
      await eventually(async () => (await world.processes()) === 0, 'no process is left');
    });

    it('a second stop can be less patient', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      await executor.start(attemptOf(world, [{ do: 'ignoreTerm' }, { do: 'print', text: 'ready' }, forever]));
      await eventually(async () => (await world.read(key(0), 'out')) === 'ready', 'the program ignores TERM');
      await executor.stop(key(0), foreverMs);
      await executor.stop(key(0), 0);
      expect(await observer.ending(key(0))).toMatchObject({ signal: 'SIGKILL' });
    });

    it('stops what is not there, or not any more, without a word', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      await executor.stop(key(7), 0);
      await executor.start(attemptOf(world, []));
      await observer.ending(key(0));
      await executor.stop(key(0), 0);
      expect(observer.count('ended', key(0))).toBe(1);
    });

    it('ends what a program left behind', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      await executor.start(attemptOf(world, [{ do: 'escape' }]));
      expect(await observer.ending(key(0))).toEqual(ordinary);
      await eventually(async () => (await world.processes()) === 0, 'no process is left');
    });

    it('ends an attempt at its deadline', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      await executor.start(attemptOf(world, [forever], { timeoutMs: 200 }));
      await executor.start(attemptOf(world, [{ do: 'ignoreTerm' }, forever], { key: key(1), timeoutMs: 200, graceMs: 200 }));
      expect(await observer.ending(key(0))).toMatchObject({ signal: 'SIGTERM', isTimeout: true });
      expect(await observer.ending(key(1))).toMatchObject({ signal: 'SIGKILL', isTimeout: true, isOutOfMemory: false });
      expect(await world.processes()).toBe(0);
    });

    it('ends what prints or reports too much, and keeps the limit of it and one byte that says so', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      const flood = 'x'.repeat(150);
      const tooMuch = { outputBytes: 100, graceMs: 300 };
      await executor.start(attemptOf(world, [{ do: 'print', text: flood }, forever], tooMuch));
      await executor.start(attemptOf(world, [{ do: 'report', line: flood }, forever], { ...tooMuch, key: key(1) }));
      const stubborn = [{ do: 'ignoreTerm' }, { do: 'print', text: flood + flood }, forever] as const;
      await executor.start(attemptOf(world, stubborn, { ...tooMuch, key: key(2), graceMs: foreverMs }));
      await executor.start(attemptOf(world, [{ do: 'print', text: flood }], { ...tooMuch, key: key(3) }));
      expect(await observer.ending(key(0))).toMatchObject({ signal: 'SIGTERM', isTimeout: false });
      expect(await observer.ending(key(1))).toMatchObject({ signal: 'SIGTERM', isTimeout: false });
      // More than twice the limit: it is not asked any more.
      expect(await observer.ending(key(2))).toMatchObject({ signal: 'SIGKILL', isTimeout: false });
      expect(await observer.ending(key(3))).toEqual(ordinary);
      const kept = [
        world.read(key(0), 'out'),
        world.read(key(1), 'metrics'),
        world.read(key(2), 'out'),
        world.read(key(3), 'out'),
      ];
      expect((await Promise.all(kept)).map(({ length }) => length)).toEqual([101, 101, 101, 101]);
    });

    it('hands over to the next agent: what runs, what ended, what timed out meanwhile', async () => {
      await using world = await open();
      const first = new Observer();
      const starts = [
        attemptOf(world, [{ do: 'exit', code: 5 }], { key: key(1) }),
        attemptOf(world, [forever], { key: key(2), timeoutMs: 250 }),
        attemptOf(world, [forever], { key: key(3) }),
        attemptOf(
          world,
          [
            { do: 'sleep', ms: 12_000 },
            { do: 'print', text: 'done' },
            { do: 'exit', code: 4 },
          ],
          { key: key(0) },
        ),
      ];
      {
        await using executor = world.connect(first);
        for (const start of starts) await executor.start(start);
        await first.ending(key(1));
      }
      const second = new Observer();
      await using executor = world.connect(second);
      const listed = async () => (await executor.list()).map((listing) => `${text(listing.key)} ${listing.state}`).sort();
      await eventually(async () => (await listed()).includes('study-1/2/1 ended'), 'the deadline of one passes meanwhile');
      expect(await listed()).toEqual(['study-1/0/1 running', 'study-1/1/1 ended', 'study-1/2/1 ended', 'study-1/3/1 running']);
      for (const start of starts) await executor.start(start);
      await executor.stop(key(3), 5_000);
      expect(await second.ending(key(0))).toEqual({ ...ordinary, exitCode: 4 });
      expect(await second.ending(key(1))).toEqual({ ...ordinary, exitCode: 5 });
      expect(await second.ending(key(2))).toMatchObject({ signal: 'SIGTERM', isTimeout: true });
      expect(await second.ending(key(3))).toMatchObject({ signal: 'SIGTERM', isTimeout: false });
      expect(await world.read(key(0), 'out')).toBe('done');
      await sleep(50);
      for (const start of starts) expect(second.count('ended', start.key), text(start.key)).toBe(1);
      expect(first.count('ended', key(0))).toBe(0);
    });

    it('only looks when it lists: the end is told to who adopts, however late', async () => {
      await using world = await open();
      const attempt = attemptOf(world, [{ do: 'sleep', ms: 2_000 }]);
      {
        await using executor = world.connect(new Observer());
        await executor.start(attempt);
      }
      const observer = new Observer();
      await using executor = world.connect(observer);
      expect(await executor.list()).toEqual([{ key: key(0), state: 'running' }]);
      await eventually(async () => (await executor.list())[0]?.state === 'ended', 'it ends');
      expect(observer.told).toEqual([]);
      await executor.start(attempt);
      expect(await observer.ending(key(0))).toEqual(ordinary);
    });

    it('stops what an agent before it started, without being told to start it', async () => {
      await using world = await open();
      {
        await using executor = world.connect(new Observer());
        await executor.start(attemptOf(world, [forever]));
      }
      const observer = new Observer();
      await using executor = world.connect(observer);
      await executor.stop(key(0), 5_000);
      expect(await observer.ending(key(0))).toMatchObject({ signal: 'SIGTERM' });
      expect(await executor.list()).toEqual([{ key: key(0), state: 'ended' }]);
    });

    it.each([{ removeFiles: false }, { removeFiles: true }])(
      'cleans up a study, and nothing of another ($removeFiles)',
      async ({ removeFiles }) => {
        await using world = await open();
        const observer = new Observer();
        await using executor = world.connect(observer);
        await executor.start(attemptOf(world, [{ do: 'ignoreTerm' }, { do: 'escape' }, { do: 'print', text: 'ready' }, forever]));
        await executor.start(attemptOf(world, [forever], { key: key(0, 1, 'study-10') }));
        await eventually(async () => (await world.read(key(0), 'out')) === 'ready', 'it runs');
        await executor.cleanup('study-1', { removeFiles });
        expect((await executor.studies()).toSorted()).toEqual(removeFiles ? ['study-10'] : ['study-1', 'study-10']);
        expect(await world.read(key(0), 'out')).toBe(removeFiles ? '' : 'ready');
        expect(await executor.list()).toEqual([{ key: key(0, 1, 'study-10'), state: 'running' }]);
        expect(observer.count('ended', key(0))).toBe(1);
        await executor.cleanup('study-1', { removeFiles });
        await executor.cleanup('never-was', { removeFiles });
        await executor.cleanup('study-10', { removeFiles: true });
        await eventually(async () => (await world.processes()) === 0, 'no process is left');
      },
    );

    it('gives the program its files, whatever they are called, with the trial’s values in them', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      await executor.prepare({
        studyId: 'study-1',
        root: world.root,
        snapshot: world.snapshot,
        container: world.container,
        cluster: world.cluster,
      });
      const paths = Object.keys(snapshotFiles);
      const files = [{ path: 'train.py', content: 'lr = 0.5\n' }];
      await executor.start(
        attemptOf(
          world,
          paths.map((path) => ({ do: 'printFile', path }) as const),
          { files },
        ),
      );
      await observer.ending(key(0));
      expect(await world.read(key(0), 'out')).toBe(Object.values({ ...snapshotFiles, 'train.py': 'lr = 0.5\n' }).join(''));
    });

    it('tells the program who it is', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      const value = `{"a": "it's \\"$(id)\\"\n"}`;
      const names = ['HPO_STUDY', 'HPO_TRIAL', 'HPO_ATTEMPT', 'HPO_PARAMS'];
      await executor.start(
        attemptOf(
          world,
          names.map((name) => ({ do: 'printVariable', name }) as const),
          { key: key(12, 3), environment: { HPO_PARAMS: value } },
        ),
      );
      await observer.ending(key(12, 3));
      expect(await world.read(key(12, 3), 'out')).toBe(`study-1\n12\n3\n${value}\n`);
    });

    it('keeps checkpoints over the attempts of a trial, and apart from other trials', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      for (const [trial, attempt] of [
        [0, 1],
        [1, 1],
        [0, 2],
      ] as const) {
        await executor.start(
          attemptOf(world, [{ do: 'checkpoint', text: `${trial}.${attempt} ` }], { key: key(trial, attempt) }),
        );
        await observer.ending(key(trial, attempt));
      }
      expect(await world.read(key(0, 2), 'out')).toBe('0.1 0.2 ');
      expect(await world.read(key(1), 'out')).toBe('1.1 ');
    });

    it('begins a fork with a copy of the checkpoint of another trial, once, and leaves that one as it is', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      const run = async (trial: number, attempt: number, checkpointFrom: number | null): Promise<string> => {
        const steps: readonly Step[] = [{ do: 'checkpoint', text: `${trial}.${attempt} ` }];
        await executor.start(attemptOf(world, steps, { key: key(trial, attempt), checkpointFrom }));
        await observer.ending(key(trial, attempt));
        return world.read(key(trial, attempt), 'out');
      };
      expect(await run(0, 1, null)).toBe('0.1 ');
      expect(await run(1, 1, 0)).toBe('0.1 1.1 ');
      expect(await run(0, 2, null)).toBe('0.1 0.2 ');
      expect(await run(1, 2, 0)).toBe('0.1 1.1 1.2 ');
      expect(await run(2, 1, 1)).toBe('0.1 1.1 1.2 2.1 ');
      // One that has no checkpoint has none to give.
      expect(await run(3, 1, 77)).toBe('3.1 ');
    });

    it('runs several at once', async () => {
      await using world = await open();
      const observer = new Observer();
      await using executor = world.connect(observer);
      expect((await executor.capacity()).cpus).toBeGreaterThanOrEqual(1);
      const keys = Array.from({ length: 12 }, (_, trial) => key(trial));
      await Promise.all(
        keys.map((each) => executor.start(attemptOf(world, [{ do: 'print', text: `${each.trial}` }], { key: each }))),
      );
      for (const each of keys) {
        await observer.ending(each);
        expect(await world.read(each, 'out')).toBe(`${each.trial}`);
      }
    });
  });
}
