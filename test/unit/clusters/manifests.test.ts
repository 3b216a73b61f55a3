import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { readClusterFile } from '../../../agent/clusters/clusterFile.ts';
import { planCluster, profileOf } from '../../../agent/clusters/createCluster.ts';
import { manifestsOf, pullSecret, wireOf, yamlOf } from '../../../agent/clusters/manifests.ts';
import { permissions, queuePermissions, resourceName, rulesOf } from '../../../agent/clusters/permissions.ts';

const made = (text: string) => manifestsOf(readClusterFile(`name: lab\n${text}`, 'cluster.yml'), 'm4rk');
const content = (text: string, kind: string, name = 'hpo') =>
  made(text)
    .filter((manifest) => manifest.kind === kind && manifest.name === name)
    .map(({ object }) => wireOf(object));

it.each<[string, number | undefined]>([
  ['', undefined],
  ['trial: {usual: {cpu: 500m}}', 0.5],
  ['trial: {usual: {cpu: 4}, most: {cpu: 2}}', 2],
  ['trial: {most: {cpu: 500m}}', 0.5],
  ['trial: {most: {cpu: 8}, usual: {memory: 1Gi}}', undefined],
  ['trial: {usual: {cpu: 0}}', undefined],
])('processors of a trial that does not say: %s', (text, usual) => {
  const file = readClusterFile(`name: lab\n${text}`, 'cluster.yml');
  const place = { kubeconfig: ['/k'], context: 'lab', confirmedCommands: [], made: null };
  expect(profileOf(file, planCluster(file, 'm4rk', null), place).usualCpus).toBe(usual);
});

it.each<[string, readonly string[]]>([
  ['', ['Namespace', 'ServiceAccount', 'Role', 'RoleBinding', 'NetworkPolicy', 'NetworkPolicy']],
  [
    'quota: {cpu: 4}\nqueue: {clusterQueue: team}',
    [
      'Namespace',
      'ServiceAccount',
      'Role',
      'RoleBinding',
      'ResourceQuota',
      'LimitRange',
      'NetworkPolicy',
      'NetworkPolicy',
      'LocalQueue',
    ],
  ],
])('%s', (text, kinds) => {
  const manifests = made(text);
  expect(manifests.map(({ kind }) => kind)).toEqual(kinds);
  for (const { kind, name, object } of manifests) {
    expect(wireOf(object)).toMatchObject({ kind, metadata: { name, labels: { 'hpo.cluster': 'lab', 'hpo.made-by': 'm4rk' } } });
    if (kind !== 'Namespace') expect(object.metadata?.namespace).toBe('hpo');
  }
});

it.each<[string, string, string, object]>([
  ['', 'Namespace', 'hpo', { metadata: { labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } }],
  ['', 'ServiceAccount', 'hpo', { automountServiceAccountToken: false }],
  [
    'users: [{group: data}, {user: ada}, {serviceAccount: ci}]',
    'RoleBinding',
    'hpo',
    {
      roleRef: { kind: 'Role', name: 'hpo' },
      subjects: [
        { kind: 'ServiceAccount', name: 'hpo', namespace: 'hpo' },
        { kind: 'Group', name: 'data', apiGroup: 'rbac.authorization.k8s.io' },
        { kind: 'User', name: 'ada', apiGroup: 'rbac.authorization.k8s.io' },
        { kind: 'ServiceAccount', name: 'ci' },
      ],
    },
  ],
  [
    'quota: {cpu: 4, memory: 8Gi, gpus: 2, pods: 10, storage: 1Ti}',
    'ResourceQuota',
    'hpo',
    {
      spec: {
        hard: {
          'requests.cpu': '4',
          'requests.memory': '8Gi',
          'requests.nvidia.com/gpu': '2',
          pods: '10',
          'requests.storage': '1Ti',
        },
      },
    },
  ],
  ['quota: {gpus: {amd.com/gpu: 3}}', 'ResourceQuota', 'hpo', { spec: { hard: { 'requests.amd.com/gpu': '3' } } }],
  // Else a pod that names no amounts would be refused for want of them.
  ['quota: {cpu: 4}', 'LimitRange', 'hpo', { spec: { limits: [{ type: 'Container', defaultRequest: { cpu: '1' } }] } }],
  [
    'trial: {usual: {cpu: 2, memory: 4Gi}, most: {memory: 8Gi}}',
    'LimitRange',
    'hpo',
    {
      spec: {
        limits: [
          {
            type: 'Container',
            defaultRequest: { cpu: '2', memory: '4Gi' },
            default: { memory: '4Gi' },
            max: { memory: '8Gi' },
          },
        ],
      },
    },
  ],
  [
    '',
    'NetworkPolicy',
    'hpo-no-network',
    { spec: { podSelector: { matchLabels: { 'hpo.network': 'no' } }, policyTypes: ['Ingress', 'Egress'] } },
  ],
  ['queue: {clusterQueue: team}', 'LocalQueue', 'hpo', { spec: { clusterQueue: 'team' } }],
])('%s: %s %s', (text, kind, name, expected) => {
  expect(content(text, kind, name)).toMatchObject([expected]);
});

it('denies a pod without network everything, and one with it the server that hands out the rights of its node', () => {
  const [none] = content('', 'NetworkPolicy', 'hpo-no-network');
  expect(none).not.toHaveProperty('spec.egress');
  expect(none).not.toHaveProperty('spec.ingress');
  const [some] = content('', 'NetworkPolicy', 'hpo-network');
  expect(some).not.toHaveProperty('spec.ingress');
  expect(JSON.stringify(some)).toContain('"cidr":"0.0.0.0/0","except":["169.254.169.254/32"]');
});

describe('the Role', () => {
  const verbsOf = (text: string): string[] => {
    const [role] = made(text).flatMap((manifest) => (manifest.kind === 'Role' ? [manifest.object] : []));
    return (role?.rules ?? []).flatMap(({ apiGroups, resources, verbs }) =>
      verbs.map((verb) => `${verb} ${apiGroups?.join() ?? ''}/${resources?.join() ?? ''}`),
    );
  };
  const table = (rows: typeof permissions): string[] => rows.map((row) => `${row.verb} ${row.group}/${resourceName(row)}`);

  it('is the table of permissions and nothing else', () => {
    expect(verbsOf('').toSorted()).toEqual(table(permissions).toSorted());
    expect(verbsOf('queue: {clusterQueue: t}').toSorted()).toEqual(table([...permissions, ...queuePermissions]).toSorted());
  });

  it('has no wildcard, no rights on rights, and reads no secret', () => {
    const rules = rulesOf([...permissions, ...queuePermissions]);
    const words = rules.flatMap(({ apiGroups, resources, verbs }) => [...(apiGroups ?? []), ...(resources ?? []), ...verbs]);
    expect(words).not.toContain('*');
    expect(words).not.toContain('impersonate');
    expect(words.filter((word) => /role|serviceaccount|escalate|bind/.test(word))).toEqual([]);
    const secrets = permissions.filter(({ resource }) => resource === 'secrets').map(({ verb }) => verb);
    expect(secrets.filter((verb) => ['get', 'list', 'watch'].includes(verb))).toEqual([]);
  });

  it('names each permission once, with what it is for', () => {
    const rows = [...permissions, ...queuePermissions];
    expect(new Set(table(rows)).size).toBe(rows.length);
    for (const { purpose } of rows) expect(purpose).toMatch(/^[a-z].+[^.]$/);
  });
});

it('prints all but the login to the registry', () => {
  const file = readClusterFile('name: lab', 'cluster.yml');
  const secret = pullSecret(file, 'm4rk', { host: 'ghcr.io', username: 'ada', secret: 'p4ss' });
  const { auths } = JSON.parse(
    Buffer.from((secret.object as { data: Record<string, string> }).data['.dockerconfigjson'] ?? '', 'base64').toString(),
  ) as { auths: Record<string, unknown> }; // as it was just made
  expect(auths).toEqual({ 'ghcr.io': { username: 'ada', password: 'p4ss', auth: Buffer.from('ada:p4ss').toString('base64') } });
  const manifests = [...manifestsOf(file, 'm4rk'), secret];
  const text = yamlOf(manifests, ['a remark']);
  expect(text).not.toMatch(/Secret|p4ss|YWRhOnA0c3M/);
  expect(text).toMatch(/^# a remark\napiVersion/);
  // As kubectl reads it: the older YAML, in which a bare `no` is false.
  const read = parseAllDocuments(text, { schema: 'yaml-1.1' }).map((document) => document.toJS() as unknown);
  expect(read).toEqual(manifests.slice(0, -1).map(({ object }) => wireOf(object)));
});

it('the page of clusters has the whole table of rights', () => {
  const page = readFileSync(new URL('../../../media/kubernetes.md', import.meta.url), 'utf8');
  const [, , ...rows] = page.slice(page.indexOf('| Verb | Resource |')).split('\n\n')[0]?.split('\n') ?? [];
  const rowOf = (permission: (typeof permissions)[number], place: string): string =>
    `| \`${permission.verb}\` | \`${resourceName(permission)}\`${place} | ${permission.purpose}${permission.since === undefined ? '' : ` (${permission.since})`} |`;
  expect(rows).toEqual([
    ...permissions.map((row) => rowOf(row, '')),
    ...queuePermissions.map((row) => rowOf(row, ', with a queue')),
  ]);
});
