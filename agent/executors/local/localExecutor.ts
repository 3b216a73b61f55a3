import type { ChildProcess } from 'node:child_process';
import { access, rm, stat, writeFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SnapshotStore } from '../../packaging/snapshot.ts';
import type { AttemptKey } from '../../protocol/study.ts';
import type { AttemptListing, AttemptStart, Capacity, Ending, Executor, ExecutorListener, PreparedStudy } from '../executor.ts';
import { keyText, LocalAttemptFiles } from './attemptFiles.ts';
import { type AttemptRecord, lostEnding, readAttemptRecord, recordLoss } from './attemptRecord.ts';
import { infrastructure, launch } from './launch.ts';
import { OutputWatcher } from './outputWatcher.ts';
import { findMarked, isAlive, oomKills, send, signalGroup } from './processes.ts';
import { removeUnchanged } from './removeUnchanged.ts';
import { installShim } from './shim.ts';

export interface LocalExecutorOptions {
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
/** A claim without a readable shim in it is a start in progress for this long, afterwards a loss. */
const claimGraceMs = 5_000;

/**
 * Runs attempts as processes of this machine, each under a shim (`shim.ts`) that outlives the agent. What an attempt is
 * doing is never remembered alone: it can always be read again from its folder and from the process table.
 */
export class LocalExecutor implements Executor {
  readonly name = 'local';
  readonly files: LocalAttemptFiles;
  readonly #options: LocalExecutorOptions;
  readonly #watcher: OutputWatcher;
  /** Attempts that are starting or run, by `keyText`. */
  readonly #live = new Map<string, LiveAttempt>();
  /** Attempts whose end was reported in this life, by `keyText`. */
  readonly #reported = new Set<string>();
  readonly #byDir = new Map<string, LiveAttempt>();
  readonly #shimPath: Promise<string>;
  readonly #verified = new Map<string, Promise<void>>();
  #poll: NodeJS.Timeout | null = null;
  #ended = new Set<string>();
  #tidying: Promise<void> | null = null;
  #isDisposed = false;

  constructor(options: LocalExecutorOptions) {
    this.#options = options;
    this.files = new LocalAttemptFiles(options.homeDir);
    this.#watcher = new OutputWatcher((dir) => this.#onChange(dir));
    this.#shimPath = installShim(join(options.homeDir, 'run'));
    // Reported by the start that needs it.
    this.#shimPath.catch(() => {});
  }

  async prepare(study: PreparedStudy): Promise<void> {
    await rm(this.files.cleanedFile(study.studyId), { force: true });
    const verified = this.#verified.get(study.snapshot) ?? this.#options.snapshots.verify(study.snapshot);
    this.#verified.set(study.snapshot, verified);
    verified.catch(() => this.#verified.delete(study.snapshot));
    await verified;
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
    for (const studyId of await this.files.studies()) listings.push(...(await this.#listStudy(studyId)));
    return listings;
  }

  async cleanup(studyId: string, options: { readonly removeFiles: boolean }): Promise<void> {
    const running = (await this.#listStudy(studyId)).filter(({ state }) => state === 'running');
    for (const live of this.#live.values()) if (live.key.studyId === studyId) await live.starting.catch(() => {});
    await Promise.all(running.map(({ key }) => this.stop(key, 0)));
    const lives = [...this.#live.values()].filter(({ key }) => key.studyId === studyId);
    await Promise.race([Promise.all(lives.map(({ ended }) => ended.promise)), sleep(10_000, null, { ref: false })]);
    for (const pid of await findMarked((mark) => this.files.isMarkOfStudy(mark, studyId))) send(pid, 'SIGKILL');
    for (const id of this.#reported) if (id.startsWith(`${studyId}/`)) this.#reported.delete(id);
    const dir = this.files.studyDir(studyId);
    // A process that is just dying may still make a file: a second try finds the folder empty.
    if (options.removeFiles) await rm(dir, { recursive: true, force: true, maxRetries: 3, retryDelay: 50 });
    else if (await exists(this.files.trialsDir(studyId))) {
      // The copies can be made again from the snapshot; of a large project they would fill the disk.
      for (const key of await this.files.attempts(studyId)) {
        if ((await this.#stateOf(key)) === 'ended') await removeUnchanged(this.files.attemptDir(key));
      }
      await writeFile(this.files.cleanedFile(studyId), '');
    }
  }

  capacity(): Promise<Capacity> {
    return Promise.resolve({ cpus: this.#options.cpus ?? availableParallelism() });
  }

  /** Lets go of the attempts without ending them: the next agent adopts them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    if (this.#poll !== null) clearInterval(this.#poll);
    for (const { killTimer } of this.#live.values()) if (killTimer !== null) clearTimeout(killTimer);
    await this.#watcher[Symbol.asyncDispose]();
    await this.#tidying;
  }

  #admit(key: AttemptKey, begin: (live: LiveAttempt) => Promise<void>): LiveAttempt {
    const dir = this.files.attemptDir(key);
    const live: LiveAttempt = {
      key,
      dir,
      starting: Promise.resolve(),
      isStarting: true,
      ended: Promise.withResolvers(),
      child: null,
      hasEnded: false,
      isStopped: false,
      killTimer: null,
      killAt: Infinity,
      isChecking: false,
    };
    this.#live.set(keyText(key), live);
    this.#byDir.set(dir, live);
    live.starting = begin(live).catch((error: unknown) => {
      this.#forget(live);
      throw error;
    });
    return live;
  }

  #forget(live: LiveAttempt): void {
    live.hasEnded = true;
    if (live.killTimer !== null) clearTimeout(live.killTimer);
    this.#live.delete(keyText(live.key));
    this.#byDir.delete(live.dir);
    this.#watcher.remove(live.dir);
    live.ended.resolve();
    if (this.#live.size > 0 || this.#poll === null) return;
    clearInterval(this.#poll);
    this.#poll = null;
  }

  async #startOrAdopt(live: LiveAttempt, attempt: AttemptStart): Promise<void> {
    let record = await readAttemptRecord(live.dir);
    if (record.state === 'absent') {
      live.child = await launch({
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
  #takeOver(live: LiveAttempt, record: AttemptRecord): void {
    live.isStarting = false;
    if (this.#isDisposed) return;
    const pid = record.state === 'absent' ? null : (record.program?.pid ?? null);
    this.#options.listener.started(live.key, { pid });
    this.#watcher.add(live.dir);
    this.#poll ??= setInterval(() => this.#onPoll(), pollMs);
    // The end of a child is told by the child; anything else may have happened already.
    if (live.child === null || live.child.exitCode !== null) setImmediate(() => this.#background(this.#check(live)));
  }

  /** Until the program runs, or the shim has ended without it. */
  async #waitForStart(live: LiveAttempt): Promise<AttemptRecord> {
    for (let waitMs = 2; ; waitMs = Math.min(waitMs * 1.5, 100)) {
      const shimHasExited = live.child === null || live.child.exitCode !== null || live.child.signalCode !== null;
      const record = await readAttemptRecord(live.dir);
      if (record.state === 'ended' || (record.state === 'started' && record.program !== null)) return record;
      if (shimHasExited && record.state === 'absent')
        throw infrastructure(
          `the shim ended before the attempt began (exit code ${live.child?.exitCode ?? 'unknown'}); see ${join(live.dir, 'out.log')}`,
          null,
        );
      if (shimHasExited) {
        // Another agent's shim was there first: that one is not our child.
        live.child = null;
        return record;
      }
      await sleep(waitMs);
    }
  }

  async #adoptRunning(key: AttemptKey): Promise<LiveAttempt | null> {
    const id = keyText(key);
    const record = await readAttemptRecord(this.files.attemptDir(key));
    const known = this.#live.get(id);
    if (known !== undefined) return known;
    if (record.state !== 'started' || this.#reported.has(id) || this.#isDisposed) return null;
    return this.#admit(key, (live) => Promise.resolve(this.#takeOver(live, record)));
  }

  #onChange(dir: string): void {
    const live = this.#byDir.get(dir);
    if (live === undefined) return;
    this.#options.listener.output(live.key);
    if (live.child === null) this.#background(this.#check(live));
  }

  #onPoll(): void {
    this.#watcher.poll();
    for (const live of this.#live.values())
      if (live.child === null || live.child.exitCode !== null) this.#background(this.#check(live));
  }

  /** Reports the end if there is one. */
  async #check(live: LiveAttempt): Promise<void> {
    // What has not begun yet is not lost, however long its start takes.
    if (live.isStarting || live.hasEnded || live.isChecking || this.#isDisposed) return;
    live.isChecking = true;
    try {
      let record = await readAttemptRecord(live.dir);
      if (record.state === 'started' && (await this.#isRunning(live.dir, record))) return;
      // The shim writes its last record and is gone a moment later: only a second look tells a loss.
      if (record.state !== 'ended') record = await readAttemptRecord(live.dir);
      if (record.state === 'ended') this.#report(live, { ...record.ending, isOutOfMemory: isOutOfMemory(live, record) });
      else await this.#lose(live, record);
    } finally {
      live.isChecking = false;
    }
  }

  async #isRunning(dir: string, record: Extract<AttemptRecord, { state: 'started' }>): Promise<boolean> {
    if (record.shim !== null) return isAlive(record.shim);
    return isYoung(join(dir, 'claim.json'));
  }

  async #lose(live: LiveAttempt, record: AttemptRecord): Promise<void> {
    if (record.state === 'started' && record.program !== null && (await isAlive(record.program)))
      signalGroup(record.program.pid, 'SIGKILL');
    for (const pid of await findMarked((mark) => mark === this.files.mark(live.key))) send(pid, 'SIGKILL');
    await recordLoss(live.dir).catch(() => {});
    this.#report(live, lostEnding);
  }

  #report(live: LiveAttempt, ending: Ending): void {
    if (live.hasEnded) return;
    this.#forget(live);
    this.#reported.add(keyText(live.key));
    this.#ended.add(this.files.mark(live.key));
    this.#tidying ??= this.#tidy().finally(() => (this.#tidying = null));
    this.#tidying.catch(() => {});
    this.#options.listener.ended(live.key, ending);
  }

  /** Ends what the programs left running outside their groups. */
  async #tidy(): Promise<void> {
    while (this.#ended.size > 0) {
      await sleep(tidyMs);
      const marks = this.#ended;
      this.#ended = new Set();
      const left = await findMarked((mark) => marks.has(mark));
      if (left.length === 0) continue;
      for (const pid of left) send(pid, 'SIGTERM');
      await sleep(leftoverGraceMs);
      for (const pid of await findMarked((mark) => marks.has(mark))) send(pid, 'SIGKILL');
    }
  }

  async #end(live: LiveAttempt, graceMs: number): Promise<void> {
    await live.starting;
    const record = await readAttemptRecord(live.dir);
    if (live.hasEnded || this.#isDisposed || record.state !== 'started') return;
    const killAt = performance.now() + graceMs;
    if (killAt >= live.killAt) return;
    live.killAt = killAt;
    if (graceMs > 0 && record.program !== null) signalGroup(record.program.pid, 'SIGTERM');
    if (live.killTimer !== null) clearTimeout(live.killTimer);
    const kill = async (): Promise<void> => {
      const now = await readAttemptRecord(live.dir);
      if (live.hasEnded || now.state !== 'started') return;
      if (now.program !== null) signalGroup(now.program.pid, 'SIGKILL');
      for (const pid of await findMarked((mark) => mark === this.files.mark(live.key))) send(pid, 'SIGKILL');
    };
    live.killTimer = setTimeout(() => this.#background(kill()), graceMs);
  }

  async #listStudy(studyId: string): Promise<AttemptListing[]> {
    const listings: AttemptListing[] = [];
    for (const key of await this.files.attempts(studyId)) {
      const state = await this.#stateOf(key);
      if (state !== null) listings.push({ key, state });
    }
    return listings;
  }

  async #stateOf(key: AttemptKey): Promise<AttemptListing['state'] | null> {
    if (this.#reported.has(keyText(key))) return 'ended';
    const dir = this.files.attemptDir(key);
    if (await exists(join(dir, 'exit.json'))) return 'ended';
    if (this.#live.has(keyText(key))) return 'running';
    const record = await readAttemptRecord(dir);
    if (record.state !== 'started') return record.state === 'ended' ? 'ended' : null;
    return (await this.#isRunning(dir, record)) ? 'running' : 'ended';
  }

  /** Work that nobody waits for; what it can fail with (a folder removed meanwhile) shows as a loss at the next poll. */
  #background(work: Promise<void>): void {
    work.catch(() => {});
  }
}

interface LiveAttempt {
  readonly key: AttemptKey;
  readonly dir: string;
  starting: Promise<void>;
  /** Until the program runs, or is known to have ended. */
  isStarting: boolean;
  readonly ended: PromiseWithResolvers<void>;
  /** The shim, when this agent started it. */
  child: ChildProcess | null;
  hasEnded: boolean;
  isStopped: boolean;
  killTimer: NodeJS.Timeout | null;
  /** By `performance.now()`; a later stop can only bring it nearer. */
  killAt: number;
  isChecking: boolean;
}

/** A kill that nobody here asked for, while the kernel counted one for want of memory: that is all there is to see. */
function isOutOfMemory(live: LiveAttempt, record: Extract<AttemptRecord, { state: 'ended' }>): boolean {
  if (record.ending.signal !== 'SIGKILL' || record.ending.isTimeout || live.isStopped) return false;
  const kills = oomKills();
  return kills !== null && kills > record.oomKills;
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

async function isYoung(path: string): Promise<boolean> {
  const stats = await stat(path).catch(() => null);
  return stats !== null && Date.now() - stats.mtimeMs < claimGraceMs;
}
