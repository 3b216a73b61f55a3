import type { Cluster } from '../../cluster/cluster.ts';
import { type ClusterAddress, type Clusters, inCluster, readProfiles, usualKubeconfig } from '../../cluster/index.ts';
import type { ClusterSettings } from '../../protocol/study.ts';

interface Options {
  /** Folder of the agent's state. */
  readonly home: string;
  readonly clusters: Clusters;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * The cluster of a study, by the profile that it was started with; where that was disconnected since, by another one of the same
 * context, or by the user's usual kubeconfig. What the user agreed to that it may run is looked up each time.
 */
export function clusterOf({ home, clusters, environment }: Options): (settings: ClusterSettings) => Promise<Cluster> {
  // An agent in a cluster acts on studies of that one alone, by its own service account, whatever laptops call it.
  if (environment['HPO_AGENT_CLUSTER'] !== undefined) {
    return async ({ namespace }) =>
      await clusters.get({ kubeconfig: null, context: inCluster, namespace, confirmedCommands: [] });
  }
  return async ({ context, namespace }) => {
    const { profiles } = readProfiles(home);
    const ofContext = profiles.filter((profile) => profile.context === context);
    const profile = ofContext.find((one) => one.namespace === namespace) ?? ofContext[0];
    const address: ClusterAddress =
      profile === undefined
        ? { kubeconfig: usualKubeconfig({ environment }), context, namespace, confirmedCommands: [] }
        : { ...profile, namespace };
    return await clusters.get(address);
  };
}
