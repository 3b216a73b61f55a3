import type { V1Job } from '@kubernetes/client-node';
import type { Cluster } from '../cluster/cluster.ts';
import { isFinished } from '../cluster/jobStatus.ts';
import { studyOf } from './look.ts';
import type { Found } from './apply.ts';

/** Something in a cluster that nobody needs any more. */
export interface Leftover {
  readonly kind: 'Job' | 'ConfigMap' | 'Secret';
  readonly name: string;
  readonly reason: string;
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
  const allJobs = await cluster.list('Job', { labels });
  const allConfigMaps = await cluster.list('ConfigMap', { labels });
  const tests = await cluster.list('ConfigMap', { labels: { 'app.kubernetes.io/managed-by': 'hpo' } });
  const { all, live, away } = await known();
  const isHere = (object: Found): boolean => !away.has(studyOf(object) ?? '');
  const jobs = allJobs.filter(isHere);
  const configMaps = allConfigMaps.filter(isHere);
  const isGone = (object: Found): boolean => !all.has(studyOf(object) ?? '');
  const goneStudies = new Set([...jobs, ...configMaps].filter(isGone).map((object) => studyOf(object) ?? ''));
  return [
    ...jobs.flatMap((job): Leftover[] => {
      const name = job.metadata?.name ?? '';
      if (isGone(job)) return [{ kind: 'Job', name, reason: `the study ${studyOf(job) ?? ''} is gone` }];
      return isFinished(job) && !live.has(attemptOf(job))
        ? [{ kind: 'Job', name, reason: 'it is over, and how it ended is recorded' }]
        : [];
    }),
    ...configMaps.filter(isGone).map(
      ({ metadata, ...rest }): Leftover => ({
        kind: 'ConfigMap',
        name: metadata?.name ?? '',
        reason: `the study ${studyOf({ metadata, ...rest }) ?? ''} is gone`,
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
