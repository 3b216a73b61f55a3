import type { V1Job } from '@kubernetes/client-node';
import type { Cluster } from '../cluster/cluster.ts';
import { isFailed, isFinished } from '../cluster/jobStatus.ts';
import { isSweep, keptOf, studyOf } from './look.ts';
import { formatDuration } from '../protocol/format.ts';
import type { Found } from './apply.ts';

/** Something in a cluster that nobody needs any more. */
export interface Leftover {
  readonly kind: 'Job' | 'ConfigMap' | 'Secret';
  readonly name: string;
  readonly reason: string;
  /** It waits to remove something, which stays where it is removed. */
  readonly isWaiting?: true;
}

export interface KnownStudies {
  /** Ids of all studies of the home. */
  readonly all: ReadonlySet<string>;
  /** `study/trial/attempt` of what runs, or is about to. */
  readonly live: ReadonlySet<string>;
  /** Studies that another agent acts on: what they have there is for that one to remove. */
  readonly away: ReadonlySet<string>;
}

/** Older ones are of a test that was broken off; a Job of one has gone by itself then. */
const testMs = 15 * 60_000;
/** A build of an image in the cluster takes no longer, with its wait for a node. */
const buildMs = 3 * 3_600_000;
/** What removes the checkpoints of a deleted study begins sooner where there is a place for it, and its volume. */
const sweepMs = 15 * 60_000;

/**
 * What studies of this home left in a cluster, and tests that were broken off: Jobs that are over and recorded, and all of studies that
 * are gone. Of other homes nothing. `known` is asked after the cluster: an attempt is known before it has a Job.
 */
export async function leftoversOf(
  cluster: Cluster,
  homeMark: string,
  known: () => Promise<KnownStudies>,
  now: number,
): Promise<readonly Leftover[]> {
  const labels = { 'hpo.home': homeMark };
  const allJobs = (await cluster.list('Job', { labels })).filter(isStaying);
  const allConfigMaps = (await cluster.list('ConfigMap', { labels })).filter(isStaying);
  const tests = (await cluster.list('ConfigMap', { labels: { 'app.kubernetes.io/managed-by': 'hpo' } })).filter(isStaying);
  const { all, live, away } = await known();
  const isHere = (object: Found): boolean => !away.has(studyOf(object) ?? '');
  const isBuilding = ({ metadata }: Found): boolean =>
    metadata?.labels?.['hpo.build'] !== undefined && ageOf(metadata.creationTimestamp, now) < buildMs;
  const sweeps = allJobs.filter(isSweep);
  const jobs = allJobs.filter((job) => isHere(job) && !isBuilding(job) && !sweeps.includes(job));
  const configMaps = allConfigMaps.filter((map) => isHere(map) && !isBuilding(map));
  const isGone = (object: Found): boolean => !all.has(studyOf(object) ?? '');
  const goneStudies = new Set([...jobs, ...configMaps].filter(isGone).map((object) => studyOf(object) ?? ''));
  return [
    ...sweeps.flatMap((job) => sweepLeftover(job, now) ?? []),
    ...jobs.flatMap((job): Leftover[] => {
      const name = job.metadata?.name ?? '';
      if (isGone(job)) return [{ kind: 'Job', name, reason: goneReason(job) }];
      return isFinished(job) && !live.has(attemptOf(job))
        ? [{ kind: 'Job', name, reason: 'it is over, and how it ended is recorded' }]
        : [];
    }),
    ...configMaps.filter(isGone).map(
      ({ metadata, ...rest }): Leftover => ({
        kind: 'ConfigMap',
        name: metadata?.name ?? '',
        reason: goneReason({ metadata, ...rest }),
      }),
    ),
    // The Secret of a study has the name of its ConfigMap; secrets are never listed, as nobody needs to read them for it.
    ...configMaps
      .filter((map) => isGone(map) && map.metadata?.ownerReferences === undefined && goneStudies.has(studyOf(map) ?? ''))
      .map(({ metadata }): Leftover => ({ kind: 'Secret', name: metadata?.name ?? '', reason: 'its study is gone' })),
    ...tests
      .filter(({ metadata }) => metadata?.labels?.['hpo.test'] !== undefined && ageOf(metadata.creationTimestamp, now) > testMs)
      .map(({ metadata }): Leftover => ({ kind: 'ConfigMap', name: metadata?.name ?? '', reason: 'a test that was broken off' })),
  ];
}

/** What is being deleted is on its way, and nobody needs to do anything. */
const isStaying = ({ metadata }: Found): boolean => metadata?.deletionTimestamp === undefined;

function goneReason(object: Found): string {
  const study = studyOf(object);
  return study === undefined ? 'a build that was broken off' : `the study ${study} is gone`;
}

/** Begun by itself, and not a study's: it removes what a deleted one kept. Null while it does, or is about to. */
function sweepLeftover(job: V1Job, now: number): Leftover | null {
  const { name = '', creationTimestamp } = job.metadata ?? {};
  const kept = keptOf(job);
  if (!isFinished(job)) {
    const hasBegun = (job.status?.ready ?? 0) > 0;
    const ageMs = ageOf(creationTimestamp, now);
    if (hasBegun || ageMs < sweepMs) return null;
    const reason = `it is to remove ${kept}, and has not begun for ${formatDuration(ageMs)}: without it, remove that yourself`;
    return { kind: 'Job', name, reason, isWaiting: true };
  }
  const reason = isFailed(job) ? `it could not remove ${kept}: remove that yourself` : `it has removed ${kept}`;
  return { kind: 'Job', name, reason };
}

/** Resolves with what was there. */
export async function removeLeftovers(cluster: Cluster, leftovers: readonly Leftover[]): Promise<readonly Leftover[]> {
  const removed: Leftover[] = [];
  for (const leftover of leftovers) if (await cluster.remove(leftover.kind, leftover.name)) removed.push(leftover);
  return removed;
}

function attemptOf(job: V1Job): string {
  const labels = job.metadata?.labels ?? {};
  return `${studyOf(job) ?? ''}/${labels['hpo.trial'] ?? ''}/${labels['hpo.attempt'] ?? ''}`;
}

function ageOf(created: Date | string | undefined, now: number): number {
  return created === undefined ? 0 : now - new Date(created).getTime();
}
