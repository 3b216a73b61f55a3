import type { ClusterAccess } from '../../../agent/doctor/clusters.ts';

/** A home without a cluster. */
export const noClusters: ClusterAccess = {
  profiles: () => ({ profiles: [], inUse: null }),
  connect: () => Promise.reject(new Error('there is nothing to connect to')),
  homeMark: () => 'm4rk',
  away: () => Promise.resolve(new Set()),
};
