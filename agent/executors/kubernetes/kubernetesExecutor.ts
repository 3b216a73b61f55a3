import { join } from 'node:path';
import { isFinished } from '../../cluster/jobStatus.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { AttemptKey } from '../../protocol/study.ts';
import { keyText, type StudyFolders } from '../attempt/studyFolders.ts';
import type { AttemptListing, AttemptStart, Capacity, Executor, PreparedStudy } from '../executor.ts';
import { readAttemptFile } from './attemptFile.ts';
import { AttemptEnds } from './attemptEnds.ts';
import { AttemptMaking, fileOf, unknownJob } from './attemptMaking.ts';
import { AttemptReports } from './attemptReports.ts';
import { AttemptStops } from './attemptStops.ts';
import { AttemptWaits } from './attemptWaits.ts';
import { messageOf, waitFor } from './clusterAnswers.ts';
import { fenceStudy } from './studyObjects.ts';
import { ClusterHome, type KubernetesExecutorOptions } from './clusterHome.ts';
import type { ClusterView } from './clusterView.ts';
import { startFault } from './endRecord.ts';
import { jobName } from './names.ts';
import { firstPauseMs, isOver, keyOf, PodAttempt, podOf, stopFile } from './podAttempt.ts';
import { hasBegun } from './podEnd.ts';
import { PodReading } from './podReading.ts';
import { QuotaTurns } from './quotaTurns.ts';
import { StudyCleanup } from './studyCleanup.ts';
import { type ClusterStudy, readClusterStudy, writeClusterStudy } from './studyFile.ts';
import { UnwantedObjects } from './unwantedObjects.ts';
import { placeKey } from './usedClusters.ts';

const second = 1_000;
const longestPauseMs = 15 * second;
/** And where its program runs, and its log breaks off. */
const runningPauseMs = 5 * second;

/**
 * Runs attempts on a cluster, each as a Job of one pod, whose name follows from the attempt. The pod writes its files as its log, of
 * which this makes the attempt's folder here; so neither the agent nor the API server has to be there meanwhile. How it ended is in
 * that folder before the Job is removed. What watches tell are hints; lists of all that there is decide.
 */
export class KubernetesExecutor implements Executor {
  readonly name = 'kubernetes';
  readonly files: StudyFolders;
  readonly #home: ClusterHome;
  readonly #reports: AttemptReports;
  readonly #making: AttemptMaking;
  readonly #reading: PodReading;
  readonly #stops: AttemptStops;
  readonly #ends: AttemptEnds;
  readonly #waits: AttemptWaits;
  readonly #turns: QuotaTurns;
  readonly #cleaning: StudyCleanup;
  readonly #verified = new Map<string, Promise<void>>();

  constructor(options: KubernetesExecutorOptions) {
    const home = new ClusterHome(options);
    this.#home = home;
    this.files = home.files;
    this.#reports = new AttemptReports(home);
    this.#making = new AttemptMaking(home);
    this.#reading = new PodReading(home, this.#reports);
    this.#stops = new AttemptStops(home);
    this.#ends = new AttemptEnds(home, this.#reports, this.#reading, this.#making);
    this.#waits = new AttemptWaits(home, this.#reports, this.#making);
    this.#turns = new QuotaTurns(home);
    this.#cleaning = new StudyCleanup(
      home,
      (key, graceMs) => this.stop(key, graceMs),
      (live) => this.#step(live),
    );
    const unwanted = new UnwantedObjects(home);
    home.onChange = (view, id) => this.#turns.heard(view, id);
    home.onLook = (view) => {
      this.#turns.afterLook(view);
      return unwanted.afterLook(view);
    };
  }

  prepare(study: PreparedStudy): Promise<void> {
    return this.#home.system.failpoints.step('study.prepare', () => this.#prepare(study));
  }

  async start(attempt: AttemptStart): Promise<void> {
    const id = keyText(attempt.key);
    if (this.#home.reported.has(id)) return;
    const known = this.#home.live.get(id);
    if (known !== undefined) {
      await known.starting;
      return;
    }
    const live = this.#admit(attempt.key, attempt);
    await live.starting.catch((error: unknown) => {
      // Whoever asks for it asks again.
      if (this.#home.unowned.has(id)) this.#home.unowned.set(id, this.#home.system.clock.monotonic());
      throw error;
    });
  }

  async stop(key: AttemptKey, graceMs: number): Promise<void> {
    const live = this.#home.live.get(keyText(key)) ?? (await this.#adoptRunning(key));
    if (live === null || live.hasEnded) return;
    live.isStopped = true;
    this.#home.background(this.#stops.end(live, graceMs));
  }

  async list(): Promise<readonly AttemptListing[]> {
    // A damaged list is made anew even where no cluster is asked: others read it, too.
    await this.#home.away.all();
    const listings = new Map<string, AttemptListing>();
    const views = await this.#home.look();
    for (const studyId of await this.#home.studyFolders()) {
      const study = await this.#home.study(studyId).catch(() => null);
      const view = study === null ? null : views.get(placeKey(study.cluster));
      for (const key of await this.files.attempts(this.#home.system.files, studyId)) {
        const state = await this.#stateOf(key, view ?? null);
        if (state !== null) listings.set(keyText(key), { key, state });
      }
    }
    for (const view of views.values()) {
      if (view === null) continue;
      for (const [id, seen] of view.all) {
        const key = keyOf(id);
        if (!(await this.#home.isOurs(key.studyId, view.home))) continue;
        if (!listings.has(id) && seen.job !== null) listings.set(id, { key, state: isOver(seen) ? 'ended' : 'running' });
      }
    }
    return [...listings.values()];
  }

  async studies(): Promise<readonly string[]> {
    const studies = new Set(await this.#home.studyFolders());
    for (const view of (await this.#home.look()).values()) {
      if (view === null) continue;
      const found = new Set([...view.all.keys()].map((id) => keyOf(id).studyId));
      for (const studyId of found) if (await this.#home.isOurs(studyId, view.home)) studies.add(studyId);
    }
    return [...studies];
  }

  cleanup(studyId: string, { removeFiles }: { readonly removeFiles: boolean }): Promise<void> {
    const step = removeFiles ? 'study.delete' : 'study.clean';
    return this.#home.system.failpoints.step(step, () => this.#cleaning.cleanUp(studyId, removeFiles));
  }

  /** On the cluster, and nowhere else. */
  async handOver({ studyId, snapshot, container, cluster, moves = 0 }: PreparedStudy): Promise<void> {
    if (container === null || cluster === null || container.secrets.length === 0) return;
    const view = await this.#home.view(cluster);
    // Also where they are there from an earlier time: what this agent has of them counts.
    this.#home.objects.delete(studyId);
    await this.#home.objectsOf(studyId, { snapshot, container, cluster, moves }, view.cluster);
  }

  async release(studyId: string, { removeFiles }: { readonly removeFiles: boolean }): Promise<void> {
    // First, as from now on the other agent may do anything with it.
    await this.#home.away.set(studyId, true);
    const study = await this.#home.study(studyId).catch(() => null);
    if (study?.cluster.codeIn === 'image') await this.#home.options.codeImages?.giveAway(study.container.image.id);
    const lives = this.#home.live.of(studyId);
    for (const live of lives) {
      await live.starting.catch(() => {});
      this.#home.live.forget(live);
      live.letGo();
    }
    await Promise.allSettled(lives.map(({ following }) => following));
    await Promise.all(this.#home.removals);
    for (const id of this.#home.reported) if (id.startsWith(`${studyId}/`)) this.#home.reported.delete(id);
    this.#home.studies.delete(studyId);
    this.#home.objects.delete(studyId);
    if (removeFiles) await this.#home.system.files.remove(this.files.studyDir(studyId));
  }

  /** By the study's own cluster: another one that is gone for good holds nothing up. */
  async isReady(studyId: string): Promise<boolean> {
    const known = this.#home.studies.get(studyId);
    const study = known ?? (await readClusterStudy(this.#home.system.files, this.files.clusterFile(studyId)).catch(() => null));
    const settings = study === null ? await this.#home.used.all().catch(() => []) : [study.cluster];
    const asked = settings.map(async (one) => await (await this.#home.options.cluster(one)).version());
    return (await Promise.allSettled(asked)).every(({ status }) => status === 'fulfilled');
  }

  /** Of this machine nothing is shared out: attempts wait on the cluster for their place, as many as the user lets be asked for. */
  capacity(): Promise<Capacity> {
    return Promise.resolve({ cpus: 1 });
  }

  /** Lets go of the attempts without ending them: the next agent adopts them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#home.isDisposed = true;
    this.#turns[Symbol.dispose]();
    this.#home.room[Symbol.dispose]();
    for (const live of this.#home.live.values()) live.letGo();
    await this.#home.live.letGo();
    await Promise.allSettled([...this.#home.live.values()].map(({ following }) => following));
    for (const view of await Promise.allSettled(this.#home.views.values()))
      if (view.status === 'fulfilled') view.value[Symbol.dispose]();
    await Promise.all(this.#home.removals);
  }

  async #prepare({ studyId, snapshot, container, cluster, moves = 0 }: PreparedStudy): Promise<void> {
    if (container === null || cluster === null) throw new RangeError(`${studyId} has nothing said about its cluster`);
    const { files: disk } = this.#home.system;
    const study = { snapshot, container, cluster, moves };
    if (moves > 0) await this.#fence(studyId, study);
    this.#home.prepared.add(studyId);
    await disk.remove(this.files.cleanedFile(studyId));
    await this.#home.away.set(studyId, false);
    const verified = this.#verified.get(snapshot) ?? this.#home.options.snapshots.verify(snapshot);
    this.#verified.set(snapshot, verified);
    verified.catch(() => this.#verified.delete(snapshot));
    await verified;
    await writeClusterStudy(disk, this.files.clusterFile(studyId), study);
    await this.#home.used.add(cluster);
    this.#home.studies.set(studyId, study);
  }

  /** Before anything of it is adopted; where the cluster does not answer, before anything of it is made, stopped or told. */
  async #fence(studyId: string, study: ClusterStudy): Promise<void> {
    this.#home.studies.set(studyId, study);
    await this.#home.refuseTakenOver(studyId, fenceStudy).catch((error: unknown) => {
      if (error instanceof HpoError && error.code === 'HPO-2518') throw error;
    });
  }

  #admit(key: AttemptKey, attempt: AttemptStart | null): PodAttempt {
    const live = new PodAttempt(key, this.files.attemptDir(key), attempt);
    return this.#home.live.admit(live, () => this.#begin(live));
  }

  /** Makes the Job, or finds it, and follows it from then on. */
  async #begin(live: PodAttempt): Promise<void> {
    await this.#home.givenUp.get(keyText(live.key));
    const { state } = await this.#home.recordOf(live.key);
    live.isStarting = false;
    if (state === 'ended') {
      live.following = this.#reports.tellEnd(live);
      return;
    }
    live.study = await this.#home.study(live.key.studyId);
    const file = await readAttemptFile(this.#home.system.files, live.dir);
    live.file = file === 'damaged' ? fileOf(live.attempt, unknownJob) : file;
    live.hasBegun = state === 'started';
    if ((await this.#home.system.files.lstat(join(live.dir, stopFile))) !== null) {
      // An agent before this one asked for its end, and may not have been heard.
      live.isStopped = true;
      live.killAt = Math.min(live.killAt, this.#home.system.clock.monotonic() + (live.attempt?.graceMs ?? 0));
    }
    live.view = await this.#home.view(live.study.cluster);
    live.view.follow();
    if (live.file?.job === undefined || live.file.job === null) {
      if (live.attempt === null) throw new HpoError('HPO-2482', 'the attempt has not begun', 'nothing needs to be done');
      await this.#making.create(live, live.attempt).catch(async (error: unknown) => {
        const wait = waitFor(error);
        if (wait === null) {
          await this.#making.discard(live).catch(() => {});
          throw error;
        }
        // It is made as soon as the cluster answers, and has room for it.
        this.#reports.tellWait(live, wait);
      });
    }
    if (live.hasBegun) this.#reports.tellStarted(live);
    live.following = this.#follow(live);
  }

  /** Until it has ended, or this agent lets go of it. Whatever fails is tried again, ever more slowly. */
  async #follow(live: PodAttempt): Promise<void> {
    let pauseMs = firstPauseMs;
    while (!live.hasEnded && !this.#home.isDisposed) {
      const isGoing = await this.#step(live).catch((error: unknown) => {
        const wait = live.hasBegun ? null : waitFor(error);
        if (wait !== null) this.#reports.tellWait(live, wait);
        return false;
      });
      if (live.hasEnded || this.#home.isDisposed) return;
      pauseMs = isGoing ? firstPauseMs : Math.min(live.hasBegun ? runningPauseMs : longestPauseMs, pauseMs * 1.5);
      if (await live.news(this.#home.system.clock, pauseMs)) pauseMs = firstPauseMs;
    }
  }

  /** One look at it, and what follows from that. False where nothing has changed. */
  async #step(live: PodAttempt): Promise<boolean> {
    const { view, attempt } = live;
    if (view === null) return false;
    if (live.file?.job === null) {
      if (attempt === null || live.isStopped) return await this.#ends.settleByCluster(live, await view.lookAt(live.key), true);
      await this.#making.create(live, attempt).catch(async (error: unknown) => {
        if (waitFor(error) !== null) throw error;
        await this.#reports.finish(live, startFault(messageOf(error)));
      });
      return true;
    }
    await this.#stops.pressOn(live);
    const pod = podOf(live, view.of(live.key));
    if (pod !== null && hasBegun(pod)) {
      await this.#reading.read(live, pod, false).catch((error: unknown) => {
        // Where its node does not answer the cluster says what becomes of it.
        if (!(error instanceof HpoError)) throw error;
      });
      if (live.mirror?.isOver === true) return await this.#ends.settleByLog(live, pod);
    }
    let seen = view.of(live.key);
    // Many may wait for their pods at once: what is listed of all of them says when one is there.
    const awaitsPod = pod === null && seen.job !== null && !isFinished(seen.job) && live.file?.pod === null && !live.isStopped;
    const mayBeOver = pod === null || hasBegun(pod) || isOver(seen) || pod.metadata?.deletionTimestamp !== undefined;
    if (mayBeOver && !awaitsPod) {
      seen = await view.lookAt(live.key);
      if (await this.#ends.settleByCluster(live, seen, false)) return true;
    }
    const now = podOf(live, seen);
    if (now === null || !hasBegun(now)) await this.#waits.explainWait(live, seen);
    return false;
  }

  async #adoptRunning(key: AttemptKey): Promise<PodAttempt | null> {
    const id = keyText(key);
    const isThere =
      (await this.#stateOf(key, (await this.#home.look()).get(await this.#home.placeOf(key)) ?? null)) === 'running';
    const known = this.#home.live.get(id);
    if (known !== undefined) return known;
    if (!isThere || this.#home.reported.has(id) || this.#home.isDisposed) return null;
    if ((await this.#home.study(key.studyId).catch(() => null)) === null) {
      // A power cut damaged what says how its study runs: nobody can follow it to its end any more.
      for (const settings of await this.#home.used.all()) {
        const { cluster, home } = await this.#home.view(settings);
        await cluster.remove('Job', jobName(home, key));
      }
      return null;
    }
    const live = this.#admit(key, null);
    await live.starting;
    return live;
  }

  /** What an attempt with a folder is doing; null for one that is not there. */
  async #stateOf(key: AttemptKey, view: ClusterView | null): Promise<AttemptListing['state'] | null> {
    const { state } = await this.#home.recordOf(key);
    if (state === 'ended' || this.#home.reported.has(keyText(key))) return 'ended';
    const file = await readAttemptFile(this.#home.system.files, this.files.attemptDir(key));
    if (file === null && !this.#home.live.has(keyText(key))) return null;
    // While the cluster says nothing, whatever may run counts as running.
    if (view === null) return 'running';
    const seen = view.of(key);
    if (seen.job !== null || seen.pods.length > 0) return isOver(seen) ? 'ended' : 'running';
    if (file === 'damaged' || (file !== null && file.job !== null)) return 'ended';
    return this.#home.live.has(keyText(key)) ? 'running' : null;
  }
}
