import { clusterSuite } from './clusterSuite.ts';
import { openVirtualCluster } from './virtualCluster.ts';

clusterSuite('simulated', openVirtualCluster);
