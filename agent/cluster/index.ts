export { connectCluster, type ConnectOptions } from './connectCluster.ts';
