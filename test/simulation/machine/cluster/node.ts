import type { Rng } from '../../../../agent/core/math/index.ts';
import type { Disk } from '../disk.ts';
import { Kernel } from '../kernel.ts';
import type { Program } from '../program.ts';
import type { Timeline } from '../timeline.ts';
import { graceOf, isTerminal, recordEvent } from './jobController.ts';
import type { KubeObjects, ObjectStore } from './objectStore.ts';
import { PodRun } from './podRun.ts';

type Pod = KubeObjects['Pod'];
type PodStatus = NonNullable<Pod['status']>;
type ContainerState = NonNullable<NonNullable<PodStatus['containerStatuses']>[number]['state']>;

export interface NodeHost {
  readonly timeline: Timeline;
  readonly store: ObjectStore;
  readonly rng: Rng;
  readonly wallTime: () => number;
  readonly claims: Disk;
  readonly program: (command: readonly string[]) => Program | null;
  readonly isServerUp: () => boolean;
  /** Bytes of a file of a container's log. */
  readonly logBytes: number | null;
  readonly onRotate: (run: PodRun) => void;
}

const retryMs = 1_000;
const backOffMs = 10_000;
const mountRetryMs = 2_000;
/** A node that does not answer for so long counts as one that nothing is known of. */
const untilUnknownMs = 40_000;

/** What a kubelet knows of a pod. */
interface Tracked {
  readonly run: PodRun;
  /** Why its container waits; null when it has begun. */
  waiting: { readonly reason: string; readonly message?: string } | null;
  isKilling: boolean;
  /** The kubelet ends it by its own decision, and says so. */
  eviction: { readonly reason: string; readonly message: string } | null;
}

/**
 * A node: its containers, and the kubelet that starts and ends them and tells the API server. The kubelet can be down, and the node cut
 * off, while the containers go on. Seen on a real one: how a container ended is told first, the phase a moment later; a pod that
 * somebody deleted is removed by its kubelet when that is told.
 */
export class KubeNode {
  readonly name: string;
  readonly pods = new Map<string, Tracked>();
  /** The kubelet runs. */
  isKubeletUp = true;
  /** Its kubelet is away for so long that nobody can know what runs on it, and controllers stop waiting for its word. */
  isUnknown = false;
  /** Hears that its kubelet is there again. */
  onKubeletUp: (() => void) | null = null;
  /** Nobody reaches it, and it reaches nobody. */
  isCutOff = false;
  isOn = true;
  /** Its object is gone, and it never comes back. */
  isGone = false;
  readonly #host: NodeHost;
  #kernel: Kernel;
  readonly #images = new Set<string>();

  constructor(name: string, host: NodeHost) {
    this.name = name;
    this.#host = host;
    this.#kernel = new Kernel(host.timeline);
    host.store.onChange(({ kind, object, type }) => {
      if (kind !== 'Pod' || this.isGone) return;
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of its kind
      const pod = object as Pod;
      if (pod.spec?.nodeName === this.name || type === 'DELETED')
        this.#later(5 + 60 * host.rng.next(), () => this.#sync(pod.metadata?.uid ?? '', pod.metadata?.name ?? ''));
    });
  }

  /** Containers of pods whose logs and files can be reached from outside. */
  reachable(podName: string): PodRun | null {
    if (!this.isOn || this.isCutOff || !this.isKubeletUp) return null;
    for (const { run } of this.pods.values()) if (run.name === podName && run.startedAt !== null) return run;
    return null;
  }

  get isReachable(): boolean {
    return this.isOn && !this.isCutOff && this.isKubeletUp;
  }

  get runs(): readonly PodRun[] {
    return [...this.pods.values()].map(({ run }) => run);
  }

  restartKubelet(downMs: number): boolean {
    if (!this.isKubeletUp || !this.isOn) return false;
    this.isKubeletUp = false;
    this.isUnknown = downMs >= untilUnknownMs;
    for (const { run } of this.pods.values()) run.log.breakOff();
    this.#host.timeline.after(downMs, () => {
      if (this.isGone) return;
      this.isKubeletUp = true;
      this.isUnknown = false;
      this.onKubeletUp?.();
      this.onKubeletUp = null;
      this.#syncAll();
    });
    return true;
  }

  cutOff(ms: number): boolean {
    if (this.isCutOff || !this.isOn) return false;
    this.isCutOff = true;
    for (const { run } of this.pods.values()) run.log.breakOff();
    this.#host.timeline.after(ms, () => {
      this.isCutOff = false;
      this.#syncAll();
    });
    return true;
  }

  /** Everything on it ends without a word; it is there again after a while, or never. */
  cutPower(downMs: number | null): boolean {
    this.isGone ||= downMs === null;
    if (!this.isOn) return false;
    this.isOn = false;
    for (const { run } of this.pods.values()) run.cutPower();
    this.#kernel = new Kernel(this.#host.timeline);
    if (downMs === null) return true;
    this.#host.timeline.after(downMs, () => {
      if (this.isGone) return;
      this.isOn = true;
      this.#syncAll();
    });
    return true;
  }

  /** The kubelet ends a pod for its own reasons: pressure on the node, or that it shuts down. */
  evict(podName: string, eviction: NonNullable<Tracked['eviction']>): boolean {
    for (const tracked of this.pods.values()) {
      if (tracked.run.name !== podName || tracked.eviction !== null || !this.isReachable) continue;
      tracked.eviction = eviction;
      this.#kill(tracked, 0);
      return true;
    }
    return false;
  }

  #syncAll(): void {
    const names = new Map(this.runs.map(({ uid, name }) => [uid, name]));
    for (const pod of this.#host.store.list('Pod')) {
      if (pod.spec?.nodeName === this.name) names.set(pod.metadata?.uid ?? '', pod.metadata?.name ?? '');
    }
    for (const [uid, name] of names) this.#sync(uid, name);
    // What was about to begin does so from the start.
    for (const tracked of this.pods.values()) this.#begin(tracked);
  }

  /** Does its work now, or when the kubelet is there again. */
  #later(ms: number, act: () => void): void {
    this.#host.timeline.after(ms, () => {
      if (this.isGone || !this.isKubeletUp || !this.isOn) return;
      if (this.isCutOff || !this.#host.isServerUp()) this.#later(retryMs, act);
      else act();
    });
  }

  #sync(uid: string, name: string): void {
    const { store } = this.#host;
    const pod = store.get('Pod', name);
    const metadata = pod?.metadata;
    let tracked = this.pods.get(uid);
    if (pod === null || metadata?.uid !== uid) {
      if (tracked === undefined) return;
      // Removed by force, or with its node.
      if (tracked.run.isRunning) this.#kill(tracked, 0);
      else this.pods.delete(uid);
      return;
    }
    if (pod.spec?.nodeName !== this.name) return;
    if (tracked === undefined) {
      if (isTerminal(pod)) return this.#finish(pod);
      const { timeline, wallTime, claims, program, rng, logBytes } = this.#host;
      const stepMs = (): number => 0.2 + 3 * rng.next();
      const run = new PodRun(pod, { timeline, kernel: this.#kernel, wallTime, store, claims, program, stepMs });
      if (logBytes !== null) run.log.maxBytes = logBytes;
      run.log.onRotate = () => this.#host.onRotate(run);
      tracked = { run, waiting: { reason: 'ContainerCreating' }, isKilling: false, eviction: null };
      this.pods.set(uid, tracked);
      const made = tracked;
      run.onEnd = () => this.#later(20 + 200 * rng.next(), () => this.#sync(uid, name));
      // What is deleted before it has begun never begins.
      if (metadata.deletionTimestamp === undefined) this.#begin(made);
    }
    this.#tell(tracked, pod);
    if (metadata.deletionTimestamp === undefined || isTerminal(pod)) return this.#finish(pod);
    if (!tracked.isKilling) this.#kill(tracked, metadata.deletionGracePeriodSeconds ?? graceOf(pod));
    if (tracked.run.startedAt === null) this.#end(tracked, pod);
  }

  /** Pulls, mounts, starts; tries again what fails. */
  #begin(tracked: Tracked): void {
    const { rng } = this.#host;
    const { run } = tracked;
    const image = run.container.image ?? '';
    const again = (reason: string, message: string, ms: number): void => {
      tracked.waiting = { reason, message };
      this.#resync(tracked);
      this.#later(ms, () => this.#begin(tracked));
    };
    if (tracked.isKilling || run.startedAt !== null || run.end !== null) return;
    if (!this.#images.has(image)) {
      if (image.includes('missing'))
        return again(
          tracked.waiting?.reason === 'ErrImagePull' ? 'ImagePullBackOff' : 'ErrImagePull',
          `rpc error: code = NotFound desc = failed to pull and unpack image "${image}": ${image}: not found`,
          backOffMs,
        );
      this.#later(2_000 * rng.next() ** 3, () => {
        this.#images.add(image);
        this.#begin(tracked);
      });
      return;
    }
    const { missing } = run;
    if (missing !== null) {
      recordEvent(this.#host.store, 'Pod', run.name, run.uid, 'FailedMount', `MountVolume.SetUp failed: ${missing}`);
      return again('ContainerCreating', '', mountRetryMs);
    }
    this.#later(10 + 120 * rng.next(), () => {
      if (tracked.isKilling || run.startedAt !== null || run.end !== null) return;
      run.start();
      tracked.waiting = null;
      this.#resync(tracked);
    });
  }

  #resync({ run: { uid, name } }: Tracked): void {
    this.#later(10 + 100 * this.#host.rng.next(), () => this.#sync(uid, name));
  }

  #kill(tracked: Tracked, graceSeconds: number): void {
    tracked.isKilling = true;
    const { run } = tracked;
    if (graceSeconds > 0) run.signal('SIGTERM');
    this.#host.timeline.after(graceSeconds * 1000 + 10, () => {
      if (this.isOn) run.signal('SIGKILL');
    });
    if (run.startedAt === null) this.#resync(tracked);
  }

  /** Tells the server how it stands with the container, and a moment later with the pod. */
  #tell({ run, waiting, eviction }: Tracked, pod: Pod): void {
    const { store } = this.#host;
    const state = stateOf(run, waiting);
    const phase = run.end !== null ? 'Running' : run.startedAt === null ? 'Pending' : 'Running';
    if (isTerminal(pod)) return;
    const containers = run.startedAt === null && waiting === null ? [] : [containerStatus(run, state)];
    const startTime = pod.status?.startTime ?? store.now();
    this.#write(pod, (known) => ({ ...known.status, startTime, phase, containerStatuses: containers }));
    if (run.end === null) return;
    const { exitCode } = run.end;
    this.#later(5 + 300 * this.#host.rng.next(), () => {
      const now = store.get('Pod', run.name);
      if (now === null || now.metadata?.uid !== run.uid || isTerminal(now)) return;
      this.#write(now, (known) => ({
        ...known.status,
        phase: exitCode === 0 && eviction === null ? 'Succeeded' : 'Failed',
        ...(eviction === null
          ? {}
          : {
              ...eviction,
              conditions: [
                ...(known.status?.conditions ?? []),
                { type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet', message: eviction.message },
              ],
            }),
      }));
    });
  }

  /** A pod that was deleted goes when its end has been told. */
  #finish(pod: Pod): void {
    const { name = '', uid = '', deletionTimestamp, deletionGracePeriodSeconds } = pod.metadata ?? {};
    if (deletionTimestamp === undefined || !isTerminal(pod) || deletionGracePeriodSeconds === 0) return;
    this.#later(20 * this.#host.rng.next(), () => {
      if (this.#host.store.get('Pod', name)?.metadata?.uid === uid) this.#host.store.remove('Pod', name, 0);
    });
  }

  /** One whose container never began. Seen on a real node: it counts as failed, without a word of its container. */
  #end({ run }: Tracked, pod: Pod): void {
    this.#write(pod, (known) => ({
      ...known.status,
      phase: 'Failed',
      containerStatuses: [
        containerStatus(run, {
          terminated: {
            exitCode: 137,
            reason: 'ContainerStatusUnknown',
            message: 'The container could not be located when the pod was deleted.  The container used to be Running',
          },
        }),
      ],
    }));
  }

  #write(pod: Pod, change: (pod: Pod) => PodStatus): void {
    const { store } = this.#host;
    store.update('Pod', pod.metadata?.name ?? '', (known) => {
      if (known.metadata?.uid !== pod.metadata?.uid) return known;
      const status = change(known);
      return JSON.stringify(status) === JSON.stringify(known.status) ? known : { ...known, status };
    });
  }
}

function stateOf({ startedAt, end }: PodRun, waiting: Tracked['waiting']): ContainerState {
  if (end !== null) {
    const { exitCode, reason, message, finishedAt } = end;
    return {
      terminated: {
        exitCode,
        reason,
        ...(message === '' ? {} : { message }),
        ...(startedAt === null ? {} : { startedAt }),
        finishedAt,
      },
    };
  }
  return startedAt === null ? { waiting: waiting ?? { reason: 'ContainerCreating' } } : { running: { startedAt } };
}

function containerStatus(run: PodRun, state: ContainerState): NonNullable<PodStatus['containerStatuses']>[number] {
  const { name, image = '' } = run.container;
  return { name, image, imageID: image, ready: run.isRunning, restartCount: 0, started: run.isRunning, state, lastState: {} };
}
