import { isFailed, isFinished } from '../../cluster/jobStatus.ts';
import type { AttemptKey } from '../../protocol/study.ts';
import { recordEnd } from '../attempt/attemptRecord.ts';
import { isStudyId, keyText } from '../attempt/studyFolders.ts';
import type { ClusterHome } from './clusterHome.ts';
import type { ClusterView } from './clusterView.ts';
import { ownerLabels, studyAnnotation, sweepLabel } from './names.ts';
import { isOver, keyOf } from './podAttempt.ts';
import { fenceStudy } from './studyObjects.ts';

/** A Job that was there before this agent is adopted within this time, if it is. */
const adoptionMs = 60_000;

/** Removes what nobody wants any more of all that was listed. */
export class UnwantedObjects {
  readonly #home: ClusterHome;

  constructor(home: ClusterHome) {
    this.#home = home;
  }

  /** After all that there is was listed: attempts look again, and Jobs that nobody wants any more go. */
  async afterLook(view: ClusterView): Promise<void> {
    const { clock } = this.#home.system;
    await this.#fence(view).catch(() => {});
    for (const live of this.#home.live.values()) if (live.view === view) live.heardLook(view.of(live.key));
    await this.#removeUnwanted(view).catch(() => {});
    await removeSweeps(view).catch(() => {});
    for (const id of this.#home.unowned.keys())
      if (id.includes('/') && (!view.all.has(id) || this.#home.live.has(id))) this.#home.unowned.delete(id);
    for (const [id, seen] of view.all) {
      if (this.#home.live.has(id) || seen.job === null) continue;
      const key = keyOf(id);
      if (!(await this.#home.isOurs(key.studyId, view.home))) continue;
      const { state } = await this.#home.recordOf(key);
      if (
        this.#home.reported.has(id) ||
        state === 'ended' ||
        (await this.#home.files.isCleaned(this.#home.system.files, key.studyId))
      )
        this.#home.remove(key);
      else if (state !== 'started' || isOver(seen)) {
        const since = this.#home.unowned.get(id) ?? clock.monotonic();
        this.#home.unowned.set(id, since);
        if (clock.monotonic() - since > adoptionMs && !this.#home.live.has(id)) await this.#giveUp(key);
      }
    }
  }

  /** Again and again, as this agent may be cut off at any time, and others may take its studies for lost meanwhile. */
  async #fence(view: ClusterView): Promise<void> {
    for (const studyId of new Set([...view.all.keys()].map((id) => keyOf(id).studyId)))
      if (await this.#home.isOurs(studyId, view.home)) await this.#home.refuseTakenOver(studyId, fenceStudy).catch(() => {});
  }

  /** Its Job goes, and it is never started again: what its program did is done. */
  async #giveUp(key: AttemptKey): Promise<void> {
    const id = keyText(key);
    const dir = this.#home.files.attemptDir(key);
    // Where it has no folder it belongs to nobody.
    const giving = this.#home.system.files.stat(dir).then(async (folder) => {
      if (folder !== null)
        await recordEnd(this.#home.system, dir, { code: null, timeout: false, detail: 'no agent adopted its Job' });
    });
    this.#home.givenUp.set(
      id,
      giving.catch(() => {}),
    );
    try {
      await giving;
      this.#home.remove(key);
    } finally {
      this.#home.givenUp.delete(id);
    }
  }

  /** Owners of studies that are removed or over: what a cluster made late, or an agent before this one left; with them goes all that they own. */
  async #removeUnwanted(view: ClusterView): Promise<void> {
    const { clock, files: disk } = this.#home.system;
    const found = new Set<string>();
    for (const { metadata } of await view.cluster.list('ConfigMap', { labels: ownerLabels(view.home) })) {
      const [name = '', studyId = ''] = [metadata?.name, metadata?.annotations?.[studyAnnotation]];
      if (name === '' || !isStudyId(studyId) || !(await this.#home.isOurs(studyId, view.home))) continue;
      const isUsed = this.#home.prepared.has(studyId) || this.#home.live.of(studyId).length > 0 || hasAny(view, studyId);
      const isGone = (await disk.stat(this.#home.files.clusterFile(studyId))) === null;
      const isDone = isGone || (await this.#home.files.isCleaned(this.#home.system.files, studyId));
      if (!isDone && (isUsed || (await this.#hasSecrets(studyId)))) continue;
      found.add(name);
      const since = this.#home.unowned.get(name) ?? clock.monotonic();
      this.#home.unowned.set(name, since);
      if (clock.monotonic() - since > adoptionMs) await view.cluster.remove('ConfigMap', name);
    }
    for (const name of this.#home.unowned.keys()) if (!name.includes('/') && !found.has(name)) this.#home.unowned.delete(name);
  }

  /** All else can be made again, but not what another agent has left there. */
  async #hasSecrets(studyId: string): Promise<boolean> {
    const study = await this.#home.study(studyId).catch(() => null);
    return study !== null && study.container.secrets.length > 0;
  }
}

/** That came to their end after nobody waited for them any more; one that failed stays, as it says what is left. */
async function removeSweeps({ cluster, others }: ClusterView): Promise<void> {
  for (const job of others) {
    const { name, labels } = job.metadata ?? {};
    if (name === undefined || labels?.[sweepLabel] === undefined || !isFinished(job) || isFailed(job)) continue;
    await cluster.remove('Job', name);
  }
}

function hasAny(view: ClusterView, studyId: string): boolean {
  return [...view.all.keys()].some((id) => id.startsWith(`${studyId}/`));
}
