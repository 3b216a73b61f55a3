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
/** Events of a pod that say no more than its state does. */
const toldElsewhere = new Set(['FailedScheduling', 'BackOff', 'Failed', 'Preempted', 'Evicted', 'TaintManagerEviction']);
/** Warnings of a node that prepares the pod all the same. */
const asides = new Set(['MissingClusterDNS', 'DNSConfigForming', 'CheckLimitsForResolvConf', 'FailedToRetrieveImagePullSecret']);
/** What a node says of a pod for which it cannot make a place; it tries again, and may have what it lacks by then. */
const nodeReasons = new Set(['FailedCreatePodSandBox', 'FailedCreatePodContainer', 'NetworkNotReady']);
/** What every container goes through. */
const ordinary = new Set(['ContainerCreating', 'PodInitializing', '']);

/** Why something has not begun. */
export interface Waiting {
  readonly reason: WaitReason;
  /** Only a change of the image, of what was asked for or of the cluster mends it. */
  readonly isFault: boolean;
}

/**
 * Why a Job's program does not run yet, from what the cluster says of its Job, its pod, its place in a queue, and the warnings among the
 * events of Job and pod, which may be mixed with those of others: a quota that is full, and a volume that cannot be mounted, are told in
 * those alone. Null where nothing is in its way.
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
  if (pod !== null) return whyPodWaits(pod, told.events);
  const refusal = lastOf(
    told.events?.filter(({ reason, involvedObject }) => reason === 'FailedCreate' && isOf(involvedObject, job?.metadata)),
  );
  if (refusal === undefined) return null;
  // Each pod that is tried has another name: without it the words stay the same, and are those of others that wait for the same.
  const message = (refusal.message ?? 'its pod cannot be made').replace(/^Error creating: pods "[^"]*" is forbidden: /, '');
  const isQuota = /exceeded quota/i.test(message);
  return { reason: { kind: isQuota ? 'queued' : 'starting', message: message + whatToSet(message) }, isFault: !isQuota };
}

/** What a quota wants to be said, or the bounds of a namespace want to be changed; nothing frees that. */
function whatToSet(message: string): string {
  const [, unsaid] = /must specify ([\w.,/ -]+)/.exec(message) ?? [];
  if (unsaid === undefined && !/(?:minimum|maximum) \S+ (?:usage|limit|to request)/.test(message)) return '';
  const what = unsaid === undefined ? 'as much as it allows' : unsaid.trim().replace(/ for$/, '');
  return `. Say ${what}: memory by # @hpo.resources memory=, all else by resources of the container in the pod template; or ask who runs the cluster for another LimitRange of the namespace`;
}

/** Of a pod that is there. Null where it is about to get a node, or runs. */
export function whyPodWaits({ metadata, spec, status }: V1Pod, events: readonly CoreV1Event[] = []): Waiting | null {
  const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
  if (scheduled?.status === 'False') {
    if (scheduled.reason === 'SchedulingGated') return waiting('queued', scheduled.message ?? 'it is held back');
    return notScheduled(withoutAside(scheduled.message ?? 'no node has room for it'));
  }
  const all = [...(status?.initContainerStatuses ?? []), ...(status?.containerStatuses ?? [])];
  for (const { state, image } of all) {
    const { reason = '', message = reason } = state?.waiting ?? {};
    if (ordinary.has(reason)) continue;
    return imageReasons.has(reason)
      ? { reason: { kind: 'image', message: `the image ${image} cannot be pulled: ${message}` }, isFault: true }
      : { reason: { kind: 'starting', message: message === reason ? reason : `${reason}: ${message}` }, isFault: true };
  }
  if (scheduled?.status !== 'True' || status?.phase !== 'Pending') return null;
  const node = `the node ${spec?.nodeName ?? ''}`;
  const own = events.filter(
    ({ type, reason, involvedObject }) =>
      type === 'Warning' && !toldElsewhere.has(reason ?? '') && !asides.has(reason ?? '') && isOf(involvedObject, metadata),
  );
  // Beside what it lacks a node says every now and then that it waits for it.
  const trouble = lastOf(own.filter(isFaultOfNode)) ?? lastOf(own);
  if (trouble === undefined) return waiting('starting', `${node} prepares it`);
  const { reason = '', message = reason } = trouble;
  return {
    reason: { kind: 'starting', message: `${node} cannot prepare it (${reason}): ${message}` },
    isFault: isFaultOfNode(trouble),
  };
}

/** A large volume may take its time; what is not there at all somebody has to make. */
function isFaultOfNode({ reason = '', message = '' }: CoreV1Event): boolean {
  return nodeReasons.has(reason) || /not found|not registered|does ?n[o']t exist|no such file/i.test(message);
}

/** A volume that is missing is nothing that more room would mend. */
function notScheduled(message: string): Waiting {
  const [, claim] = /persistentvolumeclaim "([^"]+)" not found/.exec(message) ?? [];
  if (claim !== undefined)
    return {
      reason: { kind: 'starting', message: `its namespace has no volume claim (PersistentVolumeClaim) ${claim}` },
      isFault: true,
    };
  return /PersistentVolumeClaim|volume/i.test(message) && !/Insufficient/.test(message)
    ? waiting('starting', `its volume cannot be had yet: ${message}`)
    : waiting('unschedulable', message);
}

/** What the scheduler adds of its own attempts to make room. */
function withoutAside(message: string): string {
  return message.replace(/\.? (?:no new claims to deallocate, )?preemption: .*$/s, '.');
}

function isOf(involved: CoreV1Event['involvedObject'], object: { readonly uid?: string } | undefined): boolean {
  return object?.uid === undefined || involved.uid === undefined || involved.uid === object.uid;
}

/** The latest; those without a time in the order in which they came. */
function lastOf(events: readonly CoreV1Event[] = []): CoreV1Event | undefined {
  const time = ({ lastTimestamp, eventTime, series }: CoreV1Event): number =>
    Number(new Date(lastTimestamp ?? series?.lastObservedTime ?? eventTime ?? 0));
  return events.toSorted((a, b) => time(a) - time(b)).at(-1);
}

function waiting(kind: WaitReason['kind'], message: string): Waiting {
  return { reason: { kind, message }, isFault: false };
}
