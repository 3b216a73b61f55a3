import type { Change, KubeObjects } from './objectStore.ts';
import { type ControllerHost, isTerminal } from './jobController.ts';

type Pod = KubeObjects['Pod'];
type Node = KubeObjects['Node'];
/** By resource. */
type Amounts = Readonly<Record<string, number>>;

const retryMs = 1_000;
/** A pod that found no place is tried again at least so often. */
const againMs = 10_000;

/** Gives pods a node that has room; says of the others why there is none, in the words of the real one. */
export class Scheduler {
  readonly #host: ControllerHost;
  readonly #isOn: (nodeName: string) => boolean;
  readonly #planned = new Set<string>();
  /** Requests of the pods on each node, by the pods' names: looking through all pods for each of them would take the square of their number. */
  readonly #placed = new Map<string, Map<string, Amounts>>();
  /** Sums of those; absent where they changed. */
  readonly #used = new Map<string, Amounts>();

  constructor(host: ControllerHost, isOn: (nodeName: string) => boolean) {
    this.#host = host;
    this.#isOn = isOn;
  }

  see(change: Change): void {
    const { kind, object, type } = change;
    const { rng, store } = this.#host;
    const name = object.metadata?.name ?? '';
    if (kind === 'Pod') this.#count(change);
    if (kind === 'Pod' && type === 'ADDED') this.#plan(name, 2 + 30 * rng.next());
    // Somebody made room.
    else if (kind === 'Node' || (kind === 'Pod' && type === 'DELETED'))
      for (const pod of store.list('Pod')) if (pod.spec?.nodeName === undefined) this.#plan(pod.metadata?.name ?? '', 200);
  }

  #plan(name: string, ms: number): void {
    if (this.#planned.has(name)) return;
    this.#planned.add(name);
    this.#host.timeline.after(ms, () => {
      this.#planned.delete(name);
      if (!this.#host.canWork()) return this.#plan(name, retryMs);
      if (!this.#place(name)) this.#plan(name, againMs);
    });
  }

  /** False where it has to be tried again. */
  #place(name: string): boolean {
    const { store, rng } = this.#host;
    const pod = store.get('Pod', name);
    if (pod === null || pod.spec?.nodeName !== undefined || pod.metadata?.deletionTimestamp !== undefined) return true;
    const nodes = store.list('Node');
    const wanted = requestsOf(pod);
    const reasons = nodes.map((node) => this.#obstacle(node, pod, wanted));
    const fit = nodes.filter((_node, i) => reasons[i] === null);
    const node = fit[rng.int(Math.max(1, fit.length))];
    if (node !== undefined) {
      store.update('Pod', name, (known) => ({
        ...known,
        spec: { containers: [], ...known.spec, nodeName: node.metadata?.name ?? '' },
        status: { ...known.status, conditions: [...others(known), { type: 'PodScheduled', status: 'True' }] },
      }));
      return true;
    }
    const counts = Map.groupBy(reasons, (reason) => reason ?? '');
    const why = [...counts].map(([reason, all]) => `${all.length} ${reason}`).join(', ');
    const message = `0/${nodes.length} nodes are available: ${why}. no new claims to deallocate, preemption: 0/${nodes.length} nodes are available: ${nodes.length} Preemption is not helpful for scheduling.`;
    store.update('Pod', name, (known) => {
      if (known.status?.conditions?.some((condition) => condition.message === message) === true) return known;
      const condition = { type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message };
      return { ...known, status: { ...known.status, conditions: [...others(known), condition] } };
    });
    return false;
  }

  #obstacle(node: Node, pod: Pod, requests: Amounts): string | null {
    const name = node.metadata?.name ?? '';
    if (node.spec?.unschedulable === true) return 'node(s) were unschedulable';
    const isReady = node.status?.conditions?.find(({ type }) => type === 'Ready')?.status === 'True';
    if (!this.#isOn(name) || !isReady) return 'node(s) had untolerated taint {node.kubernetes.io/unreachable: }';
    const labels = node.metadata?.labels ?? {};
    if (Object.entries(pod.spec?.nodeSelector ?? {}).some(([key, value]) => labels[key] !== value))
      return `node(s) didn't match Pod's node affinity/selector`;
    const room = node.status?.allocatable ?? {};
    const used = this.#usedOn(name);
    for (const [resource, wanted] of Object.entries(requests))
      if ((used[resource] ?? 0) + wanted > quantity(room[resource] ?? '0')) return `Insufficient ${resource}`;
    return (this.#placed.get(name)?.size ?? 0) >= quantity(room['pods'] ?? '110') ? 'Too many pods' : null;
  }

  #count({ object, type }: Change): void {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of its kind
    const pod = object as Pod;
    const { nodeName } = pod.spec ?? {};
    if (nodeName === undefined) return;
    const name = pod.metadata?.name ?? '';
    const there = this.#placed.get(nodeName) ?? new Map<string, Amounts>();
    this.#placed.set(nodeName, there);
    const isThere = type !== 'DELETED' && !isTerminal(pod);
    if (isThere === there.has(name)) return;
    if (isThere) there.set(name, requestsOf(pod));
    else there.delete(name);
    this.#used.delete(nodeName);
  }

  #usedOn(nodeName: string): Amounts {
    const known = this.#used.get(nodeName);
    if (known !== undefined) return known;
    const sum: Record<string, number> = {};
    for (const amounts of this.#placed.get(nodeName)?.values() ?? [])
      for (const [resource, amount] of Object.entries(amounts)) sum[resource] = (sum[resource] ?? 0) + amount;
    this.#used.set(nodeName, sum);
    return sum;
  }
}

function requestsOf(pod: Pod): Amounts {
  const { limits = {}, requests = {} } = pod.spec?.containers[0]?.resources ?? {};
  return Object.fromEntries(Object.entries({ ...limits, ...requests }).map(([name, text]) => [name, quantity(text)]));
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  m: 1e-3,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
};

function quantity(text: string): number {
  const [, number = '0', unit = ''] = /^([\d.]+)(\w*)$/.exec(text) ?? [];
  return Number(number) * (units[unit] ?? NaN);
}

function others(pod: Pod): NonNullable<NonNullable<Pod['status']>['conditions']> {
  return (pod.status?.conditions ?? []).filter(({ type }) => type !== 'PodScheduled');
}
