export { type ShapeReader, shapeReader } from './apiShape.ts';
export { type ClusterAddress, clusterOnDemand, type Clusters } from './clusterOnDemand.ts';
export { connectCluster, type ConnectOptions } from './connectCluster.ts';
export { areDifferent, identify } from './identity.ts';
export { reachOwn } from './reachOwn.ts';
export { inCluster } from './serviceAccount.ts';
export { describeCommand } from './kubeCommand.ts';
export { type Access, type Kubeconfig, type KubeContext, readKubeconfig } from './kubeconfig.ts';
export {
  chosenProfile,
  type ClusterProfiles,
  profilesPath,
  readProfiles,
  withoutProfile,
  withProfile,
  writeProfiles,
} from './profiles.ts';
export { usualKubeconfig } from './usualKubeconfig.ts';
