import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import type { Cluster, ClusterPlace, Workload } from '../cluster/cluster.ts';
import { isFinished } from '../cluster/jobStatus.ts';
import { amountOf } from '../cluster/quantity.ts';
import { type Amounts, type NodeRoom, requestsOf, roomOf, sumOf } from '../cluster/room.ts';
import { HpoError } from '../protocol/errors.ts';
import type { Found } from './apply.ts';
import { whyWaits } from '../cluster/whyWaits.ts';

/** What `hpo cluster status` tells. */
export interface ClusterLook {
  readonly place: ClusterPlace;
  readonly version: string;
  /** Null where the user may not see nodes. */
  readonly nodes: readonly NodeRoom[] | null;
  /** Whether `used` of the nodes counts the pods of all namespaces, which not every user may see. */
  readonly countsAll: boolean;
  readonly quotas: readonly { readonly name: string; readonly resource: string; readonly most: number; readonly used: number }[];
  /** Null where the user may not see them. */
  readonly queues: readonly { readonly name: string; readonly clusterQueue: string; readonly waiting: number }[] | null;
  readonly studies: readonly StudyShare[];
  readonly waiting: readonly { readonly studyId: string; readonly trial: number; readonly pod: string; readonly why: string }[];
  readonly removals: readonly Removal[];
}

/** What removes the checkpoints that a deleted study kept: no trial, and of no study that is there. */
export interface Removal {
  readonly studyId: string;
  /** Name of its Job. */
  readonly job: string;
  /** What it removes, for people. */
  readonly kept: string;
  /** Null where it is under way. */
  readonly why: string | null;
}

/** What a study has of the namespace. */
export interface StudyShare {
  readonly studyId: string;
  /** Of this home; others are of colleagues, or of an agent elsewhere. */
  readonly isOurs: boolean;
  readonly running: number;
  readonly waiting: number;
  readonly uses: Amounts;
  /** Of what all studies in the namespace use, by the resource of which it has most; 0 to 1. */
  readonly share: number;
}

/** Looks at a cluster once; changes nothing. What the user may not see is null or empty. */
export async function lookAt(cluster: Cluster, homeMark: string): Promise<ClusterLook> {
  const [version, nodes, everyPod, jobs, pods, quotas, queues, workloads, events] = await Promise.all([
    cluster.version(),
    allowed(cluster.list('Node')),
    allowed(cluster.list('Pod', { namespace: null })),
    cluster.list('Job'),
    cluster.list('Pod'),
    allowed(cluster.list('ResourceQuota')),
    allowed(cluster.list('LocalQueue')),
    allowed(cluster.list('Workload')),
    allowed(cluster.list('Event', { fields: 'type=Warning' })),
  ]);
  const countsAll = everyPod !== null;
  return {
    place: cluster.place,
    version,
    nodes: nodes === null ? null : roomOf(nodes, everyPod ?? pods),
    countsAll,
    quotas: (quotas ?? []).flatMap(({ metadata, status }) =>
      Object.entries(status?.hard ?? {}).map(([resource, most]) => ({
        name: metadata?.name ?? '',
        resource,
        most: amountOf(most),
        used: amountOf(status?.used?.[resource]),
      })),
    ),
    queues:
      queues?.map(({ metadata, spec }) => ({
        name: metadata?.name ?? '',
        clusterQueue: spec?.clusterQueue ?? '',
        waiting: jobs.filter((job) => job.spec?.suspend === true && queueOf(job) === metadata?.name).length,
      })) ?? null,
    ...sharesOf({ jobs, pods, workloads: workloads ?? [], events: events ?? [] }, homeMark),
  };
}

async function allowed<T>(asked: Promise<T>): Promise<T | null> {
  return await asked.catch((error: unknown) => {
    if (error instanceof HpoError && error.code === 'HPO-2464') return null;
    throw error;
  });
}

/** What is in a namespace; of its events the warnings. */
export interface NamespaceContent {
  readonly jobs: readonly V1Job[];
  readonly pods: readonly V1Pod[];
  readonly workloads: readonly Workload[];
  readonly events: readonly CoreV1Event[];
}

/** Studies of the namespace, those with most at the top, and what of them waits for what. */
export function sharesOf(
  { jobs, pods, workloads, events }: NamespaceContent,
  homeMark: string,
): Pick<ClusterLook, 'studies' | 'waiting' | 'removals'> {
  const podOf = new Map(pods.map((pod) => [pod.metadata?.labels?.['batch.kubernetes.io/job-name'] ?? '', pod]));
  const workloadOf = new Map(workloads.map((workload) => [workload.metadata?.ownerReferences?.[0]?.name ?? '', workload]));
  const going = jobs.flatMap((job) => {
    const study = studyOf(job);
    if (study === undefined || isFinished(job)) return [];
    const name = job.metadata?.name ?? '';
    const pod = podOf.get(name) ?? null;
    const isRunning = pod?.status?.phase === 'Running';
    return [{ study, job, name, pod, isRunning }];
  });
  const whyOf = ({ job, name, pod }: (typeof going)[number]): string =>
    whyWaits(job, pod, { workload: workloadOf.get(name) ?? null, events })?.reason.message ?? 'its pod is about to begin';
  const attempts = going.filter(({ job }) => !isSweep(job));
  const waiting = attempts
    .filter(({ isRunning }) => !isRunning)
    .map((one) => ({
      studyId: one.study,
      trial: Number(one.job.metadata?.labels?.['hpo.trial'] ?? -1),
      pod: one.pod?.metadata?.name ?? one.name,
      why: whyOf(one),
    }));
  const removals = going
    .filter(({ job }) => isSweep(job))
    .map((one) => ({ studyId: one.study, job: one.name, kept: keptOf(one.job), why: one.isRunning ? null : whyOf(one) }));
  const running = attempts.filter(({ isRunning }) => isRunning);
  const total = sumOf(running.flatMap(({ pod }) => (pod === null ? [] : [requestsOf(pod)])));
  const studies = [...Map.groupBy(attempts, ({ study }) => study)].map(([studyId, all]) => {
    const own = all.filter(({ isRunning }) => isRunning);
    const uses = sumOf(own.flatMap(({ pod }) => (pod === null ? [] : [requestsOf(pod)])));
    const shares = Object.entries(uses).map(([resource, amount]) => (amount === 0 ? 0 : amount / (total[resource] ?? amount)));
    return {
      studyId,
      isOurs: all.every(({ job }) => job.metadata?.labels?.['hpo.home'] === homeMark),
      running: own.length,
      waiting: all.length - own.length,
      uses,
      share: Math.max(0, ...shares),
    };
  });
  return { studies: studies.toSorted((a, b) => b.share - a.share || a.studyId.localeCompare(b.studyId)), waiting, removals };
}

/** Whether the Job removes what a deleted study kept. */
export function isSweep({ metadata }: Found): boolean {
  return metadata?.labels?.['hpo.sweep'] !== undefined;
}

/** What such a Job removes, for people. */
export function keptOf({ metadata }: Found): string {
  return metadata?.annotations?.['hpo/kept'] ?? 'what a study kept';
}

/** Its id stands in an annotation as it is; a label cannot hold every one. */
export function studyOf({ metadata }: Found): string | undefined {
  return metadata?.annotations?.['hpo/study'] ?? metadata?.labels?.['hpo.study'];
}

function queueOf({ metadata }: V1Job): string | undefined {
  return metadata?.labels?.['kueue.x-k8s.io/queue-name'];
}
