import type { V1Job, V1Pod } from '@kubernetes/client-node';
import type { CoreV1Event } from '@kubernetes/client-node';
import type { Workload } from '../../cluster/cluster.ts';
import type { WaitReason } from '../../protocol/study.ts';
import { containerName } from './jobManifest.ts';

/** Why an attempt has not begun, and how long that is waited for, in ms. */
export interface Waiting {
  readonly reason: WaitReason;
  readonly patienceMs: number;
}

const minute = 60_000;
/** What only a change of the image, the study or the cluster mends: longer than a registry is away for. */
const faultPatienceMs = 10 * minute;
/** Room comes when others have ended, or with new nodes. */
const roomPatienceMs = 24 * 60 * minute;

const imageReasons = new Set([
  'ErrImagePull',
  'ImagePullBackOff',
  'ErrImageNeverPull',
  'InvalidImageName',
  'ImageInspectError',
  'RegistryUnavailable',
]);
const faultReasons = new Set([
  'CreateContainerConfigError',
  'CreateContainerError',
  'RunContainerError',
  'CreatePodSandboxError',
]);

/** Of what the cluster said last: its Job, its pod, and what is told of either. Null where it is about to begin. */
export function whyItWaits(
  job: V1Job | null,
  pod: V1Pod | null,
  told: { readonly workload?: Workload | null; readonly events?: readonly CoreV1Event[] } = {},
): Waiting | null {
  if (job?.spec?.suspend === true) {
    const condition = told.workload?.status?.conditions?.find(
      ({ type, status }) => type === 'QuotaReserved' && status === 'False',
    );
    const message = condition?.message ?? 'the queue has not let it in yet';
    return { reason: { kind: 'queued', message }, patienceMs: Infinity };
  }
  if (pod === null) {
    const failed = told.events?.filter(({ reason }) => reason === 'FailedCreate').at(-1);
    if (failed === undefined) return null;
    const isQuota = /exceeded quota|forbidden.*quota/i.test(failed.message ?? '');
    return {
      reason: { kind: isQuota ? 'queued' : 'starting', message: failed.message ?? 'its pod cannot be made' },
      patienceMs: isQuota ? roomPatienceMs : faultPatienceMs,
    };
  }
  const { conditions, containerStatuses, initContainerStatuses } = pod.status ?? {};
  const scheduled = conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    const message = scheduled.message ?? 'no node has room for it';
    return {
      reason: { kind: scheduled.reason === 'SchedulingGated' ? 'queued' : 'unschedulable', message },
      patienceMs: roomPatienceMs,
    };
  }
  const statuses = [...(initContainerStatuses ?? []), ...(containerStatuses?.filter(({ name }) => name === containerName) ?? [])];
  for (const { state } of statuses) {
    const { reason = '', message } = state?.waiting ?? {};
    if (imageReasons.has(reason)) return { reason: { kind: 'image', message: message ?? reason }, patienceMs: faultPatienceMs };
    if (faultReasons.has(reason))
      return { reason: { kind: 'starting', message: `${reason}: ${message ?? ''}` }, patienceMs: faultPatienceMs };
  }
  if (scheduled?.status !== 'True') return null;
  return {
    reason: { kind: 'starting', message: `the node ${pod.spec?.nodeName ?? ''} prepares it` },
    patienceMs: roomPatienceMs,
  };
}
