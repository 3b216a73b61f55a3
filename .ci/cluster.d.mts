/** One part of a cluster; `kubelet` and `containerd` are there once per node. */
export type Part = 'apiserver' | 'containerd' | 'controllers' | 'etcd' | 'kubelet' | 'kueue' | 'registry' | 'scheduler';

export interface TestCluster extends AsyncDisposable {
  /** Path; its context is `test`, and who uses it may do everything. */
  readonly kubeconfig: string;
  /** URL of the API server. */
  readonly server: string;
  /** `HOST:PORT`, by http, as this machine and the nodes reach it. */
  readonly registry: string;
  /** Names of the nodes. */
  readonly nodes: readonly string[];
  /** Path of a kubectl of the cluster's version. */
  readonly kubectl: string;
  /** `log` in it has the output of each part. */
  readonly folder: string;
  /** Resolves when it answers. */
  start(part: Part, node?: number): Promise<void>;
  /** Asks it to end and kills it after 15 s; with SIGKILL it crashes. What runs in pods runs on. */
  stop(part: Part, node?: number, signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** A crash, and a start. */
  restart(part: Part, node?: number, signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
  /** Kueue with its custom resources, built the first time (minutes). Its webhooks are called: a Job of a queue is suspended by it. */
  startKueue(): Promise<void>;
}

export declare function startCluster(options?: {
  readonly log?: (step: string) => void;
  readonly nodes?: number;
}): Promise<TestCluster>;

/** Builds Kueue into the cache, where it is not there yet (minutes). */
export declare function installKueue(log?: (step: string) => void): Promise<unknown>;
