import { HpoError } from '../protocol/errors.ts';
import type { Cluster } from './cluster.ts';
import { connectCluster, type ConnectOptions } from './connectCluster.ts';
import { inCluster } from './serviceAccount.ts';
import { usualLimits } from './transport.ts';

/** Who asks waits for it: it is clear by then. */
const reachMs = 8_000;

/**
 * Why an agent that is in a cluster cannot act on it (HPO-2524): its own way to the API server is another one than that of whoever speaks to
 * it. Null where it can, and for an agent that is in none.
 */
export async function reachOwn(
  environment: Readonly<Record<string, string | undefined>>,
  connect: (options: ConnectOptions) => Promise<Cluster> = connectCluster,
): Promise<HpoError | null> {
  const namespace = environment['HPO_AGENT_CLUSTER'];
  if (namespace === undefined) return null;
  try {
    const limits = { ...usualLimits, answerMs: reachMs, callMs: reachMs };
    await using cluster = await connect({ kubeconfig: null, context: inCluster, namespace, limits });
    await cluster.version();
    return null;
  } catch (error) {
    if (!(error instanceof HpoError)) throw error;
    const { KUBERNETES_SERVICE_HOST: host = '', KUBERNETES_SERVICE_PORT: port = '' } = environment;
    return new HpoError(
      'HPO-2524',
      `the agent in the cluster does not reach the API server from its pod, and so could do nothing: ${error.message}`,
      `let its pod reach ${host}:${port} (egress to the API server: a NetworkPolicy may deny it, or nothing routes Services to it, as without kube-proxy), then see: hpo cluster agent status`,
      { cause: error, exitCode: 4 },
    );
  }
}
