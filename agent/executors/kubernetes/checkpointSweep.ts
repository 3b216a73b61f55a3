import type { V1Container, V1Job, V1Volume } from '@kubernetes/client-node';
import type { Cluster } from '../../cluster/cluster.ts';
import { isFinished } from '../../cluster/jobStatus.ts';
import { type Clock, sleep } from '../../system/clock.ts';
import { objectStore, removesCheckpoints } from './checkpointStore.ts';
import { checkpointVolume } from './checkpointVolume.ts';
import { containerSecurity, podSecurity } from './jobManifest.ts';
import { homeLabels, sweepName } from './names.ts';
import type { ClusterStudy } from './studyFile.ts';

/** A cluster that has no place for it now does it later. */
const mostMs = 60_000;
const pauseMs = 500;
/** For one that finds no place for a day: what it should remove stays. */
const deadlineSeconds = 24 * 3_600;
const place = '/hpo/kept';

/**
 * Removes what a study kept on its volume or in its object store, by a Job of its own, as only pods reach the one and have the keys of the other. Resolves when that is done, or after a minute:
 * the Job goes on then, and goes by itself.
 */
export async function sweepCheckpoints(cluster: Cluster, clock: Clock, studyId: string, study: ClusterStudy): Promise<void> {
  const work = sweepWork(studyId, study);
  if (work === null) return;
  const name = sweepName(study.cluster.home, studyId);
  await cluster.create('Job', sweepJob(name, study, work));
  const until = clock.monotonic() + mostMs;
  while (clock.monotonic() < until) {
    const job = await cluster.get('Job', name);
    if (job === null) return;
    if (isFinished(job)) return void (await cluster.remove('Job', name));
    await sleep(clock, pauseMs);
  }
}

interface SweepWork {
  readonly container: Omit<V1Container, 'name'>;
  readonly volumes: V1Volume[];
}

function sweepWork(studyId: string, { container, cluster }: ClusterStudy): SweepWork | null {
  const { name: image } = container.image;
  const store = objectStore(cluster);
  if (store !== null) return { container: removesCheckpoints(store, cluster.home, studyId, image), volumes: [] };
  const kept = checkpointVolume(cluster);
  if (kept === null) return null;
  return {
    container: {
      image,
      command: ['/bin/sh', '-c', 'rm -rf "$0"', `${place}/${studyId}`],
      volumeMounts: [{ name: 'kept', mountPath: place, subPath: kept.folder }],
    },
    volumes: [{ name: 'kept', persistentVolumeClaim: { claimName: kept.claim } }],
  };
}

function sweepJob(name: string, { cluster }: ClusterStudy, { container, volumes }: SweepWork): V1Job {
  const [pool] = cluster.pools;
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    // Not with the labels of a study, all of which goes with it.
    metadata: { name, labels: { ...homeLabels(cluster.home) } },
    spec: {
      backoffLimit: 3,
      activeDeadlineSeconds: deadlineSeconds,
      ttlSecondsAfterFinished: 0,
      template: {
        metadata: { labels: { 'hpo.network': objectStore(cluster) === null ? 'no' : 'yes' } },
        spec: {
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 1,
          nodeSelector: { ...pool?.nodeSelector },
          imagePullSecrets: cluster.pullSecrets.map((secret) => ({ name: secret })),
          securityContext: podSecurity({}),
          volumes,
          containers: [
            {
              ...container,
              name: 'sweep',
              resources: { requests: { cpu: '10m' }, limits: { cpu: '1', memory: '128Mi' } },
              securityContext: containerSecurity,
            },
          ],
        },
      },
    },
  };
}
