import type { V1Pod } from '@kubernetes/client-node';
import { isFinished } from '../../cluster/jobStatus.ts';
import type { AttemptKey, WaitReason } from '../../protocol/study.ts';
import type { Clock } from '../../system/clock.ts';
import type { LiveAttempt } from '../attempt/liveAttempts.ts';
import type { AttemptStart } from '../executor.ts';
import type { AttemptFile } from './attemptFile.ts';
import type { ClusterView, Seen } from './clusterView.ts';
import type { LogMirror } from './logMirror.ts';
import { isTerminal } from './podEnd.ts';
import type { ClusterStudy } from './studyFile.ts';

/** As the shim names it: its program began. */
export const startFile = 'start.json';
/** The file that a stop leaves, so that the next agent, too, knows that the end was asked for. */
export const stopFile = 'stop';
/** Between looks at one attempt where nothing is heard of it. */
export const firstPauseMs = 200;

/** What is remembered of an attempt that is asked for or runs; all of it can be read again from its folder and from the cluster. */
export class PodAttempt implements LiveAttempt {
  readonly key: AttemptKey;
  readonly dir: string;
  /** Null where it was adopted to be stopped: it is not made then. */
  readonly attempt: AttemptStart | null;
  readonly ended = Promise.withResolvers<void>();
  starting: Promise<void> = Promise.resolve();
  isStarting = true;
  watch = null;
  hasEnded = false;
  isStopped = false;
  killTimer: Disposable | null = null;
  killAt = Infinity;
  isChecking = false;

  study: ClusterStudy | null = null;
  view: ClusterView | null = null;
  file: AttemptFile | null = null;
  mirror: LogMirror | null = null;
  following: Promise<void> = Promise.resolve();
  /** Its program runs, or has run. */
  hasBegun = false;
  isToldStarted = false;
  /** What was told last of why it waits. */
  toldWait = 'null';
  waitKind: WaitReason['kind'] | null = null;
  /** By the monotonic clock. */
  waitsSince = 0;
  /** And since when it waits for what only somebody can mend. */
  faultSince = 0;
  /** When its pod was last tried for in its turn, where a quota is full, by the monotonic clock. */
  triedAt = -Infinity;
  /** How often something had become free then. */
  nTurns = 0;
  /** Until when its log was read, by the monotonic clock; null while it was not read by this agent. */
  readAt: number | null = null;
  /** When anything new was read, by the monotonic clock: what was read twice says nothing of what is missing. */
  newsAt: number | null = null;
  finalReads = 0;
  /** Since when what its log lacks is looked for, by the monotonic clock. */
  finalSince: number | null = null;
  /** When it was seen first that its pod is being deleted, by the monotonic clock. */
  goingSince: number | null = null;
  /** Since when it is known that somebody ended it, and not why, by the monotonic clock. */
  toldSince: number | null = null;
  /** Since when other pods of its Job are waited for, by the monotonic clock. */
  othersSince: number | null = null;
  /** What of its stop the cluster has heard. */
  asked: string | null = null;
  /** Ends the reading of its log. */
  cut: AbortController | null = null;
  #wake: (() => void) | null = null;
  #hasNews = false;

  constructor(key: AttemptKey, dir: string, attempt: AttemptStart | null) {
    this.key = key;
    this.dir = dir;
    this.attempt = attempt;
  }

  /** Something of it may have changed. */
  wake(): void {
    this.#hasNews = true;
    this.#wake?.();
  }

  /** A list of all that there is says this of it. */
  heardLook(seen: Seen): void {
    // A reading that goes on after its pod has ended is a dead connection, or about to end by itself.
    if (this.cut !== null && (seen.job === null || isOver(seen))) {
      if (this.#isStale) this.cut.abort();
      this.#isStale = true;
    } else this.#isStale = false;
    const versions = [seen.job, ...seen.pods].map((object) => object?.metadata?.resourceVersion).join(' ');
    const isKnown = versions === this.#listed && seen.job !== null;
    this.#listed = versions;
    if (!isKnown) this.wake();
  }

  #isStale = false;
  /** Versions of what was listed of it last. */
  #listed = '';

  /** Resolves when there are news of it, with true, or after so long. */
  async news(clock: Clock, mostMs: number): Promise<boolean> {
    if (!this.#hasNews) {
      const { promise, resolve } = Promise.withResolvers<void>();
      this.#wake = resolve;
      using _timer = clock.after(mostMs, resolve);
      await promise;
      this.#wake = null;
    }
    const had = this.#hasNews;
    this.#hasNews = false;
    return had;
  }

  letGo(): void {
    this.cut?.abort();
    this.wake();
  }
}

/** The pod that is the attempt's: the one whose output its folder has, or the first one. */
export function podOf({ file }: Pick<PodAttempt, 'file'>, { pods }: Seen): V1Pod | null {
  const own = file?.pod ?? null;
  return (own === null ? pods[0] : pods.find(({ metadata }) => metadata?.uid === own)) ?? null;
}

/** Nothing of it runs any more, as far as the cluster says. */
export function isOver({ job, pods }: Seen): boolean {
  if (pods.length > 0) return pods.every(isTerminal);
  return job !== null && isFinished(job);
}

/** Of a text that `keyText` made. */
export function keyOf(id: string): AttemptKey {
  const [studyId = '', trial, attempt] = id.split('/');
  return { studyId, trial: Number(trial), attempt: Number(attempt) };
}
