import type {
  V1EnvVar,
  V1Job,
  V1JobSpec,
  V1OwnerReference,
  V1PodSpec,
  V1Toleration,
  V1Volume,
  V1VolumeMount,
} from '@kubernetes/client-node';
import type { Labels } from '../../cluster/cluster.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { ClusterSettings, ContainerSettings, Pool } from '../../protocol/study.ts';
import { checkpointPlace } from '../attempt/checkpointPlace.ts';
import { containerEnvironment } from '../attempt/containerEnvironment.ts';
import type { AttemptStart } from '../executor.ts';
import { keepsCheckpoint, objectStore } from './checkpointStore.ts';
import { checkpointMounts } from './checkpointVolume.ts';
import type { InputObjects } from './inputObjects.ts';
import { literal } from './literal.ts';
import { inputs, podPlaces } from './places.ts';
import { ownVolume, readTemplate } from './podTemplate.ts';
import { storeSeconds } from './storeProgram.ts';

export interface JobParts {
  readonly name: string;
  readonly attempt: AttemptStart;
  readonly container: ContainerSettings;
  readonly cluster: ClusterSettings;
  readonly labels: Labels;
  readonly annotations: Labels;
  readonly owner: V1OwnerReference;
  readonly inputs: readonly InputObjects[];
  /** Value of HPO_ATTEMPT_KEY, by which its processes are found. */
  readonly mark: string;
  /** Names of the secrets that the agent has, and the Secret of the cluster in which they are. */
  readonly secrets: { readonly names: readonly string[]; readonly secret: string };
}

/** Name of the one container. */
export const containerName = 'trial';

const second = 1_000;
/** Beyond the attempt's own deadline, which its shim keeps: what the cluster takes to begin it, and to end it. */
const podSlackSeconds = 3_600;
/** A Job waits in queues too. */
const jobSlackSeconds = 7 * 24 * 3_600;
const longestSeconds = 30 * 24 * 3_600;
/** An agent that is away so long does not find the end of an attempt any more. */
const keptSeconds = 7 * 24 * 3_600;
/** Beyond the grace, so that its end is recorded before the node kills all of it. */
const recordSeconds = 2;
/** Longest wait of a pod for who reads its output. */
const patienceSeconds = 600;
const nobody = 65_532;
const gib = 1024 ** 3;
/** On the disk of a node, besides what is printed: the copy of the code, and what a trial writes. */
const workBytes = 20 * gib;

/** The Job of an attempt. What the user's template says is taken where it does not touch what makes an attempt one. */
export function jobManifest(parts: JobParts): V1Job {
  const { attempt, cluster, labels } = parts;
  const template = readTemplate(cluster.podTemplate);
  const queued = queueing(cluster);
  const store = objectStore(cluster);
  const grace = Math.ceil(attempt.graceMs / second) + recordSeconds + (store === null ? 0 : storeSeconds);
  const deadline = attempt.timeoutMs === null ? longestSeconds : Math.ceil(attempt.timeoutMs / second) + grace;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: {
      name: parts.name,
      labels: { ...labels, ...queued.labels },
      annotations: { ...parts.annotations },
      ownerReferences: [parts.owner],
    },
    spec: {
      parallelism: 1,
      completions: 1,
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: {
        rules: [{ action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }],
      },
      activeDeadlineSeconds: Math.min(longestSeconds, deadline + jobSlackSeconds),
      ttlSecondsAfterFinished: keptSeconds,
      ...queued.spec,
      template: {
        metadata: {
          labels: { ...template.labels, ...labels, 'hpo.network': parts.container.network || store !== null ? 'yes' : 'no' },
          annotations: { ...template.annotations, ...parts.annotations },
        },
        spec: podSpec(parts, template, grace, Math.min(longestSeconds, deadline + podSlackSeconds)),
      },
    },
  };
}

function podSpec(parts: JobParts, template: ReturnType<typeof readTemplate>, grace: number, deadline: number): V1PodSpec {
  const { attempt, container, cluster } = parts;
  const pool = poolOf(cluster, attempt.pool);
  const { volumes, mounts } = volumesOf(parts);
  return {
    ...placement(cluster, pool, template),
    restartPolicy: 'Never',
    activeDeadlineSeconds: deadline,
    terminationGracePeriodSeconds: grace,
    automountServiceAccountToken: false,
    enableServiceLinks: false,
    hostNetwork: false,
    hostPID: false,
    hostIPC: false,
    shareProcessNamespace: false,
    securityContext: podSecurity(template.security),
    volumes: [...template.volumes, ...volumes],
    ...storeContainer(parts),
    containers: [
      {
        name: containerName,
        image: container.image.name,
        imagePullPolicy: 'IfNotPresent',
        command: ['/bin/sh', `${podPlaces.input}/${inputs.program}`],
        args: programArgs(parts).map(literal),
        workingDir: podPlaces.work,
        env: [...(template.container.env ?? []), ...environmentOf(parts)],
        resources: resourcesOf(parts, pool, template.container.resources ?? {}),
        volumeMounts: [...(template.container.volumeMounts ?? []), ...mounts],
        terminationMessagePath: '/dev/termination-log',
        terminationMessagePolicy: 'File',
        securityContext: containerSecurity,
      },
    ],
  };
}

/** To which nodes a pod of the study goes, and before which others. */
export function placement(cluster: ClusterSettings, pool: Pool, template: ReturnType<typeof readTemplate>): Partial<V1PodSpec> {
  const pullSecrets = cluster.pullSecrets.map((name) => ({ name }));
  return {
    ...template.spec,
    nodeSelector: { ...template.spec.nodeSelector, ...pool.nodeSelector },
    tolerations: [...(template.spec.tolerations ?? []), ...pool.tolerations.map(tolerationOf)],
    ...(cluster.priorityClass === null ? {} : { priorityClassName: cluster.priorityClass }),
    ...affinityOf(pool, template.spec.affinity),
    imagePullSecrets: [...(template.spec.imagePullSecrets ?? []), ...pullSecrets],
  };
}

/** Where the Job waits for its turn. The queue unsuspends it. */
export function queueing({ queue }: ClusterSettings): { readonly labels: Labels; readonly spec: Pick<V1JobSpec, 'suspend'> } {
  return queue === null ? { labels: {}, spec: {} } : { labels: { 'kueue.x-k8s.io/queue-name': queue }, spec: { suspend: true } };
}

/** As Pod Security `restricted` wants it, whatever else is said. */
export function podSecurity(asked: ReturnType<typeof readTemplate>['security']): NonNullable<V1PodSpec['securityContext']> {
  return {
    fsGroup: nobody,
    fsGroupChangePolicy: 'OnRootMismatch',
    runAsUser: nobody,
    runAsGroup: nobody,
    ...asked,
    runAsNonRoot: true,
    seccompProfile: { type: 'RuntimeDefault' },
  };
}

export const containerSecurity: NonNullable<V1PodSpec['containers'][number]['securityContext']> = {
  allowPrivilegeEscalation: false,
  capabilities: { drop: ['ALL'] },
  privileged: false,
  readOnlyRootFilesystem: true,
  runAsNonRoot: true,
  seccompProfile: { type: 'RuntimeDefault' },
};

/** The pool of that name, or the first one. */
export function poolOf({ pools }: ClusterSettings, name: string | null): Pool {
  const pool = name === null ? pools[0] : pools.find((one) => one.name === name);
  if (pool !== undefined) return pool;
  throw new HpoError('HPO-2481', `the study has no pool of nodes called ${name}`, 'start the study again');
}

function programArgs({ attempt, cluster, mark }: JobParts): readonly string[] {
  const { timeoutMs, graceMs, outputBytes, checkpointDir, checkpointFrom, metricFiles, command } = attempt;
  return [
    timeoutMs === null ? '0' : String(Math.max(1, timeoutMs) / second),
    String(graceMs / second),
    String(patienceSeconds),
    mark,
    String(outputBytes),
    checkpointDir === null ? '' : checkpointPlace(checkpointDir),
    checkpointFrom === null || objectStore(cluster) !== null ? '' : podPlaces.fork,
    String(metricFiles.length),
    ...metricFiles,
    ...command,
  ];
}

function environmentOf({ attempt, secrets }: JobParts): readonly V1EnvVar[] {
  const { usual, own } = containerEnvironment(attempt);
  const plain = (variables: Readonly<Record<string, string>>): V1EnvVar[] =>
    Object.entries(variables).map(([name, value]) => ({ name, value: literal(value) }));
  const taken = new Set(Object.keys(own));
  return [
    ...plain(usual),
    ...secrets.names
      .filter((name) => !taken.has(name))
      .map((name) => ({ name, valueFrom: { secretKeyRef: { name: secrets.secret, key: name } } })),
    ...plain(own),
    { name: 'HPO_POD', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.uid' } } },
  ];
}

function resourcesOf(
  { attempt, container, cluster }: JobParts,
  pool: Pool,
  asked: NonNullable<V1PodSpec['containers'][number]['resources']>,
): NonNullable<V1PodSpec['containers'][number]['resources']> {
  const { request, limit } = cluster.cpus ?? { request: attempt.cpus, limit: attempt.cpus };
  const same: Record<string, string> = {};
  if (container.memoryBytes !== null) same['memory'] = String(container.memoryBytes);
  if (pool.gpus > 0) same[pool.gpuResource] = String(pool.gpus);
  // What it prints is there twice, in its file and in the log.
  const disk = 4 * attempt.outputBytes + workBytes;
  return {
    requests: { 'ephemeral-storage': '64Mi', ...asked.requests, ...same, cpu: coresOf(request) },
    limits: { 'ephemeral-storage': String(disk), ...asked.limits, ...same, ...(limit === null ? {} : { cpu: coresOf(limit) }) },
  };
}

/** `1500m` */
function coresOf(cpus: number): string {
  return `${Math.max(1, Math.round(cpus * 1000))}m`;
}

function tolerationOf({ key, value, effect }: Pool['tolerations'][number]): V1Toleration {
  return {
    ...(key === null ? {} : { key }),
    ...(value === null ? { operator: 'Exists' } : { operator: 'Equal', value }),
    ...(effect === null ? {} : { effect }),
  };
}

function affinityOf(pool: Pool, affinity: V1PodSpec['affinity']): Pick<V1PodSpec, 'affinity'> {
  const prefers = pool.prefers ?? [];
  if (prefers.length === 0) return affinity === undefined ? {} : { affinity };
  const preferred = prefers.map(({ label, value }) => ({
    weight: 100,
    preference: { matchExpressions: [{ key: label, operator: 'In', values: [value] }] },
  }));
  const { nodeAffinity, podAffinity, podAntiAffinity } = affinity ?? {};
  const required = nodeAffinity?.requiredDuringSchedulingIgnoredDuringExecution;
  const others = nodeAffinity?.preferredDuringSchedulingIgnoredDuringExecution ?? [];
  return {
    affinity: {
      ...(podAffinity === undefined ? {} : { podAffinity }),
      ...(podAntiAffinity === undefined ? {} : { podAntiAffinity }),
      nodeAffinity: {
        ...(required === undefined ? {} : { requiredDuringSchedulingIgnoredDuringExecution: required }),
        preferredDuringSchedulingIgnoredDuringExecution: [...others, ...preferred],
      },
    },
  };
}

function volumesOf(parts: JobParts): { readonly volumes: V1Volume[]; readonly mounts: V1VolumeMount[] } {
  const { container, cluster, attempt } = parts;
  const volumes: V1Volume[] = [];
  const mounts: V1VolumeMount[] = [];
  const add = (name: string, source: Omit<V1Volume, 'name'>, mountPath: string, readOnly = false): void => {
    volumes.push({ name: `${ownVolume}${name}`, ...source });
    mounts.push({ name: `${ownVolume}${name}`, mountPath, ...(readOnly ? { readOnly } : {}) });
  };
  const temporary = container.tmpBytes === undefined ? {} : { sizeLimit: String(container.tmpBytes) };
  add('input', { projected: { sources: parts.inputs.flatMap(({ sources }) => [...sources]) } }, podPlaces.input, true);
  add('attempt', { emptyDir: {} }, podPlaces.attempt);
  add('work', { emptyDir: {} }, podPlaces.work);
  add('tmp', { emptyDir: temporary }, podPlaces.temporary);
  add('home', { emptyDir: temporary }, podPlaces.home);
  add('shm', { emptyDir: { medium: 'Memory', sizeLimit: String(container.shmBytes) } }, podPlaces.sharedMemory);
  const claims = new Map<string, string>();
  const mountClaim = (claim: string, mount: Omit<V1VolumeMount, 'name'>): void => {
    const name = claims.get(claim) ?? `${ownVolume}claim-${claims.size}`;
    if (!claims.has(claim)) volumes.push({ name, persistentVolumeClaim: { claimName: claim } });
    claims.set(claim, name);
    mounts.push({ name, ...mount });
  };
  for (const { claim, path, target, readOnly } of cluster.volumes)
    mountClaim(claim, { mountPath: target, ...(path === '' ? {} : { subPath: path }), ...(readOnly ? { readOnly } : {}) });
  const kept = checkpointMounts(cluster, attempt);
  if (kept === null) add('checkpoint', { emptyDir: {} }, podPlaces.checkpoint);
  else for (const { claim, ...mount } of kept) mountClaim(claim, mount);
  const store = objectStore(cluster);
  if (store !== null) {
    add(storeVolume, { emptyDir: {} }, podPlaces.store);
    volumes.push({ name: ownVolume + archiveVolume, emptyDir: {} });
  } else if (kept === null && attempt.checkpointFrom !== null) add('fork', { emptyDir: {} }, podPlaces.fork, true);
  return { volumes, mounts };
}

const storeVolume = 'store';
const archiveVolume = 'archive';

/** It begins before the program, and the node ends it after that. */
function storeContainer({ attempt, container, cluster }: JobParts): Pick<V1PodSpec, 'initContainers'> {
  const store = objectStore(cluster);
  if (store === null) return {};
  return {
    initContainers: [
      {
        name: 'store',
        ...keepsCheckpoint(store, cluster, attempt, container.image.name),
        restartPolicy: 'Always',
        imagePullPolicy: 'IfNotPresent',
        resources: {
          requests: { cpu: '10m', memory: '64Mi', 'ephemeral-storage': '64Mi' },
          limits: { cpu: '1', memory: '256Mi', 'ephemeral-storage': String(workBytes) },
        },
        volumeMounts: [
          { name: `${ownVolume}checkpoint`, mountPath: podPlaces.checkpoint },
          { name: ownVolume + storeVolume, mountPath: podPlaces.store },
          { name: ownVolume + archiveVolume, mountPath: podPlaces.temporary },
        ],
        securityContext: containerSecurity,
      },
    ],
  };
}
