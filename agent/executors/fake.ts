import { HpoError } from '../protocol/errors.ts';
import type { AttemptKey } from '../protocol/study.ts';
import type { AttemptListing, AttemptStart, Capacity, Ending, Executor, ExecutorListener, PreparedStudy } from './executor.ts';

/** Time as the machine's programs feel it: real, or a simulation's. */
export interface Timers {
  setTimeout(callback: () => void, ms: number): unknown;
  clearTimeout(handle: unknown): void;
}

/** A program of the fake machine; resolves with its exit code. It ends early only at its own awaits, as a real one at its system calls. */
export type FakeProgram = (process: FakeProcess) => Promise<number>;

export interface FakeProcess {
  readonly attempt: AttemptStart;
  /** Variables as a real attempt sees them, without the agent's own. */
  readonly environment: Readonly<Record<string, string>>;
  /** Kept over the attempts of the trial. */
  readonly checkpoint: Map<string, string>;
  print(text: string): void;
  /** Appends to the metrics file. */
  report(line: string): void;
  readFile(path: string): string;
  /** Rejects when the process is being ended. */
  sleep(ms: number): Promise<void>;
  /** From here on only a kill ends it. */
  ignoreTerm(): void;
  /** Leaves another process behind that lives on outside the group. */
  escape(): void;
  /** Ends itself by a signal. */
  raise(signal: string): Promise<never>;
}

/**
 * A machine in memory that outlives its agents, as a real one does: an executor is an agent's hands on it, and a second
 * executor finds what the first one started. Nothing on it takes time but what its programs sleep.
 */
export class FakeMachine {
  readonly cpus: number;
  readonly #timers: Timers;
  readonly #program: FakeProgram;
  /** Files by snapshot hash. */
  readonly #snapshots: ReadonlyMap<string, ReadonlyMap<string, string>>;
  readonly #attempts = new Map<string, FakeAttempt>();
  readonly #checkpoints = new Map<string, Map<string, string>>();
  readonly #cleaned = new Set<string>();
  /** By home, the studies that its agents have prepared and not let go of. */
  readonly #studiesOf = new Map<string, Set<string>>();
  /** The snapshots that the last `prune` was to keep; nothing is removed, so that tests can store them once. */
  kept: ReadonlySet<string> = new Set();

  constructor(options: {
    program: FakeProgram;
    timers?: Timers;
    cpus?: number;
    snapshots?: ReadonlyMap<string, ReadonlyMap<string, string>>;
  }) {
    this.#program = options.program;
    this.#timers = options.timers ?? realTimers;
    this.cpus = options.cpus ?? 2;
    this.#snapshots = options.snapshots ?? new Map();
  }

  /** `home`: whose attempts it lists; agents of several homes may have their hands on the machine. */
  connect(listener: ExecutorListener, home = 'home'): FakeExecutor {
    let studies = this.#studiesOf.get(home);
    if (studies === undefined) {
      studies = new Set();
      this.#studiesOf.set(home, studies);
    }
    return new FakeExecutor(this, listener, studies);
  }

  /** As the driver's `AttemptOutput`. */
  read(key: AttemptKey, stream: 'out' | 'metrics', offset: number, maxBytes: number): Promise<Uint8Array> {
    return Promise.resolve(this.#attempts.get(idOf(key))?.output[stream].read(offset, maxBytes) ?? new Uint8Array());
  }

  size(key: AttemptKey, stream: 'out' | 'metrics'): Promise<number> {
    return Promise.resolve(this.#attempts.get(idOf(key))?.output[stream].size ?? 0);
  }

  readText(hash: string, path: string): Promise<string> {
    const text = this.#snapshots.get(hash)?.get(path);
    return text === undefined
      ? Promise.reject(new HpoError('HPO-2202', `the stored code ${hash} has no file ${path}`, 'start the study again'))
      : Promise.resolve(text);
  }

  prune(keep: ReadonlySet<string>): Promise<void> {
    this.kept = keep;
    return Promise.resolve();
  }

  /** Processes that live, those outside their attempt's group included. */
  get processes(): number {
    let count = 0;
    for (const attempt of this.#attempts.values()) count += (attempt.ending === null ? 1 : 0) + attempt.escaped;
    return count;
  }

  /** Ends an attempt as a lost machine would: without a record. */
  lose(key: AttemptKey): void {
    this.#attempts.get(idOf(key))?.end({ ...ordinary, exitCode: null, isLost: true });
  }

  attempts(studyId: string | null): FakeAttempt[] {
    return [...this.#attempts.values()].filter(
      ({ key }) => (studyId === null || key.studyId === studyId) && !this.#cleaned.has(key.studyId),
    );
  }

  find(key: AttemptKey): FakeAttempt | undefined {
    return this.#attempts.get(idOf(key));
  }

  begin(start: AttemptStart): FakeAttempt {
    const { key } = start;
    const trial = `${key.studyId}/${key.trial}`;
    const checkpoint = this.#checkpoints.get(trial) ?? new Map(this.#checkpoints.get(`${key.studyId}/${start.checkpointFrom}`));
    this.#checkpoints.set(trial, checkpoint);
    const files = new Map([
      ...(this.#snapshots.get(start.snapshot) ?? []),
      ...start.files.map(({ path, content }) => [path, content] as const),
    ]);
    const attempt = new FakeAttempt(start, this.#timers, this.#attempts.size + 1);
    this.#attempts.set(idOf(key), attempt);
    attempt.run(this.#program, checkpoint, files);
    return attempt;
  }

  get studies(): readonly string[] {
    return [...new Set([...this.#attempts.values()].map(({ key }) => key.studyId))];
  }

  reopen(studyId: string): void {
    this.#cleaned.delete(studyId);
  }

  clean(studyId: string, removeFiles: boolean): void {
    this.#cleaned.add(studyId);
    if (!removeFiles) return;
    for (const [id, { key }] of this.#attempts) if (key.studyId === studyId) this.#attempts.delete(id);
    for (const trial of this.#checkpoints.keys()) if (trial.startsWith(`${studyId}/`)) this.#checkpoints.delete(trial);
  }
}

/** Runs attempts on a `FakeMachine`. */
export class FakeExecutor implements Executor {
  readonly name = 'fake';
  readonly #machine: FakeMachine;
  readonly #listener: ExecutorListener;
  readonly #watched = new Set<FakeAttempt>();
  readonly #studies: Set<string>;
  #isDisposed = false;

  constructor(machine: FakeMachine, listener: ExecutorListener, studies: Set<string>) {
    this.#studies = studies;
    this.#machine = machine;
    this.#listener = listener;
  }

  prepare(study: PreparedStudy): Promise<void> {
    this.#studies.add(study.studyId);
    this.#machine.reopen(study.studyId);
    return Promise.resolve();
  }

  start(start: AttemptStart): Promise<void> {
    this.#studies.add(start.key.studyId);
    const attempt = this.#machine.find(start.key) ?? this.#machine.begin(start);
    this.#watch(attempt, true);
    return Promise.resolve();
  }

  stop(key: AttemptKey, graceMs: number): Promise<void> {
    const attempt = this.#machine.find(key);
    if (attempt?.ending !== null || !this.#studies.has(key.studyId)) return Promise.resolve();
    this.#watch(attempt, false);
    attempt.stop(graceMs, false);
    return Promise.resolve();
  }

  list(): Promise<readonly AttemptListing[]> {
    const attempts = this.#machine.attempts(null).filter(({ key }) => this.#studies.has(key.studyId));
    return Promise.resolve(
      attempts.map((attempt) => ({ key: attempt.key, state: attempt.ending === null ? 'running' : 'ended' })),
    );
  }

  studies(): Promise<readonly string[]> {
    return Promise.resolve(this.#machine.studies.filter((studyId) => this.#studies.has(studyId)));
  }

  async cleanup(studyId: string, options: { readonly removeFiles: boolean }): Promise<void> {
    const attempts = this.#machine.attempts(studyId);
    for (const attempt of attempts) await this.stop(attempt.key, 0);
    await Promise.all(attempts.map(({ ended }) => ended));
    this.#machine.clean(studyId, options.removeFiles);
  }

  /** There are no files of a home's own here. */
  release(studyId: string): Promise<void> {
    this.#studies.delete(studyId);
    for (const attempt of this.#machine.attempts(studyId)) this.#watched.delete(attempt);
    return Promise.resolve();
  }

  isReady(): Promise<boolean> {
    return Promise.resolve(true);
  }

  capacity(): Promise<Capacity> {
    return Promise.resolve({ cpus: this.#machine.cpus });
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    return Promise.resolve();
  }

  #watch(attempt: FakeAttempt, isStart: boolean): void {
    if (this.#watched.has(attempt) || this.#isDisposed) return;
    this.#watched.add(attempt);
    const isOurs = (): boolean => !this.#isDisposed && this.#watched.has(attempt);
    if (isStart || attempt.ending === null) this.#listener.started(attempt.key, { pid: attempt.pid });
    attempt.onOutput(() => {
      if (isOurs()) this.#listener.output(attempt.key);
    });
    void attempt.ended.then((ending) => {
      if (isOurs()) this.#listener.ended(attempt.key, ending);
    });
  }
}

/** Between two looks at what an attempt prints too much. */
const floodMs = 100;

const ordinary: Ending = {
  exitCode: 0,
  signal: null,
  isTimeout: false,
  isOutOfMemory: false,
  isLost: false,
  isPreempted: false,
  detail: '',
};

/** One process tree with its shim. */
class FakeAttempt {
  readonly key: AttemptKey;
  readonly pid: number;
  readonly ended: Promise<Ending>;
  readonly output = { out: new Bytes(), metrics: new Bytes() };
  ending: Ending | null = null;
  /** Processes outside the group. */
  escaped = 0;
  readonly #start: AttemptStart;
  readonly #timers: Timers;
  readonly #resolve: (ending: Ending) => void;
  readonly #hints: (() => void)[] = [];
  #interrupt: (() => void) | null = null;
  #ignoresTerm = false;
  #isTimeout = false;
  #deadline: unknown = null;
  #kill: unknown = null;
  #flood: unknown = null;

  constructor(start: AttemptStart, timers: Timers, pid: number) {
    this.key = start.key;
    this.pid = pid;
    this.#start = start;
    this.#timers = timers;
    const { promise, resolve } = Promise.withResolvers<Ending>();
    this.ended = promise;
    this.#resolve = resolve;
  }

  onOutput(hint: () => void): void {
    this.#hints.push(hint);
  }

  run(program: FakeProgram, checkpoint: Map<string, string>, files: ReadonlyMap<string, string>): void {
    const { key, environment, timeoutMs, graceMs } = this.#start;
    if (timeoutMs !== null) this.#deadline = this.#timers.setTimeout(() => this.stop(graceMs, true), timeoutMs);
    program({
      attempt: this.#start,
      environment: { ...environment, HPO_STUDY: key.studyId, HPO_TRIAL: String(key.trial), HPO_ATTEMPT: String(key.attempt) },
      checkpoint,
      print: (text) => this.#write('out', text),
      report: (line) => this.#write('metrics', `${line}\n`),
      readFile: (path) => {
        const content = files.get(path);
        if (content === undefined) throw new RangeError(`no such file: ${path}`);
        return content;
      },
      sleep: (ms) => this.#sleep(ms),
      ignoreTerm: () => (this.#ignoresTerm = true),
      escape: () => this.escaped++,
      raise: (signal) => {
        this.end({ ...ordinary, exitCode: null, signal });
        return new Promise<never>(() => {});
      },
    }).then(
      (exitCode) => this.end({ ...ordinary, exitCode }),
      (error: unknown) => {
        this.#write('out', `${String(error)}\n`);
        this.end({ ...ordinary, exitCode: 1 });
      },
    );
  }

  stop(graceMs: number, isTimeout: boolean): void {
    if (this.ending !== null) return;
    this.#isTimeout ||= isTimeout;
    if (graceMs > 0 && !this.#ignoresTerm) return this.#signal('SIGTERM');
    this.#timers.clearTimeout(this.#kill);
    this.#kill = this.#timers.setTimeout(() => this.#signal('SIGKILL'), graceMs);
  }

  end(ending: Ending): void {
    if (this.ending !== null) return;
    this.ending = { ...ending, isTimeout: this.#isTimeout };
    this.escaped = 0;
    this.#timers.clearTimeout(this.#deadline);
    this.#timers.clearTimeout(this.#kill);
    this.#timers.clearTimeout(this.#flood);
    for (const file of Object.values(this.output)) file.cut(this.#start.outputBytes + 1);
    this.#interrupt?.();
    this.#resolve(this.ending);
  }

  #signal(signal: string): void {
    this.end({ ...ordinary, exitCode: null, signal });
  }

  #write(stream: 'out' | 'metrics', text: string): void {
    // What a killed process still computes reaches nobody.
    if (this.ending !== null) return;
    this.output[stream].append(text);
    if (this.#flood === null && this.output[stream].size > this.#start.outputBytes) this.#planFlood(true);
    for (const hint of this.#hints) hint();
  }

  /** As the shim: asks once what printed too much to end, and kills what printed twice as much. */
  #planFlood(isFirst: boolean): void {
    this.#flood = this.#timers.setTimeout(() => {
      const { graceMs, outputBytes } = this.#start;
      if (Math.max(this.output.out.size, this.output.metrics.size) > 2 * outputBytes) return this.#signal('SIGKILL');
      if (isFirst) this.stop(graceMs, false);
      if (this.ending === null) this.#planFlood(false);
    }, floodMs);
  }

  #sleep(ms: number): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const handle = this.#timers.setTimeout(resolve, ms);
    this.#interrupt = () => {
      this.#timers.clearTimeout(handle);
      reject(new Error('the process was ended'));
    };
    return promise;
  }
}

/** A file that is only appended to, until it is cut. */
class Bytes {
  #bytes = new Uint8Array(256);
  size = 0;

  append(text: string): void {
    const added = new TextEncoder().encode(text);
    if (this.size + added.length > this.#bytes.length) {
      const larger = new Uint8Array(2 * (this.size + added.length));
      larger.set(this.#bytes.subarray(0, this.size));
      this.#bytes = larger;
    }
    this.#bytes.set(added, this.size);
    this.size += added.length;
  }

  cut(size: number): void {
    this.size = Math.min(this.size, size);
  }

  read(offset: number, maxBytes: number): Uint8Array {
    return this.#bytes.slice(offset, Math.min(this.size, offset + maxBytes));
  }
}

const realTimers: Timers = {
  setTimeout: (callback, ms) => setTimeout(callback, ms),
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the handle is what setTimeout above returned
  clearTimeout: (handle) => clearTimeout(handle as NodeJS.Timeout | undefined),
};

function idOf({ studyId, trial, attempt }: AttemptKey): string {
  return `${studyId}/${trial}/${attempt}`;
}
