import { join } from 'node:path';
import { HpoError } from '../../protocol/errors.ts';
import type { AttemptKey, ClusterSettings } from '../../protocol/study.ts';
import { sleep } from '../../system/clock.ts';
import { endOf } from '../attempt/liveAttempts.ts';
import { readAttemptFile } from './attemptFile.ts';
import { sweepCheckpoints } from './checkpointSweep.ts';
import type { ClusterHome } from './clusterHome.ts';
import { studyLabels, studyName } from './names.ts';
import { firstPauseMs, type PodAttempt } from './podAttempt.ts';

const second = 1_000;
const cleanupMs = 30 * second;

/** Removes all that a study has on its cluster. */
export class StudyCleanup {
  readonly #home: ClusterHome;
  readonly #stop: (key: AttemptKey, graceMs: number) => Promise<void>;
  readonly #step: (live: PodAttempt) => Promise<boolean>;

  /** `stop` ends an attempt, `step` looks at one. */
  constructor(
    home: ClusterHome,
    stop: (key: AttemptKey, graceMs: number) => Promise<void>,
    step: (live: PodAttempt) => Promise<boolean>,
  ) {
    this.#home = home;
    this.#stop = stop;
    this.#step = step;
  }

  async cleanUp(studyId: string, removeFiles: boolean): Promise<void> {
    const { clock, files: disk } = this.#home.system;
    const lives = this.#home.live.of(studyId);
    for (const live of lives) await live.starting.catch(() => {});
    await Promise.all(lives.map(({ key }) => this.#stop(key, 0)));
    await endOf(lives, clock, cleanupMs);
    await disk.remove(`${this.#home.files.clusterFile(studyId)}.new`);
    const settings = await this.#home.study(studyId).then(
      ({ cluster }) => [cluster],
      () => this.#home.used.all(),
    );
    const hasRun = removeFiles && (await this.#mayHaveRun(studyId));
    for (const place of settings) await this.#removeObjects(place, studyId);
    const faults = [hasRun ? await this.#sweep(studyId) : null, removeFiles ? await this.#removeCode(studyId) : null].filter(
      (fault) => fault !== null,
    );
    for (const live of lives) await this.#step(live).catch(() => false);
    for (const id of this.#home.reported) if (id.startsWith(`${studyId}/`)) this.#home.reported.delete(id);
    this.#home.studies.delete(studyId);
    this.#home.objects.delete(studyId);
    const folder = this.#home.files.studyDir(studyId);
    // Where the disk did not take what tells whose it is, there is nothing in it.
    const isOurs = (await disk.stat(this.#home.files.clusterFile(studyId))) !== null || (await disk.names(folder)).length === 0;
    for (const key of await this.#home.files.attempts(disk, studyId)) await this.#tidy(key);
    if (isOurs && removeFiles) await disk.remove(folder);
    else if (isOurs && (await disk.stat(this.#home.files.trialsDir(studyId))) !== null) {
      await disk.writeText(this.#home.files.cleanedFile(studyId), '');
    }
    const [fault, another] = faults;
    if (fault === undefined) return;
    if (another === undefined) throw fault;
    throw new HpoError(fault.code, `${fault.message}; ${another.message}`, `${fault.next}; ${another.next}`);
  }

  /** Also of one that has ended, and of whose attempts nothing is listed any more: what they kept is there. */
  async #mayHaveRun(studyId: string): Promise<boolean> {
    const { files: disk } = this.#home.system;
    const trialsDir = this.#home.files.trialsDir(studyId);
    for (const trial of (await disk.names(trialsDir)).filter((name) => /^\d+$/.test(name))) {
      const attempts = (await disk.names(join(trialsDir, trial))).filter((name) => /^attempt-\d+$/.test(name));
      const files = await Promise.all(attempts.map((name) => readAttemptFile(disk, join(trialsDir, trial, name))));
      // One for which no Job was ever made has kept nothing.
      if (files.length === 0 || files.some((file) => file === null || file === 'damaged' || file.job !== null)) return true;
    }
    return false;
  }

  /** What an agent that was killed, or had no room, left half written of an attempt that is over. */
  async #tidy(key: AttemptKey): Promise<void> {
    const dir = this.#home.files.attemptDir(key);
    for (const name of ['job.json.new', 'exit.json.lost']) await this.#home.system.files.remove(join(dir, name));
  }

  /**
   * Its checkpoints on a volume or in an object store. Resolves with what kept them from being removed, which is told when all else has
   * gone: it keeps nobody from deleting a study.
   */
  async #sweep(studyId: string): Promise<HpoError | null> {
    const study = await this.#home.study(studyId).catch(() => null);
    if (study === null) return null;
    const { cluster } = await this.#home.view(study.cluster);
    return await sweepCheckpoints(cluster, this.#home.system.clock, studyId, study).then(
      () => null,
      (error: unknown) => {
        if (error instanceof HpoError) return error;
        throw error;
      },
    );
  }

  /** The image with its code, where it has one that no other study has. Resolves with what kept it from being removed, as `#sweep` does. */
  async #removeCode(studyId: string): Promise<HpoError | null> {
    const { codeImages } = this.#home.options;
    const stat = await this.#home.system.files.stat(this.#home.files.clusterFile(studyId));
    const study = await this.#home.study(studyId).catch(() => null);
    if (codeImages === undefined || stat === null || study?.cluster.codeIn !== 'image') return null;
    return await codeImages.remove(study.container.image.id, stat.modifiedAt).then(
      () => null,
      (error: unknown) => {
        if (error instanceof HpoError) return error;
        throw error;
      },
    );
  }

  /** Resolves when nothing of the study is on the cluster any more. */
  async #removeObjects(settings: ClusterSettings, studyId: string): Promise<void> {
    const { clock } = this.#home.system;
    const { cluster, home } = await this.#home.view(settings);
    const labels = studyLabels(home, studyId);
    const until = clock.monotonic() + cleanupMs;
    const kinds = ['Job', 'Pod', 'ConfigMap'] as const;
    for (let pauseMs = firstPauseMs; ; pauseMs = Math.min(pauseMs * 1.5, 2 * second)) {
      // By its name: to list them would take the right to read all secrets of the namespace.
      let left = (await cluster.remove('Secret', studyName(home, studyId))) ? 1 : 0;
      for (const kind of kinds) {
        for (const { metadata } of await cluster.list(kind, { labels })) {
          left++;
          const isLate = clock.monotonic() > until - cleanupMs / 2;
          await cluster.remove(kind, metadata?.name ?? '', kind === 'Pod' ? { graceSeconds: isLate ? 0 : 1 } : {});
        }
      }
      if (left === 0) return;
      if (clock.monotonic() > until)
        throw new HpoError(
          'HPO-2483',
          `${left} objects of the study ${studyId} are still on the cluster`,
          'see what keeps them: kubectl get jobs,pods,configmaps -l hpo.study; then delete the study again',
        );
      await sleep(clock, pauseMs);
    }
  }
}
