import type { Cluster } from '../../cluster/cluster.ts';
import {
  areDifferent,
  type ClusterAddress,
  type Clusters,
  inCluster,
  readProfiles,
  usualKubeconfig,
} from '../../cluster/index.ts';
import type { ClusterSettings } from '../../protocol/study.ts';
import { identityIn } from './clusterChoice.ts';

interface Options {
  /** Folder of the agent's state. */
  readonly home: string;
  readonly clusters: Clusters;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * The cluster of a study, which another one is never taken for, by the profile that it was started with; where that was disconnected since, by another one of the same
 * context, or by the user's usual kubeconfig. What the user agreed to that it may run is looked up each time.
 */
export function clusterOf({ home, clusters, environment }: Options): (settings: ClusterSettings) => Promise<Cluster> {
  // An agent in a cluster acts on studies of that one alone, by its own service account, whatever laptops call it.
  if (environment['HPO_AGENT_CLUSTER'] !== undefined) {
    return async ({ namespace, identity }) =>
      await clusters.get({ kubeconfig: null, context: inCluster, namespace, identity, confirmedCommands: [] });
  }
  return async ({ context, namespace, identity }) => {
    const { profiles } = readProfiles(home);
    const ofContext = profiles.filter((profile) => profile.context === context);
    const fitting = ofContext.filter(
      (one) => identity === undefined || one.identity === undefined || !areDifferent(identity, one.identity),
    );
    const profile = fitting.find((one) => one.namespace === namespace) ?? fitting[0] ?? ofContext[0];
    const address: ClusterAddress =
      profile === undefined
        ? { kubeconfig: usualKubeconfig({ environment }), context, namespace, identity, confirmedCommands: [] }
        : { ...profile, namespace, identity: identity ?? identityIn(profile, namespace) };
    return await clusters.get(address);
  };
}
