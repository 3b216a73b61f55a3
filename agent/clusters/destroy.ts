import type { Cluster, Kind } from '../cluster/cluster.ts';
import type { MadeCluster } from '../cluster/profile.ts';
import { studyOf } from './look.ts';
import { agentClaim, usualAgentName } from './agentManifests.ts';
import { type Found, isOurs, type MadeObject } from './apply.ts';

/** What `hpo cluster destroy` would do in a cluster, and what is in its way. */
export interface Destruction {
  /** In the order in which it goes. */
  readonly goes: readonly MadeObject[];
  /** What studies of this home have there, by kind, which goes with it. */
  readonly withIt: readonly { readonly kind: Kind; readonly count: number }[];
  /** Recorded as ours and not ours any more, or gone: left as it is. */
  readonly stays: readonly (MadeObject & { readonly reason: string })[];
  /** Studies with this home's mark that another agent acts on: what they have there is for that one. */
  readonly away: readonly string[];
  /** What an agent in the cluster has there, whose studies would be lost with it; null for nothing. */
  readonly agent: string | null;
  /** In a namespace that would go, and of somebody else. */
  readonly foreign: readonly { readonly kind: Kind; readonly name: string }[];
}

/** What people have in namespaces, and what would go with one. */
const looked = [
  'ConfigMap',
  'CronJob',
  'DaemonSet',
  'Deployment',
  'Ingress',
  'Job',
  'LimitRange',
  'NetworkPolicy',
  'PersistentVolumeClaim',
  'Pod',
  'ResourceQuota',
  'Role',
  'RoleBinding',
  'Secret',
  'Service',
  'ServiceAccount',
  'StatefulSet',
] as const;
/** Made in every namespace by the cluster itself. */
const everywhere = new Set(['ConfigMap kube-root-ca.crt', 'ServiceAccount default']);

export async function planDestruction(
  cluster: Cluster,
  made: MadeCluster,
  owner: { readonly name: string; readonly mark: string; readonly homeMark: string },
  keepsNamespace: boolean,
  isAway: (studyId: string) => boolean,
): Promise<Destruction> {
  const goes: MadeObject[] = [];
  const stays: (MadeObject & { readonly reason: string })[] = [];
  for (const object of made.objects.toReversed()) {
    const found: Found | null = await cluster.get(object.kind as Kind, object.name); // recorded by `apply`
    if (found === null) stays.push({ ...object, reason: 'it is gone already' });
    else if (found.metadata?.uid !== object.uid) stays.push({ ...object, reason: 'it was made anew by somebody else' });
    else if (!isOurs(found, owner)) stays.push({ ...object, reason: 'it has lost the labels that say whose it is' });
    else if (keepsNamespace && object.kind === 'Namespace') stays.push({ ...object, reason: 'as you said' });
    else goes.push(object);
  }
  const withIt: { readonly kind: Kind; readonly count: number }[] = [];
  const away = new Set<string>();
  const foreign: { readonly kind: Kind; readonly name: string }[] = [];
  const isWhole = goes.some(({ kind }) => kind === 'Namespace');
  const ours = new Set(goes.map(({ uid }) => uid));
  for (const kind of looked) {
    const found: readonly Found[] = await cluster.list(kind);
    const others = found.filter(
      ({ metadata }) => !ours.has(metadata?.uid ?? '') && !everywhere.has(`${kind} ${metadata?.name ?? ''}`),
    );
    const marked = others.filter(({ metadata }) => metadata?.labels?.['hpo.home'] === owner.homeMark);
    const mine = marked.filter((object) => !isAway(studyOf(object) ?? ''));
    for (const object of marked) if (!mine.includes(object)) away.add(studyOf(object) ?? '');
    if (mine.length > 0) withIt.push({ kind, count: mine.length });
    if (isWhole)
      foreign.push(
        ...others.filter((object) => !marked.includes(object)).map(({ metadata }) => ({ kind, name: metadata?.name ?? '' })),
      );
  }
  return { goes, withIt, stays, away: [...away].toSorted(), agent: await agentThere(cluster), foreign };
}

async function agentThere(cluster: Cluster): Promise<string | null> {
  if ((await cluster.get('StatefulSet', usualAgentName)) !== null) return `StatefulSet ${usualAgentName}`;
  const claim = agentClaim(usualAgentName);
  return (await cluster.get('PersistentVolumeClaim', claim)) === null ? null : `PersistentVolumeClaim ${claim}`;
}

/** Removes what the plan says; asks for each once more whether it is the very object. */
export async function destroy(
  cluster: Cluster,
  { goes }: Destruction,
  homeMark: string,
  isAway: (studyId: string) => boolean,
  onGone: (object: MadeObject) => void,
): Promise<void> {
  const isWhole = goes.some(({ kind }) => kind === 'Namespace');
  // What a namespace holds goes with it; where that stays, what studies have there goes first.
  if (!isWhole) {
    for (const kind of ['Job', 'Pod', 'Secret', 'ConfigMap'] as const) {
      const found: readonly Found[] = await cluster.list(kind, { labels: { 'hpo.home': homeMark } });
      for (const object of found) if (!isAway(studyOf(object) ?? '')) await cluster.remove(kind, object.metadata?.name ?? '');
    }
  }
  for (const object of goes) {
    const found: Found | null = await cluster.get(object.kind as Kind, object.name); // as in the plan
    if (found?.metadata?.uid === object.uid) await cluster.remove(object.kind as Kind, object.name); // as in the plan
    onGone(object);
  }
}
