import type { V1Container, V1Node, V1Pod } from '@kubernetes/client-node';
import { amountOf } from './quantity.ts';

/** Amounts by resource: `cpu` in cores, `memory` in bytes, GPUs and others in pieces. */
export type Amounts = Readonly<Record<string, number>>;

export interface NodeRoom {
  readonly name: string;
  /** It takes pods: it is ready, and nobody has drained it. */
  readonly isOpen: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** What pods may have of it. */
  readonly all: Amounts;
  /** What the pods on it have asked for. */
  readonly used: Amounts;
}

/** What nodes have, and what of it is promised to pods, as the scheduler counts it: by requests, not by what is really used. */
export function roomOf(nodes: readonly V1Node[], pods: readonly V1Pod[]): readonly NodeRoom[] {
  const byNode = Map.groupBy(
    pods.filter(({ status }) => status?.phase !== 'Succeeded' && status?.phase !== 'Failed'),
    ({ spec }) => spec?.nodeName ?? '',
  );
  return nodes.map(({ metadata, spec, status }) => {
    const name = metadata?.name ?? '';
    const isReady = status?.conditions?.some((condition) => condition.type === 'Ready' && condition.status === 'True') ?? false;
    const all = amountsOf(status?.allocatable);
    return {
      name,
      isOpen: isReady && spec?.unschedulable !== true,
      labels: metadata?.labels ?? {},
      all,
      used: { ...sumOf((byNode.get(name) ?? []).map(requestsOf)), pods: (byNode.get(name) ?? []).length },
    };
  });
}

/** What a pod asks for: its containers together, or the largest of those that run before them. */
export function requestsOf({ spec }: V1Pod): Amounts {
  const containers = spec?.containers ?? [];
  const before = spec?.initContainers ?? [];
  const stay = before.filter(({ restartPolicy }) => restartPolicy === 'Always');
  const together = sumOf([...containers, ...stay].map(requests));
  const first = before.filter((container) => !stay.includes(container)).map(requests);
  const names = new Set([together, ...first].flatMap((amounts) => Object.keys(amounts)));
  const overhead = amountsOf(spec?.overhead);
  return sumOf([
    Object.fromEntries([...names].map((name) => [name, Math.max(...[together, ...first].map((amounts) => amounts[name] ?? 0))])),
    overhead,
  ]);
}

export function sumOf(all: readonly Amounts[]): Amounts {
  const sum: Record<string, number> = {};
  for (const amounts of all) for (const [name, amount] of Object.entries(amounts)) sum[name] = (sum[name] ?? 0) + amount;
  return sum;
}

/** Of what has a limit and no request, the limit is the request. */
function requests({ resources }: V1Container): Amounts {
  return amountsOf({ ...resources?.limits, ...resources?.requests });
}

function amountsOf(quantities: Readonly<Record<string, string>> | undefined): Amounts {
  return Object.fromEntries(Object.entries(quantities ?? {}).map(([name, quantity]) => [name, amountOf(quantity)]));
}
