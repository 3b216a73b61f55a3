import type { Cluster } from '../cluster/cluster.ts';
import { identify } from '../cluster/identity.ts';
import type { ClusterProfile } from '../cluster/profile.ts';
import { amountOf } from '../cluster/quantity.ts';
import type { RegistryCredentials } from '../engine/registryCredentials.ts';
import { type Applied, apply } from './apply.ts';
import type { ClusterFile } from './clusterFile.ts';
import { type Manifest, manifestsOf, pullSecret, pullSecretName } from './manifests.ts';
import { requireVersion } from './testCluster.ts';

export interface PlannedCluster {
  readonly manifests: readonly Manifest[];
  /** For people, of what is not among the manifests or not shown. */
  readonly remarks: readonly string[];
}

/** All that is made in a cluster; `login` is what the user's own `docker login` left for the registry, null for nothing. */
export function planCluster(file: ClusterFile, mark: string, login: RegistryCredentials | null): PlannedCluster {
  const host = registryHost(file);
  const manifests = manifestsOf(file, mark);
  if (host === null) return { manifests, remarks: [] };
  if (login === null) return { manifests, remarks: [`no login for ${host} is known on this machine: nodes pull without one`] };
  if (login.username === '') {
    const remark = `the login for ${host} is a token of an identity, which nodes cannot use: they pull without one`;
    return { manifests, remarks: [remark] };
  }
  const secret = pullSecret(file, mark, { host, ...login });
  const remark = `and a Secret ${pullSecretName} with your login for ${host}, which is not shown`;
  return { manifests: [...manifests, secret], remarks: [remark] };
}

/** Of which a login is wanted; null for none. */
export function registryHost({ registry }: ClusterFile): string | null {
  if (registry === undefined || registry.login === false) return null;
  return (registry.pull ?? registry.push).split('/')[0] ?? null;
}

/** What studies will use of it, as long as nothing is made yet. */
export function profileOf(
  file: ClusterFile,
  { manifests }: PlannedCluster,
  place: Pick<ClusterProfile, 'kubeconfig' | 'context' | 'identity' | 'confirmedCommands' | 'made'>,
): ClusterProfile {
  const { name, namespace, registry, queue, checkpoints } = file;
  const usualCpus = usualCpusOf(file);
  return {
    name,
    ...place,
    namespace,
    registry:
      registry === undefined
        ? null
        : { push: registry.push, pull: registry.pull ?? registry.push, isPlain: registry.plain ?? false },
    queue: queue?.name ?? null,
    pullSecrets: manifests.some(({ kind }) => kind === 'Secret') ? [pullSecretName] : [],
    checkpoints: checkpoints ?? null,
    ...(usualCpus === null ? {} : { usualCpus }),
  };
}

/** Of a trial that does not say; null where the file does not say either, and allows the one that a trial has then. */
function usualCpusOf({ trial }: ClusterFile): number | null {
  const most = trial?.most?.cpu === undefined ? Infinity : amountOf(trial.most.cpu);
  const usual = amountOf(trial?.usual?.cpu);
  if (usual > 0) return Math.min(usual, most);
  return most < 1 ? most : null;
}

/**
 * Makes what was planned. Each object is in the profile, by `save`, as soon as it is there, so that `hpo cluster destroy` finds it
 * whatever happens in between.
 */
export async function createCluster(
  cluster: Cluster,
  { manifests }: PlannedCluster,
  first: ClusterProfile,
  mark: string,
  save: (profile: ClusterProfile) => void,
): Promise<{ readonly profile: ClusterProfile; readonly applied: readonly Applied[] }> {
  await requireVersion(cluster);
  // Before the first object that only this cluster has.
  let profile: ClusterProfile = { ...first, identity: await identify(cluster) };
  const applied = await apply(manifests, {
    cluster,
    owner: { name: first.name, mark },
    onMade: (object) => {
      const made = profile.made ?? { by: 'context' as const, tool: null, objects: [] };
      const others = made.objects.filter(({ kind, name }) => kind !== object.kind || name !== object.name);
      profile = { ...profile, made: { ...made, objects: [...others, object] } };
      save(profile);
    },
  });
  profile = { ...profile, identity: await identify(cluster) };
  return { profile, applied };
}
