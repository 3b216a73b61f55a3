import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { isFinished } from '../../cluster/jobStatus.ts';
import { brokenLimit } from './diskLimit.ts';
import { type PodEndRecord, parseEnd } from './podLog.ts';
import { containerName } from './jobManifest.ts';

/** What the cluster says of an attempt that is over, or is about to be. */
export interface PodEnd {
  /** Nothing of it runs any more, as far as the cluster knows. */
  readonly isOver: boolean;
  /** Of the container itself; null while it is not known. */
  readonly exitCode: number | null;
  readonly isOutOfMemory: boolean;
  readonly isTimeout: boolean;
  /** Why somebody else ended it, for people; null where nobody did. */
  readonly disruption: string | null;
  /** Why it came to nothing for a reason of its own or of its image; null for none. */
  readonly fault: string | null;
  /** The limit of its own for which it was ended, and how to raise it; null for none. */
  readonly brokenLimit: string | null;
  /** From the termination message, with the ends of output and metrics; null where it has none. */
  readonly message: {
    readonly end: PodEndRecord | null;
    readonly fault: string | null;
    readonly tail: string;
    readonly reported: string;
  };
}

const noMessage = { end: null, fault: null, tail: '', reported: '' };

/** Pods that the cluster ends for its own reasons, by what is in `status.reason`. */
const disruptions: ReadonlyMap<string, string> = new Map([
  ['Evicted', 'its node ran short of something'],
  ['NodeLost', 'its node is lost'],
  ['NodeShutdown', 'its node was shut down'],
  ['Shutdown', 'its node was shut down'],
  ['Terminated', 'its node was shut down'],
  ['NodeAffinity', 'its node came back and has changed'],
  ['Preempting', 'a pod of higher priority took its place'],
  ['UnexpectedAdmissionError', 'its node came back and had no place for it'],
  ['OutOfcpu', 'its node had no place for it any more'],
  ['OutOfmemory', 'its node had no place for it any more'],
  ['OutOfpods', 'its node had no place for it any more'],
]);

const causes: ReadonlyMap<string, string> = new Map([
  ['PreemptionByScheduler', 'a pod of higher priority took its place'],
  ['DeletionByTaintManager', 'its node was tainted: it is lost, or taken away'],
  ['EvictionByEvictionAPI', 'it was evicted, as when its node is drained'],
  ['DeletionByPodGC', 'its node is gone'],
  ['TerminationByKubelet', 'its node ended it, as it ran short of something or is shut down'],
]);

/** `isOurs`: it ends because we asked for that. */
export function podEnd(job: V1Job | null, pod: V1Pod | null, isOurs: boolean): PodEnd {
  const failure = job?.status?.conditions?.find(
    ({ type, status }) => (type === 'Failed' || type === 'FailureTarget') && status === 'True',
  );
  const isTimeout = failure?.reason === 'DeadlineExceeded' || pod?.status?.reason === 'DeadlineExceeded';
  if (pod === null) {
    const byPolicy = failure?.reason === 'PodFailurePolicy' ? (failure.message ?? 'its pod was ended') : null;
    return {
      isOver: job === null || isFinished(job),
      exitCode: null,
      isOutOfMemory: false,
      isTimeout,
      disruption: isOurs || isTimeout ? null : (byPolicy ?? whoRemovedIt(job)),
      fault: null,
      brokenLimit: null,
      message: noMessage,
    };
  }
  const { status, metadata, spec } = pod;
  const container = status?.containerStatuses?.find(({ name }) => name === containerName);
  const terminated = container?.state?.terminated;
  const hasEnded = isTerminal(pod);
  const target = status?.conditions?.find(({ type, status: is }) => type === 'DisruptionTarget' && is === 'True');
  const message = messageOf(terminated?.message ?? '');
  const limit = status?.reason === 'Evicted' ? brokenLimit(status.message ?? '') : null;
  const { reason = '' } = terminated ?? {};
  const cannotRun = reason === 'StartError' || reason === 'ContainerCannotRun';
  return {
    // Why its node ended it is told a moment after its container's end, with the phase; its own record says all at once.
    isOver: hasEnded || (terminated !== undefined && message.end?.exit != null),
    exitCode: terminated === undefined || reason === 'ContainerStatusUnknown' ? null : terminated.exitCode,
    isOutOfMemory: reason === 'OOMKilled',
    isTimeout,
    disruption: isOurs || isTimeout || limit !== null ? null : whoEndedIt(),
    fault: cannotRun ? (terminated?.message ?? reason) : null,
    brokenLimit: limit,
    message,
  };

  function whoEndedIt(): string | null {
    const on = spec?.nodeName === undefined ? '' : ` (node ${spec.nodeName})`;
    if (target !== undefined) return `${causes.get(target.reason ?? '') ?? target.message ?? 'it was disrupted'}${on}`;
    const known = disruptions.get(status?.reason ?? '');
    if (known !== undefined) return `${known}${on}`;
    if (reason === 'ContainerStatusUnknown') return `its node lost it${on}`;
    if (metadata?.deletionTimestamp !== undefined) return 'its pod was deleted';
    return job === null ? 'its Job was removed' : null;
  }
}

function whoRemovedIt(job: V1Job | null): string {
  if (job === null) return 'its Job was removed';
  return job.spec?.suspend === true ? 'its queue gave its place to others' : 'its pod was removed';
}

/** Whether the program, or what begins it, runs or has run. */
export function hasBegun(pod: V1Pod): boolean {
  const state = pod.status?.containerStatuses?.find(({ name }) => name === containerName)?.state;
  return (
    state?.running !== undefined || (state?.terminated !== undefined && state.terminated.reason !== 'ContainerStatusUnknown')
  );
}

/** Nothing of it runs any more, and never will. */
export function isTerminal({ status }: V1Pod): boolean {
  return status?.phase === 'Succeeded' || status?.phase === 'Failed';
}

function messageOf(text: string): PodEnd['message'] {
  const [line = '', count = '', ...rest] = text.split('\n');
  const fault = /^\{"fault":"(.*)"\}$/.exec(line)?.[1] ?? null;
  const bytes = new TextEncoder().encode(rest.join('\n'));
  const decoder = new TextDecoder();
  const size = Number(count);
  return {
    end: parseEnd(line),
    fault,
    tail: decoder.decode(bytes.subarray(size)),
    reported: decoder.decode(bytes.subarray(0, size)),
  };
}
