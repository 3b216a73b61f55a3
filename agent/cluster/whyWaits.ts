import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import type { WaitReason } from '../protocol/study.ts';
import type { Workload } from './cluster.ts';

/** Reasons by which a kubelet says that an image cannot be had. */
const imageReasons = new Set(['ErrImagePull', 'ImagePullBackOff', 'InvalidImageName', 'ErrImageNeverPull', 'ImageInspectError']);

/**
 * Why a Job's program does not run yet, from what the cluster says of its Job, its pod, its place in a queue, and the events of the Job:
 * a quota that is full is told in those alone.
 */
export function whyWaits(
  job: V1Job,
  pod: V1Pod | null,
  workload: Workload | null,
  events: readonly CoreV1Event[] = [],
): WaitReason {
  if (pod !== null) return whyPodWaits(pod);
  if (job.spec?.suspend === true) {
    const queue = job.metadata?.labels?.['kueue.x-k8s.io/queue-name'];
    const said = workload?.status?.conditions?.find(
      ({ type, status }) => (type === 'QuotaReserved' || type === 'Admitted') && status === 'False',
    )?.message;
    const place = queue === undefined ? 'it is suspended' : `it waits in the queue ${queue}`;
    return { kind: 'queued', message: said === undefined || said === '' ? place : `${place}: ${said}` };
  }
  const refusal = events
    .filter(({ reason, involvedObject }) => reason === 'FailedCreate' && involvedObject.name === job.metadata?.name)
    .at(-1)?.message;
  if (refusal !== undefined) return { kind: /exceeded quota/.test(refusal) ? 'queued' : 'unschedulable', message: refusal };
  return { kind: 'starting', message: 'its pod is about to be made' };
}

/** Of a pod that is there and whose program does not run. */
export function whyPodWaits({ spec, status }: V1Pod): WaitReason {
  const gate = spec?.schedulingGates?.[0]?.name;
  if (gate !== undefined) return { kind: 'queued', message: `its pod is held back by ${gate}` };
  const unscheduled = status?.conditions?.find((condition) => condition.type === 'PodScheduled' && condition.status === 'False');
  if (unscheduled !== undefined) {
    return { kind: 'unschedulable', message: unscheduled.message ?? unscheduled.reason ?? 'no node takes its pod' };
  }
  const blocked = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])]
    .map(({ state, image }) => ({ waiting: state?.waiting, image }))
    .find(({ waiting }) => waiting !== undefined && !ordinary.has(waiting.reason ?? ''));
  const { reason = '', message = '' } = blocked?.waiting ?? {};
  if (imageReasons.has(reason)) {
    return { kind: 'image', message: `the image ${blocked?.image ?? ''} cannot be pulled: ${message === '' ? reason : message}` };
  }
  if (reason !== '') return { kind: 'starting', message: message === '' ? reason : `${reason}: ${message}` };
  if (spec?.nodeName === undefined) return { kind: 'starting', message: 'its pod is about to get a node' };
  return { kind: 'starting', message: `its pod starts on ${spec.nodeName}` };
}

/** What every container goes through. */
const ordinary = new Set(['ContainerCreating', 'PodInitializing', '']);
