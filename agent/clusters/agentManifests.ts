import type { V1StatefulSet } from '@kubernetes/client-node';
import type { Labels } from '../cluster/cluster.ts';
import { type Manifest, restrictedContainer } from './manifests.ts';
import { permissions, queuePermissions, rulesOf } from './permissions.ts';

/** How an agent in the cluster is made. */
export interface AgentInstall {
  /** Of the StatefulSet and all beside it; `hpo-agent` where one is enough. */
  readonly name: string;
  readonly namespace: string;
  /** Who made it, see `ownLabels`. */
  readonly labels: Labels;
  /** An image with Node. */
  readonly image: string;
  /** ConfigMaps that have our programs, in order. */
  readonly programObjects: readonly string[];
  /** Changes with the programs: a new one restarts the pod. */
  readonly programHash: string;
  readonly pullSecrets: readonly string[];
  /** Of the volume, such as `2Gi`. */
  readonly size: string;
  /** Null: the cluster's own. */
  readonly storageClass: string | null;
  readonly withQueue: boolean;
}

export const usualAgentName = 'hpo-agent';
export const agentContainer = 'agent';
/** On its pod; the value is its name. */
export const agentLabel = 'hpo.agent';
const programDir = '/opt/hpo';
/** Not the volume itself, whose folder is its driver's: a home is its owner's alone. */
const homeDir = '/data/home';
const objectsDir = '/opt/hpo-objects';

/** The one pod of the StatefulSet. */
export function agentPod(name: string): string {
  return `${name}-0`;
}

/** Where the volume claim of that pod is made by the StatefulSet. */
export function agentClaim(name: string): string {
  return `data-${name}-0`;
}

export const bridgeCommand: readonly string[] = ['node', `${programDir}/cli.cjs`, 'bridge'];

/** Puts the parts together and unpacks them beside each other; then the agent is started in its place. */
export const unpackProgram = [
  `const fs = require('node:fs'), zlib = require('node:zlib');`,
  `const parts = fs.readdirSync('${objectsDir}').filter((name) => /^\\d+$/.test(name)).sort((a, b) => a - b);`,
  `const bytes = zlib.brotliDecompressSync(Buffer.concat(parts.map((part) => fs.readFileSync('${objectsDir}/' + part + '/part'))));`,
  `for (let at = 0; at < bytes.length; ) {`,
  `  const end = bytes.indexOf(10, at), head = JSON.parse(bytes.subarray(at, end).toString());`,
  `  fs.writeFileSync('${programDir}/' + head.name, bytes.subarray(end + 1, end + 1 + head.bytes));`,
  `  at = end + 1 + head.bytes;`,
  `}`,
].join('\n');

/**
 * One StatefulSet of one pod with a volume, so that never two agents have one home; no Service, no ingress, no port. The agent's own pod is
 * the one pod of ours with a token: its Role has what the executor needs, and nothing else.
 */
export function agentManifests(install: AgentInstall): readonly Manifest[] {
  const { name, namespace, labels, withQueue } = install;
  const metadata = { name, namespace, labels };
  const rbac = { apiVersion: 'rbac.authorization.k8s.io/v1' };
  return [
    {
      kind: 'ServiceAccount',
      name,
      object: { apiVersion: 'v1', kind: 'ServiceAccount', metadata, automountServiceAccountToken: false },
    },
    {
      kind: 'Role',
      name,
      object: { ...rbac, kind: 'Role', metadata, rules: rulesOf([...permissions, ...(withQueue ? queuePermissions : [])]) },
    },
    {
      kind: 'RoleBinding',
      name,
      object: {
        ...rbac,
        kind: 'RoleBinding',
        metadata,
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name },
        subjects: [{ kind: 'ServiceAccount', name, namespace }],
      },
    },
    { kind: 'StatefulSet', name, object: { apiVersion: 'apps/v1', kind: 'StatefulSet', metadata, spec: statefulSet(install) } },
  ];
}

function statefulSet(install: AgentInstall): NonNullable<V1StatefulSet['spec']> {
  const { name, image, labels, programHash, programObjects, pullSecrets, size, storageClass } = install;
  const selected = { [agentLabel]: name };
  const program = { name: 'program', mountPath: programDir };
  const resources = { requests: { cpu: '100m', memory: '256Mi' }, limits: { memory: '1Gi' } };
  return {
    replicas: 1,
    serviceName: name,
    selector: { matchLabels: selected },
    template: {
      metadata: { labels: { ...labels, ...selected }, annotations: { 'hpo/program': programHash } },
      spec: {
        serviceAccountName: name,
        automountServiceAccountToken: true,
        enableServiceLinks: false,
        terminationGracePeriodSeconds: 30,
        securityContext: {
          runAsNonRoot: true,
          runAsUser: 65_534,
          runAsGroup: 65_534,
          fsGroup: 65_534,
          seccompProfile: { type: 'RuntimeDefault' },
        },
        ...(pullSecrets.length === 0 ? {} : { imagePullSecrets: pullSecrets.map((secret) => ({ name: secret })) }),
        initContainers: [
          {
            name: 'unpack',
            image,
            command: ['node', '-e', unpackProgram],
            securityContext: restrictedContainer,
            resources,
            volumeMounts: [
              program,
              ...programObjects.map((_, i) => ({ name: `part-${i}`, mountPath: `${objectsDir}/${i}`, readOnly: true })),
            ],
          },
        ],
        containers: [
          {
            name: agentContainer,
            image,
            command: ['node', '--max-semi-space-size=4', `${programDir}/agent.cjs`, '--home', homeDir, '--idle-minutes', 'never'],
            env: [
              { name: 'HPO_HOME', value: homeDir },
              { name: 'HPO_CACHE', value: '/tmp/cache' },
              { name: 'HOME', value: '/tmp' },
              // Its socket is as private as its disk, and not on a volume that may be a network's.
              { name: 'XDG_RUNTIME_DIR', value: '/tmp/run' },
              { name: 'HPO_AGENT_CLUSTER', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
            ],
            securityContext: restrictedContainer,
            resources,
            volumeMounts: [
              { ...program, readOnly: true },
              { name: 'data', mountPath: '/data' },
              { name: 'tmp', mountPath: '/tmp' },
            ],
          },
        ],
        volumes: [
          { name: 'tmp', emptyDir: {} },
          { name: 'program', emptyDir: {} },
          ...programObjects.map((object, i) => ({ name: `part-${i}`, configMap: { name: object } })),
        ],
      },
    },
    volumeClaimTemplates: [
      {
        metadata: { name: 'data', labels },
        spec: {
          accessModes: ['ReadWriteOnce'],
          resources: { requests: { storage: size } },
          ...(storageClass === null ? {} : { storageClassName: storageClass }),
        },
      },
    ],
    // Its data outlives it: only --delete-data removes the claim.
    persistentVolumeClaimRetentionPolicy: { whenDeleted: 'Retain', whenScaled: 'Retain' },
  };
}
