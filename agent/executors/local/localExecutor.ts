import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { SnapshotStore } from '../../packaging/snapshot.ts';
import type { AttemptKey } from '../../protocol/study.ts';
import { sleep } from '../../system/clock.ts';
import type { Child } from '../../system/processes.ts';
import type { System } from '../../system/system.ts';
import {
  type AttemptListing,
  type AttemptStart,
  type Capacity,
  type Ending,
  type Executor,
  type ExecutorListener,
  type PreparedStudy,
  lostEnding,
} from '../executor.ts';
import { keyText, StudyFolders } from '../attempt/studyFolders.ts';
import { type AttemptRecord, readAttemptRecord, recordLoss } from '../attempt/attemptRecord.ts';
import { infrastructure, launch } from './launch.ts';
import { endOf, type LiveAttempt, liveAttempt, LiveAttempts } from '../attempt/liveAttempts.ts';
import { outputFileNames } from '../attempt/outputFile.ts';
import { removeUnchanged } from '../attempt/removeUnchanged.ts';
import { installShim } from '../attempt/shim.ts';

export interface LocalExecutorOptions {
  readonly system: System;
  /** Absolute path of HPO_HOME. */
  readonly homeDir: string;
  readonly snapshots: Pick<SnapshotStore, 'materialize' | 'verify'>;
  readonly listener: ExecutorListener;
  /** The agent's environment, which the attempts inherit. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** Processors to share out; all that this process may use by default. */
  readonly cpus?: number;
}

/** How often what events may have missed is looked for. */
const pollMs = 500;
/** What an ended program left behind is killed this long after it was asked to end. */
const leftoverGraceMs = 500;
/** Ends that come together are tidied up after in one look at the processes. */
const tidyMs = 200;
/** A cleaning waits this long for attempts to end. */
const cleanupMs = 10_000;
/** A claim without a readable shim in it is a start in progress for this long, afterwards a loss. */
const claimGraceMs = 5_000;

/**
 * Runs attempts as processes of this machine, each under a shim (`shim.ts`) that outlives the agent. What an attempt is
 * doing is never remembered alone: it can always be read again from its folder and from the process table.
 */
export class LocalExecutor implements Executor {
  readonly name = 'local';
  readonly files: StudyFolders;
  readonly #options: LocalExecutorOptions;
  readonly #system: System;
  readonly #live = new LiveAttempts<LocalAttempt>(() => {
    this.#poll?.[Symbol.dispose]();
    this.#poll = null;
  });
  /** Attempts whose end was reported in this life, by `keyText`. */
  readonly #reported = new Set<string>();
  readonly #shimPath: Promise<string>;
  readonly #verified = new Map<string, Promise<void>>();
  #poll: Disposable | null = null;
  #ended = new Set<string>();
  #tidying: Promise<void> | null = null;
  #isDisposed = false;

  constructor(options: LocalExecutorOptions) {
    this.#options = options;
    this.files = new StudyFolders(options.homeDir);
    this.#system = options.system;
    this.#shimPath = installShim(this.#system.files, join(options.homeDir, 'run'));
    // Reported by the start that needs it.
    this.#shimPath.catch(() => {});
  }

  prepare(study: PreparedStudy): Promise<void> {
    return this.#system.failpoints.step('study.prepare', async () => {
      await this.#system.files.remove(this.files.cleanedFile(study.studyId));
      const verified = this.#verified.get(study.snapshot) ?? this.#options.snapshots.verify(study.snapshot);
      this.#verified.set(study.snapshot, verified);
      verified.catch(() => this.#verified.delete(study.snapshot));
      await verified;
    });
  }

  async start(attempt: AttemptStart): Promise<void> {
    const id = keyText(attempt.key);
    if (this.#reported.has(id)) return;
    const known = this.#live.get(id);
    if (known !== undefined) {
      await known.starting;
      return;
    }
    const live = this.#admit(attempt.key, (admitted) => this.#startOrAdopt(admitted, attempt));
    await live.starting;
  }

  async stop(key: AttemptKey, graceMs: number): Promise<void> {
    const live = this.#live.get(keyText(key)) ?? (await this.#adoptRunning(key));
    if (live === null || live.hasEnded) return;
    live.isStopped = true;
    this.#background(this.#end(live, graceMs));
  }

  async list(): Promise<readonly AttemptListing[]> {
    const listings: AttemptListing[] = [];
    for (const studyId of await this.studies()) listings.push(...(await this.#listStudy(studyId)));
    return listings;
  }

  studies(): Promise<readonly string[]> {
    return this.files.studiesOf(this.#system.files, 'processes');
  }

  cleanup(studyId: string, { removeFiles }: { readonly removeFiles: boolean }): Promise<void> {
    const step = removeFiles ? 'study.delete' : 'study.clean';
    return this.#system.failpoints.step(step, () => this.#cleanUp(studyId, removeFiles));
  }

  async #cleanUp(studyId: string, removeFiles: boolean): Promise<void> {
    const { clock, files: disk, processes } = this.#system;
    // Its attempts are containers: none of them is ours.
    if (await this.#exists(this.files.containerFile(studyId))) return;
    const running = (await this.#listStudy(studyId)).filter(({ state }) => state === 'running');
    for (const live of this.#live.of(studyId)) await live.starting.catch(() => {});
    await Promise.all(running.map(({ key }) => this.stop(key, 0)));
    await endOf(this.#live.of(studyId), clock, cleanupMs);
    for (const pid of await processes.findMarked((mark) => this.files.isMarkOfStudy(mark, studyId)))
      processes.send(pid, 'SIGKILL');
    for (const id of this.#reported) if (id.startsWith(`${studyId}/`)) this.#reported.delete(id);
    const dir = this.files.studyDir(studyId);
    if (removeFiles) await disk.remove(dir);
    else if (await this.#exists(this.files.trialsDir(studyId))) {
      // The copies can be made again from the snapshot; of a large project they would fill the disk.
      for (const key of await this.files.attempts(disk, studyId)) {
        if ((await this.#stateOf(key)) !== 'ended') continue;
        const attemptDir = this.files.attemptDir(key);
        await removeUnchanged(disk, attemptDir);
        // What a shim that was killed, or had no room, left half written.
        for (const name of ['start.json.new', 'exit.json.new']) await disk.remove(join(attemptDir, name));
      }
      await disk.writeText(this.files.cleanedFile(studyId), '');
    }
  }

  isReady(): Promise<boolean> {
    return Promise.resolve(true);
  }

  capacity(): Promise<Capacity> {
    return Promise.resolve({ cpus: this.#options.cpus ?? availableParallelism() });
  }

  /** Lets go of the attempts without ending them: the next agent adopts them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    this.#poll?.[Symbol.dispose]();
    await this.#live.letGo();
    await this.#tidying;
  }

  #admit(key: AttemptKey, begin: (live: LocalAttempt) => Promise<void>): LocalAttempt {
    return this.#live.admit({ ...liveAttempt(key, this.files.attemptDir(key)), child: null }, begin);
  }

  async #startOrAdopt(live: LocalAttempt, attempt: AttemptStart): Promise<void> {
    let record = await this.#recordOf(live);
    if (record.state === 'absent') {
      live.child = await launch({
        system: this.#system,
        attempt,
        files: this.files,
        snapshots: this.#options.snapshots,
        environment: this.#options.environment,
        shimPath: await this.#shimPath,
        onExit: () => this.#background(live.starting.then(() => this.#check(live))),
      });
      record = await this.#waitForStart(live);
    }
    this.#takeOver(live, record);
  }

  /** From here on the attempt's output and end are reported. */
  #takeOver(live: LocalAttempt, record: AttemptRecord): void {
    live.isStarting = false;
    if (this.#isDisposed) return;
    const pid = record.state === 'absent' ? null : (record.program?.pid ?? null);
    this.#options.listener.started(live.key, { pid });
    live.watch = this.#system.files.watch({
      folder: live.dir,
      ignored: ['work'],
      polled: Object.values(outputFileNames),
      onChange: () => this.#onChange(live),
    });
    this.#poll ??= this.#planPoll();
    // The end of a child is told by the child; anything else may have happened already.
    if (live.child?.hasExited ?? true) this.#system.clock.soon(() => this.#background(this.#check(live)));
  }

  /** Until the program runs, or the shim has ended without it. */
  async #waitForStart(live: LocalAttempt): Promise<AttemptRecord> {
    for (let waitMs = 2; ; waitMs = Math.min(waitMs * 1.5, 100)) {
      const shimHasExited = live.child?.hasExited ?? true;
      // What was started is waited for, also while the disk cannot be read.
      const record = await this.#recordOf(live).catch(() => null);
      if (record?.state === 'ended' || (record?.state === 'started' && record.program !== null)) return record;
      if (shimHasExited && record?.state === 'absent')
        throw infrastructure(
          `the shim ended before the attempt began (exit code ${live.child?.exitCode ?? 'unknown'}); see ${join(live.dir, 'out.log')}`,
          null,
        );
      if (shimHasExited && record !== null) {
        // Another agent's shim was there first: that one is not our child.
        live.child = null;
        return record;
      }
      await sleep(this.#system.clock, waitMs);
    }
  }

  async #adoptRunning(key: AttemptKey): Promise<LocalAttempt | null> {
    const id = keyText(key);
    const record = await readAttemptRecord(this.#system.files, this.files.attemptDir(key));
    const known = this.#live.get(id);
    if (known !== undefined) return known;
    if (record.state !== 'started' || this.#reported.has(id) || this.#isDisposed) return null;
    return this.#admit(key, (live) => Promise.resolve(this.#takeOver(live, record)));
  }

  #onChange(live: LocalAttempt): void {
    if (live.hasEnded) return;
    this.#options.listener.output(live.key);
    if (live.child === null) this.#background(this.#check(live));
  }

  #planPoll(): Disposable {
    return this.#system.clock.after(pollMs, () => {
      this.#poll = this.#planPoll();
      for (const { watch } of this.#live.values()) watch?.poll();
      for (const live of this.#live.values()) if (live.child?.hasExited ?? true) this.#background(this.#check(live));
    });
  }

  /** Reports the end if there is one. */
  async #check(live: LocalAttempt): Promise<void> {
    // What has not begun yet is not lost, however long its start takes.
    if (live.isStarting || live.hasEnded || live.isChecking || this.#isDisposed) return;
    live.isChecking = true;
    try {
      let record = await this.#recordOf(live);
      if (record.state === 'started' && (await this.#isRunning(live.dir, record))) return;
      // The shim writes its last record and is gone a moment later: only a second look tells a loss.
      if (record.state !== 'ended') record = await this.#recordOf(live);
      if (record.state === 'ended') this.#report(live, { ...record.ending, isOutOfMemory: this.#isOutOfMemory(live, record) });
      else await this.#lose(live, record);
    } finally {
      live.isChecking = false;
    }
  }

  async #isRunning(dir: string, record: Extract<AttemptRecord, { state: 'started' }>): Promise<boolean> {
    const { clock, files, processes } = this.#system;
    if (record.shim !== null) return processes.isAlive(record.shim);
    const claim = await files.stat(join(dir, 'claim.json'));
    // One from the future is no start in progress: someone has set the clock back.
    return claim !== null && Math.abs(clock.now() - claim.modifiedAt) < claimGraceMs;
  }

  async #lose(live: LocalAttempt, record: AttemptRecord): Promise<void> {
    const { processes } = this.#system;
    if (record.state === 'started' && record.program !== null && (await processes.isAlive(record.program)))
      processes.signalGroup(record.program.pid, 'SIGKILL');
    await this.#killMarked(live.key);
    await recordLoss(this.#system, live.dir).catch(() => {});
    this.#report(live, lostEnding);
  }

  #report(live: LocalAttempt, ending: Ending): void {
    if (live.hasEnded) return;
    this.#live.forget(live);
    this.#reported.add(keyText(live.key));
    this.#ended.add(this.files.mark(live.key));
    this.#tidying ??= this.#tidy().finally(() => (this.#tidying = null));
    this.#tidying.catch(() => {});
    this.#options.listener.ended(live.key, ending);
  }

  /** Ends what the programs left running outside their groups. */
  async #tidy(): Promise<void> {
    const { clock, processes } = this.#system;
    while (this.#ended.size > 0) {
      await sleep(clock, tidyMs);
      const marks = this.#ended;
      this.#ended = new Set();
      const left = await processes.findMarked((mark) => marks.has(mark));
      if (left.length === 0) continue;
      for (const pid of left) processes.send(pid, 'SIGTERM');
      await sleep(clock, leftoverGraceMs);
      for (const pid of await processes.findMarked((mark) => marks.has(mark))) processes.send(pid, 'SIGKILL');
    }
  }

  async #end(live: LocalAttempt, graceMs: number): Promise<void> {
    const { clock, failpoints, processes } = this.#system;
    await live.starting;
    const record = await this.#recordOf(live);
    if (live.hasEnded || this.#isDisposed || record.state !== 'started') return;
    const killAt = clock.monotonic() + graceMs;
    if (killAt >= live.killAt) return;
    live.killAt = killAt;
    const { program } = record;
    if (graceMs > 0 && program !== null) failpoints.step('attempt.stop', () => processes.signalGroup(program.pid, 'SIGTERM'));
    live.killTimer?.[Symbol.dispose]();
    live.killTimer = clock.after(graceMs, () => this.#background(this.#kill(live)));
  }

  async #kill(live: LocalAttempt): Promise<void> {
    const record = await this.#recordOf(live);
    if (live.hasEnded || record.state !== 'started') return;
    if (record.program !== null) this.#system.processes.signalGroup(record.program.pid, 'SIGKILL');
    await this.#killMarked(live.key);
  }

  async #killMarked(key: AttemptKey): Promise<void> {
    const { processes } = this.#system;
    for (const pid of await processes.findMarked((mark) => mark === this.files.mark(key))) processes.send(pid, 'SIGKILL');
  }

  async #listStudy(studyId: string): Promise<AttemptListing[]> {
    const listings: AttemptListing[] = [];
    for (const key of await this.files.attempts(this.#system.files, studyId)) {
      const state = await this.#stateOf(key);
      if (state !== null) listings.push({ key, state });
    }
    return listings;
  }

  async #stateOf(key: AttemptKey): Promise<AttemptListing['state'] | null> {
    if (this.#reported.has(keyText(key))) return 'ended';
    const dir = this.files.attemptDir(key);
    if (await this.#exists(join(dir, 'exit.json'))) return 'ended';
    if (this.#live.has(keyText(key))) return 'running';
    const record = await readAttemptRecord(this.#system.files, dir);
    if (record.state !== 'started') return record.state === 'ended' ? 'ended' : null;
    return (await this.#isRunning(dir, record)) ? 'running' : 'ended';
  }

  #recordOf({ dir }: LocalAttempt): Promise<AttemptRecord> {
    return readAttemptRecord(this.#system.files, dir);
  }

  async #exists(path: string): Promise<boolean> {
    return (await this.#system.files.stat(path)) !== null;
  }

  /** A kill that nobody here asked for, while the kernel counted one for want of memory: that is all there is to see. */
  #isOutOfMemory(live: LocalAttempt, record: Extract<AttemptRecord, { state: 'ended' }>): boolean {
    if (record.ending.signal !== 'SIGKILL' || record.ending.isTimeout || live.isStopped) return false;
    const kills = this.#system.processes.oomKills();
    return kills !== null && kills > record.oomKills;
  }

  /** Work that nobody waits for; what it can fail with (a folder removed meanwhile) shows as a loss at the next poll. */
  #background(work: Promise<void>): void {
    work.catch(() => {});
  }
}

interface LocalAttempt extends LiveAttempt {
  /** The shim, when this agent started it. */
  child: Child | null;
}
