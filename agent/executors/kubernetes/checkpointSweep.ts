import type { V1Container, V1Job, V1Volume } from '@kubernetes/client-node';
import type { Cluster } from '../../cluster/cluster.ts';
import { isFailed, isFinished } from '../../cluster/jobStatus.ts';
import { HpoError } from '../../protocol/errors.ts';
import { type Clock, sleep } from '../../system/clock.ts';
import { objectStore, removesCheckpoints, studyPrefix } from './checkpointStore.ts';
import { checkpointVolume } from './checkpointVolume.ts';
import { containerSecurity, placement, podSecurity, poolOf, queueing } from './jobManifest.ts';
import { homeLabels, studyAnnotation, sweepLabel, sweepName, sweptAnnotation } from './names.ts';
import { readTemplate } from './podTemplate.ts';
import type { ClusterStudy } from './studyFile.ts';

/** A cluster that has no place for it now does it later. */
const mostMs = 60_000;
const pauseMs = 500;
/** What keeps its pod from a node is looked for each so many looks at the Job. */
const podLooks = 10;
/** For one that finds no place for a day: what it should remove stays. */
const deadlineSeconds = 24 * 3_600;
const place = '/hpo/kept';

/** What says that it failed, and what it printed last. */
const keptSeconds = 7 * 24 * 3_600;

/**
 * Removes what a study kept on its volume or in its object store, by a Job of its own, as only pods reach the one and have the keys of
 * the other. Resolves when that is done, where the claim never had a volume, or after a minute: the Job goes on then. Rejects with
 * HPO-2523 where it failed, and says what is left; its Job stays for a week.
 */
export async function sweepCheckpoints(cluster: Cluster, clock: Clock, studyId: string, study: ClusterStudy): Promise<void> {
  const work = sweepWork(studyId, study);
  if (work === null) return;
  const name = sweepName(study.cluster.home, studyId);
  const made = await cluster.create('Job', sweepJob(name, studyId, study, work)).catch((cause: unknown) => {
    throw notRemoved(studyId, work, cause instanceof HpoError ? cause.message : String(cause));
  });
  let job: V1Job | null = made.object;
  const until = clock.monotonic() + mostMs;
  for (let nLooks = 1; ; nLooks++) {
    if (job === null) return;
    if (isFailed(job)) {
      const { message } = job.status?.conditions?.find(({ type }) => type === 'Failed') ?? {};
      throw notRemoved(studyId, work, `the Job ${name} failed${message === undefined ? '' : `: ${message}`}`);
    }
    if (isFinished(job) || (nLooks % podLooks === 0 && (await hasNoVolume(cluster, name)))) {
      await cluster.remove('Job', name);
      return;
    }
    if (clock.monotonic() >= until) return;
    await sleep(clock, pauseMs);
    job = await cluster.get('Job', name);
  }
}

/** Its claim was never bound, or is not there: nobody can have kept anything on it, and its pod would wait for ever. */
async function hasNoVolume(cluster: Cluster, job: string): Promise<boolean> {
  const pods = await cluster.list('Pod', { labels: { 'batch.kubernetes.io/job-name': job } }).catch(() => []);
  return pods.some(({ status }) => {
    const scheduled = status?.conditions?.find(({ type }) => type === 'PodScheduled');
    const message = scheduled?.status === 'False' ? (scheduled.message ?? '') : '';
    return /unbound immediate PersistentVolumeClaims|persistentvolumeclaim "[^"]+" not found/.test(message);
  });
}

function notRemoved(studyId: string, { place: kept }: SweepWork, why: string): HpoError {
  return new HpoError(
    'HPO-2523',
    `what the study ${studyId} kept could not be removed, and is still at ${kept}: ${why}`,
    `remove ${kept} yourself`,
  );
}

interface SweepWork {
  /** What is removed, for people. */
  readonly place: string;
  readonly container: Omit<V1Container, 'name'>;
  readonly volumes: V1Volume[];
}

function sweepWork(studyId: string, { container, cluster }: ClusterStudy): SweepWork | null {
  const { name: image } = container.image;
  const store = objectStore(cluster);
  if (store !== null) {
    return {
      place: `s3://${store.bucket}/${studyPrefix(store, cluster.home, studyId)}`,
      container: removesCheckpoints(store, cluster.home, studyId, image),
      volumes: [],
    };
  }
  const kept = checkpointVolume(cluster);
  if (kept === null) return null;
  return {
    place: `pvc://${kept.claim}/${kept.folder}/${studyId}`,
    container: {
      image,
      command: ['/bin/sh', '-c', 'rm -rf "$0"', `${place}/${studyId}`],
      volumeMounts: [{ name: 'kept', mountPath: place, subPath: kept.folder }],
    },
    volumes: [{ name: 'kept', persistentVolumeClaim: { claimName: kept.claim } }],
  };
}

/** Placed like the attempts of the study, without their GPUs. */
function sweepJob(
  name: string,
  studyId: string,
  { cluster }: ClusterStudy,
  { container, volumes, place: kept }: SweepWork,
): V1Job {
  const template = readTemplate(cluster.podTemplate);
  const queued = queueing(cluster);
  const labels = { ...homeLabels(cluster.home), [sweepLabel]: 'yes' };
  const annotations = { [studyAnnotation]: studyId, [sweptAnnotation]: kept };
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    // Not with the labels of a study, all of which goes with it.
    metadata: { name, labels: { ...labels, ...queued.labels }, annotations },
    spec: {
      // Whoever deletes the study hears within a minute that it fails.
      backoffLimit: 1,
      activeDeadlineSeconds: deadlineSeconds,
      ttlSecondsAfterFinished: keptSeconds,
      ...queued.spec,
      template: {
        metadata: {
          labels: { ...template.labels, 'hpo.network': objectStore(cluster) === null ? 'no' : 'yes' },
          annotations: { ...template.annotations },
        },
        spec: {
          ...placement(cluster, poolOf(cluster, null), template),
          restartPolicy: 'Never',
          automountServiceAccountToken: false,
          enableServiceLinks: false,
          terminationGracePeriodSeconds: 1,
          // Files are those of the user that the trials ran as.
          securityContext: podSecurity(template.security),
          volumes,
          containers: [
            {
              ...container,
              name: 'sweep',
              resources: {
                requests: { cpu: '10m', memory: '32Mi', 'ephemeral-storage': '16Mi' },
                limits: { cpu: '1', memory: '128Mi', 'ephemeral-storage': '64Mi' },
              },
              securityContext: containerSecurity,
            },
          ],
        },
      },
    },
  };
}
