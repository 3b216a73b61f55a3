import type { CoreV1Event, V1Pod } from '@kubernetes/client-node';
import type { Cluster, Labels } from '../cluster/cluster.ts';
import type { ClusterProfile } from '../cluster/profile.ts';
import { whyPodWaits } from '../cluster/whyWaits.ts';
import { HpoError } from '../protocol/errors.ts';
import { agentClaim, agentContainer, agentLabel, agentManifests, agentPod } from './agentManifests.ts';
import { type ProgramFile, programLabel, programObjects } from './agentProgram.ts';
import { apply } from './apply.ts';
import { type Manifest, ownLabels } from './manifests.ts';

export interface AgentPlan {
  readonly name: string;
  readonly labels: Labels;
  readonly owner: { readonly name: string; readonly mark: string };
  readonly objects: ReturnType<typeof programObjects>['objects'];
  readonly manifests: readonly Manifest[];
  readonly hash: string;
}

/** What will be made, without asking the cluster. `mark`: of the home that makes it. */
export function planAgent(
  name: string,
  profile: ClusterProfile,
  mark: string,
  files: readonly ProgramFile[],
  options: { readonly image: string; readonly size: string; readonly storageClass: string | null; readonly withQueue: boolean },
): AgentPlan {
  const owner = { name: profile.name, mark };
  const labels = ownLabels(profile.name, mark);
  const { hash, objects } = programObjects(name, files, labels);
  const manifests = agentManifests({
    ...options,
    name,
    namespace: profile.namespace,
    labels,
    programObjects: objects.map(({ metadata }) => metadata.name),
    programHash: hash,
    pullSecrets: profile.pullSecrets,
  });
  return { name, labels, owner, objects, manifests, hash };
}

/** Makes what is not there and brings what is there to this version; the programs of other versions go when the pod has changed. */
export async function installAgent(
  cluster: Cluster,
  plan: AgentPlan,
  onProgress: (line: string) => void,
  pause: () => Promise<unknown>,
  isLate: () => boolean,
): Promise<void> {
  for (const object of plan.objects) await cluster.create('ConfigMap', object);
  await apply(plan.manifests, { cluster, owner: plan.owner, onMade: () => undefined });
  let last = '';
  for (;;) {
    const pod = await cluster.get('Pod', agentPod(plan.name));
    if (pod?.metadata?.annotations?.['hpo/program'] === plan.hash && isReady(pod)) break;
    const why = await whyNotReady(cluster, plan.name, pod);
    if (why !== last) onProgress(why);
    last = why;
    if (isLate())
      throw new HpoError(
        'HPO-2513',
        `the agent does not start: ${why}`,
        'mend that, then see: hpo cluster agent status; nothing is lost',
      );
    await pause();
  }
  const current = new Set(plan.objects.map(({ metadata }) => metadata.name));
  for (const { metadata } of await cluster.list('ConfigMap', { labels: programLabel(plan.name) }))
    if (metadata?.name !== undefined && !current.has(metadata.name)) await cluster.remove('ConfigMap', metadata.name);
}

/** What others refuse of its StatefulSet (a quota, a LimitRange, Pod Security), or its node of its pod. */
async function whyNotReady(cluster: Cluster, name: string, pod: V1Pod | null): Promise<string> {
  // Who may not read events still sees what else there is.
  const of = async (object: string): Promise<readonly CoreV1Event[]> =>
    (await orForbidden(cluster.list('Event', { fields: `type=Warning,involvedObject.name=${object}` }))) ?? [];
  if (pod !== null) return whyPodWaits(pod, await of(agentPod(name)))?.reason.message ?? 'it is about to be ready';
  const refusal = (await of(name)).filter(({ reason }) => reason === 'FailedCreate').at(-1)?.message;
  return refusal === undefined ? 'its pod is about to be made' : `the cluster refuses its pod: ${refusal}`;
}

async function orForbidden<T>(asked: Promise<T>): Promise<T | null> {
  return await asked.catch((error: unknown) => {
    if (error instanceof HpoError && error.code === 'HPO-2464') return null;
    throw error;
  });
}

/** Whose it is, by its labels: `mine` where this home installed it; `none` where there is none. */
export async function ownerOfAgent(
  cluster: Cluster,
  name: string,
  owner: AgentPlan['owner'],
): Promise<'none' | 'mine' | { readonly home: string }> {
  const set = await cluster.get('StatefulSet', name);
  if (set === null) return 'none';
  const home = set.metadata?.labels?.['hpo.made-by'];
  return home === owner.mark ? 'mine' : { home: home ?? '' };
}

export interface AgentState {
  readonly isInstalled: boolean;
  /** Of its pod; null where there is none. */
  readonly phase: string | null;
  /** Why it does not run; empty where it does. */
  readonly why: string;
  readonly image: string | null;
  readonly restarts: number;
  /** Of its volume: `Bound 2Gi`; null where there is none. */
  readonly volume: string | null;
}

/** As far as the user may see it: the pod is enough for who may only use it. */
export async function lookAtAgent(cluster: Cluster, name: string): Promise<AgentState> {
  const [set, pods, claim] = await Promise.all([
    orForbidden(cluster.get('StatefulSet', name)),
    cluster.list('Pod', { labels: { [agentLabel]: name } }),
    orForbidden(cluster.get('PersistentVolumeClaim', agentClaim(name))),
  ]);
  const pod = pods.find(({ metadata }) => metadata?.name === agentPod(name)) ?? null;
  const container = pod?.status?.containerStatuses?.find((status) => status.name === agentContainer);
  return {
    isInstalled: set !== null || pod !== null,
    phase: pod?.status?.phase ?? null,
    why: (set === null && pod === null) || (pod !== null && isReady(pod)) ? '' : await whyNotReady(cluster, name, pod),
    image: container?.image ?? set?.spec?.template.spec?.containers[0]?.image ?? null,
    restarts: container?.restartCount ?? 0,
    volume:
      claim === null ? null : `${claim.status?.phase ?? 'Pending'} ${claim.spec?.resources?.requests?.['storage'] ?? ''}`.trim(),
  };
}

/** All but its volume, unless that is to go too. Returns what was removed. */
export async function uninstallAgent(cluster: Cluster, name: string, deleteData: boolean): Promise<readonly string[]> {
  const removed: string[] = [];
  for (const kind of ['StatefulSet', 'RoleBinding', 'Role', 'ServiceAccount'] as const)
    if (await cluster.remove(kind, name)) removed.push(`${kind} ${name}`);
  for (const { metadata } of await cluster.list('ConfigMap', { labels: programLabel(name) }))
    if (metadata?.name !== undefined && (await cluster.remove('ConfigMap', metadata.name)))
      removed.push(`ConfigMap ${metadata.name}`);
  const claim = agentClaim(name);
  if (deleteData && (await cluster.remove('PersistentVolumeClaim', claim))) removed.push(`PersistentVolumeClaim ${claim}`);
  return removed;
}

function isReady(pod: V1Pod): boolean {
  const { metadata, status } = pod;
  return (
    metadata?.deletionTimestamp === undefined &&
    (status?.containerStatuses?.some(({ name, ready }) => name === agentContainer && ready) ?? false)
  );
}
