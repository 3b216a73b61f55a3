import type { V1Job } from '@kubernetes/client-node';
import type { Cluster } from '../../cluster/cluster.ts';
import type { AttemptStart } from '../executor.ts';
import { type AttemptFile, writeAttemptFile } from './attemptFile.ts';
import { isRefusal } from './clusterAnswers.ts';
import type { ClusterHome } from './clusterHome.ts';
import { type InputObjects, splicedInputs } from './inputObjects.ts';
import { jobManifest } from './jobManifest.ts';
import { attemptLabels, filesName, jobName, studyAnnotation } from './names.ts';
import type { PodAttempt } from './podAttempt.ts';

/** Uid of a Job that may have been made. */
export const unknownJob = '';

/** Makes Jobs of attempts, or finds those that are there. */
export class AttemptMaking {
  readonly #home: ClusterHome;

  constructor(home: ClusterHome) {
    this.#home = home;
  }

  async create(live: PodAttempt, attempt: AttemptStart): Promise<void> {
    const { failpoints, files: disk } = this.#home.system;
    const { view, study } = live;
    if (view === null || study === null) return;
    const file = fileOf(attempt, null);
    await failpoints.step('attempt.folder', async () => {
      await disk.makeFolder(live.dir);
      if (live.file === null) await writeAttemptFile(disk, live.dir, file);
    });
    live.file ??= file;
    const { place, inputs, secrets } = await this.#home.objectsOf(live.key.studyId, study, view.cluster);
    const { home } = study.cluster;
    const own = { ...place, labels: attemptLabels(home, live.key) };
    const spliced = splicedInputs(own, filesName(home, live.key), attempt.files);
    await createTogether(view.cluster, spliced.configMaps);
    const { epoch } = this.#home.options;
    const job = jobManifest({
      name: jobName(home, live.key),
      attempt,
      container: study.container,
      cluster: study.cluster,
      labels: { ...own.labels, ...(epoch === undefined ? {} : { 'hpo.epoch': String(epoch) }) },
      annotations: { [studyAnnotation]: live.key.studyId },
      owner: place.owner,
      inputs: [inputs, spliced],
      mark: this.#home.files.mark(live.key),
      secrets,
    });
    // From now on it may be there, whatever becomes of the answer and of this agent: somebody may remove it before it is seen.
    await this.#record(live, unknownJob);
    const { object } = await failpoints
      .step('attempt.spawn', () => view.cluster.create('Job', job))
      .catch(async (error: unknown) => {
        if (isRefusal(error)) await this.#record(live, null);
        throw error;
      });
    view.note(live.key, object);
    await this.claimJob(live, object);
  }

  /** From now on its Job is known to have been made: without it the attempt is over. */
  async claimJob(live: PodAttempt, { metadata }: V1Job): Promise<void> {
    await this.#record(live, metadata?.uid ?? unknownJob);
  }

  async #record(live: PodAttempt, job: string | null): Promise<void> {
    if (live.file === null) return;
    await writeAttemptFile(this.#home.system.files, live.dir, { ...live.file, job });
    live.file = { ...live.file, job };
  }
}

/** The first one owns the others, which so go with it. */
async function createTogether(cluster: Cluster, [first, ...others]: InputObjects['configMaps']): Promise<void> {
  if (first === undefined) return;
  const { name, uid } = (await cluster.create('ConfigMap', first)).object.metadata ?? {};
  const owner =
    name === undefined || uid === undefined ? {} : { ownerReferences: [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid }] };
  for (const { metadata, ...content } of others)
    await cluster.create('ConfigMap', { ...content, metadata: Object.assign({}, metadata, owner) });
}

export function fileOf(attempt: AttemptStart | null, job: string | null): AttemptFile {
  return { job, pod: null, metricFiles: attempt?.metricFiles ?? [], outputBytes: attempt?.outputBytes ?? 0 };
}
