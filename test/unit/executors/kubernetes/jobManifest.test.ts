import { describe, expect, it } from 'vitest';
import { type JobParts, jobManifest } from '../../../../agent/executors/kubernetes/jobManifest.ts';
import { attemptOfJob, jobName, studyAnnotation, studyName } from '../../../../agent/executors/kubernetes/names.ts';

const parts: JobParts = {
  name: 'hpo-home-study-t0-a1',
  attempt: {
    key: { studyId: 'study', trial: 0, attempt: 1 },
    snapshot: 'code',
    command: ['python3', 'train.py', '$(HOME) $$x'],
    environment: { HPO_PARAMS: '{"a":"$(id)"}', TOKEN: 'own' },
    files: [],
    checkpointDir: null,
    checkpointFrom: null,
    timeoutMs: 90_500,
    graceMs: 10_000,
    outputBytes: 1_000,
    metricFiles: ['a b.csv'],
    pool: 'gpu',
    cpus: 1.5,
  },
  container: {
    image: { name: 'registry/x@sha256:1', id: 'sha256:1', recipe: null },
    mounts: [],
    network: false,
    memoryBytes: 1024,
    shmBytes: 64,
    pids: 10,
    gpus: 0,
    secrets: ['TOKEN', 'OTHER'],
  },
  cluster: {
    context: 'c',
    namespace: 'n',
    home: 'home',
    codeIn: 'objects',
    pullSecrets: ['pull'],
    queue: null,
    priorityClass: 'low',
    volumes: [
      { claim: 'data', path: 'sets', target: '/data', readOnly: true },
      { claim: 'data', path: '', target: '/all', readOnly: false },
    ],
    checkpoints: null,
    pools: [
      { name: 'cpu', when: null, slots: null, gpus: 0, gpuResource: 'nvidia.com/gpu', nodeSelector: {}, tolerations: [] },
      {
        name: 'gpu',
        when: null,
        slots: null,
        gpus: 2,
        gpuResource: 'amd.com/gpu',
        nodeSelector: { kind: 'fast' },
        tolerations: [{ key: 'spot', value: null, effect: 'NoSchedule' }],
      },
    ],
    podTemplate: null,
    followsCapacity: false,
  },
  labels: { 'hpo.home': 'home' },
  annotations: { [studyAnnotation]: 'study' },
  owner: { apiVersion: 'v1', kind: 'ConfigMap', name: 'hpo-home-study', uid: 'u' },
  inputs: [],
  mark: 'mark',
  secrets: { names: ['TOKEN', 'OTHER'], secret: 'hpo-home-study' },
};

const hostile = JSON.stringify({
  metadata: { labels: { 'hpo.home': 'another', team: 'a' }, annotations: { 'hpo/study': 'another' } },
  spec: {
    hostNetwork: true,
    hostPID: true,
    hostIPC: true,
    shareProcessNamespace: true,
    automountServiceAccountToken: true,
    serviceAccountName: 'admin',
    restartPolicy: 'Always',
    activeDeadlineSeconds: 1,
    terminationGracePeriodSeconds: 0,
    nodeName: 'elsewhere',
    nodeSelector: { kind: 'slow', zone: 'a' },
    priorityClassName: 'system-node-critical',
    securityContext: { runAsUser: 0, runAsNonRoot: false, fsGroup: 5, sysctls: [{ name: 'kernel.msgmax', value: '1' }] },
    initContainers: [{ name: 'first', image: 'x', securityContext: { privileged: true } }],
    volumes: [
      { name: 'root', hostPath: { path: '/' } },
      { name: 'token', projected: { sources: [{ serviceAccountToken: { path: 't' } }] } },
      { name: 'hpo-work', emptyDir: {} },
      { name: 'cache', emptyDir: {} },
    ],
    containers: [
      {
        name: 'trial',
        image: 'mine',
        command: ['sh'],
        env: [{ name: 'HPO_TRIAL', value: '99' }],
        securityContext: { privileged: true, capabilities: { add: ['SYS_ADMIN'] }, readOnlyRootFilesystem: false },
        resources: { limits: { cpu: '64', 'example.com/fpga': '1' } },
        volumeMounts: [
          { name: 'cache', mountPath: '/cache' },
          { name: 'cache', mountPath: '/hpo/in' },
        ],
        lifecycle: { preStop: { exec: { command: ['sleep', '9999'] } } },
      },
      { name: 'beside', image: 'y' },
    ],
  },
});

const podOf = (more: Partial<JobParts['cluster']> = {}) =>
  jobManifest({ ...parts, cluster: { ...parts.cluster, ...more } }).spec?.template.spec;

describe.each([
  ['without a template', null],
  ['with a hostile template', hostile],
])('the Job of an attempt %s', (_name, podTemplate) => {
  const job = jobManifest({ ...parts, cluster: { ...parts.cluster, podTemplate } });
  const pod = job.spec?.template.spec;
  const [container] = pod?.containers ?? [];

  it('runs once, and ends by itself', () => {
    expect(job.spec).toMatchObject({
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: { rules: [{ action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }] },
      ttlSecondsAfterFinished: 604_800,
      activeDeadlineSeconds: 103 + 604_800,
    });
    expect(pod).toMatchObject({ restartPolicy: 'Never', activeDeadlineSeconds: 103 + 3_600, terminationGracePeriodSeconds: 12 });
    expect(job.metadata?.ownerReferences).toEqual([parts.owner]);
  });

  it('has no more rights than Pod Security restricted gives', () => {
    expect(pod).toMatchObject({
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      hostNetwork: false,
      hostPID: false,
      hostIPC: false,
      shareProcessNamespace: false,
      securityContext: { runAsUser: 65_532, runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    expect(pod?.securityContext?.sysctls).toBeUndefined();
    expect([pod?.serviceAccountName, pod?.nodeName, pod?.initContainers]).toEqual([undefined, undefined, undefined]);
    expect(pod?.containers).toHaveLength(1);
    expect(container?.securityContext).toEqual({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsNonRoot: true,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    expect(container?.lifecycle).toBeUndefined();
    expect(pod?.volumes?.flatMap((volume) => Object.keys(volume)).filter((key) => key === 'hostPath')).toEqual([]);
    expect(container?.volumeMounts?.filter(({ mountPath }) => mountPath === '/hpo/in')).toEqual([
      { name: 'hpo-input', mountPath: '/hpo/in', readOnly: true },
    ]);
  });

  it('is the attempt’s, with its values last and as they are', () => {
    expect(job.spec?.template.metadata?.labels).toMatchObject({ 'hpo.home': 'home', 'hpo.network': 'no' });
    expect(job.spec?.template.metadata?.annotations).toMatchObject({ [studyAnnotation]: 'study' });
    expect(container?.image).toBe('registry/x@sha256:1');
    expect(container?.command).toEqual(['/bin/sh', '/hpo/in/pod.sh']);
    expect(container?.args?.slice(-4)).toEqual(['a b.csv', 'python3', 'train.py', '$$(HOME) $$$$x']);
    const last = new Map(container?.env?.map((variable) => [variable.name, variable]));
    expect(last.get('HPO_TRIAL')?.value).toBe('0');
    expect(last.get('HPO_PARAMS')?.value).toBe('{"a":"$$(id)"}');
    expect(last.get('TOKEN')?.value).toBe('own');
    expect(last.get('OTHER')?.valueFrom?.secretKeyRef).toEqual({ name: 'hpo-home-study', key: 'OTHER' });
  });

  it('gets what its pool and its study say', () => {
    expect(container?.resources?.limits).toMatchObject({ cpu: '1500m', memory: '1024', 'amd.com/gpu': '2' });
    expect(container?.resources?.requests).toMatchObject({ cpu: '1500m', memory: '1024', 'amd.com/gpu': '2' });
    expect(pod?.nodeSelector).toMatchObject({ kind: 'fast' });
    expect(pod?.tolerations).toEqual([{ key: 'spot', operator: 'Exists', effect: 'NoSchedule' }]);
    expect(pod?.priorityClassName).toBe('low');
    expect(pod?.imagePullSecrets).toEqual([{ name: 'pull' }]);
  });
});

it('takes of a template what does not touch the attempt', () => {
  const pod = podOf({ podTemplate: hostile });
  expect(pod?.nodeSelector).toEqual({ kind: 'fast', zone: 'a' });
  expect(pod?.securityContext?.fsGroup).toBe(5);
  expect(pod?.volumes?.map(({ name }) => name)).toContain('cache');
  expect(pod?.containers[0]?.volumeMounts).toContainEqual({ name: 'cache', mountPath: '/cache' });
  expect(pod?.containers[0]?.resources?.limits).toMatchObject({ 'example.com/fpga': '1' });
});

it.each([
  [{ request: 0.25, limit: 4 }, '250m', '4000m'],
  [{ request: 2, limit: null }, '2000m', undefined],
])('asks for the processors of the study where it has some: %j', (cpus, request, limit) => {
  const resources = podOf({ cpus })?.containers[0]?.resources;
  expect([resources?.requests?.['cpu'], resources?.limits?.['cpu']]).toEqual([request, limit]);
});

it('mounts a claim once, in all of its places', () => {
  const pod = podOf();
  expect(pod?.volumes?.filter(({ persistentVolumeClaim }) => persistentVolumeClaim !== undefined)).toHaveLength(1);
  expect(pod?.containers[0]?.volumeMounts).toContainEqual({
    name: 'hpo-claim-0',
    mountPath: '/data',
    subPath: 'sets',
    readOnly: true,
  });
});

it('begins suspended in a queue, and not without one', () => {
  const queued = jobManifest({ ...parts, cluster: { ...parts.cluster, queue: 'team' } });
  expect(queued.spec?.suspend).toBe(true);
  expect(queued.metadata?.labels).toMatchObject({ 'kueue.x-k8s.io/queue-name': 'team' });
  expect(jobManifest(parts).spec?.suspend).toBeUndefined();
});

it.each([
  ['ckpt/', 'ckpt'],
  ['./a//b/../c', 'a/c'],
  ['..', null],
  ['/ckpt', null],
  ['.', null],
])('links the checkpoint folder %s at %s', (checkpointDir, at) => {
  const args = () =>
    jobManifest({ ...parts, attempt: { ...parts.attempt, checkpointDir } }).spec?.template.spec?.containers[0]?.args;
  if (at === null) expect(args).toThrow(/outside the project/);
  else expect(args()?.[5]).toBe(at);
});

it.each(['', 'x', '[]', 'null'])('refuses %j as a template', (podTemplate) => {
  expect(() => podOf({ podTemplate })).toThrow(/no PodTemplateSpec/);
});

describe('names on a cluster', () => {
  const dns = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
  it.each(['study', 'Study_1', 'a.b', 'x'.repeat(90), `${'x'.repeat(90)}y`, 'ends-'])(
    'are valid, their own, and lead back: %s',
    (studyId) => {
      const key = { studyId, trial: 12, attempt: 3 };
      const name = jobName('0123456789ab', key);
      expect(name).toMatch(dns);
      expect(studyName('0123456789ab', studyId)).toMatch(dns);
      const labels = { 'hpo.trial': '12', 'hpo.attempt': '3' };
      const named = (of: string) => ({ metadata: { name, labels, annotations: { [studyAnnotation]: of } } });
      expect(attemptOfJob('0123456789ab', named(studyId))).toEqual(key);
      expect(attemptOfJob('0123456789ab', named('another'))).toBeNull();
    },
  );

  it('of studies that differ differ', () => {
    const ids = ['study-1', 'Study-1', 'study_1', 'study.1', 'x'.repeat(90), 'x'.repeat(91)];
    expect(new Set(ids.map((id) => studyName('m', id))).size).toBe(ids.length);
  });
});

describe('checkpoints in an object store', () => {
  const checkpoints = {
    type: 's3',
    bucket: 'models',
    prefix: 'a',
    region: 'eu-west-1',
    endpoint: null,
    secret: 'keys',
    image: null,
  } as const;
  const attempt = { ...parts.attempt, checkpointDir: 'ckpt', checkpointFrom: 7 };
  const pod = jobManifest({ ...parts, attempt, cluster: { ...parts.cluster, checkpoints } }).spec?.template;
  const [store] = pod?.spec?.initContainers ?? [];
  const [trial] = pod?.spec?.containers ?? [];

  it('are brought and sent by a container beside the program, which alone has the keys', () => {
    expect(store).toMatchObject({ image: 'registry/x@sha256:1', restartPolicy: 'Always' });
    expect(store?.command?.slice(-7)).toEqual([
      'https://s3.eu-west-1.amazonaws.com',
      'eu-west-1',
      'models',
      'keep',
      'a/hpo-home/study/0/',
      'a/hpo-home/study/7/',
      '1',
    ]);
    expect(store?.env?.map(({ name, valueFrom }) => [name, valueFrom?.secretKeyRef?.name])).toEqual([
      ['AWS_ACCESS_KEY_ID', 'keys'],
      ['AWS_SECRET_ACCESS_KEY', 'keys'],
      ['AWS_SESSION_TOKEN', 'keys'],
    ]);
    expect(JSON.stringify(trial)).not.toContain('AWS');
  });

  it('take the network, and time beyond the grace', () => {
    expect(pod?.metadata?.labels?.['hpo.network']).toBe('yes');
    expect(pod?.spec?.terminationGracePeriodSeconds).toBe(42);
    expect(jobManifest(parts).spec?.template.spec?.terminationGracePeriodSeconds).toBe(12);
  });
});
