import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import { type PodEnd, podEnd } from '../../../../agent/executors/kubernetes/podEnd.ts';

const terminated = (more: object): object => ({
  containerStatuses: [
    { name: 'trial', ready: false, restartCount: 0, image: '', imageID: '', state: { terminated: { exitCode: 137, ...more } } },
  ],
});
const pod = (status: object, metadata: object = {}): V1Pod => ({
  metadata: { name: 'p', ...metadata },
  spec: { nodeName: 'n1', containers: [] },
  status: { phase: 'Failed', ...status },
});
const disrupted = (reason: string): V1Pod =>
  pod({ conditions: [{ type: 'DisruptionTarget', status: 'True', reason }], ...terminated({ reason: 'Error' }) });
const job = (reason: string, more: object = {}): V1Job => ({
  spec: { template: {}, ...more },
  status: { conditions: [{ type: 'Failed', status: 'True', reason, message: 'as its pod has DisruptionTarget' }] },
});
const running: V1Job = { spec: { template: {} }, status: {} };

const cases: { name: string; job: V1Job | null; pod: V1Pod | null; end: Partial<PodEnd> }[] = [
  { name: 'runs', job: running, pod: pod({ phase: 'Running' }), end: { isOver: false, disruption: null } },
  { name: 'has no pod yet', job: running, pod: null, end: { isOver: false } },
  { name: 'has neither Job nor pod', job: null, pod: null, end: { isOver: true, disruption: 'its Job was removed' } },
  {
    name: 'lost its pod, as its Job knows',
    job: job('PodFailurePolicy'),
    pod: null,
    end: { isOver: true, disruption: 'as its pod has DisruptionTarget' },
  },
  {
    name: 'was evicted',
    job: running,
    pod: disrupted('EvictionByEvictionAPI'),
    end: { isOver: true, disruption: expect.stringContaining('evicted') as string },
  },
  {
    name: 'gave way',
    job: running,
    pod: disrupted('PreemptionByScheduler'),
    end: { disruption: expect.stringContaining('higher priority') as string },
  },
  {
    name: 'lost its node',
    job: running,
    pod: disrupted('DeletionByTaintManager'),
    end: { disruption: expect.stringContaining('node') as string },
  },
  {
    name: 'went with its node',
    job: running,
    pod: pod({ reason: 'NodeShutdown' }),
    end: { disruption: 'its node was shut down (node n1)' },
  },
  {
    name: 'took more of the disk than it may',
    job: running,
    pod: pod({ reason: 'Evicted', message: 'Pod ephemeral local storage usage exceeds the total limit of containers 21Gi. ' }),
    end: {
      disruption: null,
      fault: null,
      brokenLimit: expect.stringMatching(/^it needed more than 21Gi of its node's disk\. .*ephemeral-storage/) as string,
    },
  },
  {
    name: 'filled a folder of its own',
    job: running,
    pod: pod({ reason: 'Evicted', message: 'Usage of EmptyDir volume "hpo-tmp" exceeds the limit "1Gi". ' }),
    end: { disruption: null, brokenLimit: expect.stringMatching(/^it wrote more than 1Gi into \/tmp\. .*tmp=4GB/) as string },
  },
  {
    name: 'filled a volume of the user’s template',
    job: running,
    pod: pod({ reason: 'Evicted', message: 'Usage of EmptyDir volume "cache" exceeds the limit "64Mi". ' }),
    end: {
      disruption: null,
      brokenLimit: 'it wrote more than 64Mi into the volume cache of the pod template. Raise its sizeLimit there',
    },
  },
  {
    name: 'took more of the disk than its container may',
    job: running,
    pod: pod({ reason: 'Evicted', message: 'Container trial exceeded its local ephemeral storage limit "100Mi". ' }),
    end: { disruption: null, brokenLimit: expect.stringContaining('more than 100Mi') as string },
  },
  {
    name: 'was on a node without room',
    job: running,
    pod: pod({
      reason: 'Evicted',
      message:
        'The node was low on resource: ephemeral-storage. Threshold quantity: 10Gi, available: 9Gi. Container trial was using 5Gi, request is 64Mi, has larger consumption of ephemeral-storage. ',
    }),
    end: { disruption: 'its node ran short of something (node n1)', brokenLimit: null },
  },
  {
    name: 'was on a node without memory, which says so in the pod, too',
    job: running,
    pod: pod({
      reason: 'Evicted',
      message:
        'The node was low on resource: memory. Container trial was using 2Gi, request is 1Gi, has larger consumption of memory. ',
      conditions: [{ type: 'DisruptionTarget', status: 'True', reason: 'TerminationByKubelet' }],
    }),
    end: { disruption: expect.stringContaining('ran short') as string, brokenLimit: null },
  },
  {
    name: 'made place for another',
    job: running,
    pod: disrupted('PreemptionByScheduler'),
    end: { disruption: expect.stringContaining('higher priority') as string, brokenLimit: null },
  },
  {
    name: 'ran out of memory',
    job: running,
    pod: pod(terminated({ reason: 'OOMKilled' })),
    end: { isOutOfMemory: true, disruption: null },
  },
  {
    name: 'ran past the cluster’s deadline',
    job: job('DeadlineExceeded'),
    pod: null,
    end: { isTimeout: true, disruption: null },
  },
  {
    name: 'was deleted',
    job: running,
    pod: pod({}, { deletionTimestamp: new Date(0) }),
    end: { isOver: true, disruption: 'its pod was deleted' },
  },
  {
    name: 'lost its place in a queue',
    job: { spec: { template: {}, suspend: true }, status: {} },
    pod: null,
    end: { isOver: false, disruption: 'its queue gave its place to others' },
  },
  {
    name: 'has no program that begins',
    job: running,
    pod: pod(terminated({ reason: 'StartError', message: 'no /bin/sh', exitCode: 128 })),
    end: { fault: 'no /bin/sh', exitCode: 128 },
  },
  {
    name: 'told its end',
    job: running,
    pod: pod({
      phase: 'Running',
      ...terminated({ message: '{"out":3,"metrics":0,"kills":0,"shim":0,"exit":{"code":0}}\n14\n{"loss":"ö"}\nend\nof it' }),
    }),
    end: {
      isOver: true,
      message: {
        end: { out: 3, metrics: 0, kills: 0, shim: 0, exit: { code: 0 } },
        fault: null,
        tail: 'end\nof it',
        reported: '{"loss":"ö"}\n',
      },
    },
  },
];

describe('what the cluster says of an attempt that', () => {
  it.each(cases)('$name', ({ job: itsJob, pod: itsPod, end }) => {
    expect(podEnd(itsJob, itsPod, false)).toMatchObject(end);
  });

  it.each(cases)('$name, as we asked for: nobody else did it', ({ job: itsJob, pod: itsPod }) => {
    expect(podEnd(itsJob, itsPod, true).disruption).toBeNull();
  });
});
