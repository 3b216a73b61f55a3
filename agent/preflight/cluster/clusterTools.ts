import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { type Clusters, type KubeContext, readKubeconfig, readProfiles, usualKubeconfig } from '../../cluster/index.ts';
import type { ClusterImages, ClusterPorts } from './clusterPreflight.ts';
import { HpoError } from '../../protocol/errors.ts';

/** What starts on a cluster are made of, on this machine. */
export function clusterTools({
  home,
  clusters,
  images,
  homeMark,
  environment,
}: {
  /** Folder of the agent's state. */
  readonly home: string;
  readonly clusters: Clusters;
  readonly images: ClusterImages;
  readonly homeMark: string;
  readonly environment: NodeJS.ProcessEnv;
}): ClusterPorts['clusters'] {
  return {
    known: (root, wanted) => {
      const connected = readProfiles(home);
      const kubeconfig = wanted ?? usualKubeconfig({ environment });
      return { ...connected, kubeconfig, contexts: contextsOf(kubeconfig, root, connected.profiles.length > 0) };
    },
    connect: async (profile, root) => {
      // One that was connected by its path counts too: who writes the project could write it.
      if (profile.kubeconfig !== null) readKubeconfig(profile.kubeconfig, root);
      return await clusters.get(profile);
    },
    images,
    homeMark,
    readText: async (root, path) =>
      await readFile(resolve(root, path), 'utf8').catch((cause: unknown) => {
        throw new HpoError(
          'HPO-2489',
          `the pod template ${path} cannot be read`,
          'check the path; it counts from the root of the project',
          { cause, exitCode: 4 },
        );
      }),
  };
}

/** Whoever has connected a cluster may have its kubeconfig elsewhere. */
function contextsOf(paths: readonly string[], root: string, isConnected: boolean): readonly KubeContext[] {
  try {
    return readKubeconfig(paths, root).contexts;
  } catch (error) {
    if (isConnected && error instanceof HpoError) return [];
    throw error;
  }
}
