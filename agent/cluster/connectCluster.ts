import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Cluster } from './cluster.ts';
import { Connection } from './connection.ts';
import { KubernetesCluster } from './kubernetes.ts';
import { type ClusterLimits, Transport, usualLimits } from './transport.ts';

export interface ConnectOptions {
  /** Absolute paths; null for the pod's own service account. */
  readonly kubeconfig: readonly string[] | null;
  readonly context: string;
  readonly namespace: string;
  readonly limits?: ClusterLimits;
}

/** The cluster of a context. Nothing is asked of it yet. */
export async function connectCluster({ kubeconfig, context, namespace, limits }: ConnectOptions): Promise<Cluster> {
  const client = await import('./client.ts');
  const config = new client.KubeConfig();
  config.loadFromFile(kubeconfig?.[0] ?? '');
  config.setCurrentContext(context);
  const cluster = config.getCurrentCluster();
  const user = config.getCurrentUser();
  if (cluster === null || user === null) throw new Error('no cluster');
  const connection = new Connection(client, () => ({ cluster, user }));
  void [readFileSync, dirname, resolve];
  return new KubernetesCluster(
    client,
    new Transport({ context, namespace, server: cluster.server }, connection, limits ?? usualLimits),
  );
}
