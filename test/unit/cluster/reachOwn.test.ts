import { describe, expect, it } from 'vitest';
import type { Cluster } from '../../../agent/cluster/cluster.ts';
import type { ConnectOptions } from '../../../agent/cluster/connectCluster.ts';
import { reachOwn } from '../../../agent/cluster/reachOwn.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';

const inPod = { HPO_AGENT_CLUSTER: 'ml', KUBERNETES_SERVICE_HOST: '10.96.0.1', KUBERNETES_SERVICE_PORT: '443' };
const away = new HpoError('HPO-2462', 'the cluster in-cluster gives no answer', 'look at the network');

/** A cluster that answers like this, and what it was connected with. */
function clusterOf(version: () => Promise<string>) {
  const connected: ConnectOptions[] = [];
  let nDisposed = 0;
  const connect = (options: ConnectOptions): Promise<Cluster> => {
    connected.push(options);
    const cluster: Partial<Cluster> = { version, [Symbol.asyncDispose]: async () => void nDisposed++ };
    return Promise.resolve(cluster as Cluster); // nothing else of it is asked
  };
  return { connect, connected, nDisposed: () => nDisposed };
}

describe('whether an agent reaches the cluster that it is in', () => {
  it('is no question for one that is in none', async () => {
    const { connect, connected } = clusterOf(() => Promise.reject(away));
    expect(await reachOwn({}, connect)).toBeNull();
    expect(connected).toEqual([]);
  });

  it('is asked of its API server as itself, with little time, and leaves nothing open', async () => {
    const { connect, connected, nDisposed } = clusterOf(() => Promise.resolve('v1.34.4'));
    expect(await reachOwn(inPod, connect)).toBeNull();
    expect(connected).toMatchObject([{ kubeconfig: null, context: 'in-cluster', namespace: 'ml' }]);
    expect(connected[0]?.limits?.callMs).toBeLessThan(10_000);
    expect(nDisposed()).toBe(1);
  });

  it.each([
    ['its pod may not', clusterOf(() => Promise.reject(away))],
    ['its pod has no token', { ...clusterOf(() => Promise.resolve('')), connect: () => Promise.reject(away) }],
  ])('says what, why and what next: %s', async (_what, { connect }) => {
    const why = await reachOwn(inPod, connect);
    expect(why).toMatchObject({ code: 'HPO-2524', exitCode: 4, cause: away });
    expect(why?.message).toContain('the cluster in-cluster gives no answer');
    expect(why?.next).toMatch(/reach 10\.96\.0\.1:443 \(egress to the API server/);
  });
});
