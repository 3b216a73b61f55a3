import type { ClusterProfile } from '../../cluster/profile.ts';
import type { ClusterSettings, ContainerSettings } from '../../protocol/study.ts';

/** What there is to say of a study that asks for no network, where nothing that is known keeps its pods from it; `policies` as `boundingPolicies` has them. */
export function networkNotes(
  {
    profile,
    policies,
  }: { readonly profile: Pick<ClusterProfile, 'namespace' | 'made'>; readonly policies: readonly string[] | null },
  {
    container,
    cluster,
  }: { readonly container: Pick<ContainerSettings, 'network'>; readonly cluster: Pick<ClusterSettings, 'checkpoints'> },
): readonly string[] {
  // An object store takes the network, and says so itself.
  const hasNetwork = container.network || cluster.checkpoints?.type === 's3';
  const isMade = profile.made?.objects.some(({ kind }) => kind === 'NetworkPolicy') === true;
  if (hasNetwork || (policies?.length ?? 0) > 0 || (policies === null && isMade)) return [];
  return [
    policies === null
      ? `whether the namespace ${profile.namespace} keeps trials from the network is not known: you may not list its networkpolicies`
      : `the script asks for no network, and nothing keeps its trials from it: the namespace ${profile.namespace} has no NetworkPolicy for pods with hpo.network=no (hpo cluster create makes one)`,
  ];
}
