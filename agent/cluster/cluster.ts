import type { Readable, Writable } from 'node:stream';
import type {
  CoreV1Event,
  V1ConfigMap,
  V1CronJob,
  V1DaemonSet,
  V1Deployment,
  V1Ingress,
  V1Job,
  V1LimitRange,
  V1Namespace,
  V1NetworkPolicy,
  V1Node,
  V1PersistentVolumeClaim,
  V1Pod,
  V1PriorityClass,
  V1ResourceQuota,
  V1Role,
  V1RoleBinding,
  V1Secret,
  V1Service,
  V1ServiceAccount,
  V1StatefulSet,
} from '@kubernetes/client-node';

/**
 * A Kubernetes cluster as far as the agent needs one. `kubernetes.ts` has the real one, over `@kubernetes/client-node`, which is
 * loaded when it is first used; the simulation has one whose controllers, nodes and faults follow from a seed. One conformance
 * suite (`test/contract/clusterSuite.ts`) holds both to this.
 *
 * Every call has a time limit of its own, can be repeated, and rejects with an HpoError: HPO-2462 the server cannot be reached or
 * does not answer in time, HPO-2463 it does not know who asks, HPO-2464 it forbids that (names verb, resource and namespace),
 * HPO-2465 it is overloaded (429, 503: the client has waited as it was told, and tried again, before it says so), HPO-2466
 * anything else that it refuses, with its words. Names are the identity: creating what is there and removing what is not are no errors.
 */
export interface Cluster extends AsyncDisposable {
  readonly place: ClusterPlace;

  /** `v1.34.4` */
  version(): Promise<string>;
  /** Null when it is not there, or the cluster knows no such kind. */
  get<K extends Kind>(kind: K, name: string): Promise<Objects[K] | null>;
  /** All that carry the labels, read in pages, as of one moment. Empty where the cluster knows no such kind. `namespace` null: in all. */
  list<K extends Kind>(kind: K, options?: ListOptions): Promise<readonly Objects[K][]>;
  /** `exists` where one of that name is there (409): nothing is changed then. Returns the object as the cluster has it, or as it was given where it exists and the caller may not read it. */
  create<K extends Kind>(
    kind: K,
    object: Objects[K],
  ): Promise<{ readonly result: 'created' | 'exists'; readonly object: Objects[K] }>;
  /** Whether the cluster would take it: as `create`, with all of its admission, and nothing is made. Rejects as that does. */
  check<K extends Kind>(kind: K, object: Objects[K]): Promise<void>;
  /** JSON merge patch. Null when it is not there. With `resourceVersion` in the patch, HPO-2467 when somebody else changed it meanwhile. */
  patch<K extends Kind>(kind: K, name: string, patch: object): Promise<Objects[K] | null>;
  /** What it owns goes with it, in the background. False when it is not there. */
  remove(kind: Kind, name: string, options?: { readonly graceSeconds?: number }): Promise<boolean>;
  /**
   * Tells of objects with the labels that were made, changed or removed, until disposed: hints that may be late, doubled, stale or
   * missing, over closed connections, 410 and restarts of the server.
   */
  watch<K extends Kind>(
    kind: K,
    labels: Labels,
    onChange: (change: { readonly removed: boolean; readonly object: Objects[K] }) => void,
  ): Disposable;

  /**
   * The log of a container, from its beginning or from so many seconds ago, as bytes in order; follows it until the container ends or
   * the signal fires. Resolves at its end; rejects (HPO-2462) where the stream broke off, and with HPO-2468 while there is no log yet.
   */
  log(pod: string, options: LogOptions, onBytes: (bytes: Uint8Array) => void): Promise<void>;
  /** Runs a command in a container. Resolves with its exit code when it has ended. HPO-2464 where that is not allowed. */
  exec(pod: string, container: string, command: readonly string[], streams: ExecStreams): Promise<number>;
  /** Whether the caller may do so in the namespace. */
  may(verb: string, resource: Resource): Promise<boolean>;
}

export interface ClusterPlace {
  /** Name of the kubeconfig's context. */
  readonly context: string;
  readonly namespace: string;
  /** URL of the API server, for people. */
  readonly server: string;
}

/** The kinds that are asked for. Those of Kueue are there where it is installed. */
export interface Objects {
  readonly ConfigMap: V1ConfigMap;
  readonly CronJob: V1CronJob;
  readonly DaemonSet: V1DaemonSet;
  readonly Deployment: V1Deployment;
  readonly Event: CoreV1Event;
  readonly Ingress: V1Ingress;
  readonly Job: V1Job;
  readonly LimitRange: V1LimitRange;
  readonly LocalQueue: LocalQueue;
  readonly Namespace: V1Namespace;
  readonly NetworkPolicy: V1NetworkPolicy;
  readonly Node: V1Node;
  readonly PersistentVolumeClaim: V1PersistentVolumeClaim;
  readonly Pod: V1Pod;
  readonly PriorityClass: V1PriorityClass;
  readonly ResourceQuota: V1ResourceQuota;
  readonly Role: V1Role;
  readonly RoleBinding: V1RoleBinding;
  readonly Secret: V1Secret;
  readonly Service: V1Service;
  readonly ServiceAccount: V1ServiceAccount;
  readonly StatefulSet: V1StatefulSet;
  readonly Workload: Workload;
}
export type Kind = keyof Objects;

export type Labels = Readonly<Record<string, string>>;

/** `kueue.x-k8s.io`, in whichever version the cluster has. */
export interface LocalQueue {
  readonly metadata?: V1Job['metadata'];
  readonly spec?: { readonly clusterQueue?: string };
}

/** `kueue.x-k8s.io`: what Kueue makes for each Job; its conditions say why that waits. */
export interface Workload {
  readonly metadata?: V1Job['metadata'];
  readonly status?: {
    readonly conditions?: readonly {
      readonly type: string;
      readonly status: string;
      readonly reason: string;
      readonly message: string;
    }[];
  };
}

export interface ListOptions {
  readonly labels?: Labels;
  /** Absent: the cluster's own; null: all. */
  readonly namespace?: string | null;
  /** As in `involvedObject.name=x`. */
  readonly fields?: string;
}

export interface LogOptions {
  readonly container: string;
  readonly sinceSeconds?: number;
  readonly follow: boolean;
  readonly signal: AbortSignal;
}

export interface ExecStreams {
  readonly stdin?: Readable;
  readonly stdout: Writable;
  readonly stderr: Writable;
  readonly signal?: AbortSignal;
}

/** As rules of a Role name it: `{ group: 'batch', resource: 'jobs' }`, `{ group: '', resource: 'pods', subresource: 'log' }`. */
export interface Resource {
  readonly group: string;
  readonly resource: string;
  readonly subresource?: string;
}
