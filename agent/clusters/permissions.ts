import type { V1PolicyRule } from '@kubernetes/client-node';
import type { Resource } from '../cluster/cluster.ts';

/** Something that studies do on a cluster, and what that takes. */
export interface Permission extends Resource {
  readonly verb: string;
  /** For people: what would not work without it. */
  readonly purpose: string;
  /** The first version whose server asks for it, where older ones do not. */
  readonly since?: `${number}.${number}`;
}

const of = (
  group: string,
  resource: string,
  subresource: string | null,
  verbs: Readonly<Record<string, string>>,
): readonly Permission[] =>
  Object.entries(verbs).map(([verb, purpose]) => ({
    group,
    resource,
    ...(subresource === null ? {} : { subresource }),
    verb,
    purpose,
  }));

/**
 * All that studies do in their namespace. The Role of `hpo cluster create` is made of this table and nothing else, `hpo cluster test`
 * asks for each of it, and a test runs the executor with exactly these rights.
 */
export const permissions: readonly Permission[] = [
  ...of('batch', 'jobs', null, {
    create: 'start attempts',
    get: 'look at one attempt',
    list: 'find what is there after a restart',
    watch: 'hear at once that an attempt ended',
    patch: 'have the one tried at once whose turn it is, when a full quota has room again',
    delete: 'remove attempts that are over',
  }),
  ...of('', 'pods', null, {
    create: 'ask before a start whether the cluster takes the pods of a study (a dry run: none is made)',
    list: 'find the pods of attempts, and why they wait',
    watch: 'hear at once that a pod begins or ends',
    delete: 'stop an attempt, with the time that its program has to save its work',
  }),
  ...of('', 'pods', 'log', { get: 'read what trials print' }),
  ...of('', 'pods', 'exec', { get: 'fetch output that the node has rotated away' }),
  {
    group: '',
    resource: 'pods',
    subresource: 'exec',
    verb: 'create',
    purpose: 'the same, where the server asks for it',
    since: '1.35',
  },
  ...of('', 'configmaps', null, {
    create: 'bring code and the values of a trial to its pod',
    get: 'see that code is there already',
    list: 'find all that belongs to a study',
    delete: 'remove a study with all that belongs to it',
  }),
  ...of('', 'secrets', null, {
    create: 'bring variables that a script declares as secrets to its pods',
    patch: 'bring their later values',
    delete: 'remove them with the study',
  }),
  ...of('', 'events', null, { list: 'say why a pod is not made, such as a quota that is full' }),
];

/** Of Kueue, in a namespace whose studies wait in a queue. */
export const queuePermissions: readonly Permission[] = [
  ...of('kueue.x-k8s.io', 'localqueues', null, { list: 'find the queue, and use it where none is named' }),
  ...of('kueue.x-k8s.io', 'workloads', null, { list: 'say why a Job waits in the queue' }),
];

/** Of the whole cluster, so that no Role of a namespace can give them; all works without, with less to show. */
export const clusterPermissions: readonly Permission[] = [
  ...of('', 'nodes', null, { list: 'know how much room nodes have' }),
  ...of('', 'pods', null, { list: 'know how much of it is in use' }),
];

/** Rules of a Role, one for each resource. */
export function rulesOf(granted: readonly Permission[]): V1PolicyRule[] {
  const byResource = Map.groupBy(granted, ({ group, ...resource }) => `${group}/${resourceName(resource)}`);
  return [...byResource.values()].flatMap((rows) => {
    const [first] = rows;
    return first === undefined
      ? []
      : [{ apiGroups: [first.group], resources: [resourceName(first)], verbs: [...new Set(rows.map(({ verb }) => verb))] }];
  });
}

/** `pods/log` */
export function resourceName({ resource, subresource }: Pick<Resource, 'resource' | 'subresource'>): string {
  return subresource === undefined ? resource : `${resource}/${subresource}`;
}
