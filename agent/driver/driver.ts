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
  /** Replaced by what the journal holds where an append failed. */
  state: StudyState;
  readonly executor: Executor;
  /** Resolves when the executor has made the snapshot ready and the tuned files are read. */
  ready: Promise<ReadonlyMap<string, string>> | null;
  /** The last tidying up after an end: a study that is resumed waits for it. */
  cleanup: Promise<void>;
}

interface LiveAttempt {
  readonly key: AttemptKey;
  readonly intake: AttemptIntake;
  /** Settles when the executor, in this life of the agent, has started or adopted it, or could not; null before it was asked. */
  launch: Promise<void> | null;
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
  #dirty = new Set<Study>();
  /** Studies whose state is ahead of the journal. */
  readonly #unread = new Set<string>();
  #fault: Error | null = null;
  readonly #faultListeners = new Set<(fault: Error | null) => void>();
  readonly #cleanups = new Set<Promise<void>>();
  #nextSeq = 1;
  #turn: NodeJS.Immediate | null = null;
  #groupTimer: NodeJS.Timeout | null = null;
  #retryTimer: NodeJS.Timeout | null = null;
  #wakeTimer: NodeJS.Timeout | null = null;
  #capacity = 1;
  /** The time by which was last decided: a back-off that ended since must still wake its study. */
  #decidedAt = 0;
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
    for (const studyId of journal.studies()) {
      const state = this.#foldJournal(studyId);
      if (state !== null) this.#adopt(studyId, state);
    }
    for (const executor of this.#executors.values()) this.#capacity = Math.max(this.#capacity, (await executor.capacity()).cpus);
    await this.#tidyUp();
    this.#prune();
    for (const study of this.#studies.values()) this.#dirty.add(study);
    this.#schedule();
  }

  /** Resolves when the study is recorded; rejects, and there is no such study, when the journal cannot be written. */
  createStudy(studyId: string, spec: StudySpec): Promise<void> {
    return this.#input(studyId, { type: 'studyCreated', at: this.#ports.clock.now(), spec });
  }

  /**
   * Resolves when the command is recorded; its effect follows. Rejects, and nothing has happened, where it makes no sense in
   * the study's state or the journal cannot be written.
   */
  command(studyId: string, command: StudyCommand): Promise<void> {
    if (!this.#studies.has(studyId)) return Promise.reject(noSuchStudy(studyId));
    return this.#input(studyId, (state) => {
      const result = commandEvents(state, command, this.#ports.clock.now());
      if ('code' in result) throw new HpoError(result.code, result.message, result.next);
      return result;
    });
  }

  /** Why the journal takes nothing at present; null while it does. It is tried again all the time. */
  get fault(): Error | null {
    return this.#fault;
  }

  /** Hears when `fault` comes and goes. */
  onFault(listener: (fault: Error | null) => void): Disposable {
    this.#faultListeners.add(listener);
    return { [Symbol.dispose]: () => this.#faultListeners.delete(listener) };
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
    this.#isClosed = true;
    this.#runTurn();
    for (const timer of [this.#retryTimer, this.#wakeTimer]) if (timer !== null) clearTimeout(timer);
    this.#subscriptions[Symbol.dispose]();
    // What is half done now would meet what the next agent does.
    await Promise.all([...this.#attempts.values()].map(async ({ launch }) => await launch));
    await Promise.all(this.#cleanups);
    for (const executor of this.#executors.values()) await executor[Symbol.asyncDispose]();
  }

  /** What the journal holds of a study; null where that is nothing. */
  #foldJournal(studyId: string): StudyState | null {
    let state: StudyState | null = null;
    for (const entry of this.#ports.journal.read(studyId, 0)) {
      if (state === null) state = createStudy(entry);
      else fold(state, entry);
      this.#rememberCursor(entry);
    }
    return state;
  }

  #adopt(studyId: string, state: StudyState): Study {
    const name = state.view.spec.executor;
    const executor = this.#executors.get(name);
    if (executor === undefined)
      throw new HpoError('HPO-4011', `the executor "${name}" is not there in this version`, 'choose: --on local');
    const study: Study = { studyId, state, executor, ready: null, cleanup: Promise.resolve() };
    this.#studies.set(studyId, study);
    return study;
  }

  /** What an agent that was killed left behind: attempts that no longer count, files of studies that ended or were deleted. */
  async #tidyUp(): Promise<void> {
    for (const executor of this.#executors.values()) {
      const listings = await executor.list();
      for (const listing of listings) {
        if (listing.state === 'running' && this.#liveAttempt(listing.key) === null) await executor.stop(listing.key, 0);
      }
      for (const studyId of new Set(listings.map(({ key }) => key.studyId))) {
        const study = this.#studies.get(studyId);
        if (study?.state.view.state === 'ended') study.cleanup = this.#cleanUp(executor, studyId, false);
        // Files of which the journal knows nothing at all are another journal's.
        if (study === undefined && this.#isDeleted(studyId)) void this.#cleanUp(executor, studyId, true);
      }
    }
  }

  #isDeleted(studyId: string): boolean {
    for (const { event } of this.#ports.journal.read(studyId, 0)) if (event.type === 'studyDeleted') return true;
    return false;
  }

  #input(studyId: string, produce: Input['produce'], { isUrgent = true, isAcknowledged = true } = {}): Promise<void> {
    const ack = isAcknowledged ? Promise.withResolvers<void>() : null;
    if (this.#isClosed) {
      ack?.reject(new HpoError('HPO-5002', 'the agent is ending', 'run the command again: studies go on and nothing is lost'));
      return ack?.promise ?? Promise.resolve();
    }
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
    // While the journal cannot be written, observations wait for the next try; people get an answer at once.
    if (this.#retryTimer !== null && !this.#isClosed && this.#inputs.every(({ ack }) => ack === null)) return;
    const inputs = this.#inputs;
    this.#inputs = [];
    try {
      this.#readAgain();
      const nRunningBefore = this.#nRunning();
      const taken = inputs.filter((input) => this.#take(input));
      // What one study gives back, another may be waiting for.
      if (this.#nRunning() < nRunningBefore) this.#makeAllDirty();
      this.#decideAll();
      this.#commit(taken);
    } catch (error) {
      this.#hold(inputs, error);
    }
  }

  /** False for an input that makes no sense. */
  #take({ studyId, produce, ack }: Input): boolean {
    try {
      if (typeof produce === 'function') this.#continue(studyId, produce);
      else this.#begin(studyId, produce);
      return true;
    } catch (error) {
      if (ack === null) this.#ports.log.error('an input was refused', { studyId, error: String(error) });
      else ack.reject(error);
      return false;
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
      this.#batch.push({ studyId: study.studyId, event });
      fold(study.state, entry);
      this.#rememberCursor(entry);
    }
  }

  #rememberCursor({ studyId, event }: JournalEntry): void {
    if (event.type !== 'metricReported' && event.type !== 'attemptEnded') return;
    const text = keyText({ studyId, trial: event.number, attempt: event.attempt });
    if (event.type === 'metricReported') this.#recorded.set(text, event.cursor);
    else this.#recorded.delete(text);
  }

  /** One decision of each study in turn, the one with the fewest attempts first, so that a large study leaves room for a small one. */
  #decideAll(): void {
    this.#decidedAt = this.#ports.clock.now();
    for (let studies = [...this.#dirty]; studies.length > 0; ) {
      studies.sort((a, b) => a.state.nRunning - b.state.nRunning);
      const undecided: Study[] = [];
      for (const study of studies) {
        const events = decide(study.state, { now: this.#decidedAt, hasCapacity: this.#hasCapacity() });
        if (events.length === 0) continue;
        this.#record(study, events);
        undecided.push(study);
      }
      studies = undecided;
    }
  }

  #makeAllDirty(): void {
    for (const study of this.#studies.values()) this.#dirty.add(study);
  }

  #nRunning(): number {
    let n = 0;
    for (const { state } of this.#studies.values()) n += state.nRunning;
    return n;
  }

  /** All studies together use what the machine has, or more where the user asked for more in one of them. */
  #hasCapacity(): boolean {
    let limit = this.#capacity;
    for (const { state } of this.#studies.values()) {
      if (state.view.state === 'running') limit = Math.max(limit, state.view.parallel);
    }
    return this.#nRunning() < limit;
  }

  /** Throws where the journal cannot be written; nothing of the turn counts then. */
  #commit(inputs: readonly Input[]): void {
    const entries = this.#batch.length > 0 ? this.#ports.journal.append(this.#batch) : [];
    const last = entries.at(-1);
    if (last !== undefined && last.seq !== this.#nextSeq - 1) {
      // Nothing that follows could be right: the agent ends, and the next one reads the journal.
      setImmediate(() => {
        throw new HpoError(
          'HPO-9002',
          `the journal numbered an event ${last.seq}, the driver ${this.#nextSeq - 1}`,
          'report this fault with the agent.log',
        );
      });
    }
    this.#batch = [];
    const dirty = this.#dirty;
    this.#dirty = new Set();
    if (this.#fault !== null) this.#recover();
    for (const { studyId, event } of entries) {
      // Only now: an attempt that has ended in the world but not yet in the journal must not be started again.
      if (event.type === 'attemptEnded') this.#attempts.delete(keyText({ studyId, trial: event.number, attempt: event.attempt }));
    }
    this.#subscriptions.publish(entries);
    for (const { ack } of inputs) ack?.resolve();
    if (this.#isClosed) return;
    for (const study of dirty) this.#act(study);
    this.#setWakeup();
  }

  /**
   * The journal cannot be written, so nothing of this turn has happened: commands are refused with the reason, studies are
   * what the journal holds, and what was observed waits until there is room.
   */
  #hold(inputs: readonly Input[], error: unknown): void {
    this.#setFault(error instanceof Error ? error : new Error(String(error)));
    for (const { ack } of inputs) ack?.reject(error);
    this.#inputs = [...inputs.filter(({ ack }) => ack === null), ...this.#inputs];
    for (const { studyId } of this.#batch) this.#unread.add(studyId);
    this.#batch = [];
    for (const timer of [this.#retryTimer, this.#wakeTimer]) if (timer !== null) clearTimeout(timer);
    if (this.#isClosed) return;
    const startedAt = performance.now();
    try {
      this.#readAgain();
    } catch (unreadable) {
      this.#ports.log.error('the journal cannot be read either', { error: String(unreadable) });
    }
    // Reading a large study again and again must not be all that the agent does.
    const waitMs = Math.max(retryAppendMs, 10 * (performance.now() - startedAt));
    this.#retryTimer = setTimeout(() => {
      this.#retryTimer = null;
      this.#runTurn();
    }, waitMs);
  }

  #readAgain(): void {
    for (const studyId of this.#unread) {
      for (const text of this.#recorded.keys()) if (text.startsWith(`${studyId}/`)) this.#recorded.delete(text);
      const study = this.#studies.get(studyId);
      const state = this.#foldJournal(studyId);
      this.#unread.delete(studyId);
      if (study === undefined) continue;
      if (state === null) {
        this.#studies.delete(studyId);
        this.#dirty.delete(study);
      } else {
        study.state = state;
        this.#dirty.add(study);
      }
    }
    this.#nextSeq = this.#ports.journal.lastSeq() + 1;
  }

  /** The journal takes events again, or none waits for it: output that was not read meanwhile is read now. */
  #recover(): void {
    this.#setFault(null);
    if (this.#retryTimer !== null) clearTimeout(this.#retryTimer);
    this.#retryTimer = null;
    for (const { intake } of this.#attempts.values()) intake.poke();
  }

  #setFault(fault: Error | null): void {
    const isNews = (fault === null) !== (this.#fault === null);
    this.#fault = fault;
    if (!isNews) return;
    if (fault === null) this.#ports.log.info('the journal is written again');
    else this.#ports.log.error('the journal cannot be written; trying again', { error: String(fault) });
    for (const listener of this.#faultListeners) listener(fault);
  }

  #act(study: Study): void {
    if (study.state.view.deleted) {
      this.#forget(study);
      return;
    }
    for (const trial of study.state.liveTrials()) {
      const live = this.#liveAttempt({ studyId: study.studyId, trial: trial.number, attempt: trial.attempts.length });
      if (live !== null) live.launch ??= this.#launch(study, live);
    }
    for (const intent of intents(study.state)) {
      if (intent.type === 'stopAttempt')
        this.#stop(study, { studyId: study.studyId, trial: intent.number, attempt: intent.attempt });
    }
    if (study.state.view.state === 'ended' && study.ready !== null) {
      study.ready = null;
      study.cleanup = this.#cleanUp(study.executor, study.studyId, false);
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
      launch: null,
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

  /** Starts the attempt, or adopts it where an earlier agent started it. Never rejects. */
  async #launch(study: Study, live: LiveAttempt): Promise<void> {
    const { key } = live;
    try {
      study.ready ??= this.#prepare(study);
      const texts = await study.ready;
      // The study may have been deleted meanwhile, or the agent is ending and leaves the start to the next one.
      if (this.#isClosed || this.#attempts.get(keyText(key)) !== live) return;
      await study.executor.start(buildAttempt(study.state.view.spec, { key, ...pointOf(study.state, key.trial) }, texts));
    } catch (error) {
      study.ready = null;
      await this.#end(live, lost, messageOf(error));
    }
  }

  async #prepare(study: Study): Promise<ReadonlyMap<string, string>> {
    const { spec } = study.state.view;
    await study.cleanup;
    await study.executor.prepare({ studyId: study.studyId, snapshot: spec.snapshot });
    const files = tunedFiles(spec);
    const texts = await Promise.all(files.map((file) => this.#ports.snapshots.readText(spec.snapshot, file)));
    return new Map(files.map((file, i) => [file, texts[i] ?? '']));
  }

  #stop(study: Study, key: AttemptKey): void {
    const live = this.#attempts.get(keyText(key));
    if (live === undefined || live.isStopAsked) return;
    live.isStopAsked = true;
    const { graceMs } = study.state.view.spec.limits;
    // What is not there yet cannot be stopped.
    const stopped = (live.launch ?? Promise.resolve()).then(() => study.executor.stop(key, graceMs));
    stopped.catch((error: unknown) => this.#ports.log.error('could not stop an attempt', { error: messageOf(error) }));
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
      // While the journal takes nothing, output stays in its file instead of in memory.
      output: (key) => void (this.#fault === null && this.#liveAttempt(key)?.intake.poke()),
      ended: (key, ending) => {
        const live = this.#liveAttempt(key);
        if (live !== null) void this.#end(live, ending, null);
      },
    };
  }

  #forget(study: Study): void {
    const { studyId, executor } = study;
    this.#studies.delete(studyId);
    const launches: Promise<void>[] = [study.cleanup];
    for (const [text, { key, launch }] of this.#attempts) {
      if (key.studyId !== studyId) continue;
      if (launch !== null) launches.push(launch);
      this.#attempts.delete(text);
    }
    // A start that is under way would come after the cleaning.
    void this.#cleanUp(executor, studyId, true, Promise.all(launches));
    this.#makeAllDirty();
    this.#schedule();
  }

  #cleanUp(
    executor: Executor,
    studyId: string,
    removeFiles: boolean,
    after: Promise<unknown> = Promise.resolve(),
  ): Promise<void> {
    const cleanup = after
      .then(() => executor.cleanup(studyId, { removeFiles }))
      .catch((error: unknown) => this.#ports.log.error('could not clean up after a study', { studyId, error: messageOf(error) }))
      .finally(() => {
        this.#cleanups.delete(cleanup);
        if (removeFiles && !this.#isClosed) this.#prune();
      });
    this.#cleanups.add(cleanup);
    return cleanup;
  }

  /** Removes stored code to which no study refers any more. */
  #prune(): void {
    const keep = new Set([...this.#studies.values()].map(({ state }) => state.view.spec.snapshot));
    const pruning = this.#ports.snapshots
      .prune(keep)
      .catch((error: unknown) => this.#ports.log.error('could not remove stored code', { error: messageOf(error) }))
      .finally(() => this.#cleanups.delete(pruning));
    this.#cleanups.add(pruning);
  }

  #setWakeup(): void {
    if (this.#wakeTimer !== null) clearTimeout(this.#wakeTimer);
    const times = [...this.#studies.values()].map((study) => ({ study, at: nextWakeup(study.state, this.#decidedAt) }));
    const at = Math.min(...times.map((time) => time.at ?? Infinity));
    if (at === Infinity) return;
    // setTimeout takes 31 bits of milliseconds.
    const waitMs = Math.min(Math.max(0, at - this.#ports.clock.now()), 2 ** 31 - 1);
    // A timer may be early: what it came for is decided again, at the time by the clock, and waits again if it is not over.
    this.#wakeTimer = setTimeout(() => {
      for (const time of times) if (time.at !== null && time.at <= at) this.#dirty.add(time.study);
      this.#runTurn();
    }, waitMs);
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
