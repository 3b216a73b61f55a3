import type { V1ResourceRequirements } from '@kubernetes/client-node';
import type { Cluster } from '../../cluster/cluster.ts';
import type { ClusterProfile } from '../../cluster/profile.ts';
import { amountOf } from '../../cluster/quantity.ts';
import type { PodCpus } from '../../protocol/study.ts';

/** Of a pod where nobody says anything. */
const nobodySays: PodCpus = { request: 1, limit: 1 };

/** Processors of a pod for which its script says none, and who says so, for people. */
export interface SaidCpus {
  readonly cpus: PodCpus;
  /** Null where nobody does. */
  readonly by: string | null;
}

/** What is usual: as whoever made the cluster says, else what the namespace gives containers that ask for nothing. */
export async function usualCpus(
  cluster: Pick<Cluster, 'list' | 'place'>,
  { usualCpus: usual, name }: Pick<ClusterProfile, 'usualCpus' | 'name'>,
  orForbidden: <T>(asked: Promise<T>) => Promise<T | null>,
): Promise<SaidCpus> {
  if (usual !== undefined) return { cpus: { request: usual, limit: usual }, by: `usual on ${name}` };
  for (const { metadata, spec } of (await orForbidden(cluster.list('LimitRange'))) ?? [])
    for (const { type, defaultRequest, _default } of spec?.limits ?? []) {
      const found = type === 'Container' ? cpusOf(defaultRequest, _default) : null;
      if (found !== null)
        return { cpus: found, by: `the LimitRange ${metadata?.name ?? ''} of the namespace ${cluster.place.namespace}` };
    }
  return { cpus: nobodySays, by: null };
}

/** As a container of a template asks for them; null where it asks for none. */
export function templateCpus({ requests, limits }: V1ResourceRequirements): PodCpus | null {
  const asked = requests?.['cpu'] ?? limits?.['cpu'];
  if (asked === undefined) return null;
  const most = limits?.['cpu'];
  return { request: amountOf(asked), limit: most === undefined ? null : amountOf(most) };
}

/** Null where they say nothing. */
function cpusOf(
  requests: Readonly<Record<string, string>> | undefined,
  limits: Readonly<Record<string, string>> | undefined,
): PodCpus | null {
  const request = amountOf(requests?.['cpu'] ?? limits?.['cpu']);
  const limit = amountOf(limits?.['cpu'] ?? requests?.['cpu']);
  return request > 0 && limit > 0 ? { request, limit } : null;
}
