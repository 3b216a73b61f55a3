import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import type { WaitReason } from '../protocol/study.ts';
import type { Workload } from './cluster.ts';

/** Reasons by which a kubelet says that an image cannot be had. */
const imageReasons = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
]);
/** What every container goes through. */
const ordinary = new Set(['ContainerCreating', 'PodInitializing', '']);

/** Why something has not begun. */
export interface Waiting {
  readonly reason: WaitReason;
  /** Only a change of the image, of what was asked for or of the cluster mends it. */
  readonly isFault: boolean;
}

/**
 * Why a Job's program does not run yet, from what the cluster says of its Job, its pod, its place in a queue, and the events of the Job:
 * a quota that is full is told in those alone. Null where nothing is in its way.
 */
export function whyWaits(
  job: V1Job | null,
  pod: V1Pod | null,
  told: { readonly workload?: Workload | null; readonly events?: readonly CoreV1Event[] } = {},
): Waiting | null {
  if (job?.spec?.suspend === true) {
    const queue = job.metadata?.labels?.['kueue.x-k8s.io/queue-name'];
    const said = told.workload?.status?.conditions?.find(
      ({ type, status }) => (type === 'QuotaReserved' || type === 'Admitted') && status === 'False',
    )?.message;
    const place = queue === undefined ? 'its Job is suspended' : `it waits in the queue ${queue}`;
    return waiting('queued', said === undefined || said === '' ? place : `${place}: ${said}`);
  }
  if (pod !== null) return whyPodWaits(pod);
  const refusal = told.events?.filter(({ reason }) => reason === 'FailedCreate').at(-1);
  if (refusal === undefined) return null;
  const message = refusal.message ?? 'its pod cannot be made';
  const isQuota = /exceeded quota|forbidden.*quota/i.test(message);
  return { reason: { kind: isQuota ? 'queued' : 'starting', message }, isFault: !isQuota };
}

/** Of a pod that is there. Null where it is about to get a node, or runs. */
export function whyPodWaits({ spec, status }: V1Pod): Waiting | null {
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    const kind = scheduled.reason === 'SchedulingGated' ? 'queued' : 'unschedulable';
    return waiting(kind, scheduled.message ?? 'no node has room for it');
  }
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  for (const { state, image } of all) {
    const { reason = '', message = reason } = state?.waiting ?? {};
    if (ordinary.has(reason)) continue;
    return imageReasons.has(reason)
      ? { reason: { kind: 'image', message: `the image ${image} cannot be pulled: ${message}` }, isFault: true }
      : { reason: { kind: 'starting', message: message === reason ? reason : `${reason}: ${message}` }, isFault: true };
  }
  return scheduled?.status === 'True' && status?.phase === 'Pending'
    ? waiting('starting', `the node ${spec?.nodeName ?? ''} prepares it`)
    : null;
}

function waiting(kind: WaitReason['kind'], message: string): Waiting {
  return { reason: { kind, message }, isFault: false };
}
