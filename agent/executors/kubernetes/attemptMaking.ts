import type { V1Job } from '@kubernetes/client-node';
import type { Cluster } from '../../cluster/cluster.ts';
import type { AttemptStart } from '../executor.ts';
import { type AttemptFile, writeAttemptFile } from './attemptFile.ts';
import { isRefusal } from './clusterAnswers.ts';
import type { ClusterHome } from './clusterHome.ts';
import { type InputObjects, type ObjectPlace, splicedInputs } from './inputObjects.ts';
import { jobManifest } from './jobManifest.ts';
import { attemptLabels, filesName, jobName, studyAnnotation, studyName } from './names.ts';
import type { PodAttempt } from './podAttempt.ts';

/** Uid of a Job that may have been made. */
export const unknownJob = '';

/** All objects of a study are made again at most so often. */
const mendMs = 15_000;

/** Makes Jobs of attempts, or finds those that are there. */
export class AttemptMaking {
  readonly #home: ClusterHome;
  /** When the objects of studies were made again, by the monotonic clock. */
  readonly #mendedAt = new Map<string, number>();

  constructor(home: ClusterHome) {
    this.#home = home;
  }

  async create(live: PodAttempt, attempt: AttemptStart): Promise<void> {
    const { failpoints, files: disk } = this.#home.system;
    const { view, study } = live;
    if (view === null || study === null) return;
    await this.#home.refuseTakenOver(live.key.studyId);
    const file = fileOf(attempt, null);
    await failpoints.step('attempt.folder', async () => {
      await disk.makeFolder(live.dir);
      if (live.file === null) await writeAttemptFile(disk, live.dir, file);
    });
    live.file ??= file;
    const { place, inputs, secrets } = await this.#home.objectsOf(live.key.studyId, study, view.cluster);
    const { home } = study.cluster;
    const labels = attemptLabels(home, live.key);
    const spliced = await makeFiles(view.cluster, { ...place, labels }, filesName(home, live.key), attempt);
    const { epoch } = this.#home.options;
    const job = jobManifest({
      name: jobName(home, live.key),
      attempt,
      container: study.container,
      cluster: study.cluster,
      labels: { ...labels, ...(epoch === undefined ? {} : { 'hpo.epoch': String(epoch) }) },
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

  /** What was made for one that cannot be started. */
  async discard({ key, view }: PodAttempt): Promise<void> {
    if (view === null) return;
    await this.#home.refuseTakenOver(key.studyId);
    await view.cluster.remove('ConfigMap', filesName(view.home, key));
  }

  /** Makes what its node says that it lacks, where that is ours and somebody removed it: nodes ask for it again. */
  async mend(live: PodAttempt, lack: string): Promise<void> {
    const { key, view, study, attempt } = live;
    if (view === null || study === null || !/not found|not registered/.test(lack)) return;
    const files = filesName(view.home, key);
    if (lack.includes(`"${files}`)) {
      const { place } = await this.#home.objectsOf(key.studyId, study, view.cluster);
      if (attempt !== null) await makeFiles(view.cluster, { ...place, labels: attemptLabels(view.home, key) }, files, attempt);
    } else if (lack.includes(`"${studyName(view.home, key.studyId)}`)) {
      const { clock } = this.#home.system;
      if (clock.monotonic() - (this.#mendedAt.get(key.studyId) ?? -Infinity) < mendMs) return;
      this.#mendedAt.set(key.studyId, clock.monotonic());
      this.#home.objects.delete(key.studyId);
      await this.#home.objectsOf(key.studyId, study, view.cluster);
    }
  }

  async #record(live: PodAttempt, job: string | null): Promise<void> {
    if (live.file === null) return;
    await writeAttemptFile(this.#home.system.files, live.dir, { ...live.file, job });
    live.file = { ...live.file, job };
  }
}

async function makeFiles(cluster: Cluster, place: ObjectPlace, name: string, { files }: AttemptStart): Promise<InputObjects> {
  const spliced = splicedInputs(place, name, files);
  await createTogether(cluster, spliced.configMaps);
  return spliced;
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
