import { expect } from 'vitest';
import { Driver } from '../../../agent/driver/driver.ts';
import type { Journal, StartProposer } from '../../../agent/driver/ports.ts';
import type { Executor, ExecutorListener } from '../../../agent/executors/executor.ts';
import { FakeMachine, type FakeProcess, type FakeProgram } from '../../../agent/executors/fake.ts';
import type { JournalEntry } from '../../../agent/protocol/events.ts';
import type { AttemptKey, StudySpec } from '../../../agent/protocol/study.ts';
import type { StudyView } from '../../../agent/protocol/view.ts';
import { noFailpoints } from '../../../agent/system/failpoints.ts';
import { nodeClock } from '../../../agent/system/nodeClock.ts';
import { openJournal, type SqliteJournal } from '../../../agent/store/index.ts';
import { parameter, spec as baseSpec } from '../core/study/harness.ts';

type Append = Journal['append'];

export interface WorldOptions {
  readonly program?: FakeProgram;
  readonly cpus?: number;
  /** Files of the snapshot `abc`. */
  readonly files?: Readonly<Record<string, string>>;
  /** Stands between a driver and the machine. */
  readonly executor?: (executor: Executor) => Executor;
  /** Stands between the machine and a driver. */
  readonly listener?: (listener: ExecutorListener) => ExecutorListener;
  /** The machine of another world, so that two agents have their hands on it. */
  readonly machine?: FakeMachine;
  /** As for `FakeMachine.connect`. */
  readonly home?: string;
  /** By default proposals are computed in the driver's own thread. */
  readonly proposer?: StartProposer;
}

/**
 * A machine with its journal, on which drivers live and die: the real driver, store and core, a fake machine. It also
 * keeps what its programs were asked to do and said, to compare with what was recorded.
 */
export class World implements Disposable {
  readonly journal: SqliteJournal = openJournal(':memory:');
  readonly machine: FakeMachine;
  /** How often each attempt was started, by key. */
  readonly starts = new Map<string, number>();
  readonly logged: string[] = [];
  readonly #options: WorldOptions;

  constructor(options: WorldOptions = {}) {
    this.#options = options;
    const program = options.program ?? training();
    this.machine =
      options.machine ??
      new FakeMachine({
        cpus: options.cpus ?? 2,
        program: (process) => {
          const id = keyOf(process.attempt.key);
          this.starts.set(id, (this.starts.get(id) ?? 0) + 1);
          return program(process);
        },
        snapshots: new Map([['abc', new Map(Object.entries(options.files ?? {}))]]),
      });
  }

  /** A driver that has read the journal. `append` stands between it and the journal. */
  async open(append: (append: Append) => Append = (plain) => plain): Promise<Life> {
    const {
      executor = (plain: Executor) => plain,
      listener = (plain: ExecutorListener) => plain,
      proposer = null,
      home,
    } = this.#options;
    const life = new Life(this, append, executor, listener, proposer, home);
    await life.driver.open();
    return life;
  }

  entries(studyId: string | null = null): readonly JournalEntry[] {
    return [...this.journal.read(studyId, 0)];
  }

  /** What is recorded of an attempt's metrics. */
  recorded(studyId: string, number: number, attempt: number): readonly { step: number; values: unknown }[] {
    return this.entries(studyId).flatMap(({ event }) =>
      event.type === 'metricReported' && event.number === number && event.attempt === attempt
        ? [{ step: event.step, values: event.values }]
        : [],
    );
  }

  [Symbol.dispose](): void {
    this.journal[Symbol.dispose]();
  }
}

/** One life of an agent. Disposing ends it in order; `kill` as a kill -9 does. */
export class Life implements AsyncDisposable {
  readonly driver: Driver;
  isDead = false;

  constructor(
    world: World,
    wrap: (append: Append) => Append,
    wrapExecutor: (executor: Executor) => Executor,
    wrapListener: (listener: ExecutorListener) => ExecutorListener,
    proposer: StartProposer | null,
    home: string | undefined,
  ) {
    const { journal, machine } = world;
    const append = wrap((events) => journal.append(events));
    this.driver = new Driver({
      journal: {
        append: (events) => {
          if (this.isDead) throw new Error('the dead write nothing');
          return append(events);
        },
        read: (studyId, from) => journal.read(studyId, from),
        studies: () => journal.studies(),
        lastSeq: () => journal.lastSeq(),
      },
      clock: nodeClock,
      failpoints: noFailpoints,
      output: {
        read: (key, stream, offset, maxBytes) =>
          stream === 'out' || stream === 'metrics'
            ? machine.read(key, stream, offset, maxBytes)
            : Promise.resolve(new Uint8Array()),
        size: (key, stream) => (stream === 'out' || stream === 'metrics' ? machine.size(key, stream) : Promise.resolve(0)),
      },
      snapshots: machine,
      proposer,
      log: {
        info: (message) => void world.logged.push(message),
        error: (message, data) => void world.logged.push(`${message} ${JSON.stringify(data)}`),
      },
      executors: (listener) => {
        const local = this.#mortal(wrapExecutor(machine.connect(wrapListener(this.#mortalListener(listener)), home)));
        // A cluster has room of its own, which nobody here counts.
        const cluster: Executor = { ...local, capacity: () => Promise.resolve({ cpus: Infinity }) };
        return new Map([
          ['local', local],
          ['kubernetes', cluster],
        ]);
      },
    });
  }

  /** What happens after this moment reaches neither journal nor machine. */
  kill(): void {
    this.isDead = true;
    void this.driver[Symbol.asyncDispose]();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.isDead) await this.driver[Symbol.asyncDispose]();
  }

  #mortalListener(listener: ExecutorListener): ExecutorListener {
    return {
      waits: (...args) => void (this.isDead || listener.waits(...args)),
      room: (...args) => void (this.isDead || listener.room(...args)),
      started: (...args) => void (this.isDead || listener.started(...args)),
      output: (...args) => void (this.isDead || listener.output(...args)),
      ended: (...args) => void (this.isDead || listener.ended(...args)),
    };
  }

  #mortal(executor: Executor): Executor {
    const alive = <T>(act: () => Promise<T>): Promise<T> => (this.isDead ? new Promise<T>(() => {}) : act());
    return {
      name: executor.name,
      prepare: (prepared) => alive(() => executor.prepare(prepared)),
      start: (attempt) => alive(() => executor.start(attempt)),
      stop: (key, graceMs) => alive(() => executor.stop(key, graceMs)),
      list: () => alive(() => executor.list()),
      studies: () => alive(() => executor.studies()),
      cleanup: (studyId, options) => alive(() => executor.cleanup(studyId, options)),
      release: (studyId, options) => alive(() => executor.release?.(studyId, options) ?? Promise.resolve()),
      capacity: () => executor.capacity(),
      isReady: (studyId) => executor.isReady(studyId),
      [Symbol.asyncDispose]: () => executor[Symbol.asyncDispose](),
    };
  }
}

/** `steps` epochs, each printed in two pieces with a pause of `ms` between. */
export function training(steps = 3, ms = 0): FakeProgram {
  return async (process) => {
    for (let step = 1; step <= steps; step++) {
      process.print(`epoch ${step} lo`);
      await process.sleep(ms);
      process.print(`ss=${lossOf(process, step)}\n`);
    }
    return 0;
  };
}

/** What `training` makes of its values; different for each trial and step. */
export function lossOf({ environment }: Pick<FakeProcess, 'environment'>, step: number): number {
  return Number(environment['LR']) + 1 / step;
}

/** A study of `training`, whose lr comes through the environment. */
export function study(changes: Parameters<typeof baseSpec>[0] = {}): StudySpec {
  const lr = parameter('lr', { type: 'float', low: 1e-4, high: 1, log: true, revlog: false, step: null }, 0.01);
  return baseSpec({ space: { parameters: [{ ...lr, sink: { type: 'env', name: 'LR' } }], where: [] }, ...changes });
}

export function keyOf({ studyId, trial, attempt }: AttemptKey): string {
  return `${studyId}/${trial}/${attempt}`;
}

/** Resolves when the condition holds; rejects with what is there instead. */
export async function until(condition: () => boolean, what: () => unknown = () => '', timeoutMs = 15_000): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > deadline) expect.fail(`waited in vain: ${condition.toString()} ${JSON.stringify(what())}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

export async function ended(driver: Driver, studyId: string): Promise<StudyView> {
  await until(
    () => driver.view(studyId).state === 'ended',
    () => driver.view(studyId),
  );
  return driver.view(studyId);
}
