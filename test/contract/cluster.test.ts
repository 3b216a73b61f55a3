import { identify } from '../../agent/cluster/index.ts';
import { KnownCluster } from '../../agent/cluster/identity.ts';
import { clusterSuite } from './clusterSuite.ts';
import { openVirtualCluster } from './virtualCluster.ts';

clusterSuite('simulated', openVirtualCluster);

clusterSuite('simulated, and known again', async () => {
  const world = await openVirtualCluster();
  const admin = await world.connect();
  await admin.create('ConfigMap', { metadata: { name: 'kube-root-ca.crt' } });
  const identity = await identify(admin);
  return {
    ...world,
    connect: async () => new KnownCluster(await world.connect(), identity),
    connectStranger: async () => new KnownCluster(await world.connectStranger(), identity),
  };
});
