import type { ClusterIdentity } from '../protocol/study.ts';

/**
 * A cluster that the user has connected or created: which context of which kubeconfig, and what of it studies use. Kept in
 * `HPO_HOME/clusters.json`; never read from a project.
 */
export interface ClusterProfile {
  /** Unique among the profiles; the one in use is what `--on kubernetes` means. */
  readonly name: string;
  /** Absolute paths of kubeconfig files, merged as kubectl does; null: the pod's own service account, in a cluster's agent. */
  readonly kubeconfig: readonly string[] | null;
  readonly context: string;
  readonly namespace: string;
  /** Absent in profiles of earlier versions, until they are used. */
  readonly identity?: ClusterIdentity | undefined;
  /** Where images are pushed to and pulled from, `HOST[:PORT]/PREFIX`; null: only code that travels without one, in images that nodes can pull. */
  readonly registry: RegistryPlace | null;
  /** Kueue's LocalQueue; null: one that is there is used. */
  readonly queue: string | null;
  readonly pullSecrets: readonly string[];
  /** Where checkpoints are kept if nothing else is said; as in `@hpo.checkpoint store=…`. */
  readonly checkpoints: string | null;
  /** Processors of a trial that does not say, as the cluster.yml has it by which it was made; absent: as its namespace has it. */
  readonly usualCpus?: number | undefined;
  /** Commands of the kubeconfig (`exec:`) that the user has agreed to, by hash of program, arguments and variables. */
  readonly confirmedCommands: readonly string[];
  /** Studies of this cluster are kept by the agent in it unless something else is said; absent: by that of this machine. */
  readonly usesAgent?: boolean | undefined;
  /** How it was made, and so how it is destroyed; null for one that was only connected. */
  readonly made: MadeCluster | null;
}

export interface RegistryPlace {
  /** As this machine reaches it: `localhost:5000/hpo`. */
  readonly push: string;
  /** As the nodes reach it; mostly the same. */
  readonly pull: string;
  /** By http; only for those of this machine. */
  readonly isPlain: boolean;
}

export interface MadeCluster {
  readonly by: 'context' | 'kind' | 'k3d' | 'eksctl' | 'gcloud' | 'az';
  /** By what its tool finds it again; null for an existing context. */
  readonly tool: {
    readonly name: string;
    readonly region: string | null;
    readonly project: string | null;
    readonly group: string | null;
  } | null;
  /** Kinds and names of what was made in the cluster, in the order of their making. */
  readonly objects: readonly { readonly kind: string; readonly name: string; readonly uid: string }[];
}
