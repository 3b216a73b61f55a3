import { command as commandEvents, followRoom, moveAway, observe, type StudyState } from '../core/study/index.ts';
import type { Executor } from '../executors/executor.ts';
import { HpoError } from '../protocol/errors.ts';
import type { JournalEntry } from '../protocol/events.ts';
import type { StudyCommand } from '../protocol/requests.ts';
import type { AttemptKey, ExecutorName, StudySpec } from '../protocol/study.ts';
import { copyTrial, type StudyView } from '../protocol/view.ts';
import { Attempts } from './attempts.ts';
import { Comebacks, isWaiting } from './comebacks.ts';
import type { DriverPorts } from './ports.ts';
import { Proposals } from './proposals.ts';
import { messageOf, noSuchStudy, preparedOf, type Study } from './study.ts';
import { StudySaver } from './studySaver.ts';
import { type EntrySink, Subscriptions } from './subscriptions.ts';
import { type TakeEvents, Turns } from './turns.ts';

/** Pauses before a cleaning that failed is tried again: doubled each time. */
const firstRetryMs = 1_000;
const maxRetryMs = 60_000;
/**
 * An agent that ends waits this long for what is under way, and as long again for its executors: a container engine may give no
 * answer for far longer. What is half done then, the next agent finds as after a kill.
 */
const leaveMs = 5_000;

/**
 * The one writer. Everything that happens (an observation, a command, a timer) becomes events; events are appended
 * before anyone hears of them or acts on them; what the world should look like then follows from the state alone
 * (`intents`), so a restart is nothing special: fold the journal, look at the world, go on.
 *
 * `Turns` makes events of what happens and records them, `Attempts` lets the world follow, `Proposals` asks the sampler.
 */
export class Driver implements AsyncDisposable {
  readonly #ports: DriverPorts;
  readonly #turns: Turns;
  readonly #attempts: Attempts;
  readonly #proposals: Proposals;
  readonly #subscriptions: Subscriptions;
  readonly #saver: StudySaver;
  readonly #comebacks: Comebacks;
  readonly #cleanups = new Set<Promise<void>>();
  readonly #retries = new Set<Disposable>();
  /** Stored code of studies that were deleted, by when they were created. */
  readonly #released = new Map<string, number>();
  readonly #capacity = new Map<ExecutorName, number>();

  constructor(ports: DriverPorts) {
    this.#ports = ports;
    this.#subscriptions = new Subscriptions(ports);
    this.#proposals = new Proposals({ ...ports, onReady: (study) => this.#turns.wake(study) });
    this.#saver = new StudySaver(ports, (studyId) => this.#turns.studies.get(studyId)?.state);
    this.#turns = new Turns(ports, {
      adopt: (studyId, state) => this.#adopt(studyId, state),
      propose: (study, context) => this.#proposals.propose(study, context),
      capacity: (executor) => this.#capacity.get(executor) ?? 1,
      folded: (entry) => this.#folded(entry),
      saved: (created) => this.#saver.load(created),
      reread: (studyId) => {
        this.#saver.reread(studyId);
        this.#proposals.forget(studyId);
      },
      committed: (entries) => {
        this.#attempts.settled();
        for (const entry of entries) this.#attempts.committed(entry);
        this.#subscriptions.publish(entries);
        this.#saver.committed();
      },
      act: (study) => this.#act(study),
      recovered: () => this.#attempts.readAll(),
    });
    this.#comebacks = new Comebacks(ports.clock, (studyId) => this.command(studyId, { type: 'resume' }));
    this.#attempts = new Attempts(ports, {
      study: (studyId) => this.#turns.studies.get(studyId),
      observe: (key, observation, isUrgent) => this.#observe(key, observation, isUrgent),
      room: (studyId, attempts) =>
        this.#turns.see(studyId, (state) => followRoom(state, attempts, this.#ports.clock.now()), false),
      takenOver: (studyId) => this.#takenOver(studyId),
      isClosed: () => this.#turns.isClosed,
      isStuck: () => this.#turns.fault !== null,
    });
  }

  /**
   * Hands a study over to another agent: resolves when that is recorded, and nothing of it is under way here any more. Again, it does no
   * harm. Rejects (HPO-2505) where its attempts are this machine's, (HPO-2503) where it is not this move's turn.
   */
  async moveAway(studyId: string, move: { readonly to: string; readonly agent: string; readonly epoch: number }): Promise<void> {
    const study = this.#turns.studies.get(studyId);
    if (study === undefined) throw noSuchStudy(studyId);
    if (study.executor.release === undefined) throw cannotMove(study);
    const { view } = study.state;
    if (view.movedTo === null && view.state !== 'ended') await study.executor.handOver?.(preparedOf(study));
    await this.#turns.ask(studyId, (state) => {
      const result = moveAway(state, move, this.#ports.clock.now());
      if ('code' in result) throw new HpoError(result.code, result.message, result.next);
      return result;
    });
    await this.#letGo(study);
  }

  /**
   * Takes a study over from another agent. `take` is given the entries of it that are here from an earlier time, and `seq` of the next
   * one, and returns the events that came since; what it throws is thrown.
   */
  moveHere(studyId: string, take: TakeEvents): Promise<void> {
    return this.#turns.ask(studyId, { type: 'studyArrived', take });
  }

  /** Folds the journal, then settles every open intent by looking at the world. */
  async open(): Promise<void> {
    this.#turns.open();
    for (const study of this.#turns.studies.values()) if (study.state.view.movedTo !== null) await this.#letGoOrSay(study);
    for (const [name, executor] of this.#attempts.executors) this.#capacity.set(name, (await executor.capacity()).cpus);
    // Clients are answered and attempts adopted meanwhile: looking through the folders of very many trials takes its time.
    this.#tidy(firstRetryMs);
    this.#prune();
    this.#turns.wakeAll();
  }

  /** Resolves when the study is recorded; rejects, and there is no such study, when the journal cannot be written. */
  async createStudy(studyId: string, spec: StudySpec, state: 'running' | 'paused' = 'running'): Promise<void> {
    const created = this.#turns.ask(studyId, { type: 'studyCreated', at: this.#ports.clock.now(), spec });
    // In the same turn, so that nothing starts in between.
    const paused =
      state === 'paused'
        ? this.#turns.ask(studyId, () => [
            { type: 'studyPaused', at: this.#ports.clock.now(), reason: 'Paused until it is where it is to run.' },
          ])
        : undefined;
    await Promise.all([created, paused]);
  }

  /**
   * Resolves when the command is recorded; its effect follows. Rejects, and nothing has happened, where it makes no sense in
   * the study's state or the journal cannot be written.
   */
  command(studyId: string, command: StudyCommand): Promise<void> {
    if (!this.#turns.studies.has(studyId)) return Promise.reject(noSuchStudy(studyId));
    return this.#turns.ask(studyId, (state) => {
      const result = commandEvents(state, command, this.#ports.clock.now());
      if ('code' in result) throw new HpoError(result.code, result.message, result.next);
      return result;
    });
  }

  /** Why the journal takes nothing at present; null while it does. It is tried again all the time. */
  get fault(): Error | null {
    return this.#turns.fault;
  }

  /** Hears when `fault` comes and goes. */
  onFault(listener: (fault: Error | null) => void): Disposable {
    return this.#turns.onFault(listener);
  }

  /** The live view: read it, do not keep or change it. */
  view(studyId: string): StudyView {
    const study = this.#turns.studies.get(studyId);
    if (study === undefined) throw noSuchStudy(studyId);
    return study.state.view;
  }

  views(): readonly StudyView[] {
    return [...this.#turns.studies.values()].map((study) => study.state.view);
  }

  /**
   * A study, or all, as after the last entry, which will not change: trials that have ended are shared with the live view, as
   * they are replaced and not changed.
   */
  frozenViews(studyId: string | null): { readonly seq: number; readonly views: readonly StudyView[] } {
    const views = studyId === null ? this.views() : [this.view(studyId)];
    return {
      seq: this.#ports.journal.lastSeq(),
      views: views.map((view) => ({
        ...view,
        trials: view.trials.map((trial) => (trial.endedAt === null ? copyTrial(trial) : trial)),
      })),
    };
  }

  /** Entries with seq > from, first the past, then the present, in order and without a gap. */
  subscribe(studyId: string | null, from: number, onEntries: EntrySink): Disposable {
    return this.#subscriptions.add(studyId, from, onEntries);
  }

  /** Whether any study still has something to do. */
  get isBusy(): boolean {
    return (
      this.#turns.hasInputs ||
      this.views().some((view) => view.movedTo === null && (view.state === 'running' || view.state === 'stopping')) ||
      this.#attempts.size > 0 ||
      [...this.#turns.studies.values()].some(isWaiting)
    );
  }

  /** Writes what is known and lets go; running attempts go on for the next agent. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#turns.close();
    for (const timer of this.#retries) timer[Symbol.dispose]();
    this.#comebacks[Symbol.dispose]();
    if (this.#turns.fault === null) this.#saver[Symbol.dispose]();
    this.#proposals[Symbol.dispose]();
    this.#subscriptions[Symbol.dispose]();
    await this.#atMost(
      leaveMs,
      this.#attempts.launched().then(() => Promise.all(this.#cleanups)),
    );
    const executors = [...this.#attempts.executors.values()];
    await this.#atMost(leaveMs, Promise.all(executors.map((executor) => executor[Symbol.asyncDispose]())));
  }

  async #atMost(ms: number, work: Promise<unknown>): Promise<void> {
    const late = Promise.withResolvers<void>();
    const timer = this.#ports.clock.after(ms, late.resolve);
    await Promise.race([work, late.promise]).finally(() => timer[Symbol.dispose]());
  }

  #adopt(studyId: string, state: StudyState): Study {
    const name = state.view.spec.executor;
    const executor = this.#attempts.executors.get(name);
    if (executor === undefined)
      throw new HpoError('HPO-4011', `the executor "${name}" is not there in this version`, 'choose: --on local');
    return {
      studyId,
      state,
      executor,
      ready: null,
      isUntidy: state.view.state !== 'ended',
      cleanup: Promise.resolve(),
      released: null,
    };
  }

  #folded(entry: JournalEntry): void {
    this.#saver.folded(entry);
    const { studyId, event } = entry;
    if ('number' in event) this.#proposals.changed(studyId, event.number);
    if (event.type === 'batchEnded') for (const number of event.trials) this.#proposals.changed(studyId, number);
  }

  #observe(key: AttemptKey, observation: Parameters<typeof observe>[1], isUrgent: boolean): void {
    this.#turns.see(key.studyId, (state) => observe(state, observation, this.#ports.clock.now()), isUrgent);
  }

  #act(study: Study): void {
    const { view } = study.state;
    this.#proposals.prepare(study);
    this.#comebacks.see(study);
    if (view.deleted) {
      this.#forget(study);
      return;
    }
    if (view.movedTo !== null) {
      // Whoever moves it waits for that and hears of a fault.
      void this.#letGoOrSay(study);
      return;
    }
    study.released = null;
    this.#attempts.act(study);
    if (view.state === 'ended' && study.isUntidy) {
      study.isUntidy = false;
      study.ready = null;
      study.cleanup = this.#cleanUp(study.executor, study.studyId, false);
    }
  }

  /** By the agent from which it came, which alone can take it back without this one. */
  #takenOver(studyId: string): void {
    const view = this.#turns.studies.get(studyId)?.state.view;
    if (view === undefined || view.movedTo !== null || this.#turns.isClosed) return;
    const to = this.#cameFrom(studyId) ?? 'another agent';
    const moved = this.#turns.ask(studyId, (state) => {
      const result = moveAway(state, { to, agent: '', epoch: view.moves + 1 }, this.#ports.clock.now());
      return 'code' in result ? [] : result;
    });
    moved.catch((error: unknown) =>
      this.#ports.log.error('a study that was taken over could not be recorded as moved', { studyId, error: messageOf(error) }),
    );
  }

  #cameFrom(studyId: string): string | null {
    let from: string | null = null;
    for (const { event } of this.#ports.journal.read(studyId, 0)) if (event.type === 'studyMovedHere') ({ from } = event);
    return from;
  }

  /** Once for each time that it moves away; again where that failed. */
  #letGo(study: Study): Promise<void> {
    study.released ??= this.#release(study).catch((error: unknown) => {
      study.released = null;
      throw error;
    });
    return study.released;
  }

  async #letGoOrSay(study: Study): Promise<void> {
    await this.#letGo(study).catch((error: unknown) =>
      this.#ports.log.error('could not let go of a study', { studyId: study.studyId, error: messageOf(error) }),
    );
  }

  async #release(study: Study): Promise<void> {
    study.ready = null;
    study.isUntidy = true;
    // A start that is under way would come after it.
    await Promise.all([study.cleanup, this.#attempts.forget(study.studyId)]);
    await study.executor.release?.(study.studyId, { removeFiles: false });
  }

  /** Unless the agent ends before: what it leaves, the next one finds. */
  #tryAgain(ms: number, act: () => void): void {
    if (this.#turns.isClosed) return;
    const timer = this.#ports.clock.after(ms, () => {
      this.#retries.delete(timer);
      act();
    });
    this.#retries.add(timer);
  }

  /** Tidies up, again and again where the disk is in trouble. */
  #tidy(retryMs: number): void {
    const tidying = this.#tidyUp()
      .catch((error: unknown) => this.#tryAgainToTidy(error, retryMs))
      .finally(() => this.#cleanups.delete(tidying));
    this.#cleanups.add(tidying);
  }

  #tryAgainToTidy(error: unknown, retryMs: number = firstRetryMs): void {
    this.#ports.log.error('could not tidy up; trying again', { error: messageOf(error) });
    this.#tryAgain(retryMs, () => this.#tidy(Math.min(2 * retryMs, maxRetryMs)));
  }

  /** What an agent that was killed left behind: attempts that no longer count, files of studies that ended or were deleted. */
  async #tidyUp(): Promise<void> {
    for (const executor of this.#attempts.executors.values()) {
      const listings = await executor.list();
      for (const { key, state } of listings) {
        if (this.#turns.studies.get(key.studyId)?.state.view.movedTo != null) continue;
        if (state === 'running' && !this.#attempts.isLive(key)) await executor.stop(key, 0);
      }
      for (const studyId of new Set(listings.map(({ key }) => key.studyId))) {
        const study = this.#turns.studies.get(studyId);
        if (study?.state.view.state === 'ended' && study.state.view.movedTo === null)
          study.cleanup = this.#cleanUp(executor, studyId, false);
      }
      for (const studyId of await executor.studies()) {
        // Files of which the journal knows nothing at all are another journal's.
        if (this.#turns.studies.has(studyId)) continue;
        const last = this.#lastOwner(studyId);
        if (last === 'moved') await executor.release?.(studyId, { removeFiles: true });
        else if (last === 'deleted') void this.#cleanUp(executor, studyId, true);
      }
    }
  }

  /** Whether it was deleted here, or, deleted or not, another agent acts on it; null for none that the journal knows. */
  #lastOwner(studyId: string): 'deleted' | 'moved' | null {
    let isAway = false;
    for (const { event } of this.#ports.journal.read(studyId, 0)) {
      if (event.type === 'studyMovedAway') isAway = true;
      if (event.type === 'studyMovedHere') isAway = false;
      if (event.type === 'studyDeleted') return isAway ? 'moved' : 'deleted';
    }
    return null;
  }

  #forget(study: Study): void {
    const { studyId, executor } = study;
    this.#turns.studies.delete(studyId);
    this.#saver.forget(studyId);
    const { spec, createdAt } = study.state.view;
    this.#released.set(spec.snapshot, Math.max(createdAt, this.#released.get(spec.snapshot) ?? 0));
    if (study.state.view.movedTo !== null) {
      // What it has on the cluster is the other agent's.
      const released = this.#release(study).then(() => executor.release?.(studyId, { removeFiles: true }));
      released.catch((error: unknown) => this.#tryAgainToTidy(error));
      this.#turns.wakeAll();
      return;
    }
    // A start that is under way would come after the cleaning.
    void this.#cleanUp(executor, studyId, true, Promise.all([study.cleanup, this.#attempts.forget(studyId)]));
    this.#turns.wakeAll();
  }

  #cleanUp(
    executor: Executor,
    studyId: string,
    removeFiles: boolean,
    after: Promise<unknown> = Promise.resolve(),
    retryMs: number = firstRetryMs,
  ): Promise<void> {
    const cleanup = after
      .then(() => executor.cleanup(studyId, { removeFiles }))
      .catch((error: unknown) => {
        this.#ports.log.error('could not clean up after a study; trying again', { studyId, error: messageOf(error) });
        this.#tryAgain(retryMs, () => this.#cleanUpAgain(executor, studyId, removeFiles, retryMs));
      })
      .finally(() => {
        this.#cleanups.delete(cleanup);
        if (!removeFiles || this.#turns.isClosed) return;
        this.#prune();
        this.#ports.onForgotten?.();
      });
    this.#cleanups.add(cleanup);
    return cleanup;
  }

  /** Unless the study goes on again by now; what the next agent finds, it tidies up. */
  #cleanUpAgain(executor: Executor, studyId: string, removeFiles: boolean, waitedMs: number): void {
    const study = this.#turns.studies.get(studyId);
    const isOver = removeFiles ? study === undefined : study?.state.view.state === 'ended' && !study.isUntidy;
    if (!isOver) return;
    const cleanup = this.#cleanUp(executor, studyId, removeFiles, Promise.resolve(), Math.min(2 * waitedMs, maxRetryMs));
    if (study !== undefined) study.cleanup = cleanup;
  }

  /** Removes stored code to which no study refers any more. */
  #prune(): void {
    const keep = new Set([...this.#turns.studies.values()].map(({ state }) => state.view.spec.snapshot));
    const released = new Map(this.#released);
    this.#released.clear();
    const pruning = this.#ports.snapshots
      .prune(keep, released)
      .catch((error: unknown) => this.#ports.log.error('could not remove stored code', { error: messageOf(error) }))
      .finally(() => this.#cleanups.delete(pruning));
    this.#cleanups.add(pruning);
  }
}

/** Its processes and containers are this machine's. */
function cannotMove({ studyId, state }: Study): HpoError {
  const { executor } = state.view.spec;
  return new HpoError(
    'HPO-2505',
    `the study ${studyId} runs on this machine (${executor}), where no other agent can take its trials over`,
    'only studies that run with --on kubernetes can move; tune the script again with it',
  );
}
