import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { ContainerSpec, ContainerState, ContainerSummary, Engine, EngineProgress } from '../../engine/engine.ts';
import type { SnapshotStore } from '../../packaging/snapshot.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { AttemptKey, ImageReference } from '../../protocol/study.ts';
import { sleep } from '../../system/clock.ts';
import type { Owner } from '../../system/files.ts';
import type { System } from '../../system/system.ts';
import { type AttemptRecord, readAttemptRecord } from '../attempt/attemptRecord.ts';
import { endOf, type LiveAttempt, liveAttempt, LiveAttempts } from '../attempt/liveAttempts.ts';
import { outputFileNames } from '../attempt/outputFile.ts';
import { removeUnchanged } from '../attempt/removeUnchanged.ts';
import { installShim } from '../attempt/shim.ts';
import { keyText, StudyFolders } from '../attempt/studyFolders.ts';
import type { AttemptListing, AttemptStart, Capacity, Ending, Executor, ExecutorListener, PreparedStudy } from '../executor.ts';
import { makeAttemptFolder } from './attemptFolder.ts';
import { isVoid, voidAttempt } from './voidAttempt.ts';
import { attemptOfContainer, containerName, homeLabels, studyLabels } from './containerName.ts';
import { containerSpec } from './containerSpec.ts';
import { couldNotStart, settleEnd, stopFile, timeoutFile } from './containerEnd.ts';
import { guardMount } from './mountGuard.ts';
import { readStudyFile, type StudyFile, writeStudyFile } from './studyFile.ts';

/** Makes images that are gone again. */
export interface ImageStore {
  /** Resolves with the image's id. Quick where it is there. */
  restore(reference: ImageReference, progress: EngineProgress): Promise<string>;
}

export interface DockerExecutorOptions {
  readonly system: System;
  /** Absolute path of HPO_HOME. */
  readonly homeDir: string;
  readonly snapshots: Pick<SnapshotStore, 'mountPlan' | 'verify'>;
  readonly images: ImageStore;
  /** Connects when it is first asked; nobody is asked while there is no study in containers. */
  readonly engine: () => Promise<Engine>;
  readonly listener: ExecutorListener;
  /** The agent's environment, of which attempts get the secrets that their study names. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Processors to share out; all that the engine has, as far as that is known, by default. */
  readonly cpus?: number;
  /** A container that somebody paused, and that has no deadline, counts as lost after this time, in ms; ten minutes by default. */
  readonly maxPausedMs?: number;
}

const pollMs = 500;
/** The engine is asked for what its events may have missed at each such poll. */
const pollsPerSweep = 4;
/** An attempt whose program does not begin is looked at this often. */
const startLookMs = 1_000;
/** It is given up when the engine, too, has said nothing for so long, or that it is paused. */
const startPatienceMs = 30_000;
/** A container that runs for so long has begun, whatever its records say. */
const recordPatienceMs = 5_000;
const cleanupMs = 10_000;
/** And without any attempt that lives, so often. */
const idlePollMs = 30_000;
/** A container that was there before this agent is adopted within this time, if it is. */
const adoptionMs = 60_000;
/** Beyond deadline and grace, for an attempt whose shim cannot keep them as its container is paused. */
const pausedGraceMs = 2_000;
const usualMaxPausedMs = 10 * 60_000;
/** Nobody on an ordinary machine, in the place of root. */
const nobody: Owner = { uid: 65_532, gid: 65_532 };
const superuser: Owner = { uid: 0, gid: 0 };

/**
 * Runs attempts in containers, each under the same shim as a process of this machine. What an attempt is doing can always be
 * read again from its folder and from its container, which has a name that follows from the attempt: neither the agent nor the
 * engine has to live on meanwhile. How it ended is in its folder before its container is removed.
 */
export class DockerExecutor implements Executor {
  readonly name = 'docker';
  readonly files: StudyFolders;
  readonly #options: DockerExecutorOptions;
  readonly #system: System;
  readonly #live = new LiveAttempts<ContainerAttempt>(() => {
    this.#poll?.[Symbol.dispose]();
    this.#poll = null;
    this.#events?.watch[Symbol.dispose]();
    this.#events = null;
  });
  /** Attempts whose end was reported in this life, by `keyText`. */
  readonly #reported = new Set<string>();
  readonly #studies = new Map<string, StudyFile>();
  /** What is in use now, by the id that the study was started with. */
  readonly #images = new Map<string, string>();
  readonly #restoring = new Map<string, Promise<void>>();
  readonly #verified = new Map<string, Promise<void>>();
  /** Why attempts were given up in this life, by `keyText`; until their study is cleaned up. */
  readonly #givenUp = new Map<string, unknown>();
  /** Containers of attempts that are none of those, by `keyText`, with when they were seen first. */
  readonly #unowned = new Map<string, number>();
  readonly #removals = new Set<Promise<void>>();
  #shimPath: Promise<string> | null = null;
  #facts: { readonly isRootless: boolean; readonly cpus: number } | null = null;
  #events: { readonly engine: Engine; readonly watch: Disposable } | null = null;
  #poll: Disposable | null = null;
  #idlePoll: Disposable | null = null;
  #nPolls = 0;
  #isSweeping = false;
  #isDisposed = false;

  constructor(options: DockerExecutorOptions) {
    this.#options = options;
    this.#system = options.system;
    this.files = new StudyFolders(options.homeDir);
  }

  prepare(study: PreparedStudy): Promise<void> {
    return this.#system.failpoints.step('study.prepare', () => this.#prepare(study));
  }

  async start(attempt: AttemptStart): Promise<void> {
    const id = keyText(attempt.key);
    if (this.#reported.has(id)) return;
    const known = this.#live.get(id);
    if (known !== undefined) {
      await known.starting;
      return;
    }
    const live = this.#admit(attempt.key, attempt.timeoutMs, (admitted) => this.#startOrAdopt(admitted, attempt));
    await live.starting;
  }

  async stop(key: AttemptKey, graceMs: number): Promise<void> {
    const live = this.#live.get(keyText(key)) ?? (await this.#adoptRunning(key));
    if (live === null || live.hasEnded) return;
    live.isStopped = true;
    this.#background(this.#end(live, graceMs));
  }

  async list(): Promise<readonly AttemptListing[]> {
    const listings = new Map<string, AttemptListing>();
    /** What only the engine can tell. */
    const open: AttemptKey[] = [];
    for (const studyId of await this.#studyFolders()) {
      for (const key of await this.files.attempts(this.#system.files, studyId)) {
        const { state } = await this.#recordOf(key);
        if (state === 'ended' || this.#reported.has(keyText(key))) listings.set(keyText(key), { key, state: 'ended' });
        else open.push(key);
      }
    }
    // While the engine says nothing, whatever may run counts as running.
    const found = await this.#containers().catch(() => null);
    for (const key of open) {
      const container = found?.get(keyText(key));
      const { state } = await this.#recordOf(key);
      if (state === 'absent' && (found === null ? await this.#isVoid(key) : container === undefined)) continue;
      const mayRun = found === null || container?.isRunning === true || state === 'absent' || this.#live.has(keyText(key));
      const isRunning = state !== 'ended' && mayRun;
      listings.set(keyText(key), { key, state: isRunning ? 'running' : 'ended' });
    }
    for (const [id, { name, labels, isRunning }] of found ?? []) {
      const key = attemptOfContainer(this.files.homeMark, name, labels);
      if (key !== null && !listings.has(id)) listings.set(id, { key, state: isRunning ? 'running' : 'ended' });
    }
    return [...listings.values()];
  }

  async studies(): Promise<readonly string[]> {
    const studies = new Set(await this.#studyFolders());
    // Without an engine: what it has of studies without a folder shows at the next look.
    const found = await this.#containers().catch(() => new Map<string, ContainerSummary>());
    for (const { labels } of found.values()) studies.add(labels['hpo.study'] ?? '');
    return [...studies];
  }

  cleanup(studyId: string, { removeFiles }: { readonly removeFiles: boolean }): Promise<void> {
    const step = removeFiles ? 'study.delete' : 'study.clean';
    return this.#system.failpoints.step(step, () => this.#cleanUp(studyId, removeFiles));
  }

  async isReady(): Promise<boolean> {
    return await this.#options
      .engine()
      .then((engine) => engine.info())
      .then(
        () => true,
        () => false,
      );
  }

  capacity(): Promise<Capacity> {
    // An engine in a virtual machine has fewer; one that was not needed yet is not asked.
    return Promise.resolve({ cpus: this.#options.cpus ?? this.#facts?.cpus ?? availableParallelism() });
  }

  /** Lets go of the attempts without ending them: the next agent adopts them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.#poll?.[Symbol.dispose]();
    this.#idlePoll?.[Symbol.dispose]();
    this.#events?.watch[Symbol.dispose]();
    await this.#live.letGo();
    await Promise.all(this.#removals);
  }

  async #prepare({ studyId, root, snapshot, container }: PreparedStudy): Promise<void> {
    if (container === null) throw new RangeError(`${studyId} has nothing said about containers`);
    const { files: disk } = this.#system;
    await disk.remove(this.files.cleanedFile(studyId));
    const verified = this.#verified.get(snapshot) ?? this.#options.snapshots.verify(snapshot);
    this.#verified.set(snapshot, verified);
    verified.catch(() => this.#verified.delete(snapshot));
    await verified;
    const study = { root, settings: container };
    await writeStudyFile(disk, this.files.containerFile(studyId), study);
    await disk.makeFolder(join(this.#options.homeDir, 'run'));
    await disk.writeText(this.#usedFile, '');
    this.#studies.set(studyId, study);
  }

  /** One at a time of each: all attempts of a study miss it together. */
  #restoreImage({ settings: { image } }: StudyFile): Promise<void> {
    const known = this.#restoring.get(image.id);
    if (known !== undefined) return known;
    const restoring = this.#options.images
      .restore(image, { onProgress: () => {} })
      .then((id) => void this.#images.set(image.id, id))
      .finally(() => this.#restoring.delete(image.id));
    this.#restoring.set(image.id, restoring);
    return restoring;
  }

  #admit(key: AttemptKey, timeoutMs: number | null, begin: (live: ContainerAttempt) => Promise<void>): ContainerAttempt {
    return this.#live.admit(
      {
        ...liveAttempt(key, this.files.attemptDir(key)),
        name: containerName(this.files.homeMark, key),
        mayHaveChanged: false,
        isAsked: false,
        deadlineAt: timeoutMs === null ? Infinity : this.#system.clock.monotonic() + timeoutMs,
        pausedAt: null,
      },
      begin,
    );
  }

  async #startOrAdopt(live: ContainerAttempt, attempt: AttemptStart): Promise<void> {
    const { state } = await this.#recordOf(live.key);
    if (state === 'absent') await this.#startNew(live, attempt);
    await this.#takeOver(live);
  }

  async #startNew(live: ContainerAttempt, attempt: AttemptStart): Promise<void> {
    const { files: disk } = this.#system;
    try {
      if (await this.#isVoid(live.key)) {
        const reason = this.#givenUp.get(keyText(live.key));
        if (reason !== undefined) throw reason;
        throw new HpoError('HPO-2454', 'the attempt was given up before it began', 'nothing needs to be done');
      }
      const engine = await this.#connect();
      // What runs can have taken its records away and put links in their place: nothing is made in its folder, nor is it begun twice.
      const known = (await disk.stat(live.dir)) === null ? null : await engine.inspectContainer(live.name);
      if (known === null || known.status === 'created') await this.#create(engine, live, attempt);
      await this.#waitForStart(engine, live);
    } catch (error) {
      if ((await disk.stat(live.dir)) === null) throw error;
      // What the engine was asked to, it may do yet: from here on no program begins, whatever comes of it.
      if (!(await voidAttempt(disk, live.dir))) return;
      // While its container is being removed, it is asked for again: then, too, the reason is the first one.
      if (!this.#givenUp.has(keyText(live.key))) this.#givenUp.set(keyText(live.key), error);
      this.#remove(live.name);
      throw error;
    }
  }

  async #create(engine: Engine, live: ContainerAttempt, attempt: AttemptStart): Promise<void> {
    const { failpoints } = this.#system;
    const study = await this.#study(attempt.key.studyId);
    const make = async (): Promise<'created' | 'exists'> => {
      const spec = await this.#spec(study, attempt);
      return failpoints.step('attempt.label', () => engine.createContainer(spec));
    };
    await make().catch(async (error: unknown) => {
      if (!isImageGone(error)) throw error;
      await this.#restoreImage(study);
      return await make();
    });
    const isThere = await failpoints.step('attempt.spawn', () => engine.startContainer(live.name));
    if (!isThere)
      throw new HpoError(
        'HPO-2454',
        `the container ${live.name} was removed before it began`,
        'leave the containers of trials alone',
      );
  }

  async #spec(study: StudyFile, attempt: AttemptStart): Promise<ContainerSpec> {
    const { homeDir, snapshots, environment } = this.#options;
    const { settings, root } = study;
    const disk = this.#system.files;
    const plan = await snapshots.mountPlan(attempt.snapshot);
    for (const { source, target } of settings.mounts) await guardMount(disk, source, `@hpo.data -> ${target}`, homeDir);
    for (const { target, path } of plan.links) await guardMount(disk, target, `the linked ${path}`, homeDir);
    const user = await this.#user(root);
    const { ownUser } = this.#system.processes;
    this.#shimPath ??= installShim(disk, join(homeDir, 'run'));
    this.#shimPath.catch(() => (this.#shimPath = null));
    const shimPath = await this.#shimPath;
    const mounts = await this.#system.failpoints.step('attempt.folder', () =>
      makeAttemptFolder({
        system: this.#system,
        attempt,
        files: this.files,
        plan,
        data: settings.mounts,
        shimPath,
        // Without root, the container's root is the agent's user.
        owner: ownUser?.uid === 0 && user.uid !== 0 ? user : null,
      }),
    );
    const image = this.#images.get(settings.image.id) ?? settings.image.id;
    return containerSpec({ attempt, settings, image, user, mounts, files: this.files, environment });
  }

  /** From here on the attempt's output and end are reported. */
  #takeOver(live: ContainerAttempt): Promise<void> {
    live.isStarting = false;
    if (this.#isDisposed) return Promise.resolve();
    // Its number on this machine would take one more question, and says nothing to who looks from outside.
    this.#options.listener.started(live.key, { pid: null });
    live.watch = this.#system.files.watch({
      folder: live.dir,
      ignored: ['work'],
      polled: Object.values(outputFileNames),
      onChange: () => {
        if (!live.hasEnded) this.#options.listener.output(live.key);
      },
    });
    this.#poll ??= this.#planPoll();
    this.#background(this.#follow());
    this.#system.clock.soon(() => this.#background(this.#check(live)));
    return Promise.resolve();
  }

  /** Until the program runs, or the container has ended without it. */
  async #waitForStart(engine: Engine, live: ContainerAttempt): Promise<void> {
    const { clock } = this.#system;
    let lookAt = clock.monotonic() + startLookMs;
    let answeredAt = clock.monotonic();
    let runsSince = Infinity;
    this.#background(this.#follow());
    for (let waitMs = 2; ; waitMs = Math.min(waitMs * 1.5, 100)) {
      const record = await this.#recordOf(live.key).catch(() => null);
      if (record?.state === 'ended' || (record?.state === 'started' && record.program !== null)) return;
      if (live.mayHaveChanged || clock.monotonic() >= lookAt) {
        live.mayHaveChanged = false;
        lookAt = clock.monotonic() + startLookMs;
        const state = await engine.inspectContainer(live.name).catch((error: unknown) => {
          // It goes on without the engine, if it goes on.
          if (clock.monotonic() - answeredAt > startPatienceMs) throw error;
          return undefined;
        });
        if (state !== undefined && state?.status !== 'paused') answeredAt = clock.monotonic();
        else if (state?.status === 'paused' && clock.monotonic() - answeredAt > startPatienceMs) {
          // Nothing has begun that could go on later, and it could be neither stopped nor ended at its deadline.
          throw new HpoError(
            'HPO-2450',
            'the container of the attempt did not begin: somebody paused it',
            'pause containers of trials only when they have begun',
          );
        }
        if (state?.status === 'running') {
          // The program took the record of its beginning away before it was seen, and can be stopped as any other.
          if (clock.monotonic() - runsSince > recordPatienceMs) return;
          runsSince = Math.min(runsSince, clock.monotonic());
        }
        if (state === null || state?.status === 'exited') {
          // What is claimed is never started again: its end is told like any other.
          if ((await this.#recordOf(live.key)).state !== 'absent') return;
          throw await couldNotStart(this.#system.files, live.dir, state);
        }
      }
      await sleep(clock, waitMs);
    }
  }

  async #adoptRunning(key: AttemptKey): Promise<ContainerAttempt | null> {
    const id = keyText(key);
    if ((await this.#system.files.stat(this.files.attemptDir(key))) === null) return null;
    const { state } = await this.#recordOf(key);
    const isThere =
      state === 'started' ||
      (state === 'absent' && (await (await this.#connect()).inspectContainer(containerName(this.files.homeMark, key))) !== null);
    const known = this.#live.get(id);
    if (known !== undefined) return known;
    if (!isThere || this.#reported.has(id) || this.#isDisposed) return null;
    return this.#admit(key, null, (live) => this.#takeOver(live));
  }

  #planPoll(): Disposable {
    return this.#system.clock.after(pollMs, () => {
      this.#poll = this.#planPoll();
      for (const { watch } of this.#live.values()) watch?.poll();
      if (++this.#nPolls % pollsPerSweep === 0) this.#background(this.#sweep());
    });
  }

  /** Looks after what events did not tell, and does again what the engine did not answer. */
  async #sweep(): Promise<void> {
    if (this.#isSweeping) return;
    this.#isSweeping = true;
    try {
      const found = await this.#containers().catch(() => null);
      await this.#follow().catch(() => {});
      const { clock } = this.#system;
      for (const [id, live] of this.#live) {
        if (live.isStarting) continue;
        const isLate = clock.monotonic() > live.deadlineAt;
        const container = found?.get(id);
        if (container?.isRunning !== true || container.isPaused || isLate) await this.#check(live).catch(() => {});
        if (live.isStopped && !live.hasEnded) await this.#pressOn(live).catch(() => {});
      }
      if (found !== null) await this.#removeUnwanted(found);
    } finally {
      this.#isSweeping = false;
    }
  }

  /**
   * Containers that nobody wants any more, whichever agent asked for them: what an engine is asked to it may do late, and a removal
   * may fail.
   */
  async #removeUnwanted(found: ReadonlyMap<string, ContainerSummary>): Promise<void> {
    const { clock } = this.#system;
    for (const id of this.#unowned.keys()) if (!found.has(id) || this.#live.has(id)) this.#unowned.delete(id);
    for (const [id, { name, labels, isRunning }] of found) {
      const key = attemptOfContainer(this.files.homeMark, name, labels);
      if (key === null || this.#live.has(id)) continue;
      if (this.#reported.has(id) || (await this.#isVoid(key)) || (await this.files.isCleaned(this.#system.files, key.studyId)))
        this.#remove(name);
      // A power cut may take the record of an end, and bring the container back.
      else if (!isRunning || (await this.#recordOf(key)).state !== 'started') {
        // The driver may be about to adopt it, and what is known of its end with it.
        const since = this.#unowned.get(id) ?? clock.monotonic();
        this.#unowned.set(id, since);
        if (clock.monotonic() - since > adoptionMs && !this.#live.has(id)) this.#remove(name);
      }
    }
  }

  /** As long as the engine may have anything of ours, it is looked at now and then, also while no attempt lives. */
  #lookNowAndThen(): void {
    if (this.#isDisposed) return;
    this.#idlePoll ??= this.#system.clock.after(idlePollMs, () => {
      this.#idlePoll = null;
      this.#background(this.#sweep());
    });
  }

  /** Hears of the containers as long as any of ours lives. */
  async #follow(): Promise<void> {
    const engine = await this.#options.engine();
    if (this.#events?.engine === engine || this.#isDisposed || this.#live.size === 0) return;
    this.#events?.watch[Symbol.dispose]();
    const byName = (name: string): void => {
      for (const live of this.#live.values()) {
        if (live.name !== name) continue;
        live.mayHaveChanged = true;
        this.#background(this.#check(live));
      }
    };
    this.#events = { engine, watch: engine.watchContainers(homeLabels(this.files.homeMark), byName) };
  }

  /** Reports the end if there is one. */
  async #check(live: ContainerAttempt): Promise<void> {
    // What has not begun yet is not lost, however long its start takes.
    if (live.isStarting || live.hasEnded || this.#isDisposed) return;
    if (live.isChecking) {
      live.mayHaveChanged = true;
      return;
    }
    live.isChecking = true;
    try {
      do {
        live.mayHaveChanged = false;
        const ending = await this.#endingOf(live);
        if (ending !== null) return this.#report(live, ending);
      } while (live.mayHaveChanged && !live.hasEnded);
    } finally {
      live.isChecking = false;
    }
  }

  /** Null while it runs, and while nobody can know. */
  async #endingOf(live: ContainerAttempt): Promise<Ending | null> {
    let state: ContainerState | null;
    try {
      state = await (await this.#options.engine()).inspectContainer(live.name);
    } catch (error) {
      // With the engine gone, what the shim wrote is all there is to know, and mostly enough.
      if ((await this.#recordOf(live.key)).state !== 'ended') throw error;
      state = null;
    }
    if (state?.status !== 'paused') live.pausedAt = null;
    if (state?.status === 'running') return null;
    if (state?.status === 'paused') {
      await this.#endPaused(live);
      return null;
    }
    return settleEnd({ system: this.#system, dir: live.dir, state, isStopped: live.isStopped });
  }

  /** A container that somebody paused cannot keep its deadline itself, and nobody may ever continue it. */
  async #endPaused(live: ContainerAttempt): Promise<void> {
    const { clock, files: disk } = this.#system;
    const now = clock.monotonic();
    live.pausedAt ??= now;
    const isLate = now >= live.deadlineAt + pausedGraceMs;
    if ((!isLate && now - live.pausedAt < (this.#options.maxPausedMs ?? usualMaxPausedMs)) || live.isStopped) return;
    if (isLate) await disk.writeText(join(live.dir, timeoutFile), '');
    await (await this.#options.engine()).signalContainer(live.name, 'SIGKILL');
  }

  #report(live: ContainerAttempt, ending: Ending): void {
    if (live.hasEnded) return;
    this.#live.forget(live);
    this.#reported.add(keyText(live.key));
    this.#remove(live.name);
    this.#options.listener.ended(live.key, ending);
  }

  /** In the background: nobody waits for it, and what is left over a later sweep takes. */
  #remove(name: string): void {
    const removal = this.#options
      .engine()
      .then((engine) => engine.removeContainer(name))
      .catch(() => {})
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  async #end(live: ContainerAttempt, graceMs: number): Promise<void> {
    const { clock, files: disk } = this.#system;
    await live.starting;
    if (live.hasEnded || this.#isDisposed) return;
    const killAt = clock.monotonic() + graceMs;
    if (killAt >= live.killAt) return;
    live.killAt = killAt;
    live.killTimer?.[Symbol.dispose]();
    live.killTimer = clock.after(graceMs, () => this.#background(this.#kill(live)));
    // So that the next agent, too, knows that the end was asked for.
    await disk.writeText(join(live.dir, stopFile), '').catch(() => {});
    if (graceMs > 0) await this.#askToEnd(live);
  }

  async #askToEnd(live: ContainerAttempt): Promise<void> {
    const engine = await this.#options.engine();
    await this.#system.failpoints.step('attempt.stop', () => engine.signalContainer(live.name, 'SIGTERM'));
    live.isAsked = true;
  }

  async #kill(live: ContainerAttempt): Promise<void> {
    if (live.hasEnded) return;
    const engine = await this.#options.engine();
    if (await engine.signalContainer(live.name, 'SIGKILL')) return;
    // One that was made and never begun hears no signal.
    if ((await engine.inspectContainer(live.name))?.status === 'created') await engine.removeContainer(live.name);
    await this.#check(live);
  }

  /** A stop that did not reach the engine. */
  async #pressOn(live: ContainerAttempt): Promise<void> {
    if (this.#system.clock.monotonic() >= live.killAt) await this.#kill(live);
    else if (!live.isAsked) await this.#askToEnd(live);
  }

  async #cleanUp(studyId: string, removeFiles: boolean): Promise<void> {
    const { clock, files: disk } = this.#system;
    const lives = this.#live.of(studyId);
    for (const live of lives) await live.starting.catch(() => {});
    await Promise.all(lives.map(({ key }) => this.stop(key, 0)));
    await endOf(lives, clock, cleanupMs);
    // What an agent that was killed, or had no room, left half written; no engine is needed for that.
    await disk.remove(`${this.files.containerFile(studyId)}.new`);
    await this.#removeContainers(studyId);
    for (const live of lives) await this.#check(live);
    for (const id of this.#reported) if (id.startsWith(`${studyId}/`)) this.#reported.delete(id);
    for (const id of this.#givenUp.keys()) if (id.startsWith(`${studyId}/`)) this.#givenUp.delete(id);
    this.#studies.delete(studyId);
    if ((await disk.stat(this.files.containerFile(studyId))) === null) {
      // What a study leaves of which not even that could be written.
      if (removeFiles && (await disk.names(this.files.studyDir(studyId))).length === 0)
        await disk.remove(this.files.studyDir(studyId));
    } else if (removeFiles) {
      await disk.remove(this.files.studyDir(studyId));
      if ((await this.#studyFolders()).length === 0 && (await this.#containers()).size === 0) await disk.remove(this.#usedFile);
    } else if ((await disk.stat(this.files.trialsDir(studyId))) !== null) {
      for (const key of await this.files.attempts(disk, studyId)) await this.#tidy(key);
      await disk.writeText(this.files.cleanedFile(studyId), '');
    }
  }

  /** What can be made again of an attempt that is over: of its container nothing is left, whatever a power cut left of its records. */
  async #tidy(key: AttemptKey): Promise<void> {
    const { files: disk } = this.#system;
    const dir = this.files.attemptDir(key);
    await removeUnchanged(disk, dir);
    for (const name of ['spliced', 'start.json.new', 'exit.json.new', 'exit.json.lost']) await disk.remove(join(dir, name));
  }

  async #removeContainers(studyId: string): Promise<void> {
    if (!(await this.#isUsed())) return;
    let engine: Engine;
    try {
      engine = await this.#options.engine();
    } catch (error) {
      // One that is not installed any more has nothing of ours.
      if (error instanceof HpoError && error.code === 'HPO-2401') return;
      throw error;
    }
    for (const { name, labels } of await engine.listContainers(studyLabels(this.files.homeMark, studyId))) {
      if (attemptOfContainer(this.files.homeMark, name, labels) !== null) await engine.removeContainer(name);
    }
  }

  /** All of ours, by `keyText`. None, and no engine is asked, where no study of this home ever ran in containers. */
  async #containers(): Promise<ReadonlyMap<string, ContainerSummary>> {
    const found = new Map<string, ContainerSummary>();
    if (!(await this.#isUsed())) return found;
    this.#lookNowAndThen();
    const engine = await this.#options.engine();
    for (const summary of await engine.listContainers(homeLabels(this.files.homeMark))) {
      const key = attemptOfContainer(this.files.homeMark, summary.name, summary.labels);
      if (key !== null) found.set(keyText(key), summary);
    }
    return found;
  }

  /** There while the engine may have anything of this home. */
  get #usedFile(): string {
    return join(this.#options.homeDir, 'run', 'containers');
  }

  async #isUsed(): Promise<boolean> {
    return (await this.#system.files.stat(this.#usedFile)) !== null;
  }

  async #connect(): Promise<Engine> {
    const engine = await this.#options.engine();
    this.#facts ??= await engine.info();
    return engine;
  }

  /** Never root, but where that is the user itself. */
  async #user(root: string): Promise<Owner> {
    const { files: disk, processes } = this.#system;
    if (this.#facts?.isRootless === true) return superuser;
    if (processes.ownUser === null) return nobody;
    if (processes.ownUser.uid !== 0) return processes.ownUser;
    const owner = await disk.owner(root);
    return owner === null || owner.uid === 0 ? nobody : owner;
  }

  async #study(studyId: string): Promise<StudyFile> {
    const known = this.#studies.get(studyId) ?? (await readStudyFile(this.#system.files, this.files.containerFile(studyId)));
    this.#studies.set(studyId, known);
    return known;
  }

  /** Whether it was given up before it began, so that it never will. */
  #isVoid(key: AttemptKey): Promise<boolean> {
    return isVoid(this.#system.files, this.files.attemptDir(key));
  }

  #studyFolders(): Promise<string[]> {
    return this.files.studiesOf(this.#system.files, 'containers');
  }

  #recordOf(key: AttemptKey): Promise<AttemptRecord> {
    return readAttemptRecord(this.#system.files, this.files.attemptDir(key));
  }

  /** Work that nobody waits for; what it failed with shows, or is done again, at the next sweep. */
  #background(work: Promise<void>): void {
    work.catch(() => {});
  }
}

interface ContainerAttempt extends LiveAttempt {
  readonly name: string;
  /** The engine told something of it that has not been looked at. */
  mayHaveChanged: boolean;
  /** The engine has passed on that it is to end. */
  isAsked: boolean;
  /** By the monotonic clock. */
  readonly deadlineAt: number;
  /** When it was first seen paused, by the monotonic clock; null while it is not. */
  pausedAt: number | null;
}

function isImageGone(error: unknown): boolean {
  return error instanceof HpoError && error.code === 'HPO-2406';
}
