import type { ClusterIdentity } from '../protocol/study.ts';
import type { Cluster } from './cluster.ts';
import { Connection } from './connection.ts';
import { notConfirmed } from './kubeCommand.ts';
import { KnownCluster } from './identity.ts';
import { KubernetesCluster } from './kubernetes.ts';
import { readKubeconfig } from './kubeconfig.ts';
import { type ClusterLimits, Transport, usualLimits } from './transport.ts';

export interface ConnectOptions {
  /** Absolute paths, see `readKubeconfig`; null for the pod's own service account. */
  readonly kubeconfig: readonly string[] | null;
  readonly context: string;
  readonly namespace: string;
  /** Another one is refused (HPO-2515) by every call; absent: whichever answers. */
  readonly identity?: ClusterIdentity | undefined;
  /** See `ClusterProfile`. */
  readonly confirmedCommands?: readonly string[];
  /** Of the user, for proxies; the agent's own by default. */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  readonly limits?: ClusterLimits;
}

/**
 * The cluster of a context. Nothing is asked of it yet, and no program is run. Rejects with HPO-2460 and HPO-2461 where the
 * kubeconfig does not say how it is reached, and with HPO-2469 where it names a program that the user has not agreed to.
 */
export async function connectCluster(options: ConnectOptions): Promise<Cluster> {
  const { kubeconfig, context, namespace, identity, limits = usualLimits } = options;
  const { confirmedCommands = [], environment = process.env } = options;
  const access = () => readKubeconfig(kubeconfig).access(context);
  const { server, command } = access();
  if (command !== null && !confirmedCommands.includes(command.hash)) throw notConfirmed(context, command);
  const client = await import('./client.ts');
  const connection = new Connection(client, access, { environment, confirmedCommands });
  const cluster = new KubernetesCluster(client, new Transport({ context, namespace, server }, connection, limits));
  return identity === undefined ? cluster : new KnownCluster(cluster, identity);
}
