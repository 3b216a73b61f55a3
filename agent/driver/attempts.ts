import { intents, type observe, pointOf, type StudyState } from '../core/study/index.ts';
import { type Ending, type Executor, type ExecutorListener, lostEnding } from '../executors/executor.ts';
import { HpoError } from '../protocol/errors.ts';
import type { JournalEntry, OutputCursor } from '../protocol/events.ts';
import type { AttemptKey, ExecutorName } from '../protocol/study.ts';
import { sleep } from '../system/clock.ts';
import { AttemptIntake, type IntakeRecord } from './attemptIntake.ts';
import { buildAttempt, tunedFiles } from './buildAttempt.ts';
import type { DriverPorts } from './ports.ts';
import { ReadingOrder } from './readingOrder.ts';
import { messageOf, preparedOf, type Study } from './study.ts';
import { Waits } from './waits.ts';

const noCursor: OutputCursor = {};
/** Pause before an attempt that is there and could not be adopted is tried again. */
const retryAdoptionMs = 1_000;

interface LiveAttempt {
  readonly key: AttemptKey;
  readonly intake: AttemptIntake;
  readonly waits: Waits;
  /** Settles when the executor, in this life of the agent, has started or adopted it, or could not; null before it was asked. */
  launch: Promise<void> | null;
  /** The executor has told its start, so that it may report. */
  hasStarted: boolean;
  isStopAsked: boolean;
  hasEnded: boolean;
}

interface StartFault {
  readonly outputTail: string;
  readonly advice?: string;
  readonly away?: 'engine' | 'cluster';
}

/** What the attempts need of the driver. */
export interface AttemptsHost {
  study(studyId: string): Study | undefined;
  observe(key: AttemptKey, observation: Parameters<typeof observe>[1], isUrgent: boolean): void;
  /** So many attempts of the study have room now, by pool. */
  room(studyId: string, attempts: Readonly<Record<string, number>>): void;
  /** Another agent acts on the study, which was taken over from this one. */
  takenOver(studyId: string): void;
  /** Whether the agent is ending. */
  isClosed(): boolean;
  /** Whether the journal takes nothing at present. */
  isStuck(): boolean;
}

/** The attempts that live, between the executors and the driver: what is intended is started and stopped, what happens is observed. */
export class Attempts {
  readonly executors: ReadonlyMap<ExecutorName, Executor>;
  readonly #ports: DriverPorts;
  readonly #host: AttemptsHost;
  readonly #attempts = new Map<string, LiveAttempt>();
  readonly #order = new ReadingOrder();

  constructor(ports: DriverPorts, host: AttemptsHost) {
    this.#ports = ports;
    this.#host = host;
    this.executors = ports.executors(this.#listener());
  }

  /** Attempts that have not ended, or whose end is not recorded. */
  get size(): number {
    return this.#attempts.size;
  }

  /** Only now: an attempt that has ended in the world but not yet in the journal must not be started again. */
  committed({ studyId, event }: JournalEntry): void {
    if (event.type === 'attemptEnded') this.#attempts.delete(keyText({ studyId, trial: event.number, attempt: event.attempt }));
  }

  /** All that was seen is recorded. */
  settled(): void {
    this.#order.recorded();
  }

  /** Lets the world follow what is recorded. */
  act(study: Study): void {
    const { studyId, state } = study;
    for (const trial of state.liveTrials()) {
      const live = this.#liveAttempt({ studyId, trial: trial.number, attempt: trial.attempts.length });
      if (live !== null) live.launch ??= this.#launch(study, live);
    }
    for (const intent of intents(state)) {
      if (intent.type === 'stopAttempt') this.#stop(study, { studyId, trial: intent.number, attempt: intent.attempt });
    }
  }

  isLive(key: AttemptKey): boolean {
    return this.#liveAttempt(key) !== null;
  }

  /** Output that was not read while the journal took nothing. */
  readAll(): void {
    for (const { intake, hasStarted } of this.#attempts.values()) if (hasStarted) intake.poke();
  }

  /** Forgets a study's attempts; resolves when no start of one is under way. */
  async forget(studyId: string): Promise<void> {
    const launches: Promise<void>[] = [];
    for (const [text, { key, launch, waits }] of this.#attempts) {
      if (key.studyId !== studyId) continue;
      waits[Symbol.dispose]();
      if (launch !== null) launches.push(launch);
      this.#attempts.delete(text);
    }
    await Promise.all(launches);
  }

  /** Resolves when no start is under way: what is half done would meet what the next agent does. */
  async launched(): Promise<void> {
    for (const { waits } of this.#attempts.values()) waits[Symbol.dispose]();
    await Promise.all([...this.#attempts.values()].map(async ({ launch }) => await launch));
  }

  /** Null for an attempt that no longer counts. An executor that adopts may speak of an attempt before it is launched. */
  #liveAttempt(key: AttemptKey): LiveAttempt | null {
    const known = this.#attempts.get(keyText(key));
    if (known !== undefined) return known;
    const state = this.#host.study(key.studyId)?.state;
    if (state?.view.movedTo !== null) return null;
    if (state.live.get(key.trial)?.attempt !== key.attempt) return null;
    const live: LiveAttempt = {
      key,
      intake: this.#intake(key, state),
      waits: new Waits(this.#ports.clock, (reason) =>
        this.#host.observe(key, { type: 'waits', number: key.trial, attempt: key.attempt, reason }, false),
      ),
      launch: null,
      hasStarted: false,
      isStopAsked: false,
      hasEnded: false,
    };
    this.#attempts.set(keyText(key), live);
    return live;
  }

  #intake(key: AttemptKey, state: StudyState): AttemptIntake {
    const { output, log } = this.#ports;
    return new AttemptIntake({
      key,
      spec: state.view.spec,
      required: state.requiredMetrics,
      output,
      order: this.#order,
      recorded: state.live.get(key.trial)?.cursor ?? noCursor,
      onRecords: (records) => this.#report(key, records),
      onDropped: (dropped, cursor) =>
        this.#host.observe(key, { type: 'dropped', number: key.trial, attempt: key.attempt, dropped, cursor }, false),
      onOutputLimit: () => this.#host.observe(key, { type: 'outputLimit', number: key.trial, attempt: key.attempt }, true),
      onError: (error) => log.error('the output of an attempt cannot be read', { key: keyText(key), error: messageOf(error) }),
    });
  }

  /** Starts the attempt, or adopts it where an earlier agent started it. Never rejects. */
  async #launch(study: Study, live: LiveAttempt): Promise<void> {
    const { key } = live;
    for (;;) {
      try {
        study.isUntidy = true;
        study.ready ??= this.#prepare(study);
        const texts = await study.ready;
        // The study may have been deleted meanwhile, or the agent is ending and leaves the start to the next one.
        if (this.#host.isClosed() || this.#attempts.get(keyText(key)) !== live) return;
        await study.executor.start(buildAttempt(study.state.view.spec, { key, ...pointOf(study.state, key.trial) }, texts));
        return;
      } catch (error) {
        study.ready = null;
        // As soon as that is recorded, nothing of it counts here; it is told by the executor.
        if (isTakenOver(error)) return;
        if (!(await this.#mayBeThere(study.executor, key))) return await this.#end(live, lostEnding, startFault(error));
        // An agent before this one started it, so that its end would be a lie.
        this.#ports.log.error('an attempt cannot be adopted; trying again', {
          key: keyText(key),
          error: messageOf(error),
        });
        await sleep(this.#ports.clock, retryAdoptionMs);
        // What keeps it from being adopted may never pass: an agent that ends, or a study that is deleted, does not wait for it.
        if (this.#host.isClosed() || this.#attempts.get(keyText(key)) !== live) return;
      }
    }
  }

  /** Whether the attempt runs or has run, or that cannot be seen. */
  async #mayBeThere(executor: Executor, key: AttemptKey): Promise<boolean> {
    try {
      const listings = await executor.list();
      return listings.some((listing) => keyText(listing.key) === keyText(key));
    } catch {
      return true;
    }
  }

  async #prepare(study: Study): Promise<ReadonlyMap<string, string>> {
    const { spec } = study.state.view;
    await study.cleanup;
    await study.executor.prepare(preparedOf(study));
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

  #begun(live: LiveAttempt, pid: number | null): void {
    live.hasStarted = true;
    live.waits[Symbol.dispose]();
    this.#host.observe(live.key, { type: 'started', number: live.key.trial, attempt: live.key.attempt, pid }, false);
  }

  #report(key: AttemptKey, records: readonly IntakeRecord[]): void {
    const live = this.#attempts.get(keyText(key));
    // What reports has begun: whoever saw that may have died before it was told.
    if (records.length > 0 && live?.hasStarted === false) this.#begun(live, null);
    for (const { step, values, cursor } of records) {
      this.#host.observe(key, { type: 'metric', number: key.trial, attempt: key.attempt, step, values, cursor }, false);
    }
  }

  /** The end counts after everything that the attempt wrote; output that cannot be read is a fault of ours, not of the trial. */
  async #end(live: LiveAttempt, ending: Ending, fault: StartFault | null): Promise<void> {
    if (live.hasEnded) return;
    live.hasEnded = true;
    live.waits[Symbol.dispose]();
    const { trial: number, attempt } = live.key;
    const ended = { type: 'ended', number, attempt } as const;
    try {
      const tail = await live.intake.finish(ending.isLost || ending.signal !== null);
      this.#host.observe(live.key, { ...ended, ...ending, outputTail: tail, ...fault }, true);
    } catch (error) {
      this.#ports.log.error('the output of an attempt cannot be read', { key: keyText(live.key), error: messageOf(error) });
      this.#host.observe(live.key, { ...ended, ...lostEnding, outputTail: messageOf(error) }, true);
    }
  }

  #listener(): ExecutorListener {
    return {
      waits: (key, reason) => {
        const live = this.#liveAttempt(key);
        if (live !== null && !live.hasStarted && !live.hasEnded) live.waits.see(reason);
      },
      room: (studyId, attempts) => this.#host.room(studyId, attempts),
      takenOver: (studyId) => this.#host.takenOver(studyId),
      started: (key, { pid }) => {
        const live = this.#liveAttempt(key);
        if (live === null) this.#host.observe(key, { type: 'started', number: key.trial, attempt: key.attempt, pid }, false);
        else this.#begun(live, pid);
      },
      // While the journal takes nothing, output stays in its file instead of in memory.
      output: (key) => void (!this.#host.isStuck() && this.#liveAttempt(key)?.intake.poke()),
      ended: (key, ending) => {
        const live = this.#liveAttempt(key);
        if (live !== null) void this.#end(live, ending, null);
      },
    };
  }
}

/**
 * Why there is nothing that can be asked: see `agent/engine/engine.ts` and `agent/cluster/cluster.ts`. Of a cluster that is what comes
 * back by itself, or with what its user mends outside: the network, the kubeconfig, a login that is over.
 */
const awayCodes: Readonly<Record<string, 'engine' | 'cluster'>> = {
  'HPO-2401': 'engine',
  'HPO-2402': 'engine',
  'HPO-2403': 'engine',
  'HPO-2404': 'engine',
  'HPO-2460': 'cluster',
  'HPO-2461': 'cluster',
  'HPO-2462': 'cluster',
  'HPO-2463': 'cluster',
  'HPO-2465': 'cluster',
  'HPO-2469': 'cluster',
};

const isTakenOver = (error: unknown): boolean => error instanceof HpoError && error.code === 'HPO-2518';

/** Why an attempt could not be started, as far as the error says. */
function startFault(error: unknown): StartFault {
  if (!(error instanceof HpoError)) return { outputTail: messageOf(error) };
  const away = awayCodes[error.code];
  return { outputTail: `${error.message} (${error.code})`, advice: error.next, ...(away === undefined ? {} : { away }) };
}

export function keyText(key: AttemptKey): string {
  return `${key.studyId}/${key.trial}/${key.attempt}`;
}
