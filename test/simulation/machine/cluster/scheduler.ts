import type { Change, KubeObjects } from './objectStore.ts';
import type { ControllerHost } from './jobController.ts';

type Pod = KubeObjects['Pod'];
type Node = KubeObjects['Node'];

const retryMs = 1_000;
/** A pod that found no place is tried again at least so often. */
const againMs = 10_000;

/** Gives pods a node that has room; says of the others why there is none, in the words of the real one. */
export class Scheduler {
  readonly #host: ControllerHost;
  readonly #isOn: (nodeName: string) => boolean;
  readonly #planned = new Set<string>();

  constructor(host: ControllerHost, isOn: (nodeName: string) => boolean) {
    this.#host = host;
    this.#isOn = isOn;
  }

  see({ kind, object, type }: Change): void {
    const { rng, store } = this.#host;
    const name = object.metadata?.name ?? '';
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
    const isThere = ({ spec, status }: Pod): boolean =>
      spec?.nodeName !== undefined && status?.phase !== 'Succeeded' && status?.phase !== 'Failed';
    const placed = Map.groupBy(store.list('Pod').filter(isThere), ({ spec }) => spec?.nodeName ?? '');
    const reasons = nodes.map((node) => this.#obstacle(node, pod, placed.get(node.metadata?.name ?? '') ?? []));
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

  #obstacle(node: Node, pod: Pod, there: readonly Pod[]): string | null {
    const name = node.metadata?.name ?? '';
    if (node.spec?.unschedulable === true) return 'node(s) were unschedulable';
    if (!this.#isOn(name)) return 'node(s) had untolerated taint {node.kubernetes.io/unreachable: }';
    const labels = node.metadata?.labels ?? {};
    if (Object.entries(pod.spec?.nodeSelector ?? {}).some(([key, value]) => labels[key] !== value))
      return `node(s) didn't match Pod's node affinity/selector`;
    const room = node.status?.allocatable ?? {};
    for (const [resource, wanted] of Object.entries(requestsOf(pod))) {
      const used = there.reduce((sum, other) => sum + (requestsOf(other)[resource] ?? 0), 0);
      if (used + wanted > quantity(room[resource] ?? '0')) return `Insufficient ${resource}`;
    }
    return there.length >= quantity(room['pods'] ?? '110') ? 'Too many pods' : null;
  }
}

function requestsOf(pod: Pod): Readonly<Record<string, number>> {
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
