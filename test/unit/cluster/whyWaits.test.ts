import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import type { Workload } from '../../../agent/cluster/cluster.ts';
import { whyWaits } from '../../../agent/cluster/whyWaits.ts';
import type { WaitReason } from '../../../agent/protocol/study.ts';

const job = (spec: object = {}, labels: Record<string, string> = {}): V1Job => ({
  metadata: { name: 'hpo-a', labels },
  spec: { template: {}, ...spec },
});
const pod = (spec: object, status: object): V1Pod => ({ spec: { containers: [], ...spec }, status });
const container = (waiting: object) => ({
  name: 'trial',
  image: 'r/i:1',
  imageID: '',
  ready: false,
  restartCount: 0,
  state: { waiting },
});
const event = (message: string): CoreV1Event => ({
  metadata: {},
  involvedObject: {},
  reason: 'FailedCreate',
  message,
});
/** Of the pod, by its node; a larger `at` is later. */
const warning = (reason: string, message: string, at = 0, uid = 'p'): CoreV1Event => ({
  metadata: {},
  involvedObject: { kind: 'Pod', uid },
  type: 'Warning',
  reason,
  message,
  lastTimestamp: new Date(at),
});
const unscheduled = (message: string): V1Pod =>
  pod({}, { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'Unschedulable', message }] });
const prepared: V1Pod = {
  metadata: { uid: 'p' },
  spec: { containers: [], nodeName: 'n' },
  status: {
    phase: 'Pending',
    conditions: [{ type: 'PodScheduled', status: 'True' }],
    containerStatuses: [container({ reason: 'ContainerCreating' })],
  },
};
const workload: Workload = {
  status: { conditions: [{ type: 'QuotaReserved', status: 'False', reason: 'Pending', message: 'insufficient quota for cpu' }] },
};
const queued = { 'kueue.x-k8s.io/queue-name': 'team' };

it.each<
  [string, V1Job, V1Pod | null, Workload | null, readonly CoreV1Event[], (WaitReason & { readonly isFault: boolean }) | null]
>([
  ['no pod yet', job(), null, null, [], null],
  [
    'a full quota',
    job(),
    null,
    null,
    [event('an earlier one'), event('Error creating: pods "x-7k2" is forbidden: exceeded quota: hpo, requested: cpu=1')],
    { kind: 'queued', message: 'exceeded quota: hpo, requested: cpu=1', isFault: false },
  ],
  [
    'a quota of what its pod does not say, which nothing frees',
    job(),
    null,
    null,
    [event('pods "x" is forbidden: failed quota: hpo: must specify limits.memory for: trial')],
    {
      kind: 'starting',
      message: expect.stringMatching(/for: trial\. Say limits\.memory: .*@hpo\.resources memory=/) as string,
      isFault: true,
    },
  ],
  [
    'bounds of its namespace',
    job(),
    null,
    null,
    [event('pods "x" is forbidden: maximum cpu usage per Container is 1, but limit is 2')],
    { kind: 'starting', message: expect.stringContaining('Say as much as it allows') as string, isFault: true },
  ],
  [
    'refused',
    job(),
    null,
    null,
    [event('violates PodSecurity "restricted"')],
    { kind: 'starting', message: 'violates PodSecurity "restricted"', isFault: true },
  ],
  [
    'a queue',
    job({ suspend: true }, queued),
    null,
    workload,
    [],
    { kind: 'queued', message: 'it waits in the queue team: insufficient quota for cpu', isFault: false },
  ],
  [
    'a queue that says nothing, and took its place away',
    job({ suspend: true }, queued),
    pod({ nodeName: 'n' }, { phase: 'Running' }),
    null,
    [],
    { kind: 'queued', message: 'it waits in the queue team', isFault: false },
  ],
  ['suspended', job({ suspend: true }), null, null, [], { kind: 'queued', message: 'its Job is suspended', isFault: false }],
  [
    'no node',
    job(),
    pod({}, { conditions: [{ type: 'PodScheduled', status: 'False', message: '0/1 nodes are available: 1 Insufficient cpu.' }] }),
    null,
    [],
    { kind: 'unschedulable', message: '0/1 nodes are available: 1 Insufficient cpu.', isFault: false },
  ],
  [
    'held back',
    job(),
    pod({}, { conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated', message: 'gated by kueue' }] }),
    null,
    [],
    { kind: 'queued', message: 'gated by kueue', isFault: false },
  ],
  [
    'no image',
    job(),
    pod({ nodeName: 'n' }, { containerStatuses: [container({ reason: 'ImagePullBackOff', message: 'Back-off pulling' })] }),
    null,
    [],
    { kind: 'image', message: 'the image r/i:1 cannot be pulled: Back-off pulling', isFault: true },
  ],
  [
    'a secret that is not there',
    job(),
    pod(
      { nodeName: 'n' },
      { containerStatuses: [container({ reason: 'CreateContainerConfigError', message: 'secret "s" not found' })] },
    ),
    null,
    [],
    { kind: 'starting', message: 'CreateContainerConfigError: secret "s" not found', isFault: true },
  ],
  [
    'on its way',
    job(),
    pod(
      { nodeName: 'n' },
      {
        phase: 'Pending',
        conditions: [{ type: 'PodScheduled', status: 'True' }],
        containerStatuses: [container({ reason: 'ContainerCreating' })],
      },
    ),
    null,
    [],
    { kind: 'starting', message: 'the node n prepares it', isFault: false },
  ],
  ['about to get a node', job(), pod({}, { phase: 'Pending' }), null, [], null],
  [
    'a full node, without what the scheduler tried',
    job(),
    unscheduled(
      '0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.',
    ),
    null,
    [],
    { kind: 'unschedulable', message: '0/1 nodes are available: 1 Insufficient cpu.', isFault: false },
  ],
  [
    'a volume claim that is not there',
    job(),
    unscheduled(
      '0/1 nodes are available: persistentvolumeclaim "data" not found. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.',
    ),
    null,
    [],
    {
      kind: 'starting',
      message: 'its namespace has no volume claim (PersistentVolumeClaim) data',
      isFault: true,
    },
  ],
  [
    'a volume claim that is not bound',
    job(),
    unscheduled('0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.'),
    null,
    [],
    {
      kind: 'starting',
      message: 'its volume cannot be had yet: 0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims.',
      isFault: false,
    },
  ],
  [
    'a secret that cannot be mounted, told before and after what others say',
    job(),
    prepared,
    null,
    [
      warning('FailedMount', 'MountVolume.SetUp failed for volume "k" : secret "k" not found', 2),
      warning('FailedCreatePodSandBox', 'an earlier one', 1),
      warning('FailedMount', 'Unable to attach or mount volumes: timed out waiting for the condition', 3),
      warning('FailedMount', 'of another pod', 3, 'q'),
      warning('BackOff', 'Back-off pulling image', 4),
    ],
    {
      kind: 'starting',
      message: 'the node n cannot prepare it (FailedMount): MountVolume.SetUp failed for volume "k" : secret "k" not found',
      isFault: true,
    },
  ],
  ...(
    [
      [
        'MissingClusterDNS',
        'pod: "x". kubelet does not have ClusterDNS IP configured and cannot create Pod using "ClusterFirst" policy.',
      ],
      ['DNSConfigForming', 'Nameserver limits were exceeded, some nameservers have been omitted'],
      ['FailedToRetrieveImagePullSecret', 'Unable to retrieve some image pull secrets (registry); the secret was not found'],
    ] as const
  ).map(
    ([reason, message]) =>
      [
        `${reason}, with which it is prepared all the same`,
        job(),
        prepared,
        null,
        [warning(reason, message)],
        { kind: 'starting', message: 'the node n prepares it', isFault: false },
      ] as [string, V1Job, V1Pod, null, readonly CoreV1Event[], WaitReason & { readonly isFault: boolean }],
  ),
  ...(
    [
      ['FailedMount', 'Unable to attach or mount volumes: timed out waiting for the condition', false],
      ['FailedAttachVolume', 'Multi-Attach error for volume "pvc-1": it is used by pods on another node', false],
      ['FailedCreatePodSandBox', 'Failed to create pod sandbox: plugin type="bridge" failed (add)', true],
      ['NetworkNotReady', 'network is not ready: cni plugin not initialized', true],
    ] as const
  ).map(
    ([reason, message, isFault]) =>
      [
        reason,
        job(),
        prepared,
        null,
        [warning(reason, message)],
        { kind: 'starting', message: `the node n cannot prepare it (${reason}): ${message}`, isFault },
      ] as [string, V1Job, V1Pod, null, readonly CoreV1Event[], WaitReason & { readonly isFault: boolean }],
  ),
])('%s', (_what, asked, itsPod, place, events, expected) => {
  const waiting = whyWaits(asked, itsPod, { workload: place, events });
  expect(waiting === null ? null : { ...waiting.reason, isFault: waiting.isFault }).toEqual(expected);
});
