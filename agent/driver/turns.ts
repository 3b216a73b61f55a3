import { createStudy, decide, fold, nextWakeup, type Proposed, type StudyState } from '../core/study/index.ts';
import type { SamplerContext } from '../core/samplers/index.ts';
import { HpoError } from '../protocol/errors.ts';
import type { JournalEntry, StudyEvent } from '../protocol/events.ts';
import type { ExecutorName } from '../protocol/study.ts';
import { Places } from './places.ts';
import type { DriverPorts } from './ports.ts';
import type { Study } from './study.ts';

/** Metric records wait this long for company, so that one disk flush serves many. Ends and commands do not wait. */
const groupMs = 25;
/** What waits for a time is looked at this often, as the clock may be set meanwhile. */
const longestSleepMs = 60_000;
/** Pause before a failed append is tried again. */
const retryAppendMs = 1_000;

interface Input {
  readonly studyId: string;
  /**
   * The first event of a new study, or what computes the events of a known one when the input's turn comes; that may
   * throw an HpoError, which goes to `ack`.
   */
  readonly produce: CreationEvent | Arrival | ((state: StudyState) => readonly StudyEvent[]);
  readonly ack: PromiseWithResolvers<void> | null;
}

interface RecordedTurn {
  readonly entries: readonly JournalEntry[];
  readonly inputs: readonly Input[];
  readonly dirty: ReadonlySet<Study>;
}

/** Given the entries of a study that are there, and `seq` of the next one: the events that follow. May throw. */
export type TakeEvents = (known: readonly JournalEntry[], nextSeq: number) => readonly StudyEvent[];

/** A study that comes with its events from another agent. */
interface Arrival {
  readonly type: 'studyArrived';
  readonly take: TakeEvents;
}

type CreationEvent = Extract<StudyEvent, { type: 'studyCreated' }>;

type TurnPorts = Pick<DriverPorts, 'journal' | 'clock' | 'failpoints' | 'log'>;

/** What else follows from a turn. */
export interface TurnHooks {
  /** A study was created, or read from the journal. */
  adopt(studyId: string, state: StudyState): Study;
  propose(study: Study, context: SamplerContext): Proposed | null;
  /** Most attempts that an executor may run; a study may ask for more. */
  capacity(executor: ExecutorName): number;
  /** The study as it was when its state was saved last, by its first entry; null where the journal is to be folded. */
  saved(created: JournalEntry): StudyState | null;
  /** An event was folded, or read from the journal. */
  folded(entry: JournalEntry): void;
  /** The study is about to be read from the journal again: nothing of what was folded since the last append has happened. */
  reread(studyId: string): void;
  /** The events are recorded. */
  committed(entries: readonly JournalEntry[]): void;
  /** The study may have changed, and all of it is recorded: the world is to follow. Not called once the agent is ending. */
  act(study: Study): void;
  /** The journal takes events again. */
  recovered(): void;
}

/**
 * Turns inputs into recorded events. One turn: all inputs that wait → events → decisions → one durable append → publish,
 * acknowledge, act. A turn whose append fails has not happened.
 */
export class Turns {
  readonly studies: Map<string, Study> = new Map();
  readonly #ports: TurnPorts;
  readonly #hooks: TurnHooks;
  #inputs: Input[] = [];
  #batch: { studyId: string; event: StudyEvent }[] = [];
  #dirty = new Set<Study>();
  /** Studies whose state is ahead of the journal. */
  readonly #unread = new Set<string>();
  #fault: Error | null = null;
  readonly #faultListeners = new Set<(fault: Error | null) => void>();
  #nextSeq = 1;
  /** The last event that `committed` was told of. */
  #committedSeq = 0;
  #turn: Disposable | null = null;
  #groupTimer: Disposable | null = null;
  #retryTimer: Disposable | null = null;
  #wakeTimer: Disposable | null = null;
  /** The time by which each study was last decided: a back-off that ended since must still wake it, whatever else was decided. */
  readonly #decidedAt = new WeakMap<Study, number>();
  readonly #places: Places;
  #isClosed = false;

  constructor(ports: TurnPorts, hooks: TurnHooks) {
    this.#ports = ports;
    this.#hooks = hooks;
    this.#places = new Places({
      clock: ports.clock,
      capacity: (executor) => hooks.capacity(executor),
      onRelease: () => this.wakeAll(),
    });
  }

  /** Folds the journal. */
  open(): void {
    const { journal } = this.#ports;
    this.#committedSeq = journal.lastSeq();
    this.#nextSeq = this.#committedSeq + 1;
    for (const studyId of journal.studies()) {
      const state = this.#foldJournal(studyId);
      if (state !== null) this.#adopt(studyId, state);
    }
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

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get hasInputs(): boolean {
    return this.#inputs.length > 0;
  }

  /** Resolves when what the input amounts to is recorded; rejects, and nothing has happened, where it makes no sense or the journal cannot be written. */
  ask(studyId: string, produce: Input['produce']): Promise<void> {
    if (this.#isClosed)
      return Promise.reject(
        new HpoError('HPO-5002', 'the agent is ending', 'run the command again: studies go on and nothing is lost'),
      );
    const ack = Promise.withResolvers<void>();
    this.#inputs.push({ studyId, produce, ack });
    this.#schedule();
    return ack.promise;
  }

  /** What was seen of a study; waits for as long as the journal takes nothing. */
  see(studyId: string, produce: (state: StudyState) => readonly StudyEvent[], isUrgent: boolean): void {
    if (this.#isClosed) return;
    this.#inputs.push({ studyId, produce, ack: null });
    if (isUrgent) this.#schedule();
    else this.#groupTimer ??= this.#ports.clock.after(groupMs, () => this.#run());
  }

  /** The study is to be decided again, in a turn that comes soon. */
  wake(study: Study): void {
    if (this.#isClosed) return;
    this.#dirty.add(study);
    this.#schedule();
  }

  wakeAll(): void {
    if (this.#isClosed) return;
    this.#makeAllDirty();
    this.#schedule();
  }

  /** Records what waits, and then nothing more. */
  close(): void {
    this.#isClosed = true;
    this.#run();
    for (const timer of [this.#retryTimer, this.#wakeTimer, this.#places]) timer?.[Symbol.dispose]();
  }

  /** What the journal holds of a study; null where that is nothing. */
  #foldJournal(studyId: string): StudyState | null {
    let state = this.#savedState(studyId);
    for (const entry of this.#ports.journal.read(studyId, state?.view.seq ?? 0)) {
      if (state === null) state = createStudy(entry);
      else fold(state, entry);
      this.#hooks.folded(entry);
    }
    return state;
  }

  #savedState(studyId: string): StudyState | null {
    for (const created of this.#ports.journal.read(studyId, 0)) return this.#hooks.saved(created);
    return null;
  }

  #adopt(studyId: string, state: StudyState): Study {
    const study = this.#hooks.adopt(studyId, state);
    this.studies.set(studyId, study);
    return study;
  }

  #schedule(): void {
    this.#turn ??= this.#ports.clock.soon(() => this.#run());
  }

  #run(): void {
    this.#turn?.[Symbol.dispose]();
    this.#groupTimer?.[Symbol.dispose]();
    this.#turn = null;
    this.#groupTimer = null;
    // While the journal cannot be written, observations wait for the next try; people get an answer at once.
    if (this.#retryTimer !== null && !this.#isClosed && this.#inputs.every(({ ack }) => ack === null)) return;
    const inputs = this.#inputs;
    this.#inputs = [];
    let turn: RecordedTurn;
    try {
      this.#readAgain();
      const nRunningBefore = this.#nRunning();
      const taken = inputs.filter((input) => this.#take(input));
      // What one study gives back, another may be waiting for.
      if (this.#nRunning() < nRunningBefore) this.#makeAllDirty();
      this.#places.forget(this.studies);
      for (const study of this.#places.held) this.#dirty.add(study);
      this.#decideAll();
      turn = this.#commit(taken);
    } catch (error) {
      this.#hold(inputs, error);
      return;
    }
    // What goes wrong from here on is no reason to do the turn again: it is recorded.
    this.#tell(turn);
  }

  /** False for an input that makes no sense. */
  #take({ studyId, produce, ack }: Input): boolean {
    try {
      if (typeof produce === 'function') this.#continue(studyId, produce);
      else if (produce.type === 'studyArrived') this.#arrive(studyId, produce.take);
      else this.#begin(studyId, produce);
      return true;
    } catch (error) {
      if (ack === null) this.#ports.log.error('an input was refused', { studyId, error: String(error) });
      else ack.reject(error);
      return false;
    }
  }

  #begin(studyId: string, event: CreationEvent): void {
    if (this.studies.has(studyId)) {
      const next = 'it was started before: see how it stands with hpo status';
      throw new HpoError('HPO-4046', `there is a study ${studyId} already`, next);
    }
    this.#dirty.add(this.#adopt(studyId, createStudy({ seq: this.#nextSeq, studyId, event })));
    this.#nextSeq++;
    this.#batch.push({ studyId, event });
  }

  /** Nothing has happened where `take` throws, or the events make no study. */
  #arrive(studyId: string, take: TakeEvents): void {
    const known = [...this.#ports.journal.read(studyId, 0)];
    const here = this.studies.get(studyId);
    if (here === undefined && known.length > 0) {
      const next = 'tune the script again; what the study found is at the agent that has it';
      throw new HpoError('HPO-2504', `the study ${studyId} was deleted here`, next);
    }
    const events = take(known, this.#nextSeq);
    if (events.length === 0) return;
    const arrived = events.map((event, i): JournalEntry => ({ seq: this.#nextSeq + i, studyId, event }));
    const [first, ...rest] = [...known, ...arrived];
    if (first === undefined) return;
    const state = createStudy(first);
    for (const entry of rest) fold(state, entry);
    this.#hooks.reread(studyId);
    const study = here ?? this.#adopt(studyId, state);
    study.state = state;
    for (const entry of [first, ...rest]) this.#hooks.folded(entry);
    for (const { event } of arrived) this.#batch.push({ studyId, event });
    this.#nextSeq += arrived.length;
    this.#dirty.add(study);
  }

  /** Observations of a study that was deleted meanwhile come to nothing. */
  #continue(studyId: string, produce: (state: StudyState) => readonly StudyEvent[]): void {
    const study = this.studies.get(studyId);
    if (study === undefined) return;
    this.#record(study, produce(study.state));
    this.#dirty.add(study);
  }

  #record(study: Study, events: readonly StudyEvent[]): void {
    for (const event of events) {
      const entry: JournalEntry = { seq: this.#nextSeq++, studyId: study.studyId, event };
      this.#batch.push({ studyId: study.studyId, event });
      fold(study.state, entry);
      this.#hooks.folded(entry);
    }
  }

  /** One decision of each study in turn, the one with the fewest attempts first, so that a large study leaves room for a small one. */
  #decideAll(): void {
    const now = this.#ports.clock.now();
    for (const study of this.#dirty) this.#decidedAt.set(study, now);
    for (let studies = [...this.#dirty]; studies.length > 0; ) {
      studies.sort((a, b) => a.state.nRunning - b.state.nRunning);
      const undecided: Study[] = [];
      for (const study of studies) {
        const events = decide(study.state, {
          now,
          hasCapacity: this.#places.mayAsk(study, this.studies.values()),
          propose: (context) => this.#hooks.propose(study, context),
        });
        if (events.length === 0) continue;
        this.#record(study, events);
        undecided.push(study);
      }
      studies = undecided;
    }
  }

  #makeAllDirty(): void {
    for (const study of this.studies.values()) this.#dirty.add(study);
  }

  #nRunning(): number {
    let n = 0;
    for (const { state } of this.studies.values()) if (state.view.movedTo === null) n += state.nRunning;
    return n;
  }

  /** Throws where the journal cannot be written; nothing of the turn counts then. */
  #commit(inputs: readonly Input[]): RecordedTurn {
    const entries = this.#batch.length > 0 ? this.#ports.journal.append(this.#batch) : [];
    const last = entries.at(-1);
    if (last !== undefined && last.seq !== this.#nextSeq - 1) {
      // Nothing that follows could be right: the agent ends, and the next one reads the journal.
      this.#ports.clock.soon(() => {
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
    return { entries, inputs, dirty };
  }

  #tell({ entries, inputs, dirty }: RecordedTurn): void {
    if (this.#fault !== null) this.#recover();
    this.#ports.failpoints.step('turn.tell', () => {
      this.#committed(entries);
      for (const { ack } of inputs) ack?.resolve();
    });
    if (this.#isClosed) return;
    for (const study of dirty) this.#hooks.act(study);
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
    for (const timer of [this.#retryTimer, this.#wakeTimer]) timer?.[Symbol.dispose]();
    if (this.#isClosed) return;
    const { clock } = this.#ports;
    const startedAt = clock.monotonic();
    try {
      this.#readAgain();
    } catch (unreadable) {
      this.#ports.log.error('the journal cannot be read either', { error: String(unreadable) });
    }
    // Reading a large study again and again must not be all that the agent does.
    const waitMs = Math.max(retryAppendMs, 10 * (clock.monotonic() - startedAt));
    this.#retryTimer = clock.after(waitMs, () => {
      this.#retryTimer = null;
      this.#run();
    });
  }

  #readAgain(): void {
    for (const studyId of this.#unread) {
      this.#hooks.reread(studyId);
      const study = this.studies.get(studyId);
      const state = this.#foldJournal(studyId);
      this.#unread.delete(studyId);
      if (study === undefined) continue;
      if (state === null) {
        this.studies.delete(studyId);
        this.#dirty.delete(study);
      } else {
        study.state = state;
        this.#dirty.add(study);
      }
    }
    const { journal } = this.#ports;
    this.#nextSeq = journal.lastSeq() + 1;
    // An append may say that it failed and be in the journal all the same.
    const untold = this.#nextSeq - 1 > this.#committedSeq ? [...journal.read(null, this.#committedSeq)] : [];
    if (untold.length > 0) this.#committed(untold);
  }

  #committed(entries: readonly JournalEntry[]): void {
    this.#committedSeq = entries.at(-1)?.seq ?? this.#committedSeq;
    this.#hooks.committed(entries);
  }

  /** The journal takes events again, or none waits for it. */
  #recover(): void {
    this.#setFault(null);
    this.#retryTimer?.[Symbol.dispose]();
    this.#retryTimer = null;
    this.#hooks.recovered();
  }

  #setFault(fault: Error | null): void {
    const isNews = (fault === null) !== (this.#fault === null);
    this.#fault = fault;
    if (!isNews) return;
    if (fault === null) this.#ports.log.info('the journal is written again');
    else this.#ports.log.error('the journal cannot be written; trying again', { error: String(fault) });
    for (const listener of this.#faultListeners) listener(fault);
  }

  #setWakeup(): void {
    this.#wakeTimer?.[Symbol.dispose]();
    const times = [...this.studies.values()].map((study) => ({ study, at: nextWakeup(study.state, this.#decidedAt.get(study)) }));
    const at = Math.min(...times.map((time) => time.at ?? Infinity));
    if (at === Infinity) return;
    const { clock } = this.#ports;
    const waitMs = Math.min(Math.max(0, at - clock.now()), longestSleepMs);
    // A timer may be early: what it came for is decided again, at the time by the clock, and waits again if it is not over.
    this.#wakeTimer = clock.after(waitMs, () => {
      for (const time of times) if (time.at !== null && time.at <= at) this.#dirty.add(time.study);
      this.#run();
    });
  }
}
