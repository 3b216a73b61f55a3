import type { Rng } from '../../../../agent/core/math/index.ts';
import type { Timeline } from '../timeline.ts';
import type { KubeObjects, ObjectStore } from './objectStore.ts';

type Job = KubeObjects['Job'];
type Pod = KubeObjects['Pod'];
type JobCondition = NonNullable<NonNullable<Job['status']>['conditions']>[number];

/** Pods of Jobs stay until their end has been counted. */
export const trackingFinalizer = 'batch.kubernetes.io/job-tracking';

export interface ControllerHost {
  readonly timeline: Timeline;
  readonly store: ObjectStore;
  readonly rng: Rng;
  /** False while the controllers cannot ask the API server, or are late. */
  readonly canWork: () => boolean;
}

const retryMs = 1_000;
/** A pod that has failed is replaced so much later. */
const backOffMs = 10_000;
/** A Job whose pod cannot be made is tried again so much later, and each time twice as long after that, up to the longest. */
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

/**
 * The Job controller, as far as Jobs with one pod go, which is made again while it has failed less often than the Job bears, here only
 * when the one before it has ended. Seen on a real one (1.34): a pod that somebody deletes is counted as failed when its kubelet has
 * ended it (`BackoffLimitExceeded`; with `DisruptionTarget`, as an eviction sets it, `PodFailurePolicy`), as succeeded where its program
 * ended with 0 all the same; its object goes in the same moment. At the deadline the pod is deleted and let go at once, and the Job
 * counts as failed when it is gone. A pause after a pod that could not be made is cut short by any change of the Job, and does not begin anew.
 */
export class JobController {
  readonly #host: ControllerHost;
  readonly #planned = new Map<string, { readonly at: number; readonly timer: Disposable }>();
  /** How often in a row a Job's pod could not be made. */
  readonly #refusals = new Map<string, number>();
  /** Jobs that get a second pod, as from a controller whose view is stale. */
  readonly #doubled = new Set<string>();

  constructor(host: ControllerHost) {
    this.#host = host;
    host.store.onChange(({ kind, object }) => {
      if (kind === 'Job') this.#plan(object.metadata?.name ?? '');
      if (kind === 'Pod') {
        const job = object.metadata?.labels?.['batch.kubernetes.io/job-name'];
        if (job !== undefined) this.#plan(job);
      }
    });
  }

  /** A second pod of the Job is made while the first one runs; one of both is deleted later. */
  startTwice(name: string): boolean {
    const { store } = this.#host;
    const job = store.get('Job', name);
    const running = this.#pods(name).filter((pod) => !isTerminal(pod) && pod.metadata?.deletionTimestamp === undefined);
    if (job === null || job.spec?.suspend === true || isFinished(job) || running.length !== 1) return false;
    this.#doubled.add(name);
    this.#createPod(job);
    this.#host.timeline.after(this.#tookMs(3_000), () => {
      this.#doubled.delete(name);
      this.#plan(name);
    });
    return true;
  }

  #plan(name: string, ms = this.#tookMs(40)): void {
    const { timeline } = this.#host;
    const at = timeline.now + ms;
    const planned = this.#planned.get(name);
    if (planned !== undefined && planned.at <= at) return;
    planned?.timer[Symbol.dispose]();
    const timer = timeline.after(ms, () => {
      this.#planned.delete(name);
      if (this.#host.canWork()) this.#sync(name);
      else this.#plan(name, retryMs);
    });
    this.#planned.set(name, { at, timer });
  }

  #sync(name: string): void {
    const { store } = this.#host;
    const job = store.get('Job', name);
    const pods = this.#pods(name);
    for (const pod of pods) if (!isOf(pod, job)) this.#letGo(pod);
    if (job === null) {
      this.#refusals.delete(name);
      return;
    }
    const own = pods.filter((pod) => isOf(pod, job));
    if (isFinished(job)) {
      for (const pod of own) this.#letGo(pod);
      return this.#expire(job);
    }
    if (job.spec?.suspend === true) return this.#suspend(job, own);
    const startTime = job.status?.startTime ?? store.now();
    if (job.status?.startTime === undefined) {
      this.#update(
        job,
        { startTime },
        conditionOf(job, 'Suspended')?.status === 'True' ? [['Suspended', 'False', 'JobResumed', 'Job resumed']] : [],
      );
      return;
    }
    const active = own.filter((pod) => !isTerminal(pod) && pod.metadata?.deletionTimestamp === undefined);
    const terminating = own.filter((pod) => !isTerminal(pod) && pod.metadata?.deletionTimestamp !== undefined);
    // One that the controller let go before it deleted it counts for nothing.
    const failed = own.find(
      ({ status, metadata }) => status?.phase === 'Failed' && metadata?.finalizers?.includes(trackingFinalizer),
    );
    const succeeded = own.find(({ status }) => status?.phase === 'Succeeded');
    const { status = {} } = job;
    const counts = {
      active: active.length,
      ready: active.filter(({ status: { phase } = {} }) => phase === 'Running').length,
      terminating: terminating.length,
    };
    const target = conditionOf(job, 'FailureTarget') ?? this.#failureTarget(job, failed);
    if (target === null && failed !== undefined) {
      this.#letGo(failed);
      this.#update(job, { ...counts, failed: (status.failed ?? 0) + 1 }, []);
      return this.#plan(name, backOffMs);
    }
    if (target !== null) {
      const isNew = conditionOf(job, 'FailureTarget') === null;
      if (isNew) return this.#update(job, counts, [['FailureTarget', 'True', target.reason ?? '', target.message ?? '']]);
      for (const pod of active)
        store.remove('Pod', pod.metadata?.name ?? '', pod.spec?.nodeName === undefined ? 0 : graceOf(pod));
      for (const pod of own) this.#letGo(pod);
      if (active.length + terminating.length > 0) return;
      return this.#update(job, { ...counts, failed: (status.failed ?? 0) + 1 }, [
        ['Failed', 'True', target.reason ?? '', target.message ?? ''],
      ]);
    }
    const { message, reason } = { reason: 'CompletionsReached', message: 'Reached expected number of succeeded pods' };
    if (succeeded !== undefined || conditionOf(job, 'SuccessCriteriaMet') !== null) {
      if (conditionOf(job, 'SuccessCriteriaMet') === null)
        return this.#update(job, counts, [['SuccessCriteriaMet', 'True', reason, message]]);
      for (const pod of active) store.remove('Pod', pod.metadata?.name ?? '', graceOf(pod));
      for (const pod of own) this.#letGo(pod);
      if (active.length + terminating.length > 0) return;
      return this.#update(job, { ...counts, succeeded: 1, completionTime: store.now() }, [['Complete', 'True', reason, message]]);
    }
    if (own.every((pod) => isTerminal(pod) && pod.metadata?.finalizers?.includes(trackingFinalizer) !== true)) {
      if (this.#createPod(job)) this.#refusals.delete(name);
      else {
        const nRefusals = this.#refusals.get(name) ?? 0;
        this.#refusals.set(name, nRefusals + 1);
        this.#plan(name, Math.min(longestPauseMs, firstPauseMs * 2 ** nRefusals));
      }
    } else if (active.length > 1 && !this.#doubled.has(name)) {
      // The younger one, or whichever has not begun.
      const [surplus] = active.toSorted((a, b) => rank(a) - rank(b));
      if (surplus !== undefined) {
        this.#letGo(surplus);
        store.remove('Pod', surplus.metadata?.name ?? '', surplus.spec?.nodeName === undefined ? 0 : graceOf(surplus));
      }
    }
    this.#planDeadline(job, startTime);
    this.#update(job, counts, []);
  }

  #failureTarget(job: Job, failed: Pod | undefined): Pick<JobCondition, 'reason' | 'message'> | null {
    const { timeline: _, store } = this.#host;
    if (failed !== undefined) {
      const rules = job.spec?.podFailurePolicy?.rules ?? [];
      const index = rules.findIndex(({ onPodConditions = [] }) =>
        onPodConditions.some(({ type }) =>
          failed.status?.conditions?.some((condition) => condition.type === type && condition.status === 'True'),
        ),
      );
      if (index !== -1)
        return {
          reason: 'PodFailurePolicy',
          message: `Pod ${store.namespace}/${failed.metadata?.name} has condition DisruptionTarget matching FailJob rule at index ${index}`,
        };
      if ((job.status?.failed ?? 0) < (job.spec?.backoffLimit ?? 6)) return null;
      return { reason: 'BackoffLimitExceeded', message: 'Job has reached the specified backoff limit' };
    }
    const { activeDeadlineSeconds } = job.spec ?? {};
    const started = job.status?.startTime;
    if (activeDeadlineSeconds === undefined || started === undefined) return null;
    if (store.now().getTime() - new Date(started).getTime() < activeDeadlineSeconds * 1000) return null;
    return { reason: 'DeadlineExceeded', message: 'Job was active longer than specified deadline' };
  }

  #planDeadline(job: Job, startTime: Date): void {
    const { activeDeadlineSeconds } = job.spec ?? {};
    if (activeDeadlineSeconds === undefined) return;
    const { timeline, store } = this.#host;
    const leftMs = new Date(startTime).getTime() + activeDeadlineSeconds * 1000 - store.now().getTime();
    const name = job.metadata?.name ?? '';
    // Far ones are planned when something else happens to the Job; ours are beyond the life of any seed.
    if (leftMs > 0 && leftMs < 24 * 3_600_000) timeline.after(leftMs + 1_000, () => this.#plan(name));
  }

  #suspend(job: Job, pods: readonly Pod[]): void {
    for (const pod of pods)
      this.#host.store.remove('Pod', pod.metadata?.name ?? '', pod.spec?.nodeName === undefined ? 0 : graceOf(pod));
    for (const pod of pods) this.#letGo(pod);
    if (conditionOf(job, 'Suspended')?.status === 'True') return;
    this.#update(job, { active: 0, ready: 0 }, [['Suspended', 'True', 'JobSuspended', 'Job suspended']]);
  }

  /** False where the server refuses it. */
  #createPod(job: Job): boolean {
    const { store } = this.#host;
    const { name = '', uid = '' } = job.metadata ?? {};
    const labels = {
      ...job.spec?.template.metadata?.labels,
      'batch.kubernetes.io/controller-uid': uid,
      'batch.kubernetes.io/job-name': name,
      'controller-uid': uid,
      'job-name': name,
    };
    try {
      store.create('Pod', {
        apiVersion: 'v1',
        kind: 'Pod',
        metadata: {
          ...job.spec?.template.metadata,
          generateName: `${name}-`,
          labels,
          finalizers: [trackingFinalizer],
          ownerReferences: [{ apiVersion: 'batch/v1', kind: 'Job', name, uid, controller: true, blockOwnerDeletion: true }],
        },
        ...(job.spec?.template.spec === undefined ? {} : { spec: job.spec.template.spec }),
        status: { phase: 'Pending' },
      });
      return true;
    } catch (error) {
      recordEvent(store, 'Job', name, uid, 'FailedCreate', `Error creating: ${String(error)}`);
      return false;
    }
  }

  #update(
    job: Job,
    status: NonNullable<Job['status']>,
    conditions: readonly (readonly [string, string, string, string])[],
  ): void {
    const { store } = this.#host;
    const at = store.now();
    store.update('Job', job.metadata?.name ?? '', (known) => {
      const changed: NonNullable<Job['status']> = {
        uncountedTerminatedPods: {},
        ...known.status,
        ...status,
        conditions: [
          ...(known.status?.conditions ?? []).filter(({ type }) => !conditions.some(([other]) => other === type)),
          ...conditions.map(([type, isSo, reason, message]) => ({
            type,
            status: isSo,
            reason,
            message,
            lastProbeTime: at,
            lastTransitionTime: at,
          })),
        ],
      };
      return JSON.stringify(changed) === JSON.stringify(known.status) ? known : { ...known, status: changed };
    });
  }

  /** Its end is counted: it may go. */
  #letGo(pod: Pod): void {
    const { finalizers = [], name = '' } = pod.metadata ?? {};
    if (!finalizers.includes(trackingFinalizer)) return;
    this.#host.store.patchMetadata('Pod', name, { finalizers: finalizers.filter((one) => one !== trackingFinalizer) });
  }

  #expire(job: Job): void {
    const { ttlSecondsAfterFinished } = job.spec ?? {};
    const { name = '', uid } = job.metadata ?? {};
    if (ttlSecondsAfterFinished === undefined) return;
    const { store, timeline } = this.#host;
    const endedAt = job.status?.conditions?.find(({ type }) => type === 'Complete' || type === 'Failed')?.lastTransitionTime;
    const leftMs =
      (endedAt === undefined ? 0 : new Date(endedAt).getTime()) + ttlSecondsAfterFinished * 1000 - store.now().getTime();
    if (leftMs > 24 * 3_600_000) return;
    timeline.after(Math.max(0, leftMs), () => {
      if (store.get('Job', name)?.metadata?.uid !== uid) return;
      if (this.#host.canWork()) store.remove('Job', name);
      else this.#plan(name, retryMs);
    });
  }

  #pods(name: string): Pod[] {
    return this.#host.store.list('Pod', { 'batch.kubernetes.io/job-name': name });
  }

  #tookMs(meanMs: number): number {
    const { rng } = this.#host;
    return rng.next() < 0.02 ? 10 * meanMs : 2 * meanMs * rng.next();
  }
}

export function recordEvent(store: ObjectStore, kind: string, name: string, uid: string, reason: string, message: string): void {
  const id = `${name}.${reason.toLowerCase()}`;
  const at = store.now();
  const known = store.update('Event', id, (event) => ({ ...event, message, count: (event.count ?? 1) + 1, lastTimestamp: at }));
  if (known !== null) return;
  store.create('Event', {
    apiVersion: 'v1',
    kind: 'Event',
    metadata: { name: id },
    involvedObject: { kind, name, uid, namespace: store.namespace },
    reason,
    message,
    type: 'Warning',
    count: 1,
    firstTimestamp: at,
    lastTimestamp: at,
  });
}

export function graceOf(pod: Pod): number {
  return pod.spec?.terminationGracePeriodSeconds ?? 30;
}

export function isTerminal({ status }: Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

function isOf(pod: Pod, job: Job | null): boolean {
  return pod.metadata?.ownerReferences?.[0]?.uid === job?.metadata?.uid;
}

function isFinished(job: Job): boolean {
  return (job.status?.conditions ?? []).some(
    ({ type, status }) => status === 'True' && (type === 'Complete' || type === 'Failed'),
  );
}

function conditionOf(job: Job, type: string): JobCondition | null {
  return job.status?.conditions?.find((condition) => condition.type === type) ?? null;
}

/** Whose turn it is to go where there are too many: what has not begun, then what is younger. */
function rank({ status, metadata }: Pod): number {
  return (status?.phase === 'Pending' ? 0 : 1e15) - Number(metadata?.resourceVersion ?? 0);
}
