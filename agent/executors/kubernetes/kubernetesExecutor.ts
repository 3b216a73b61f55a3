import { join } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import type { V1Job, V1Pod } from '@kubernetes/client-node';
import type { Cluster, Workload } from '../../cluster/cluster.ts';
import { isFinished } from '../../cluster/jobStatus.ts';
import type { SnapshotStore } from '../../packaging/snapshot.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { AttemptKey, ClusterSettings, WaitReason } from '../../protocol/study.ts';
import { sleep } from '../../system/clock.ts';
import type { System } from '../../system/system.ts';
import { type AttemptRecord, readAttemptRecord, recordEnd } from '../attempt/attemptRecord.ts';
import { endOf, LiveAttempts } from '../attempt/liveAttempts.ts';
import { outputFileNames } from '../attempt/outputFile.ts';
import { isStudyId, keyText, StudyFolders } from '../attempt/studyFolders.ts';
import {
  type AttemptListing,
  type AttemptStart,
  type Capacity,
  type Executor,
  type ExecutorListener,
  type PreparedStudy,
  lostEnding,
} from '../executor.ts';
import { type AttemptFile, readAttemptFile, writeAttemptFile } from './attemptFile.ts';
import { AwayStudies } from './awayStudies.ts';
import { objectStore } from './checkpointStore.ts';
import { sweepCheckpoints } from './checkpointSweep.ts';
import { ClusterView, type Seen } from './clusterView.ts';
import { endRecord } from './endRecord.ts';
import { type InputObjects, splicedInputs } from './inputObjects.ts';
import { containerName, jobManifest } from './jobManifest.ts';
import { LogMirror, mirroredStreams } from './logMirror.ts';
import { attemptLabels, filesName, jobName, ownerLabels, studyAnnotation, studyLabels, studyName } from './names.ts';
import { hasBegun, isTerminal, type PodEnd, podEnd } from './podEnd.ts';
import { isOver, PodAttempt, podOf } from './podAttempt.ts';
import { type ClusterStudy, readClusterStudy, writeClusterStudy } from './studyFile.ts';
import { storeSeconds } from './storeProgram.ts';
import { makeStudyObjects, type StudyObjects } from './studyObjects.ts';
import { withRoom } from './roomSeen.ts';
import { placeKey, UsedClusters } from './usedClusters.ts';
import { whyItWaits } from './waits.ts';

export interface KubernetesExecutorOptions {
  readonly system: System;
  /** Absolute path of HPO_HOME. */
  readonly homeDir: string;
  readonly snapshots: Pick<SnapshotStore, 'mountPlan' | 'verify'>;
  readonly listener: ExecutorListener;
  /** The agent's environment, of which attempts get the secrets that their study names. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The cluster and namespace of a study, connected when they are first needed. */
  readonly cluster: (settings: ClusterSettings) => Promise<Cluster>;
  /** Mark of this home: in the names and labels of what its studies have on clusters. Absent: that of the folder's path. */
  readonly homeMark?: string;
  /** Of the agent's life, by which people tell whose Job it is. */
  readonly epoch?: number;
}

const second = 1_000;
const minute = 60 * second;
/** As the shim names it: its program began. */
const startFile = 'start.json';
/** The file that a stop leaves, so that the next agent, too, knows that the end was asked for. */
const stopFile = 'stop';
/** Between looks at one attempt where nothing is heard of it. */
const firstPauseMs = 200;
const longestPauseMs = 15 * second;
/** And where its program runs, and its log breaks off. */
const runningPauseMs = 5 * second;
/** Beyond the grace, what a node takes to end a pod. */
const recordMs = 2 * second;
/** Beyond that, what the cluster takes to tell the node. */
const patienceMs = 10 * second;
/** A pod that should be gone so long ago, on a node that does not answer, is given up. */
const goneMs = minute;
/** A log of which nothing comes for so long, not even a sign of life, is a dead connection. */
const silenceMs = 90 * second;
/** A log is read again from so long before the last that was read of it. */
const overlapSeconds = 15;
/** Reads of a whole log after its pod has ended, before what it lacks is taken for lost. */
const maxFinalReads = 6;
/** And the same where neither server nor node answers. */
const finalPatienceMs = 10 * minute;
const cleanupMs = 30 * second;
/** Uid of a Job that may have been made. */
const unknownJob = '';
/** A Job that was there before this agent is adopted within this time, if it is. */
const adoptionMs = minute;

/**
 * Runs attempts on a cluster, each as a Job of one pod, whose name follows from the attempt. The pod writes its files as its log, of
 * which this makes the attempt's folder here; so neither the agent nor the API server has to be there meanwhile. How it ended is in
 * that folder before the Job is removed. What watches tell are hints; lists of all that there is decide.
 */
export class KubernetesExecutor implements Executor {
  readonly name = 'kubernetes';
  readonly files: StudyFolders;
  readonly #options: KubernetesExecutorOptions;
  readonly #system: System;
  readonly #live = new LiveAttempts<PodAttempt>(() => {});
  /** Attempts whose end was reported in this life, by `keyText`. */
  readonly #reported = new Set<string>();
  readonly #studies = new Map<string, ClusterStudy>();
  readonly #objects = new Map<string, Promise<StudyObjects>>();
  readonly #verified = new Map<string, Promise<void>>();
  readonly #views = new Map<string, Promise<ClusterView>>();
  readonly #used: UsedClusters;
  readonly #away: AwayStudies;
  /** Jobs of attempts that nobody has adopted, by `keyText`, and owners of studies, by name, with when they were seen first. */
  readonly #unowned = new Map<string, number>();
  /** Attempts that are being given up, as nobody adopts them; by `keyText`. */
  readonly #givenUp = new Map<string, Promise<void>>();
  /** Studies that were made ready in this life: others have attempts from before it, or none. */
  readonly #prepared = new Set<string>();
  readonly #removals = new Set<Promise<void>>();
  #isDisposed = false;

  constructor(options: KubernetesExecutorOptions) {
    this.#options = { ...options, listener: withRoom(options.listener, options.system.clock) };
    this.#system = options.system;
    this.files = new StudyFolders(options.homeDir);
    this.#used = new UsedClusters(options.system.files, join(options.homeDir, 'run', 'clusters.json'));
    this.#away = new AwayStudies(options.system.files, options.homeDir);
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
    const live = this.#admit(attempt.key, attempt);
    await live.starting.catch((error: unknown) => {
      // Whoever asks for it asks again.
      if (this.#unowned.has(id)) this.#unowned.set(id, this.#system.clock.monotonic());
      throw error;
    });
  }

  async stop(key: AttemptKey, graceMs: number): Promise<void> {
    const live = this.#live.get(keyText(key)) ?? (await this.#adoptRunning(key));
    if (live === null || live.hasEnded) return;
    live.isStopped = true;
    this.#background(this.#end(live, graceMs));
  }

  async list(): Promise<readonly AttemptListing[]> {
    const listings = new Map<string, AttemptListing>();
    const views = await this.#look();
    for (const studyId of await this.#studyFolders()) {
      const study = await this.#study(studyId).catch(() => null);
      const view = study === null ? null : views.get(placeKey(study.cluster));
      for (const key of await this.files.attempts(this.#system.files, studyId)) {
        const state = await this.#stateOf(key, view ?? null);
        if (state !== null) listings.set(keyText(key), { key, state });
      }
    }
    for (const view of views.values()) {
      if (view === null) continue;
      for (const [id, seen] of view.all) {
        const key = keyOf(id);
        if (!(await this.#isOurs(key.studyId, view.home))) continue;
        if (!listings.has(id) && seen.job !== null) listings.set(id, { key, state: isOver(seen) ? 'ended' : 'running' });
      }
    }
    return [...listings.values()];
  }

  async studies(): Promise<readonly string[]> {
    const studies = new Set(await this.#studyFolders());
    for (const view of (await this.#look()).values()) {
      if (view === null) continue;
      const found = new Set([...view.all.keys()].map((id) => keyOf(id).studyId));
      for (const studyId of found) if (await this.#isOurs(studyId, view.home)) studies.add(studyId);
    }
    return [...studies];
  }

  cleanup(studyId: string, { removeFiles }: { readonly removeFiles: boolean }): Promise<void> {
    const step = removeFiles ? 'study.delete' : 'study.clean';
    return this.#system.failpoints.step(step, () => this.#cleanUp(studyId, removeFiles));
  }

  async release(studyId: string, { removeFiles }: { readonly removeFiles: boolean }): Promise<void> {
    // First, as from now on the other agent may do anything with it.
    await this.#away.set(studyId, true);
    const lives = this.#live.of(studyId);
    for (const live of lives) {
      await live.starting.catch(() => {});
      this.#live.forget(live);
      live.letGo();
    }
    await Promise.allSettled(lives.map(({ following }) => following));
    await Promise.all(this.#removals);
    for (const id of this.#reported) if (id.startsWith(`${studyId}/`)) this.#reported.delete(id);
    this.#studies.delete(studyId);
    this.#objects.delete(studyId);
    if (removeFiles) await this.#system.files.remove(this.files.studyDir(studyId));
  }

  /** By the study's own cluster: another one that is gone for good holds nothing up. */
  async isReady(studyId: string): Promise<boolean> {
    const known = this.#studies.get(studyId);
    const study = known ?? (await readClusterStudy(this.#system.files, this.files.clusterFile(studyId)).catch(() => null));
    const settings = study === null ? await this.#used.all().catch(() => []) : [study.cluster];
    const asked = settings.map(async (one) => await (await this.#options.cluster(one)).version());
    return (await Promise.allSettled(asked)).every(({ status }) => status === 'fulfilled');
  }

  /** Of this machine nothing is shared out: attempts wait on the cluster for their place, as many as the user lets be asked for. */
  capacity(): Promise<Capacity> {
    return Promise.resolve({ cpus: 1 });
  }

  /** Lets go of the attempts without ending them: the next agent adopts them. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isDisposed = true;
    for (const live of this.#live.values()) live.letGo();
    await this.#live.letGo();
    await Promise.allSettled([...this.#live.values()].map(({ following }) => following));
    for (const view of await Promise.allSettled(this.#views.values()))
      if (view.status === 'fulfilled') view.value[Symbol.dispose]();
    await Promise.all(this.#removals);
  }

  async #prepare({ studyId, snapshot, container, cluster }: PreparedStudy): Promise<void> {
    if (container === null || cluster === null) throw new RangeError(`${studyId} has nothing said about its cluster`);
    const { files: disk } = this.#system;
    this.#prepared.add(studyId);
    await disk.remove(this.files.cleanedFile(studyId));
    await this.#away.set(studyId, false);
    const verified = this.#verified.get(snapshot) ?? this.#options.snapshots.verify(snapshot);
    this.#verified.set(snapshot, verified);
    verified.catch(() => this.#verified.delete(snapshot));
    await verified;
    const study = { snapshot, container, cluster };
    await writeClusterStudy(disk, this.files.clusterFile(studyId), study);
    await this.#used.add(cluster);
    this.#studies.set(studyId, study);
  }

  #admit(key: AttemptKey, attempt: AttemptStart | null): PodAttempt {
    const live = new PodAttempt(key, this.files.attemptDir(key), attempt);
    return this.#live.admit(live, () => this.#begin(live));
  }

  /** Makes the Job, or finds it, and follows it from then on. */
  async #begin(live: PodAttempt): Promise<void> {
    await this.#givenUp.get(keyText(live.key));
    const { state } = await this.#recordOf(live.key);
    live.isStarting = false;
    if (state === 'ended') {
      live.following = this.#tellEnd(live);
      return;
    }
    live.study = await this.#study(live.key.studyId);
    const file = await readAttemptFile(this.#system.files, live.dir);
    live.file = file === 'damaged' ? fileOf(live.attempt, unknownJob) : file;
    live.hasBegun = state === 'started';
    if ((await this.#system.files.lstat(join(live.dir, stopFile))) !== null) {
      // An agent before this one asked for its end, and may not have been heard.
      live.isStopped = true;
      live.killAt = Math.min(live.killAt, this.#system.clock.monotonic() + (live.attempt?.graceMs ?? 0));
    }
    live.view = await this.#view(live.study.cluster);
    live.view.follow();
    if (live.file?.job === undefined || live.file.job === null) {
      if (live.attempt === null) throw new HpoError('HPO-2482', 'the attempt has not begun', 'nothing needs to be done');
      await this.#create(live, live.attempt).catch((error: unknown) => {
        // It is made as soon as the cluster answers.
        if (!isAway(error)) throw error;
        this.#tellWait(live, awayReason(error));
      });
    }
    if (live.hasBegun) this.#tellStarted(live);
    live.following = this.#follow(live);
  }

  /** After its start has resolved; as long as the disk does not let its record be read, that is tried again. */
  async #tellEnd(live: PodAttempt): Promise<void> {
    const { clock } = this.#system;
    for (let pauseMs = 0; !live.hasEnded && !this.#isDisposed; pauseMs = firstPauseMs) {
      await live.news(clock, pauseMs);
      await this.#tellRecorded(live).catch(() => {});
    }
  }

  async #create(live: PodAttempt, attempt: AttemptStart): Promise<void> {
    const { failpoints, files: disk } = this.#system;
    const { view, study } = live;
    if (view === null || study === null) return;
    if (live.file !== null) {
      // It was asked for before, and may be there: then nothing else is needed.
      const job = live.job ?? view.of(live.key).job ?? (await view.lookAt(live.key)).job;
      if (job !== null) return await this.#claimJob(live, job);
    }
    const file = fileOf(attempt, null);
    await failpoints.step('attempt.folder', async () => {
      await disk.makeFolder(live.dir);
      if (live.file === null) await writeAttemptFile(disk, live.dir, file);
    });
    live.file ??= file;
    const { place, inputs, secrets } = await this.#objectsOf(live.key.studyId, study, view.cluster);
    const { home } = study.cluster;
    const own = { ...place, labels: attemptLabels(home, live.key) };
    const spliced = splicedInputs(own, filesName(home, live.key), attempt.files);
    await createTogether(view.cluster, spliced.configMaps);
    const { epoch } = this.#options;
    const job = jobManifest({
      name: jobName(home, live.key),
      attempt,
      container: study.container,
      cluster: study.cluster,
      labels: { ...own.labels, ...(epoch === undefined ? {} : { 'hpo.epoch': String(epoch) }) },
      annotations: { [studyAnnotation]: live.key.studyId },
      owner: place.owner,
      inputs: [inputs, spliced],
      mark: this.files.mark(live.key),
      secrets,
    });
    const { object } = await failpoints.step('attempt.spawn', () => view.cluster.create('Job', job));
    view.note(live.key, object);
    await this.#claimJob(live, object);
  }

  /** From now on its Job is known to have been made: without it the attempt is over. */
  async #claimJob(live: PodAttempt, { metadata }: V1Job): Promise<void> {
    if (live.file === null) return;
    live.file = { ...live.file, job: metadata?.uid ?? unknownJob };
    await writeAttemptFile(this.#system.files, live.dir, live.file);
  }

  /** Until it has ended, or this agent lets go of it. Whatever fails is tried again, ever more slowly. */
  async #follow(live: PodAttempt): Promise<void> {
    let pauseMs = firstPauseMs;
    while (!live.hasEnded && !this.#isDisposed) {
      const isGoing = await this.#step(live).catch((error: unknown) => {
        if (!live.hasBegun && isAway(error)) this.#tellWait(live, awayReason(error));
        return false;
      });
      if (live.hasEnded || this.#isDisposed) return;
      pauseMs = isGoing ? firstPauseMs : Math.min(live.hasBegun ? runningPauseMs : longestPauseMs, pauseMs * 1.5);
      if (await live.news(this.#system.clock, pauseMs)) pauseMs = firstPauseMs;
    }
  }

  /** One look at it, and what follows from that. False where nothing has changed. */
  async #step(live: PodAttempt): Promise<boolean> {
    const { view, attempt } = live;
    if (view === null) return false;
    if (live.file?.job === null) {
      if (attempt === null || live.isStopped) return await this.#settleByCluster(live, await view.lookAt(live.key), true);
      await this.#create(live, attempt).catch(async (error: unknown) => {
        if (isAway(error)) throw error;
        await this.#finish(live, endRecord({ ...unknown, seen: { ...nothingSeen, fault: messageOf(error) } }));
      });
      return true;
    }
    await this.#pressOn(live);
    const pod = podOf(live, view.of(live.key));
    if (pod !== null && hasBegun(pod)) {
      await this.#read(live, pod, false).catch((error: unknown) => {
        // Where its node does not answer the cluster says what becomes of it.
        if (!(error instanceof HpoError)) throw error;
      });
      if (live.mirror?.isOver === true) return await this.#settleByLog(live, pod);
    }
    let seen = view.of(live.key);
    // Many may wait for their pods at once: what is listed of all of them says when one is there.
    const awaitsPod = pod === null && seen.job !== null && !isFinished(seen.job) && live.file?.pod === null && !live.isStopped;
    const mayBeOver = pod === null || hasBegun(pod) || isOver(seen) || pod.metadata?.deletionTimestamp !== undefined;
    if (mayBeOver && !awaitsPod) {
      seen = await view.lookAt(live.key);
      if (await this.#settleByCluster(live, seen, false)) return true;
    }
    const now = podOf(live, seen);
    if (now === null || !hasBegun(now)) await this.#explainWait(live, seen);
    return false;
  }

  /** Reads its log until it ends, breaks off, or has told the end. */
  async #read(live: PodAttempt, pod: V1Pod, isFinal: boolean): Promise<'ended' | 'cut'> {
    const { clock } = this.#system;
    const { view } = live;
    if (view === null) return 'cut';
    const mirror = await this.#mirrorOf(live, pod);
    if (mirror.isOver) return 'ended';
    const isWhole = isFinal || mirror.lacksEarlier || live.readAt === null;
    const sinceSeconds = isWhole ? undefined : Math.ceil((clock.monotonic() - (live.readAt ?? 0)) / second) + overlapSeconds;
    // Whoever let go of it meanwhile had no reading to end yet, and waits for this one.
    if (live.hasEnded || this.#isDisposed) return 'cut';
    mirror.begin(isWhole);
    const cut = new AbortController();
    live.cut = cut;
    let heardAt = clock.monotonic();
    const watchdog = (): Disposable =>
      clock.after(silenceMs / 3, () => {
        if (clock.monotonic() - heardAt > silenceMs) cut.abort();
        else timer = watchdog();
      });
    let timer = watchdog();
    try {
      await view.cluster.log(
        pod.metadata?.name ?? '',
        { container: containerName, follow: true, signal: cut.signal, ...(sinceSeconds === undefined ? {} : { sinceSeconds }) },
        (bytes) => {
          heardAt = clock.monotonic();
          mirror.push(bytes);
          if (mirror.isOver || mirror.isFull || mirror.lacksEarlier) cut.abort();
        },
      );
    } catch (error) {
      if (!cut.signal.aborted) throw error;
    } finally {
      timer[Symbol.dispose]();
      live.cut = null;
      await mirror.settled();
      live.readAt = live.newsAt ?? heardAt;
    }
    return cut.signal.aborted ? 'cut' : 'ended';
  }

  async #mirrorOf(live: PodAttempt, pod: V1Pod): Promise<LogMirror> {
    if (live.mirror !== null) return live.mirror;
    const uid = pod.metadata?.uid ?? '';
    const { files: disk } = this.#system;
    if (live.file !== null && live.file.pod !== uid) {
      live.file = { ...live.file, pod: uid };
      await writeAttemptFile(disk, live.dir, live.file);
    }
    live.mirror = new LogMirror({
      system: this.#system,
      dir: live.dir,
      nonce: uid,
      streams: mirroredStreams(live.file?.metricFiles ?? []),
      maxBytes: (live.file?.outputBytes ?? 0) + 1,
      onBegin: () => this.#hasBegun(live),
      onEnd: () => live.cut?.abort(),
      onOutput: () => {
        live.newsAt = this.#system.clock.monotonic();
        if (!live.hasEnded) this.#options.listener.output(live.key);
      },
      fetch: (path, from, count) => this.#fetch(live, pod, path, from, count),
    });
    return live.mirror;
  }

  /** What of a file in the pod its log does not have any more; null where that is not allowed, or the pod has ended. */
  async #fetch(live: PodAttempt, pod: V1Pod, path: string, from: number, count: number): Promise<Uint8Array | null> {
    const pieces: Uint8Array[] = [];
    const stdout = new Writable({
      write: (piece: Uint8Array, _encoding, done) => {
        pieces.push(piece);
        done();
      },
    });
    const script = '{ dd bs=1 skip="$1" count=0; head -c "$2"; } <"$0" 2>/dev/null';
    const command = ['/bin/sh', '-c', script, path, String(from), String(count)];
    const stderr = new PassThrough();
    stderr.resume();
    const code = await live.view?.cluster
      .exec(pod.metadata?.name ?? '', containerName, command, { stdout, stderr })
      .catch((error: unknown) => {
        if (isAway(error)) throw error;
        return null;
      });
    return code === 0 ? Buffer.concat(pieces) : null;
  }

  #hasBegun(live: PodAttempt): void {
    if (live.hasBegun) return;
    live.hasBegun = true;
    this.#background(this.#system.files.writeText(join(live.dir, startFile), '{}'));
    this.#tellStarted(live);
  }

  #tellStarted(live: PodAttempt): void {
    if (live.isToldStarted || this.#isDisposed) return;
    live.isToldStarted = true;
    this.#options.listener.started(live.key, { pid: null });
  }

  #tellWait(live: PodAttempt, reason: WaitReason | null): void {
    const text = JSON.stringify(reason);
    if (live.toldWait === text || live.hasEnded || this.#isDisposed) return;
    live.toldWait = text;
    this.#options.listener.waits(live.key, reason);
  }

  /** By a log that tells the end. False while anything of it runs all the same. */
  async #settleByLog(live: PodAttempt, pod: V1Pod): Promise<boolean> {
    const { mirror, view } = live;
    if (mirror === null || view === null) return false;
    const { end, fault } = mirror;
    const seen = podEnd(view.of(live.key).job, pod, live.isStopped);
    const now = await view.lookAt(live.key).catch(() => null);
    // Why others ended it stands in its pod, or not any more.
    const wasTold = end?.exit?.['told'] === true && !live.isStopped;
    const known = now === null || !wasTold ? seen : podEnd(now.job, podOf(live, now), live.isStopped);
    if (now !== null && !(await this.#endOthers(live, now))) return false;
    await this.#finish(live, await this.#endOf(live, end, fault, known));
    return true;
  }

  /**
   * Ends other pods of its Job, which a controller makes that has an old view: when the end of an attempt is told nothing of it may run,
   * as whatever follows has its place and its checkpoints. False while one is there, on a node that answers.
   */
  async #endOthers(live: PodAttempt, { pods }: Seen): Promise<boolean> {
    const { clock } = this.#system;
    const own = live.file?.pod ?? pods[0]?.metadata?.uid;
    const others = pods.filter((pod) => pod.metadata?.uid !== own && !isTerminal(pod));
    live.othersSince ??= clock.monotonic();
    if (others.length === 0 || clock.monotonic() - live.othersSince > goneMs) return true;
    for (const { metadata } of others) await live.view?.cluster.remove('Pod', metadata?.name ?? '', { graceSeconds: 1 });
    return false;
  }

  /** By what the cluster says, where the log does not tell the end. */
  async #settleByCluster(live: PodAttempt, seen: Seen, isNew: boolean): Promise<boolean> {
    const { clock } = this.#system;
    if (isNew && seen.job !== null) {
      await this.#claimJob(live, seen.job);
      return true;
    }
    const pod = podOf(live, seen);
    const state = podEnd(seen.job, pod, live.isStopped);
    // Whatever else its Job does, as when a queue lets it in once more: another pod is not the attempt's.
    const isReplaced = pod === null && live.file !== null && live.file.pod !== null;
    if (!state.isOver && !isReplaced) {
      if (pod?.metadata?.deletionTimestamp === undefined) live.goingSince = null;
      else live.goingSince ??= clock.monotonic();
      const grace = (pod?.metadata?.deletionGracePeriodSeconds ?? 0) * second;
      const isGone = live.goingSince !== null && clock.monotonic() - live.goingSince > grace + goneMs;
      if (!isGone) return false;
      const disruption = live.isStopped ? null : (state.disruption ?? 'its node does not answer');
      await this.#finish(live, await this.#endOf(live, null, null, { ...state, disruption }));
      return true;
    }
    if (pod !== null && hasBegun(pod)) {
      live.finalReads++;
      live.finalSince ??= clock.monotonic();
      const outcome = await this.#read(live, pod, true).catch((error: unknown) => (isAway(error) ? 'away' : 'none'));
      if (live.mirror?.isOver === true) return await this.#settleByLog(live, pod);
      // A connection that was dead, or a node that does not answer, may have it yet.
      if (outcome === 'none' && live.finalReads < maxFinalReads) return false;
      const isLate = clock.monotonic() - live.finalSince > finalPatienceMs;
      if ((outcome === 'cut' || outcome === 'away') && !isLate) return false;
    }
    if (!(await this.#endOthers(live, seen))) return false;
    // Whoever removed it may have removed all of the study.
    if (seen.job === null) this.#objects.delete(live.key.studyId);
    const { message } = state;
    if (message.end !== null && pod !== null) await (await this.#mirrorOf(live, pod)).complete(message.end, message.tail);
    await this.#finish(live, await this.#endOf(live, message.end, message.fault, state));
    return true;
  }

  async #endOf(
    live: PodAttempt,
    end: LogMirror['end'],
    fault: string | null,
    seen: PodEnd,
  ): Promise<ReturnType<typeof endRecord>> {
    const stats = await this.#system.files.stat(join(live.dir, outputFileNames.out));
    if (end !== null) this.#hasBegun(live);
    return endRecord({ end, fault, seen, isStopped: live.isStopped, hasBegun: live.hasBegun, output: stats?.size ?? 0 });
  }

  /** Recorded before its Job is removed, and told once. */
  async #finish(live: PodAttempt, record: ReturnType<typeof endRecord>): Promise<void> {
    if (live.hasEnded || this.#isDisposed) return;
    const { files: disk } = this.#system;
    await disk.makeFolder(live.dir);
    // The disk may not have taken it when its program began.
    if (live.hasBegun) await disk.writeText(join(live.dir, startFile), '{}');
    await recordEnd(this.#system, live.dir, record);
    await this.#tellRecorded(live);
  }

  async #tellRecorded(live: PodAttempt): Promise<void> {
    if (live.hasEnded || this.#isDisposed) return;
    const record = await this.#recordOf(live.key);
    const isStarted = (await this.#system.files.stat(join(live.dir, startFile))) !== null;
    if (live.hasEnded || this.#isDisposed) return;
    if (isStarted || live.hasBegun) this.#tellStarted(live);
    this.#live.forget(live);
    this.#reported.add(keyText(live.key));
    this.#remove(live.key);
    this.#options.listener.ended(live.key, record.state === 'ended' ? record.ending : lostEnding);
  }

  async #explainWait(live: PodAttempt, seen: Seen): Promise<void> {
    const { clock } = this.#system;
    const { view } = live;
    if (view === null) return;
    const pod = podOf(live, seen);
    const uid = seen.job?.metadata?.uid;
    const told =
      seen.job?.spec?.suspend === true
        ? { workload: await this.#workloadOf(view, seen) }
        : pod === null && seen.job !== null
          ? { events: (await view.failedCreates().catch(() => [])).filter(({ involvedObject }) => involvedObject.uid === uid) }
          : {};
    const waiting = whyItWaits(seen.job, pod, told);
    this.#tellWait(live, waiting?.reason ?? null);
    const kind = waiting?.reason.kind ?? null;
    if (live.waitKind !== kind) {
      live.waitKind = kind;
      live.waitsSince = clock.monotonic();
    }
    if (waiting === null || clock.monotonic() - live.waitsSince < waiting.patienceMs) return;
    await this.#finish(live, endRecord({ ...unknown, seen: { ...nothingSeen, fault: waiting.reason.message } }));
  }

  async #workloadOf(view: ClusterView, { job }: Seen): Promise<Workload | null> {
    const uid = job?.metadata?.uid;
    const all = await view.workloads().catch(() => []);
    return all.find(({ metadata }) => metadata?.labels?.['kueue.x-k8s.io/job-uid'] === uid) ?? null;
  }

  async #adoptRunning(key: AttemptKey): Promise<PodAttempt | null> {
    const id = keyText(key);
    const isThere = (await this.#stateOf(key, (await this.#look()).get(await this.#placeOf(key)) ?? null)) === 'running';
    const known = this.#live.get(id);
    if (known !== undefined) return known;
    if (!isThere || this.#reported.has(id) || this.#isDisposed) return null;
    if ((await this.#study(key.studyId).catch(() => null)) === null) {
      // A power cut damaged what says how its study runs: nobody can follow it to its end any more.
      for (const settings of await this.#used.all()) {
        const { cluster, home } = await this.#view(settings);
        await cluster.remove('Job', jobName(home, key));
      }
      return null;
    }
    const live = this.#admit(key, null);
    await live.starting;
    return live;
  }

  async #placeOf({ studyId }: AttemptKey): Promise<string> {
    return await this.#study(studyId).then(
      ({ cluster }) => placeKey(cluster),
      () => '',
    );
  }

  async #end(live: PodAttempt, graceMs: number): Promise<void> {
    const { clock, files: disk } = this.#system;
    await live.starting;
    if (live.hasEnded || this.#isDisposed) return;
    const killAt = clock.monotonic() + graceMs;
    if (killAt >= live.killAt) return;
    live.killAt = killAt;
    live.asked = null;
    live.killTimer?.[Symbol.dispose]();
    live.killTimer = clock.after(graceMs + sendingMs(live) + patienceMs, () => this.#background(this.#pressOn(live)));
    // First, so that the next agent, too, takes its end for one that was asked for.
    await disk.makeFolder(live.dir);
    await disk.writeText(join(live.dir, stopFile), '').catch(() => {});
    await this.#pressOn(live).catch(() => {});
    live.wake();
  }

  /** Passes on that it is to end, until the cluster has heard it. */
  async #pressOn(live: PodAttempt): Promise<void> {
    const { clock, failpoints } = this.#system;
    const { view } = live;
    if (live.killAt === Infinity || view === null || live.hasEnded) return;
    const leftMs = live.killAt - clock.monotonic();
    const isLate = leftMs + sendingMs(live) < -patienceMs;
    const askedOf = (seen: Seen): string => `${podOf(live, seen)?.metadata?.uid ?? 'job'} ${isLate}`;
    if (live.asked === askedOf(view.of(live.key))) return;
    const seen = await view.lookAt(live.key);
    const pod = podOf(live, seen);
    const asked = askedOf(seen);
    if (live.asked === asked) return;
    const graceSeconds = leftMs <= 0 ? 1 : Math.ceil((leftMs + recordMs + sendingMs(live)) / second);
    await failpoints.step('attempt.stop', async () => {
      if (pod === null) await view.cluster.remove('Job', jobName(view.home, live.key));
      else if (!isTerminal(pod)) await view.cluster.remove('Pod', pod.metadata?.name ?? '', { graceSeconds });
    });
    live.asked = asked;
  }

  /** In the background: what is left over a later look takes. */
  #remove(key: AttemptKey): void {
    const removal = this.#study(key.studyId)
      .then(async ({ cluster: settings }) => {
        const { cluster, home } = await this.#view(settings);
        await cluster.remove('ConfigMap', filesName(home, key));
        await cluster.remove('Job', jobName(home, key));
      })
      .catch(() => {})
      .finally(() => this.#removals.delete(removal));
    this.#removals.add(removal);
  }

  /** After all that there is was listed: attempts look again, and Jobs that nobody wants any more go. */
  async #afterLook(view: ClusterView): Promise<void> {
    const { clock } = this.#system;
    for (const live of this.#live.values()) if (live.view === view) live.heardLook(view.of(live.key));
    await this.#removeUnwanted(view).catch(() => {});
    for (const id of this.#unowned.keys())
      if (id.includes('/') && (!view.all.has(id) || this.#live.has(id))) this.#unowned.delete(id);
    for (const [id, seen] of view.all) {
      if (this.#live.has(id) || seen.job === null) continue;
      const key = keyOf(id);
      if (!(await this.#isOurs(key.studyId, view.home))) continue;
      const { state } = await this.#recordOf(key);
      if (this.#reported.has(id) || state === 'ended' || (await this.files.isCleaned(this.#system.files, key.studyId)))
        this.#remove(key);
      else if (state !== 'started' || isOver(seen)) {
        const since = this.#unowned.get(id) ?? clock.monotonic();
        this.#unowned.set(id, since);
        if (clock.monotonic() - since > adoptionMs && !this.#live.has(id)) await this.#giveUp(key);
      }
    }
  }

  /** Its Job goes, and it is never started again: what its program did is done. */
  async #giveUp(key: AttemptKey): Promise<void> {
    const id = keyText(key);
    const dir = this.files.attemptDir(key);
    // Where it has no folder it belongs to nobody.
    const giving = this.#system.files.stat(dir).then(async (folder) => {
      if (folder !== null) await recordEnd(this.#system, dir, { code: null, timeout: false, detail: 'no agent adopted its Job' });
    });
    this.#givenUp.set(
      id,
      giving.catch(() => {}),
    );
    try {
      await giving;
      this.#remove(key);
    } finally {
      this.#givenUp.delete(id);
    }
  }

  /** Owners of studies that are removed or over: what a cluster made late, or an agent before this one left; with them goes all that they own. */
  async #removeUnwanted(view: ClusterView): Promise<void> {
    const { clock, files: disk } = this.#system;
    const found = new Set<string>();
    for (const { metadata } of await view.cluster.list('ConfigMap', { labels: ownerLabels(view.home) })) {
      const [name = '', studyId = ''] = [metadata?.name, metadata?.annotations?.[studyAnnotation]];
      if (name === '' || !isStudyId(studyId) || !(await this.#isOurs(studyId, view.home))) continue;
      const isUsed = this.#prepared.has(studyId) || this.#live.of(studyId).length > 0 || hasAny(view, studyId);
      const isGone = (await disk.stat(this.files.clusterFile(studyId))) === null;
      if (isUsed && !isGone && !(await this.files.isCleaned(this.#system.files, studyId))) continue;
      found.add(name);
      const since = this.#unowned.get(name) ?? clock.monotonic();
      this.#unowned.set(name, since);
      if (clock.monotonic() - since > adoptionMs) await view.cluster.remove('ConfigMap', name);
    }
    for (const name of this.#unowned.keys()) if (!name.includes('/') && !found.has(name)) this.#unowned.delete(name);
  }

  async #cleanUp(studyId: string, removeFiles: boolean): Promise<void> {
    const { clock, files: disk } = this.#system;
    const lives = this.#live.of(studyId);
    for (const live of lives) await live.starting.catch(() => {});
    await Promise.all(lives.map(({ key }) => this.stop(key, 0)));
    await endOf(lives, clock, cleanupMs);
    await disk.remove(`${this.files.clusterFile(studyId)}.new`);
    const settings = await this.#study(studyId).then(
      ({ cluster }) => [cluster],
      () => this.#used.all(),
    );
    const hasRun = (await this.files.attempts(disk, studyId)).length > 0;
    for (const place of settings) await this.#removeObjects(place, studyId);
    if (removeFiles && hasRun) await this.#sweep(studyId);
    for (const live of lives) await this.#step(live).catch(() => false);
    for (const id of this.#reported) if (id.startsWith(`${studyId}/`)) this.#reported.delete(id);
    this.#studies.delete(studyId);
    this.#objects.delete(studyId);
    const isOurs = (await disk.stat(this.files.clusterFile(studyId))) !== null;
    for (const key of await this.files.attempts(disk, studyId)) await this.#tidy(key);
    if (isOurs && removeFiles) await disk.remove(this.files.studyDir(studyId));
    else if (isOurs && (await disk.stat(this.files.trialsDir(studyId))) !== null) {
      await disk.writeText(this.files.cleanedFile(studyId), '');
    }
  }

  /** What an agent that was killed, or had no room, left half written of an attempt that is over. */
  async #tidy(key: AttemptKey): Promise<void> {
    const dir = this.files.attemptDir(key);
    for (const name of ['job.json.new', 'exit.json.lost']) await this.#system.files.remove(join(dir, name));
  }

  /** Its checkpoints on a volume or in an object store; a cluster that does not let that be removed keeps nobody from deleting a study. */
  async #sweep(studyId: string): Promise<void> {
    const study = await this.#study(studyId).catch(() => null);
    if (study === null) return;
    const { cluster } = await this.#view(study.cluster);
    await sweepCheckpoints(cluster, this.#system.clock, studyId, study).catch(() => {});
  }

  /** Resolves when nothing of the study is on the cluster any more. */
  async #removeObjects(settings: ClusterSettings, studyId: string): Promise<void> {
    const { clock } = this.#system;
    const { cluster, home } = await this.#view(settings);
    const labels = studyLabels(home, studyId);
    const until = clock.monotonic() + cleanupMs;
    const kinds = ['Job', 'Pod', 'ConfigMap'] as const;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.5, 2 * second)) {
      // By its name: to list them would take the right to read all secrets of the namespace.
      let left = (await cluster.remove('Secret', studyName(home, studyId))) ? 1 : 0;
      for (const kind of kinds) {
        for (const { metadata } of await cluster.list(kind, { labels })) {
          left++;
          const isLate = clock.monotonic() > until - cleanupMs / 2;
          await cluster.remove(kind, metadata?.name ?? '', kind === 'Pod' ? { graceSeconds: isLate ? 0 : 1 } : {});
        }
      }
      if (left === 0) return;
      if (clock.monotonic() > until)
        throw new HpoError(
          'HPO-2483',
          `${left} objects of the study ${studyId} are still on the cluster`,
          'see what keeps them: kubectl get jobs,pods,configmaps -l hpo.study; then delete the study again',
        );
      await sleep(clock, pauseMs);
    }
  }

  /** What an attempt with a folder is doing; null for one that is not there. */
  async #stateOf(key: AttemptKey, view: ClusterView | null): Promise<AttemptListing['state'] | null> {
    const { state } = await this.#recordOf(key);
    if (state === 'ended' || this.#reported.has(keyText(key))) return 'ended';
    const file = await readAttemptFile(this.#system.files, this.files.attemptDir(key));
    if (file === null && !this.#live.has(keyText(key))) return null;
    // While the cluster says nothing, whatever may run counts as running.
    if (view === null) return 'running';
    const seen = view.of(key);
    if (seen.job !== null || seen.pods.length > 0) return isOver(seen) ? 'ended' : 'running';
    if (file === 'damaged' || (file !== null && file.job !== null)) return 'ended';
    return this.#live.has(keyText(key)) ? 'running' : null;
  }

  /** All that there is on all clusters that were used, listed now; null for one that does not answer. By `placeKey`. */
  async #look(): Promise<ReadonlyMap<string, ClusterView | null>> {
    const found = new Map<string, ClusterView | null>();
    await Promise.all(
      (await this.#used.all()).map(async (settings) => {
        const view = await this.#view(settings)
          .then(async (there) => {
            // Anything may be there, also what a cluster makes late.
            there.follow();
            await there.look();
            return there;
          })
          .catch(() => null);
        found.set(placeKey(settings), view);
      }),
    );
    return found;
  }

  #view(settings: ClusterSettings): Promise<ClusterView> {
    const place = placeKey(settings);
    const known = this.#views.get(place);
    if (known !== undefined) return known;
    const made = this.#options.cluster(settings).then(
      (cluster) =>
        new ClusterView({
          cluster,
          home: settings.home,
          clock: this.#system.clock,
          onChange: (id, { job }) => this.#live.get(id)?.heard(job),
          onLook: (view) => this.#background(this.#afterLook(view)),
          isLively: () => [...this.#live.values()].some((live) => !live.hasBegun),
          isNeeded: () => [...this.#live.values()].some(({ view }) => view !== null && view.cluster === cluster),
        }),
    );
    this.#views.set(place, made);
    made.catch(() => this.#views.delete(place));
    return made;
  }

  #objectsOf(studyId: string, study: ClusterStudy, cluster: Cluster): Promise<StudyObjects> {
    const known = this.#objects.get(studyId);
    if (known !== undefined) return known;
    const { snapshots, environment } = this.#options;
    const made = makeStudyObjects({ cluster, studyId, study, snapshots, disk: this.#system.files, environment });
    this.#objects.set(studyId, made);
    made.catch(() => this.#objects.delete(studyId));
    return made;
  }

  async #study(studyId: string): Promise<ClusterStudy> {
    const known = this.#studies.get(studyId) ?? (await readClusterStudy(this.#system.files, this.files.clusterFile(studyId)));
    this.#studies.set(studyId, known);
    return known;
  }

  /**
   * Whether this home acts on the study, going by the mark of what it has there. Of another home's only those are ours that have
   * moved here: the others are still that home's.
   */
  async #isOurs(studyId: string, mark: string): Promise<boolean> {
    if (await this.#away.has(studyId)) return false;
    if (mark === (this.#options.homeMark ?? this.files.homeMark)) return true;
    return (await this.#system.files.stat(this.files.clusterFile(studyId))) !== null;
  }

  #studyFolders(): Promise<string[]> {
    return this.files.studiesOf(this.#system.files, 'pods');
  }

  #recordOf(key: AttemptKey): Promise<AttemptRecord> {
    return readAttemptRecord(this.#system.files, this.files.attemptDir(key));
  }

  /** Work that nobody waits for; what it failed with is done again at the next look. */
  #background(work: Promise<void>): void {
    work.catch(() => {});
  }
}

function hasAny(view: ClusterView, studyId: string): boolean {
  return [...view.all.keys()].some((id) => id.startsWith(`${studyId}/`));
}

const unknown = { end: null, fault: null, isStopped: false, hasBegun: false, output: 0 };
const nothingSeen = { exitCode: null, isOutOfMemory: false, isTimeout: false, disruption: null, fault: null };

/** The cluster does not answer, or cannot at present; all else is an answer. */
function isAway(error: unknown): boolean {
  return error instanceof HpoError && (error.code === 'HPO-2462' || error.code === 'HPO-2465');
}

/** The first one owns the others, which so go with it. */
async function createTogether(cluster: Cluster, [first, ...others]: InputObjects['configMaps']): Promise<void> {
  if (first === undefined) return;
  const { name, uid } = (await cluster.create('ConfigMap', first)).object.metadata ?? {};
  const owner =
    name === undefined || uid === undefined ? {} : { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid }] };
  for (const { metadata, ...content } of others)
    await cluster.create('ConfigMap', { ...content, metadata: Object.assign({}, metadata, owner) });
}

/** What its last checkpoint gets to be sent, beyond the grace of its program. */
function sendingMs({ study }: Pick<PodAttempt, 'study'>): number {
  return study === null || objectStore(study.cluster) === null ? 0 : storeSeconds * second;
}

function awayReason(error: unknown): WaitReason {
  return { kind: 'unreachable', message: messageOf(error) };
}

function fileOf(attempt: AttemptStart | null, job: string | null): AttemptFile {
  return { job, pod: null, metricFiles: attempt?.metricFiles ?? [], outputBytes: attempt?.outputBytes ?? 0 };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function keyOf(id: string): AttemptKey {
  const [studyId = '', trial, attempt] = id.split('/');
  return { studyId, trial: Number(trial), attempt: Number(attempt) };
}
