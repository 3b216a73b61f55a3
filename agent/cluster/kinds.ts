import type { Kind } from './cluster.ts';

export interface KindPlace {
  /** Of its API group; empty for the core one. */
  readonly group: string;
  /** Null for what is not part of every cluster: the cluster is asked for the one that it has. */
  readonly version: string | null;
  /** As in paths and rules of a Role. */
  readonly resource: string;
  readonly isNamespaced: boolean;
  /** Name of the client's model; null for what it does not know. */
  readonly model: string | null;
}

const core = (resource: string, model: string, isNamespaced = true): KindPlace => ({
  group: '',
  version: 'v1',
  resource,
  isNamespaced,
  model,
});
const of = (group: string, resource: string, model: string, isNamespaced = true): KindPlace => ({
  group,
  version: 'v1',
  resource,
  isNamespaced,
  model,
});
const kueue = (resource: string): KindPlace => ({
  group: 'kueue.x-k8s.io',
  version: null,
  resource,
  isNamespaced: true,
  model: null,
});

/** Where the API has each kind. */
export const kinds: Readonly<Record<Kind, KindPlace>> = {
  ConfigMap: core('configmaps', 'V1ConfigMap'),
  CronJob: of('batch', 'cronjobs', 'V1CronJob'),
  DaemonSet: of('apps', 'daemonsets', 'V1DaemonSet'),
  Deployment: of('apps', 'deployments', 'V1Deployment'),
  Event: core('events', 'CoreV1Event'),
  Ingress: of('networking.k8s.io', 'ingresses', 'V1Ingress'),
  Job: of('batch', 'jobs', 'V1Job'),
  LimitRange: core('limitranges', 'V1LimitRange'),
  LocalQueue: kueue('localqueues'),
  Namespace: core('namespaces', 'V1Namespace', false),
  NetworkPolicy: of('networking.k8s.io', 'networkpolicies', 'V1NetworkPolicy'),
  Node: core('nodes', 'V1Node', false),
  PersistentVolumeClaim: core('persistentvolumeclaims', 'V1PersistentVolumeClaim'),
  Pod: core('pods', 'V1Pod'),
  PriorityClass: of('scheduling.k8s.io', 'priorityclasses', 'V1PriorityClass', false),
  ResourceQuota: core('resourcequotas', 'V1ResourceQuota'),
  Role: of('rbac.authorization.k8s.io', 'roles', 'V1Role'),
  RoleBinding: of('rbac.authorization.k8s.io', 'rolebindings', 'V1RoleBinding'),
  Secret: core('secrets', 'V1Secret'),
  Service: core('services', 'V1Service'),
  ServiceAccount: core('serviceaccounts', 'V1ServiceAccount'),
  StatefulSet: of('apps', 'statefulsets', 'V1StatefulSet'),
  Workload: kueue('workloads'),
};

/** `batch/v1`, `v1` */
export function apiVersionOf({ group }: KindPlace, version: string): string {
  return group === '' ? version : `${group}/${version}`;
}

/** Path of all objects of the kind, or of the one that is named. `namespace` null: in all. */
export function pathOf(
  { group, resource, isNamespaced }: KindPlace,
  version: string,
  namespace: string | null,
  name?: string,
): string {
  const parts = group === '' ? ['api', version] : ['apis', group, version];
  if (isNamespaced && namespace !== null) parts.push('namespaces', namespace);
  parts.push(resource);
  if (name !== undefined) parts.push(name);
  return `/${parts.map(encodeURIComponent).join('/')}`;
}

/** Path of something of a pod: its `log`, a command in it (`exec`). */
export function podPath(namespace: string, pod: string, part: 'log' | 'exec'): string {
  return `${pathOf(kinds.Pod, 'v1', namespace, pod)}/${part}`;
}
