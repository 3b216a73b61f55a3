import type { Cluster } from './cluster.ts';
import { connectCluster } from './connectCluster.ts';
import type { ClusterProfile } from './profile.ts';
import { type ClusterLimits, usualLimits } from './transport.ts';

/** Which cluster, and what of it. */
export type ClusterAddress = Pick<ClusterProfile, 'kubeconfig' | 'context' | 'namespace' | 'identity' | 'confirmedCommands'>;

export interface Clusters extends AsyncDisposable {
  /** The cluster of that address, connected when it is first needed and from then on kept; where that failed, the next caller tries anew. */
  get(address: ClusterAddress): Promise<Cluster>;
}

/** One connection for each kubeconfig, context, namespace and identity, with one rate limit each. */
export function clusterOnDemand(limits: ClusterLimits = usualLimits): Clusters {
  const clusters = new Map<string, Promise<Cluster>>();
  return {
    get(address) {
      const { kubeconfig, context, namespace, identity, confirmedCommands } = address;
      const key = JSON.stringify([kubeconfig, context, namespace, identity, confirmedCommands]);
      const there = clusters.get(key);
      if (there !== undefined) return there;
      const connecting = connectCluster({ ...address, limits });
      clusters.set(key, connecting);
      connecting.catch(() => clusters.delete(key));
      return connecting;
    },
    async [Symbol.asyncDispose]() {
      const all = [...clusters.values()];
      clusters.clear();
      for (const one of await Promise.allSettled(all)) if (one.status === 'fulfilled') await one.value[Symbol.asyncDispose]();
    },
  };
}
