import type { V1Container, V1NetworkPolicy } from '@kubernetes/client-node';
import { stringify } from 'yaml';
import type { Kind, Labels, Objects } from '../cluster/cluster.ts';
import type { ClusterFile } from './clusterFile.ts';
import { permissions, queuePermissions, rulesOf } from './permissions.ts';

/** An object that `hpo cluster create` makes. */
export type Manifest = {
  [K in Kind]: { readonly kind: K; readonly name: string; readonly object: Objects[K] & { readonly apiVersion: string } };
}[Kind];

/** Name of the Role, of what binds it, and of the service account that has it. */
export const roleName = 'hpo';
/** Name of the secret with the login to the registry. */
export const pullSecretName = 'hpo-registry';
/** On pods, and what the policies of the network go by. */
export const networkLabel = 'hpo.network';

/** Addresses by which clouds give the rights of a node to whoever asks from there. */
const metadataServers = { v4: '169.254.169.254/32', v6: 'fd00:ec2::254/128' };

/**
 * All objects of a cluster, in the order in which they are made: what Pod Security, quotas and policies say is there before the
 * first pod. `mark` tells them from those of other homes. Without the login to the registry, which is no manifest that anybody sees.
 */
export function manifestsOf(file: ClusterFile, mark: string): readonly Manifest[] {
  const { namespace } = file;
  const labels = ownLabels(file.name, mark);
  const inside = (name: string) => ({ name, namespace, labels });
  const core = { apiVersion: 'v1' };
  const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1' };
  return [
    {
      kind: 'Namespace',
      name: namespace,
      object: {
        ...core,
        kind: 'Namespace',
        metadata: {
          name: namespace,
          labels: {
            ...labels,
            'pod-security.kubernetes.io/enforce': 'restricted',
            'pod-security.kubernetes.io/warn': 'restricted',
          },
        },
      },
    },
    {
      kind: 'ServiceAccount',
      name: roleName,
      object: { ...core, kind: 'ServiceAccount', metadata: inside(roleName), automountServiceAccountToken: false },
    },
    {
      kind: 'Role',
      name: roleName,
      object: {
        ...rbac,
        kind: 'Role',
        metadata: inside(roleName),
        rules: rulesOf([...permissions, ...(file.queue === undefined ? [] : queuePermissions)]),
      },
    },
    {
      kind: 'RoleBinding',
      name: roleName,
      object: {
        ...rbac,
        kind: 'RoleBinding',
        metadata: inside(roleName),
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: roleName },
        subjects: [{ kind: 'ServiceAccount', name: roleName, namespace }, ...(file.users ?? []).map(subjectOf)],
      },
    },
    ...quotaOf(file, inside('hpo')),
    ...limitsOf(file, inside('hpo')),
    ...policies.map(
      ({ name, spec }): Manifest => ({
        kind: 'NetworkPolicy',
        name,
        object: { apiVersion: 'networking.k8s.io/v1', kind: 'NetworkPolicy', metadata: inside(name), spec },
      }),
    ),
    ...queueOf(file, labels),
  ];
}

/** On all that `hpo cluster create` makes, so that nothing else is ever removed. */
export function ownLabels(cluster: string, mark: string): Labels {
  return { 'app.kubernetes.io/managed-by': 'hpo', 'hpo.cluster': cluster, 'hpo.made-by': mark };
}

/** The login to a registry as nodes use it. The only object with a secret in it: never shown. */
export function pullSecret(
  file: Pick<ClusterFile, 'name' | 'namespace'>,
  mark: string,
  login: { readonly host: string; readonly username: string; readonly secret: string },
): Manifest {
  const { host, username, secret } = login;
  const auth = Buffer.from(`${username}:${secret}`).toString('base64');
  const content = JSON.stringify({ auths: { [host]: { username, password: secret, auth } } });
  return {
    kind: 'Secret',
    name: pullSecretName,
    object: {
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { name: pullSecretName, namespace: file.namespace, labels: ownLabels(file.name, mark) },
      type: 'kubernetes.io/dockerconfigjson',
      data: { '.dockerconfigjson': Buffer.from(content).toString('base64') },
    },
  };
}

/** kubectl reads the older YAML, in which a bare `no` is no word. */
const yamlForm = { lineWidth: 0, schema: 'yaml-1.1' } as const;

/** For `kubectl apply -f -`; of what is secret only a remark. */
export function yamlOf(manifests: readonly Manifest[], remarks: readonly string[]): string {
  const shown = manifests.filter(({ kind }) => kind !== 'Secret').map(({ object }) => stringify(wireOf(object), yamlForm));
  return [remarks.map((remark) => `# ${remark}\n`).join(''), shown.join('---\n')].join('');
}

/** As the API has it: the client's models write one word otherwise, which TypeScript keeps for itself. */
export function wireOf(object: object): object {
  const text = JSON.stringify(object, (_key, value: unknown) =>
    typeof value === 'object' && value !== null && '_default' in value
      ? Object.fromEntries(Object.entries(value).map(([key, item]) => [key === '_default' ? 'default' : key, item]))
      : value,
  );
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made from an object
  return JSON.parse(text) as object;
}

type User = NonNullable<ClusterFile['users']>[number];

function subjectOf(user: User) {
  if ('serviceAccount' in user) return { kind: 'ServiceAccount', name: user.serviceAccount };
  const [kind, name] = 'user' in user ? ['User', user.user] : ['Group', user.group];
  return { kind, apiGroup: 'rbac.authorization.k8s.io', name };
}

interface Inside {
  readonly name: string;
  readonly namespace: string;
  readonly labels: Labels;
}

function quotaOf({ quota }: ClusterFile, metadata: Inside): readonly Manifest[] {
  const gpus = typeof quota?.gpus === 'number' ? { 'nvidia.com/gpu': quota.gpus } : (quota?.gpus ?? {});
  const hard = {
    ...said('requests.cpu', quota?.cpu),
    ...said('requests.memory', quota?.memory),
    ...Object.assign({}, ...Object.entries(gpus).map(([resource, most]) => said(`requests.${resource}`, String(most)))),
    ...said('pods', quota?.pods === undefined ? undefined : String(quota.pods)),
    ...said('requests.storage', quota?.storage),
  };
  if (Object.keys(hard).length === 0) return [];
  const object = { apiVersion: 'v1', kind: 'ResourceQuota', metadata, spec: { hard } };
  return [{ kind: 'ResourceQuota', name: metadata.name, object }];
}

function limitsOf({ trial, quota }: ClusterFile, metadata: Inside): readonly Manifest[] {
  // With a quota, a container that names no amounts would be refused.
  const usual = { ...(quota?.cpu === undefined ? {} : { cpu: '1' }), ...(quota?.memory === undefined ? {} : { memory: '2Gi' }) };
  const wanted = { ...usual, ...amountsOf(trial?.usual) };
  const most = amountsOf(trial?.most);
  if (Object.keys(wanted).length === 0 && Object.keys(most).length === 0) return [];
  const limit = {
    type: 'Container',
    ...(Object.keys(wanted).length === 0 ? {} : { defaultRequest: wanted }),
    ...('memory' in wanted ? { _default: { memory: wanted.memory } } : {}),
    ...(Object.keys(most).length === 0 ? {} : { max: most }),
  };
  return [
    {
      kind: 'LimitRange',
      name: metadata.name,
      object: { apiVersion: 'v1', kind: 'LimitRange', metadata, spec: { limits: [limit] } },
    },
  ];
}

type Amounts = NonNullable<NonNullable<ClusterFile['trial']>['usual']>;

function amountsOf(amounts: Amounts | undefined): { readonly cpu?: string; readonly memory?: string } {
  return { ...said('cpu', amounts?.cpu), ...said('memory', amounts?.memory) };
}

function said<K extends string>(key: K, value: string | undefined): { readonly [key in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [key in K]: string }); // a computed key has no type of its own
}

/** Nobody reaches a pod of ours; what a pod reaches depends on what the script asks for (`@hpo.resources network=yes`). */
const policies: readonly { readonly name: string; readonly spec: NonNullable<V1NetworkPolicy['spec']> }[] = [
  {
    name: 'hpo-no-network',
    spec: { podSelector: { matchLabels: { [networkLabel]: 'no' } }, policyTypes: ['Ingress', 'Egress'] },
  },
  {
    name: 'hpo-network',
    spec: {
      podSelector: { matchLabels: { [networkLabel]: 'yes' } },
      policyTypes: ['Ingress', 'Egress'],
      egress: [
        {
          to: [
            { ipBlock: { cidr: '0.0.0.0/0', except: [metadataServers.v4] } },
            { ipBlock: { cidr: '::/0', except: [metadataServers.v6] } },
            // Some networks count no pod, and so no name server, to any block of addresses.
            { namespaceSelector: {} },
          ],
        },
      ],
    },
  },
];

function queueOf({ queue, namespace }: ClusterFile, labels: Labels): readonly Manifest[] {
  if (queue === undefined) return [];
  const { name, clusterQueue } = queue;
  return [
    {
      kind: 'LocalQueue',
      name,
      object: {
        apiVersion: 'kueue.x-k8s.io/v1beta1',
        kind: 'LocalQueue',
        metadata: { name, namespace, labels: { ...labels } },
        spec: { clusterQueue },
      } as Objects['LocalQueue'] & { readonly apiVersion: string }, // it has a kind, of which the seam needs nothing
    },
  ];
}

/** What Pod Security `restricted` asks of a container. */
export const restrictedContainer: NonNullable<V1Container['securityContext']> = {
  allowPrivilegeEscalation: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  runAsUser: 65_534,
  capabilities: { drop: ['ALL'] },
  seccompProfile: { type: 'RuntimeDefault' },
};
