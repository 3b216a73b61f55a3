import { createRng, type Rng } from '../../../../agent/core/math/index.ts';
import type { ClusterPlace } from '../../../../agent/cluster/cluster.ts';
import { Disk } from '../disk.ts';
import type { Program } from '../program.ts';
import type { Timeline } from '../timeline.ts';
import { ApiServer } from './apiServer.ts';
import { GarbageCollector } from './garbageCollector.ts';
import { JobController } from './jobController.ts';
import { KubeNode } from './node.ts';
import { type KubeObjects, ObjectStore } from './objectStore.ts';
import type { PodRun } from './podRun.ts';
import { Scheduler } from './scheduler.ts';

export interface KubeOptions {
  readonly seed: number;
  readonly timeline: Timeline;
  readonly program: (command: readonly string[]) => Program | null;
  readonly nodes?: number;
  /** Processors of a node. */
  readonly cpus?: number;
  /** Bytes of a file of a container's log; null for the usual. */
  readonly logBytes?: number | null;
  /** A node lets go of a part of a log. */
  readonly onRotate?: (run: PodRun) => void;
}

const bootTime = Date.UTC(2030, 0, 1);

/** Where the simulated cluster is, as a kubeconfig says it. */
export const simulatedPlace: ClusterPlace = { context: 'simulated', namespace: 'hpo', server: 'https://10.0.0.1:6443' };

/**
 * A cluster beside the machines of agents: its API server, controllers, scheduler and nodes live on the same virtual time, with a clock on
 * the wall of their own. The same seed, the same life. What is committed survives whatever happens to its parts.
 */
export class Kube {
  readonly store: ObjectStore;
  readonly server: ApiServer;
  readonly jobs: JobController;
  readonly nodes: KubeNode[] = [];
  /** What is kept in volume claims: a folder for each. */
  readonly claims: Disk;
  readonly timeline: Timeline;
  readonly #options: KubeOptions;
  readonly #rng: Rng;
  #lateUntil = 0;
  #nNodes = 0;

  constructor(options: KubeOptions) {
    const { seed, timeline, nodes = 2 } = options;
    this.#options = options;
    this.timeline = timeline;
    this.#rng = createRng(seed, 0x6b75);
    const wallTime = (): number => this.wallTime();
    this.store = new ObjectStore({ namespace: simulatedPlace.namespace, wallTime });
    this.claims = new Disk(() => timeline.now, wallTime);
    this.server = new ApiServer(timeline, this.store);
    const { store } = this;
    const canWork = (): boolean => !this.server.isDown && timeline.now >= this.#lateUntil;
    const host = { timeline, store, rng: this.#rng, canWork };
    this.jobs = new JobController(host);
    const garbage = new GarbageCollector(host);
    store.onChange((change) => garbage.see(change));
    const scheduler = new Scheduler(host, (name) => this.nodes.find((node) => node.name === name)?.isOn === true);
    store.onChange((change) => scheduler.see(change));
    store.create('Namespace', { apiVersion: 'v1', kind: 'Namespace', metadata: { name: simulatedPlace.namespace } });
    for (let n = 0; n < nodes; n++) this.addNode();
  }

  /** A number from 0 to 1, another one each time. */
  chance(): number {
    return this.#rng.next();
  }

  wallTime(): number {
    return bootTime + Math.floor(this.timeline.now);
  }

  /** A machine joins, as an autoscaler adds them. */
  addNode(): void {
    const { timeline, program, cpus = 4, logBytes = null } = this.#options;
    const name = `node-${++this.#nNodes}`;
    const { store } = this;
    const room = { cpu: String(cpus), memory: '16Gi', pods: '110', 'ephemeral-storage': '100Gi' };
    store.create('Node', {
      apiVersion: 'v1',
      kind: 'Node',
      metadata: { name, labels: { 'kubernetes.io/hostname': name, 'kubernetes.io/arch': 'amd64' } },
      status: {
        capacity: room,
        allocatable: room,
        conditions: [{ type: 'Ready', status: 'True', reason: 'KubeletReady' }],
      },
    });
    this.nodes.push(
      new KubeNode(name, {
        timeline,
        store,
        rng: this.#rng,
        wallTime: () => this.wallTime(),
        claims: this.claims,
        program,
        isServerUp: () => !this.server.isDown,
        logBytes,
        onRotate: (run) => this.#options.onRotate?.(run),
      }),
    );
  }

  /** The node is gone for good: its object too, a moment later, and with it what was on it. */
  loseNode(node: KubeNode): void {
    if (node.isGone) return;
    node.cutPower(null);
    this.#disrupt(node.name, 'DeletionByPodGC', 'PodGC: node no longer exists');
  }

  /** Controllers, scheduler and garbage collector do nothing for a while. */
  delayControllers(ms: number): void {
    this.#lateUntil = Math.max(this.#lateUntil, this.timeline.now + ms);
  }

  /** As `kubectl drain` does it, and a queue or a scheduler that needs the place. */
  evict(podName: string, reason = 'EvictionByEvictionAPI', message = 'Eviction API: evicting'): boolean {
    const pod = this.store.get('Pod', podName);
    if (pod === null || pod.metadata?.deletionTimestamp !== undefined || this.server.isDown) return false;
    if (pod.status?.phase === 'Succeeded' || pod.status?.phase === 'Failed') return false;
    this.#setDisruption(podName, reason, message);
    return this.store.remove(
      'Pod',
      podName,
      pod.spec?.nodeName === undefined ? 0 : (pod.spec.terminationGracePeriodSeconds ?? 30),
    );
  }

  drain(node: KubeNode): boolean {
    const known = this.store.get('Node', node.name);
    if (known === null || this.server.isDown) return false;
    this.store.update('Node', node.name, (object) => ({ ...object, spec: { ...object.spec, unschedulable: true } }));
    for (const pod of this.podsOn(node.name)) this.evict(pod.metadata?.name ?? '');
    return true;
  }

  /** As the node controller tells it, or the kubelet itself. */
  setReady(node: KubeNode, status: 'True' | 'Unknown'): void {
    if (this.server.isDown) return void this.timeline.after(1_000, () => this.setReady(node, status));
    const reason = status === 'True' ? 'KubeletReady' : 'NodeStatusUnknown';
    this.store.update('Node', node.name, (object) => ({
      ...object,
      status: { ...object.status, conditions: [{ type: 'Ready', status, reason }] },
    }));
  }

  uncordon(node: KubeNode): void {
    this.store.update('Node', node.name, (object) => ({ ...object, spec: { ...object.spec, unschedulable: false } }));
  }

  /** Others take the place of a node, or give it back (null). */
  setRoom(nodeName: string, cpus: number | null): void {
    const cpu = String(cpus ?? this.#options.cpus ?? 4);
    this.store.update('Node', nodeName, (node) => ({
      ...node,
      status: { ...node.status, allocatable: { ...node.status?.allocatable, cpu } },
    }));
  }

  podsOn(nodeName: string): KubeObjects['Pod'][] {
    return this.store.list('Pod').filter(({ spec }) => spec?.nodeName === nodeName);
  }

  /** All that runs or ran in a pod that is still on its node. */
  get runs(): readonly PodRun[] {
    return this.nodes.flatMap((node) => node.runs);
  }

  nodeOf(run: PodRun): KubeNode | null {
    return this.nodes.find((node) => node.runs.includes(run)) ?? null;
  }

  /** Something on it may still act late. */
  get isAway(): boolean {
    return (
      this.server.isAway || this.timeline.now < this.#lateUntil || this.nodes.some((node) => !node.isGone && !node.isReachable)
    );
  }

  #disrupt(nodeName: string, reason: string, message: string): void {
    const { store } = this;
    // As the cloud's controller takes away the object of a machine that is not there any more, and PodGC what was on it.
    this.timeline.after(2_000 + 20_000 * this.#rng.next(), () => {
      if (this.server.isDown) return this.#disrupt(nodeName, reason, message);
      store.remove('Node', nodeName);
      for (const pod of this.podsOn(nodeName)) {
        const name = pod.metadata?.name ?? '';
        if (pod.status?.phase !== 'Succeeded' && pod.status?.phase !== 'Failed') {
          this.#setDisruption(name, reason, message);
          store.update('Pod', name, (known) => ({ ...known, status: { ...known.status, phase: 'Failed' } }));
        }
        store.remove('Pod', name, 0);
      }
    });
  }

  #setDisruption(podName: string, reason: string, message: string): void {
    this.store.update('Pod', podName, (pod) => ({
      ...pod,
      status: {
        ...pod.status,
        conditions: [...(pod.status?.conditions ?? []), { type: 'DisruptionTarget', status: 'True', reason, message }],
      },
    }));
  }
}
