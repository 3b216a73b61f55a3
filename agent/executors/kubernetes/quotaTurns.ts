import { isFinished } from '../../cluster/jobStatus.ts';
import { keyText } from '../attempt/studyFolders.ts';
import { isRefusal } from './clusterAnswers.ts';
import type { ClusterHome } from './clusterHome.ts';
import type { ClusterView, Seen } from './clusterView.ts';
import { jobName, triedAnnotation } from './names.ts';
import { isOver, keyOf, type PodAttempt } from './podAttempt.ts';
import { isTerminal } from './podEnd.ts';

const second = 1_000;
/** Between two tries, so that they are few whatever happens. */
const paceMs = second;
/** In which the cluster tries it, and what came of that is heard. */
const tryMs = 3 * second;
/** Between tries for which nothing is known to have become free: pods of others end, and quotas are raised. */
const guessMs = 15 * second;
/** After the cluster has refused it, as where the Role is one of before. */
const refusedMs = 300 * second;
/** Whoever had so many places in vain comes after those that had fewer: what became free may be too small for it. */
const turnsInVain = 3;

interface Place {
  /** Attempts of which nothing runs any more, and which have been counted. */
  readonly over: Set<string>;
  /** What became free, and nobody was tried for. */
  nFree: number;
  /** The attempt that was tried last, where nothing was known to be free. */
  guess: string | null;
  /** By the monotonic clock. */
  triedAt: number;
  restsUntil: number;
  timer: Disposable | null;
}

/**
 * Whose pod is tried next where a quota is full. A cluster tries each Job again after pauses of its own, which grow to a minute (as seen in 1.34):
 * what becomes free meanwhile goes to whatever is made last. Any change of a Job makes it try that one within a second. So when pods
 * have ended, as many of those that wait get an annotation, the study with the fewest pods first, and one of them now and then in any case.
 */
export class QuotaTurns implements Disposable {
  readonly #home: ClusterHome;
  readonly #places = new Map<ClusterView, Place>();

  constructor(home: ClusterHome) {
    this.#home = home;
  }

  /** Something of an attempt may have changed. */
  heard(view: ClusterView, id: string): void {
    const place = this.#placeOf(view);
    const seen = view.of(keyOf(id));
    const isGone = seen.job === null && seen.pods.length === 0;
    const isNews = (isGone || isOver(seen)) && !place.over.has(id);
    if (isGone) place.over.delete(id);
    else if (isNews) place.over.add(id);
    const hadRoom = place.guess === id && seen.pods.length > 0;
    if (hadRoom) place.guess = null;
    if (!isNews && !hadRoom) return;
    const nWaiting = this.#waiting(view).length;
    if (nWaiting === 0) return;
    // Where there was room that nobody told of there may be more.
    if (isNews) place.nFree = Math.min(nWaiting, place.nFree + 1);
    this.#plan(view, place, place.triedAt + paceMs - this.#now);
  }

  /** All that there is was listed. */
  afterLook(view: ClusterView): void {
    const place = this.#placeOf(view);
    for (const id of place.over) if (!view.all.has(id)) place.over.delete(id);
    if (place.timer === null && this.#now - place.triedAt >= guessMs) this.#next(view, place);
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.#places.values()) timer?.[Symbol.dispose]();
  }

  get #now(): number {
    return this.#home.system.clock.monotonic();
  }

  #placeOf(view: ClusterView): Place {
    const known = this.#places.get(view);
    if (known !== undefined) return known;
    const place = { over: new Set<string>(), nFree: 0, guess: null, triedAt: -Infinity, restsUntil: -Infinity, timer: null };
    this.#places.set(view, place);
    return place;
  }

  #plan(view: ClusterView, place: Place, ms: number): void {
    place.timer ??= this.#home.system.clock.after(Math.max(0, ms), () => {
      place.timer = null;
      this.#next(view, place);
    });
  }

  #next(view: ClusterView, place: Place): void {
    const waiting = this.#waiting(view);
    if (waiting.length === 0 || this.#home.isDisposed || this.#now < place.restsUntil) {
      place.nFree = 0;
      return;
    }
    const nPods = this.#podsOf(view);
    const nPodsOf = ({ key }: PodAttempt): number => nPods.get(key.studyId) ?? 0;
    const round = ({ nTurns }: PodAttempt): number => Math.floor(nTurns / turnsInVain);
    const [live] = waiting
      .filter(({ triedAt }) => this.#now - triedAt >= tryMs)
      .toSorted((a, b) => round(a) - round(b) || nPodsOf(a) - nPodsOf(b) || a.waitsSince - b.waitsSince);
    if (live !== undefined) {
      place.triedAt = this.#now;
      live.triedAt = this.#now;
      place.guess = place.nFree > 0 ? null : keyText(live.key);
      if (place.nFree > 0) {
        place.nFree--;
        live.nTurns++;
      }
      this.#home.background(this.#tryAgain(view, place, live));
    }
    if (place.nFree > 0) this.#plan(view, place, paceMs);
  }

  async #tryAgain(view: ClusterView, place: Place, { key }: PodAttempt): Promise<void> {
    await this.#home.refuseTakenOver(key.studyId);
    const annotations = { [triedAnnotation]: new Date(this.#home.system.clock.now()).toISOString() };
    await view.cluster.patch('Job', jobName(view.home, key), { metadata: { annotations } }).catch((error: unknown) => {
      // All is as without it: the cluster tries it when it does.
      if (isRefusal(error)) place.restsUntil = this.#now + refusedMs;
    });
  }

  /** That have a Job for which the quota has no pod. */
  #waiting(view: ClusterView): readonly PodAttempt[] {
    return [...this.#home.live.values()].filter(
      (live) => live.view === view && live.waitKind === 'queued' && !live.isStopped && lacksPod(view.of(live.key)),
    );
  }

  /** How many pods each study has. */
  #podsOf(view: ClusterView): ReadonlyMap<string, number> {
    const counts = new Map<string, number>();
    for (const [id, { pods }] of view.all) {
      const { studyId } = keyOf(id);
      if (pods.some((pod) => !isTerminal(pod))) counts.set(studyId, (counts.get(studyId) ?? 0) + 1);
    }
    return counts;
  }
}

/** One that a queue holds back is not tried at all. */
function lacksPod({ job, pods }: Seen): boolean {
  return job !== null && job.spec?.suspend !== true && !isFinished(job) && pods.length === 0;
}
