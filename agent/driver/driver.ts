import {
  command as commandEvents,
  createStudy,
  decide,
  fold,
  intents,
  nextWakeup,
  observe,
  pointOf,
  type StudyState,
} from '../core/study/index.ts';
import type { Executor, ExecutorListener, Ending } from '../executors/executor.ts';
import { HpoError } from '../protocol/errors.ts';
import type { JournalEntry, OutputCursor, StudyEvent } from '../protocol/events.ts';
import type { StudyCommand } from '../protocol/requests.ts';
import type { AttemptKey, StudySpec } from '../protocol/study.ts';
import type { StudyView } from '../protocol/view.ts';
import { AttemptIntake, type IntakeRecord } from './attemptIntake.ts';
import { buildAttempt, tunedFiles } from './buildAttempt.ts';
import type { DriverPorts } from './ports.ts';
import { Subscriptions } from './subscriptions.ts';

/** Metric records wait this long for company, so that one disk flush serves many. Ends and commands do not wait. */
const groupMs = 25;
/** Pause before a failed append is tried again. */
const retryAppendMs = 1_000;
const noCursor: OutputCursor = {};

/** The end of an attempt of which nothing is known. */
const lost: Ending = { exitCode: null, signal: null, isTimeout: false, isOutOfMemory: false, isLost: true };

interface Study {
  readonly studyId: string;
  readonly state: StudyState;
  readonly executor: Executor;
  /** Resolves when the executor has made the snapshot ready and the tuned files are read. */
  ready: Promise<ReadonlyMap<string, string>> | null;
  wakeup: number | null;
}

interface LiveAttempt {
  readonly key: AttemptKey;
  readonly intake: AttemptIntake;
  /** Whether the executor was asked, in this life of the agent, to start or adopt it. */
  isLaunched: boolean;
  isStopAsked: boolean;
  hasEnded: boolean;
}

interface Input {
  readonly studyId: string;
  /**
   * The first event of a new study, or what computes the events of a known one when the input's turn comes; that may
   * throw an HpoError, which goes to `ack`.
   */
  readonly produce: CreationEvent | ((state: StudyState) => readonly StudyEvent[]);
  readonly ack: PromiseWithResolvers<void> | null;
}

type CreationEvent = Extract<StudyEvent, { type: 'studyCreated' }>;

/**
 * The one writer. Everything that happens (an observation, a command, a timer) becomes events; events are appended
 * before anyone hears of them or acts on them; what the world should look like then follows from the state alone
 * (`intents`), so a restart is nothing special: fold the journal, look at the world, go on.
 */
export class Driver implements AsyncDisposable {
  readonly #ports: DriverPorts;
  readonly #executors: ReadonlyMap<StudySpec['executor'], Executor>;
  readonly #studies = new Map<string, Study>();
  readonly #attempts = new Map<string, LiveAttempt>();
  readonly #recorded = new Map<string, OutputCursor>();
  readonly #subscriptions: Subscriptions;
  #inputs: Input[] = [];
  #batch: { studyId: string; event: StudyEvent }[] = [];
  #acks: PromiseWithResolvers<void>[] = [];
  #dirty = new Set<Study>();
  #nextSeq = 1;
  #turn: NodeJS.Immediate | null = null;
  #groupTimer: NodeJS.Timeout | null = null;
  #retryTimer: NodeJS.Timeout | null = null;
  #wakeTimer: NodeJS.Timeout | null = null;
  #capacity = 1;
  #isClosed = false;

  constructor(ports: DriverPorts) {
    this.#ports = ports;
    this.#executors = ports.executors(this.#listener());
    this.#subscriptions = new Subscriptions(ports.journal);
  }

  /** Folds the journal, then settles every open intent by looking at the world. */
  async open(): Promise<void> {
    const { journal } = this.#ports;
    this.#nextSeq = journal.lastSeq() + 1;
    for (const studyId of journal.studies()) this.#load(studyId);
    for (const executor of this.#executors.values()) this.#capacity = Math.max(this.#capacity, (await executor.capacity()).cpus);
    await this.#stopOrphans();
    for (const study of this.#studies.values()) this.#dirty.add(study);
    this.#schedule();
  }

  /** Resolves when the study is recorded. */
  createStudy(studyId: string, spec: StudySpec): Promise<void> {
    return this.#input(studyId, { type: 'studyCreated', at: this.#ports.clock.now(), spec });
  }

  /** Resolves when the command is recorded; its effect follows. Rejects where it makes no sense in the study's state. */
  command(studyId: string, command: StudyCommand): Promise<void> {
    if (!this.#studies.has(studyId)) return Promise.reject(noSuchStudy(studyId));
    return this.#input(studyId, (state) => {
      const result = commandEvents(state, command, this.#ports.clock.now());
      if ('code' in result) throw new HpoError(result.code, result.message, result.next);
      return result;
    });
  }

  /** The live view: read it, do not keep or change it. */
  view(studyId: string): StudyView {
    const study = this.#studies.get(studyId);
    if (study === undefined) throw noSuchStudy(studyId);
    return study.state.view;
  }

  views(): readonly StudyView[] {
    return [...this.#studies.values()].map((study) => study.state.view);
  }

  /** Entries with seq > from, first the past, then the present, in order and without a gap. */
  subscribe(studyId: string | null, from: number, onEntries: (entries: readonly JournalEntry[]) => void): Disposable {
    return this.#subscriptions.add(studyId, from, onEntries);
  }

  /** Whether any study still has something to do. */
  get isBusy(): boolean {
    return (
      this.#inputs.length > 0 ||
      this.views().some((view) => view.state === 'running' || view.state === 'stopping') ||
      this.#attempts.size > 0
    );
  }

  /** Writes what is known and lets go; running attempts go on for the next agent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#runTurn();
    this.#isClosed = true;
    if (this.#turn !== null) clearImmediate(this.#turn);
    for (const timer of [this.#groupTimer, this.#retryTimer, this.#wakeTimer]) if (timer !== null) clearTimeout(timer);
    this.#subscriptions[Symbol.dispose]();
    for (const executor of this.#executors.values()) await executor[Symbol.asyncDispose]();
  }

  #load(studyId: string): void {
    let state: StudyState | null = null;
    for (const entry of this.#ports.journal.read(studyId, 0)) {
      if (state === null) state = createStudy(entry);
      else fold(state, entry);
      this.#rememberCursor(entry);
    }
    if (state !== null) this.#adopt(studyId, state);
  }

  #adopt(studyId: string, state: StudyState): Study {
    const name = state.view.spec.executor;
    const executor = this.#executors.get(name);
    if (executor === undefined)
      throw new HpoError('HPO-4011', `the executor "${name}" is not there in this version`, 'choose: --on local');
    const study: Study = { studyId, state, executor, ready: null, wakeup: null };
    this.#studies.set(studyId, study);
    return study;
  }

  /** What carries our mark but belongs to no live attempt (a study deleted while no agent ran) is ended. */
  async #stopOrphans(): Promise<void> {
    for (const executor of this.#executors.values()) {
      for (const listing of await executor.list()) {
        if (listing.state === 'running' && this.#liveAttempt(listing.key) === null) await executor.stop(listing.key, 0);
      }
    }
  }

  #input(studyId: string, produce: Input['produce'], { isUrgent = true, isAcknowledged = true } = {}): Promise<void> {
    const ack = isAcknowledged ? Promise.withResolvers<void>() : null;
    this.#inputs.push({ studyId, produce, ack });
    if (isUrgent) this.#schedule();
    else this.#groupTimer ??= setTimeout(() => this.#runTurn(), groupMs);
    return ack?.promise ?? Promise.resolve();
  }

  #observe(key: AttemptKey, observation: Parameters<typeof observe>[1], isUrgent: boolean): void {
    void this.#input(key.studyId, (state) => observe(state, observation, this.#ports.clock.now()), {
      isUrgent,
      isAcknowledged: false,
    });
  }

  #schedule(): void {
    this.#turn ??= setImmediate(() => this.#runTurn());
  }

  /** One turn: all inputs → events → decisions → one durable append → publish, acknowledge, act. */
  #runTurn(): void {
    if (this.#turn !== null) clearImmediate(this.#turn);
    if (this.#groupTimer !== null) clearTimeout(this.#groupTimer);
    this.#turn = null;
    this.#groupTimer = null;
    // While the journal cannot be written, nothing more is taken in: inputs wait, executors keep their output.
    if (this.#isClosed || this.#retryTimer !== null) return;
    const inputs = this.#inputs;
    this.#inputs = [];
    const nRunningBefore = this.#nRunning();
    for (const input of inputs) this.#take(input);
    // What one study gives back, another may be waiting for.
    if (this.#nRunning() < nRunningBefore) for (const study of this.#studies.values()) this.#dirty.add(study);
    for (const study of this.#dirty) this.#decideAll(study);
    this.#commit();
  }

  #take({ studyId, produce, ack }: Input): void {
    try {
      if (typeof produce === 'function') this.#continue(studyId, produce);
      else this.#begin(studyId, produce);
      if (ack !== null) this.#acks.push(ack);
    } catch (error) {
      if (ack === null) this.#ports.log.error('an input was refused', { studyId, error: String(error) });
      else ack.reject(error);
    }
  }

  #begin(studyId: string, event: CreationEvent): void {
    this.#dirty.add(this.#adopt(studyId, createStudy({ seq: this.#nextSeq, studyId, event })));
    this.#nextSeq++;
    this.#batch.push({ studyId, event });
  }

  /** Observations of a study that was deleted meanwhile come to nothing. */
  #continue(studyId: string, produce: (state: StudyState) => readonly StudyEvent[]): void {
    const study = this.#studies.get(studyId);
    if (study === undefined) return;
    this.#record(study, produce(study.state));
    this.#dirty.add(study);
  }

  #record(study: Study, events: readonly StudyEvent[]): void {
    for (const event of events) {
      const entry: JournalEntry = { seq: this.#nextSeq++, studyId: study.studyId, event };
      fold(study.state, entry);
      this.#rememberCursor(entry);
      this.#batch.push({ studyId: study.studyId, event });
    }
  }

  #rememberCursor({ studyId, event }: JournalEntry): void {
    if (event.type === 'metricReported')
      this.#recorded.set(keyText({ studyId, trial: event.number, attempt: event.attempt }), event.cursor);
    if (event.type !== 'attemptEnded') return;
    // Only now: an attempt that has ended in the world but not yet in the state must not be started again.
    const text = keyText({ studyId, trial: event.number, attempt: event.attempt });
    this.#recorded.delete(text);
    this.#attempts.delete(text);
  }

  #decideAll(study: Study): void {
    for (;;) {
      const events = decide(study.state, { now: this.#ports.clock.now(), hasCapacity: this.#hasCapacity(study) });
      if (events.length === 0) return;
      this.#record(study, events);
    }
  }

  #nRunning(): number {
    let n = 0;
    for (const { state } of this.#studies.values()) n += state.nRunning;
    return n;
  }

  /** One study may use what its user asked for; several together no more than the machine has. */
  #hasCapacity(study: Study): boolean {
    return this.#nRunning() < Math.max(this.#capacity, study.state.view.parallel);
  }

  #commit(): void {
    let entries: readonly JournalEntry[] = [];
    try {
      if (this.#batch.length > 0) entries = this.#ports.journal.append(this.#batch);
    } catch (error) {
      this.#holdIntake(error);
      return;
    }
    const last = entries.at(-1);
    if (last !== undefined && last.seq !== this.#nextSeq - 1) {
      throw new HpoError(
        'HPO-9002',
        `the journal numbered an event ${last.seq}, the driver ${this.#nextSeq - 1}`,
        'report this fault with the agent.log',
      );
    }
    this.#batch = [];
    const dirty = this.#dirty;
    this.#dirty = new Set();
    this.#subscriptions.publish(entries);
    for (const ack of this.#acks.splice(0)) ack.resolve();
    for (const study of dirty) this.#act(study);
    this.#setWakeup();
  }

  /** Nothing unwritten is acknowledged, published or acted on; the same batch is tried again until there is room. */
  #holdIntake(error: unknown): void {
    this.#ports.log.error('the journal cannot be written; trying again', { error: String(error) });
    for (const ack of this.#acks.splice(0)) ack.reject(error);
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null;
      this.#commit();
      this.#schedule();
    }, retryAppendMs);
  }

  #act(study: Study): void {
    if (study.state.view.deleted) {
      this.#forget(study);
      return;
    }
    for (const trial of study.state.liveTrials()) {
      const key: AttemptKey = { studyId: study.studyId, trial: trial.number, attempt: trial.attempts.length };
      const live = this.#liveAttempt(key);
      if (live !== null && !live.isLaunched) void this.#launch(study, live);
    }
    for (const intent of intents(study.state)) {
      if (intent.type === 'stopAttempt')
        this.#stop(study, { studyId: study.studyId, trial: intent.number, attempt: intent.attempt });
    }
    if (study.state.view.state === 'ended' && study.ready !== null) {
      study.ready = null;
      this.#background(study.executor.cleanup(study.studyId, { removeFiles: false }), 'clean up');
    }
  }

  /** Null for an attempt that no longer counts. An executor that adopts may speak of an attempt before it is launched. */
  #liveAttempt(key: AttemptKey): LiveAttempt | null {
    const known = this.#attempts.get(keyText(key));
    if (known !== undefined) return known;
    const state = this.#studies.get(key.studyId)?.state;
    if (state?.live.get(key.trial)?.attempt !== key.attempt) return null;
    const live: LiveAttempt = {
      key,
      intake: this.#intake(key, state.view.spec),
      isLaunched: false,
      isStopAsked: false,
      hasEnded: false,
    };
    this.#attempts.set(keyText(key), live);
    return live;
  }

  #intake(key: AttemptKey, spec: StudySpec): AttemptIntake {
    return new AttemptIntake({
      key,
      spec,
      output: this.#ports.output,
      recorded: this.#recorded.get(keyText(key)) ?? noCursor,
      onRecords: (records) => this.#report(key, records),
      onOutputLimit: () => this.#observe(key, { type: 'outputLimit', number: key.trial, attempt: key.attempt }, true),
      onError: (error) =>
        this.#ports.log.error('the output of an attempt cannot be read', { key: keyText(key), error: messageOf(error) }),
    });
  }

  /** Starts the attempt, or adopts it where an earlier agent started it. */
  async #launch(study: Study, live: LiveAttempt): Promise<void> {
    live.isLaunched = true;
    const { key } = live;
    try {
      study.ready ??= this.#prepare(study);
      const texts = await study.ready;
      await study.executor.start(buildAttempt(study.state.view.spec, { key, ...pointOf(study.state, key.trial) }, texts));
    } catch (error) {
      study.ready = null;
      await this.#end(
        live,
        { exitCode: null, signal: null, isTimeout: false, isOutOfMemory: false, isLost: true },
        messageOf(error),
      );
    }
  }

  async #prepare(study: Study): Promise<ReadonlyMap<string, string>> {
    const { spec } = study.state.view;
    await study.executor.prepare({ studyId: study.studyId, snapshot: spec.snapshot });
    const files = tunedFiles(spec);
    const texts = await Promise.all(files.map((file) => this.#ports.snapshots.readText(spec.snapshot, file)));
    return new Map(files.map((file, i) => [file, texts[i] ?? '']));
  }

  #stop(study: Study, key: AttemptKey): void {
    const live = this.#attempts.get(keyText(key));
    if (live === undefined || live.isStopAsked) return;
    live.isStopAsked = true;
    this.#background(study.executor.stop(key, study.state.view.spec.limits.graceMs), 'stop an attempt');
  }

  #report(key: AttemptKey, records: readonly IntakeRecord[]): void {
    for (const { step, values, cursor } of records) {
      this.#observe(key, { type: 'metric', number: key.trial, attempt: key.attempt, step, values, cursor }, false);
    }
  }

  /** The end counts after everything that the attempt wrote; output that cannot be read is a fault of ours, not of the trial. */
  async #end(live: LiveAttempt, ending: Ending, reason: string | null): Promise<void> {
    if (live.hasEnded) return;
    live.hasEnded = true;
    const { trial: number, attempt } = live.key;
    const ended = { type: 'ended', number, attempt } as const;
    try {
      const tail = await live.intake.finish();
      this.#observe(live.key, { ...ended, ...ending, outputTail: reason ?? tail }, true);
    } catch (error) {
      this.#ports.log.error('the output of an attempt cannot be read', { key: keyText(live.key), error: messageOf(error) });
      this.#observe(live.key, { ...ended, ...lost, outputTail: messageOf(error) }, true);
    }
  }

  #listener(): ExecutorListener {
    return {
      started: (key, { pid }) => this.#observe(key, { type: 'started', number: key.trial, attempt: key.attempt, pid }, false),
      output: (key) => this.#liveAttempt(key)?.intake.poke(),
      ended: (key, ending) => {
        const live = this.#liveAttempt(key);
        if (live !== null) void this.#end(live, ending, null);
      },
    };
  }

  #forget(study: Study): void {
    this.#studies.delete(study.studyId);
    for (const [text, { key }] of this.#attempts) if (key.studyId === study.studyId) this.#attempts.delete(text);
    this.#background(study.executor.cleanup(study.studyId, { removeFiles: true }), 'delete the files of a study');
  }

  #setWakeup(): void {
    if (this.#wakeTimer !== null) clearTimeout(this.#wakeTimer);
    const times = [...this.#studies.values()].map((study) => ({ study, at: nextWakeup(study.state, this.#ports.clock.now()) }));
    const at = Math.min(...times.map((time) => time.at ?? Infinity));
    if (at === Infinity) return;
    // setTimeout takes 31 bits of milliseconds.
    const waitMs = Math.min(Math.max(0, at - this.#ports.clock.now()), 2 ** 31 - 1);
    this.#wakeTimer = setTimeout(() => {
      for (const time of times) if (time.at !== null && time.at <= this.#ports.clock.now()) this.#dirty.add(time.study);
      this.#runTurn();
      this.#setWakeup();
    }, waitMs);
  }

  #background(work: Promise<void>, what: string): void {
    work.catch((error: unknown) => this.#ports.log.error(`could not ${what}`, { error: messageOf(error) }));
  }
}

export function keyText(key: AttemptKey): string {
  return `${key.studyId}/${key.trial}/${key.attempt}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function noSuchStudy(studyId: string): HpoError {
  return new HpoError('HPO-4004', `there is no study "${studyId}"`, 'list them with: hpo status', { exitCode: 3 });
}
