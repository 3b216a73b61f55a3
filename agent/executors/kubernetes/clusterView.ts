import type { CoreV1Event, V1Job, V1Pod } from '@kubernetes/client-node';
import type { Cluster, Workload } from '../../cluster/cluster.ts';
import type { AttemptKey } from '../../protocol/study.ts';
import type { Clock } from '../../system/clock.ts';
import { keyText } from '../attempt/studyFolders.ts';
import { attemptLabels, attemptOfJob, attemptOfPod, homeLabels, jobName } from './names.ts';

/** What the cluster has of an attempt, as far as it was seen. */
export interface Seen {
  readonly job: V1Job | null;
  /** Oldest first. */
  readonly pods: readonly V1Pod[];
}

/** How often everything is listed, whatever the watches say; and while attempts are about to begin. */
const lookMs = 30_000;
const livelyLookMs = 5_000;
/** One on which nothing was for so long is not listened to any more, and is looked at this often. */
const idleMs = 10 * 60_000;
/** What is told of Jobs and pods besides their states is asked for at most so often. */
const rememberMs = 10_000;
const nothing: Seen = { job: null, pods: [] };

/**
 * What of one home is in one namespace of a cluster. Watches tell of changes at once, and may be wrong, late or dead; lists of all
 * that there is decide, every half a minute and when something depends on it.
 */
export class ClusterView implements Disposable {
  readonly cluster: Cluster;
  readonly home: string;
  readonly #clock: Clock;
  readonly #onChange: (view: ClusterView, id: string) => void;
  readonly #onLook: (view: ClusterView) => void;
  readonly #isLively: () => boolean;
  readonly #isNeeded: () => boolean;
  readonly #warnings: Remembered<readonly CoreV1Event[]>;
  readonly #workloads: Remembered<readonly Workload[]>;
  #seen = new Map<string, Seen>();
  #others: readonly V1Job[] = [];
  #watches: readonly Disposable[] = [];
  #timer: Disposable | null = null;
  #looking: Promise<void> | null = null;
  #lookedAt = -Infinity;
  /** When it was needed last, or anything was there. */
  #neededAt = -Infinity;
  /** Since the last list that was answered. */
  #failure: unknown = null;
  #isDisposed = false;

  constructor(options: {
    readonly cluster: Cluster;
    readonly home: string;
    readonly clock: Clock;
    /** Something of an attempt may have changed; by `keyText`. */
    readonly onChange: (view: ClusterView, id: string) => void;
    /** All that there is has just been listed. */
    readonly onLook: (view: ClusterView) => void;
    /** Whether attempts are about to begin. */
    readonly isLively: () => boolean;
    /** Whether any attempt is there, or asked for. */
    readonly isNeeded: () => boolean;
  }) {
    this.cluster = options.cluster;
    this.home = options.home;
    this.#clock = options.clock;
    this.#onChange = options.onChange;
    this.#onLook = options.onLook;
    this.#isLively = options.isLively;
    this.#isNeeded = options.isNeeded;
    const { cluster, clock } = options;
    this.#warnings = new Remembered(clock, () => cluster.list('Event', { fields: 'type=Warning' }));
    this.#workloads = new Remembered(clock, () => cluster.list('Workload'));
  }

  /** Why the cluster did not answer when it was asked last; null when it did. */
  get failure(): unknown {
    return this.#failure;
  }

  get all(): ReadonlyMap<string, Seen> {
    return this.#seen;
  }

  /** Jobs of this home that are no attempt's, as they were listed last. */
  get others(): readonly V1Job[] {
    return this.#others;
  }

  of(key: AttemptKey): Seen {
    return this.#seen.get(keyText(key)) ?? nothing;
  }

  /** Hears and lists from now on, until it is disposed; ever more rarely where nothing is there. */
  follow(): void {
    this.#neededAt = this.#clock.monotonic();
    if (this.#watches.length === 0) this.#plan();
  }

  #listen(): void {
    if (this.#watches.length > 0) return;
    const labels = homeLabels(this.home);
    this.#watches = [
      this.cluster.watch('Job', labels, ({ removed, object }) => {
        const key = attemptOfJob(this.home, object);
        if (key !== null) this.#hear(key, (seen) => ({ ...seen, job: removed ? null : object }));
      }),
      this.cluster.watch('Pod', labels, ({ removed, object }) => {
        const key = attemptOfPod(object);
        if (key === null) return;
        this.#hear(key, ({ job, pods }) => {
          const others = pods.filter(({ metadata }) => metadata?.uid !== object.metadata?.uid);
          return { job, pods: ordered(removed ? others : [...others, object]) };
        });
      }),
    ];
  }

  #endWatches(): void {
    for (const watch of this.#watches) watch[Symbol.dispose]();
    this.#watches = [];
  }

  /** Lists all that there is; one at a time, for all who ask meanwhile. */
  look(): Promise<void> {
    this.#looking ??= this.#look().finally(() => (this.#looking = null));
    return this.#looking;
  }

  /** What the cluster has of an attempt right now. */
  async lookAt(key: AttemptKey): Promise<Seen> {
    try {
      // In this order: of a Job that is over, and has a pod, that is seen too.
      const found = await this.cluster.get('Job', jobName(this.home, key));
      const pods = await this.cluster.list('Pod', { labels: attemptLabels(this.home, key) });
      const job = found !== null && attemptOfJob(this.home, found) !== null ? found : null;
      const seen = { job, pods: ordered(pods) };
      this.#set(keyText(key), seen);
      this.#failure = null;
      return seen;
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }

  /** Why pods of Jobs could not be made, and nodes cannot prepare pods: asked for all of them together. */
  warnings(): Promise<readonly CoreV1Event[]> {
    return this.#warnings.get();
  }

  /** What Kueue says of all Jobs, together. */
  workloads(): Promise<readonly Workload[]> {
    return this.#workloads.get();
  }

  /** What was made just now, before any watch tells of it. */
  note(key: AttemptKey, job: V1Job): void {
    this.#set(keyText(key), { ...this.of(key), job });
  }

  [Symbol.dispose](): void {
    this.#isDisposed = true;
    this.#timer?.[Symbol.dispose]();
    this.#endWatches();
  }

  #hear(key: AttemptKey, change: (seen: Seen) => Seen): void {
    if (this.#isDisposed) return;
    this.#set(keyText(key), change(this.of(key)));
    this.#onChange(this, keyText(key));
  }

  #set(id: string, seen: Seen): void {
    if (seen.job === null && seen.pods.length === 0) this.#seen.delete(id);
    else this.#seen.set(id, seen);
  }

  #plan(): void {
    if (this.#isDisposed) return;
    this.#timer?.[Symbol.dispose]();
    if (this.#seen.size > 0 || this.#isNeeded()) this.#neededAt = this.#clock.monotonic();
    const isIdle = this.#clock.monotonic() - this.#neededAt > idleMs;
    if (isIdle) this.#endWatches();
    else this.#listen();
    this.#timer = this.#clock.after(isIdle ? idleMs : livelyLookMs, () => {
      const isDue = this.#clock.monotonic() - this.#lookedAt >= lookMs - livelyLookMs / 2;
      if (!isDue && !this.#isLively() && this.#failure === null) return this.#plan();
      void this.look()
        .catch(() => {})
        .finally(() => this.#plan());
    });
  }

  async #look(): Promise<void> {
    const labels = homeLabels(this.home);
    try {
      const [jobs, pods] = [await this.cluster.list('Job', { labels }), await this.cluster.list('Pod', { labels })];
      const seen = new Map<string, Seen>();
      for (const job of jobs) {
        const key = attemptOfJob(this.home, job);
        if (key !== null) seen.set(keyText(key), { job, pods: [] });
      }
      for (const pod of pods) {
        const key = attemptOfPod(pod);
        if (key === null) continue;
        const known = seen.get(keyText(key)) ?? nothing;
        seen.set(keyText(key), { ...known, pods: ordered([...known.pods, pod]) });
      }
      this.#seen = seen;
      this.#others = jobs.filter((job) => attemptOfJob(this.home, job) === null);
      this.#lookedAt = this.#clock.monotonic();
      this.#failure = null;
    } catch (error) {
      this.#failure = error;
      throw error;
    }
    if (!this.#isDisposed) this.#onLook(this);
  }
}

/** Asks at most so often, whoever wants to know. */
class Remembered<T> {
  readonly #clock: Clock;
  readonly #ask: () => Promise<T>;
  #asked: { readonly at: number; readonly answer: Promise<T> } | null = null;

  constructor(clock: Clock, ask: () => Promise<T>) {
    this.#clock = clock;
    this.#ask = ask;
  }

  get(): Promise<T> {
    const now = this.#clock.monotonic();
    if (this.#asked === null || now - this.#asked.at > rememberMs) this.#asked = { at: now, answer: this.#ask() };
    return this.#asked.answer;
  }
}

/** By age, and by name among those of one second. */
function ordered(pods: readonly V1Pod[]): readonly V1Pod[] {
  const time = ({ metadata }: V1Pod): number => Number(new Date(metadata?.creationTimestamp ?? 0));
  return pods.toSorted((a, b) => time(a) - time(b) || ((a.metadata?.name ?? '') < (b.metadata?.name ?? '') ? -1 : 1));
}
