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
const event = (message: string, name = 'hpo-a'): CoreV1Event => ({
  metadata: {},
  involvedObject: { name },
  reason: 'FailedCreate',
  message,
});
const workload: Workload = {
  status: { conditions: [{ type: 'QuotaReserved', status: 'False', reason: 'Pending', message: 'insufficient quota for cpu' }] },
};
const queued = { 'kueue.x-k8s.io/queue-name': 'team' };

it.each<[string, V1Job, V1Pod | null, Workload | null, readonly CoreV1Event[], WaitReason]>([
  ['no pod yet', job(), null, null, [], { kind: 'starting', message: 'its pod is about to be made' }],
  [
    'a full quota',
    job(),
    null,
    null,
    [event('other', 'hpo-b'), event('pods "x" is forbidden: exceeded quota: hpo, requested: cpu=1')],
    { kind: 'queued', message: 'pods "x" is forbidden: exceeded quota: hpo, requested: cpu=1' },
  ],
  [
    'refused',
    job(),
    null,
    null,
    [event('violates PodSecurity "restricted"')],
    { kind: 'unschedulable', message: 'violates PodSecurity "restricted"' },
  ],
  [
    'a queue',
    job({ suspend: true }, queued),
    null,
    workload,
    [],
    { kind: 'queued', message: 'it waits in the queue team: insufficient quota for cpu' },
  ],
  [
    'a queue that says nothing',
    job({ suspend: true }, queued),
    null,
    null,
    [],
    { kind: 'queued', message: 'it waits in the queue team' },
  ],
  ['suspended', job({ suspend: true }), null, null, [], { kind: 'queued', message: 'it is suspended' }],
  [
    'no node',
    job(),
    pod({}, { conditions: [{ type: 'PodScheduled', status: 'False', message: '0/1 nodes are available: 1 Insufficient cpu.' }] }),
    null,
    [],
    { kind: 'unschedulable', message: '0/1 nodes are available: 1 Insufficient cpu.' },
  ],
  [
    'no image',
    job(),
    pod({ nodeName: 'n' }, { containerStatuses: [container({ reason: 'ImagePullBackOff', message: 'Back-off pulling' })] }),
    null,
    [],
    { kind: 'image', message: 'the image r/i:1 cannot be pulled: Back-off pulling' },
  ],
  [
    'a volume that is not there',
    job(),
    pod(
      { nodeName: 'n' },
      { containerStatuses: [container({ reason: 'CreateContainerConfigError', message: 'secret "s" not found' })] },
    ),
    null,
    [],
    { kind: 'starting', message: 'CreateContainerConfigError: secret "s" not found' },
  ],
  [
    'on its way',
    job(),
    pod({ nodeName: 'n' }, { containerStatuses: [container({ reason: 'ContainerCreating' })] }),
    null,
    [],
    { kind: 'starting', message: 'its pod starts on n' },
  ],
  [
    'gated',
    job(),
    pod({ schedulingGates: [{ name: 'kueue.x-k8s.io/admission' }] }, {}),
    null,
    [],
    { kind: 'queued', message: 'its pod is held back by kueue.x-k8s.io/admission' },
  ],
])('%s', (_what, asked, itsPod, place, events, expected) => {
  expect(whyWaits(asked, itsPod, place, events)).toEqual(expected);
});
