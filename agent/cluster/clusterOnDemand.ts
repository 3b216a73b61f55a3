import { HpoError } from '../protocol/errors.ts';
import type { Cluster } from './cluster.ts';
import { connectCluster } from './connectCluster.ts';
import type { ClusterProfile } from './profile.ts';
import { type ClusterLimits, usualLimits } from './transport.ts';

/** Which cluster, and what of it. */
export type ClusterAddress = Pick<ClusterProfile, 'kubeconfig' | 'context' | 'namespace' | 'identity' | 'confirmedCommands'>;

export interface Clusters extends AsyncDisposable {
  /** The cluster of that address, connected when it is first needed and from then on kept; where that failed, the next caller tries anew. Disposed, it rejects with HPO-5002. */
  get(address: ClusterAddress): Promise<Cluster>;
}

/** One connection for each kubeconfig, context, namespace and identity, with one rate limit each. */
export function clusterOnDemand(limits: ClusterLimits = usualLimits): Clusters {
  const clusters = new Map<string, Promise<Cluster>>();
  let isDisposed = false;
  return {
    get(address) {
      // Nobody would close it.
      if (isDisposed) return Promise.reject(ending());
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
      isDisposed = true;
      const all = [...clusters.values()];
      clusters.clear();
      for (const one of await Promise.allSettled(all)) if (one.status === 'fulfilled') await one.value[Symbol.asyncDispose]();
    },
  };
}

function ending(): HpoError {
  return new HpoError('HPO-5002', 'the agent is ending', 'run the command again: studies go on and nothing is lost');
}
