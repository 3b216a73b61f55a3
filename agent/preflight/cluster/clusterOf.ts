import { existsSync } from 'node:fs';
import type { Cluster } from '../../cluster/cluster.ts';
import {
  areDifferent,
  type ClusterAddress,
  type Clusters,
  inCluster,
  readProfiles,
  usualKubeconfig,
} from '../../cluster/index.ts';
import type { ClusterProfile } from '../../cluster/profile.ts';
import type { ClusterSettings } from '../../protocol/study.ts';
import { identityIn } from './clusterChoice.ts';

interface Options {
  /** Folder of the agent's state. */
  readonly home: string;
  readonly clusters: Clusters;
  readonly environment: NodeJS.ProcessEnv;
}

/**
 * The cluster of a study, which another one is never taken for, by the profile that it was started with; where there is none, or none any
 * more, by the kubeconfig files that it was started with, whatever the agent's environment says by now; where they are gone, by another
 * profile of the same context, or the user's usual kubeconfig. What the user agreed to that it may run is looked up each time.
 */
export function clusterOf({ home, clusters, environment }: Options): (settings: ClusterSettings) => Promise<Cluster> {
  // An agent in a cluster acts on studies of that one alone, by its own service account, whatever laptops call it.
  if (environment['HPO_AGENT_CLUSTER'] !== undefined) {
    return async ({ namespace, identity }) =>
      await clusters.get({ kubeconfig: null, context: inCluster, namespace, identity, confirmedCommands: [] });
  }
  return async (settings) => {
    const { context, namespace, identity } = settings;
    const profile = profileOf(settings, readProfiles(home).profiles);
    const address: ClusterAddress =
      profile === null
        ? {
            kubeconfig: thereOf(settings) ?? usualKubeconfig({ environment }),
            context,
            namespace,
            identity,
            confirmedCommands: [],
          }
        : { ...profile, namespace, identity: identity ?? identityIn(profile, namespace) };
    return await clusters.get(address);
  };
}

/** Null where none is of that cluster. */
function profileOf(settings: ClusterSettings, profiles: readonly ClusterProfile[]): ClusterProfile | null {
  const { context, namespace, identity } = settings;
  const ofContext = profiles.filter((profile) => profile.context === context);
  const fitting = ofContext.filter(
    (one) => identity === undefined || one.identity === undefined || !areDifferent(identity, one.identity),
  );
  const kubeconfig = thereOf(settings);
  const mayBe = kubeconfig === null ? fitting : fitting.filter((one) => isSame(one, { kubeconfig, identity }));
  const other = kubeconfig === null ? ofContext[0] : undefined;
  return mayBe.find((one) => one.namespace === namespace) ?? mayBe[0] ?? other ?? null;
}

/** A profile of the same files, or one that is known to be of the same cluster, however it is reached by now. */
function isSame(profile: ClusterProfile, { kubeconfig, identity }: Pick<ClusterSettings, 'kubeconfig' | 'identity'>): boolean {
  const isKnown = (['cluster', 'namespace'] as const).some(
    (what) => identity?.[what] != null && profile.identity?.[what] === identity[what],
  );
  return isKnown || JSON.stringify(profile.kubeconfig) === JSON.stringify(kubeconfig);
}

/** The files that the study was started with; null where nothing says so, or they are gone, as on another machine. */
function thereOf({ kubeconfig }: ClusterSettings): readonly string[] | null {
  return kubeconfig?.some((path) => existsSync(path)) === true ? kubeconfig : null;
}
