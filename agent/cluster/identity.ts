import { HpoError } from '../protocol/errors.ts';
import type { ClusterIdentity } from '../protocol/study.ts';
import type { Cluster, ClusterPlace, ExecStreams, Kind, Labels, ListOptions, LogOptions, Objects, Resource } from './cluster.ts';

/** In every cluster, and as old as it is. */
const systemNamespace = 'kube-system';
/** What every cluster puts into every namespace. */
const rootCertificates = 'kube-root-ca.crt';

/** By what this cluster is known again, as far as the user may see that: the names in a kubeconfig say nothing of it. */
export async function identify(cluster: Cluster): Promise<ClusterIdentity> {
  const [system, certificates] = await Promise.all([
    orForbidden(cluster.get('Namespace', systemNamespace)),
    orForbidden(cluster.get('ConfigMap', rootCertificates)),
  ]);
  return { cluster: system?.metadata?.uid ?? null, namespace: certificates?.metadata?.uid ?? null };
}

/** Whether anything says that they are two; what is not known of one of them says nothing. */
export function areDifferent(a: ClusterIdentity, b: ClusterIdentity): boolean {
  if (a.cluster !== null && b.cluster !== null) return a.cluster !== b.cluster;
  return a.namespace !== null && b.namespace !== null && a.namespace !== b.namespace;
}

async function orForbidden<T>(asked: Promise<T>): Promise<T | null> {
  return await asked.catch((error: unknown) => {
    if (error instanceof HpoError && error.code === 'HPO-2464') return null;
    throw error;
  });
}

/**
 * A cluster of which nothing is asked before it is known to be the one that was meant: before the first call, and again after it could
 * not be reached, as another one may answer at the same address. Every call rejects with HPO-2515 where another one does.
 */
export class KnownCluster implements Cluster {
  readonly #cluster: Cluster;
  readonly #identity: ClusterIdentity;
  #known: Promise<void> | null = null;
  /** Watches that begin when it is known. */
  readonly #waiting = new Set<() => void>();

  constructor(cluster: Cluster, identity: ClusterIdentity) {
    this.#cluster = cluster;
    this.#identity = identity;
  }

  get place(): ClusterPlace {
    return this.#cluster.place;
  }

  version(): Promise<string> {
    return this.#call(() => this.#cluster.version());
  }

  get<K extends Kind>(kind: K, name: string): Promise<Objects[K] | null> {
    return this.#call(() => this.#cluster.get(kind, name));
  }

  list<K extends Kind>(kind: K, options?: ListOptions): Promise<readonly Objects[K][]> {
    return this.#call(() => this.#cluster.list(kind, options));
  }

  create<K extends Kind>(
    kind: K,
    object: Objects[K],
  ): Promise<{ readonly result: 'created' | 'exists'; readonly object: Objects[K] }> {
    return this.#call(() => this.#cluster.create(kind, object));
  }

  check<K extends Kind>(kind: K, object: Objects[K]): ReturnType<Cluster['check']> {
    return this.#call(() => this.#cluster.check(kind, object));
  }

  patch<K extends Kind>(kind: K, name: string, patch: object): Promise<Objects[K] | null> {
    return this.#call(() => this.#cluster.patch(kind, name, patch));
  }

  remove(kind: Kind, name: string, options?: { readonly graceSeconds?: number }): Promise<boolean> {
    return this.#call(() => this.#cluster.remove(kind, name, options));
  }

  watch<K extends Kind>(
    kind: K,
    labels: Labels,
    onChange: (change: { readonly removed: boolean; readonly object: Objects[K] }) => void,
  ): Disposable {
    let watch: Disposable | null = null;
    const begin = (): void => void (watch = this.#cluster.watch(kind, labels, onChange));
    this.#waiting.add(begin);
    // Where that fails it begins with the next call that does not.
    this.#know().then(
      () => this.#beginWatches(),
      () => {},
    );
    return {
      [Symbol.dispose]: () => {
        this.#waiting.delete(begin);
        watch?.[Symbol.dispose]();
      },
    };
  }

  log(pod: string, options: LogOptions, onBytes: (bytes: Uint8Array) => void): Promise<void> {
    return this.#call(() => this.#cluster.log(pod, options, onBytes));
  }

  exec(pod: string, container: string, command: readonly string[], streams: ExecStreams): Promise<number> {
    return this.#call(() => this.#cluster.exec(pod, container, command, streams));
  }

  may(verb: string, resource: Resource): Promise<boolean> {
    return this.#call(() => this.#cluster.may(verb, resource));
  }

  [Symbol.asyncDispose](): PromiseLike<void> {
    this.#waiting.clear();
    return this.#cluster[Symbol.asyncDispose]();
  }

  async #call<T>(act: () => Promise<T>): Promise<T> {
    await this.#know();
    try {
      return await act();
    } catch (error) {
      if (error instanceof HpoError && error.code === 'HPO-2462') this.#known = null;
      throw error;
    }
  }

  #know(): Promise<void> {
    if (this.#known === null) {
      const knowing = this.#compare();
      this.#known = knowing;
      knowing.catch(() => {
        if (this.#known === knowing) this.#known = null;
      });
    }
    return this.#known;
  }

  async #compare(): Promise<void> {
    if (areDifferent(this.#identity, await identify(this.#cluster))) throw anotherCluster(this.place);
    this.#beginWatches();
  }

  #beginWatches(): void {
    const begins = [...this.#waiting];
    this.#waiting.clear();
    for (const begin of begins) begin();
  }
}

function anotherCluster({ context, server, namespace }: ClusterPlace): HpoError {
  return new HpoError(
    'HPO-2515',
    `another cluster than the one that was connected answers for the context ${context} (${server}, namespace ${namespace}): it was made anew, or the kubeconfig points elsewhere. Nothing was done in it`,
    `let the context point to the one that is meant (kubectl config view); if this one is meant from now on: hpo cluster connect --context ${context}; studies of the other one stay where they were`,
  );
}
