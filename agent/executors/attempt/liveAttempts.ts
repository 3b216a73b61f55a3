import type { AttemptKey } from '../../protocol/study.ts';
import type { Clock } from '../../system/clock.ts';
import type { Watch } from '../../system/files.ts';
import { keyText } from './studyFolders.ts';

/** What an executor of this machine remembers of an attempt that starts or runs; all of it can be read again from its folder. */
export interface LiveAttempt {
  readonly key: AttemptKey;
  readonly dir: string;
  starting: Promise<void>;
  /** Until the program runs, or is known to have ended. */
  isStarting: boolean;
  readonly ended: PromiseWithResolvers<void>;
  watch: Watch | null;
  hasEnded: boolean;
  isStopped: boolean;
  killTimer: Disposable | null;
  /** By the monotonic clock; a later stop can only bring it nearer. */
  killAt: number;
  isChecking: boolean;
}

export function liveAttempt(key: AttemptKey, dir: string): LiveAttempt {
  return {
    key,
    dir,
    starting: Promise.resolve(),
    isStarting: true,
    ended: Promise.withResolvers(),
    watch: null,
    hasEnded: false,
    isStopped: false,
    killTimer: null,
    killAt: Infinity,
    isChecking: false,
  };
}

/** Attempts that are starting or run, by `keyText`. */
export class LiveAttempts<T extends LiveAttempt> extends Map<string, T> {
  readonly #onEmpty: () => void;

  /** `onEmpty` is called whenever the last one has ended. */
  constructor(onEmpty: () => void) {
    super();
    this.#onEmpty = onEmpty;
  }

  /** One that cannot begin is forgotten, and its `starting` rejects. */
  admit(live: T, begin: (live: T) => Promise<void>): T {
    this.set(keyText(live.key), live);
    live.starting = begin(live).catch((error: unknown) => {
      this.forget(live);
      throw error;
    });
    return live;
  }

  forget(live: T): void {
    live.hasEnded = true;
    live.killTimer?.[Symbol.dispose]();
    this.delete(keyText(live.key));
    void live.watch?.[Symbol.asyncDispose]();
    live.ended.resolve();
    if (this.size === 0) this.#onEmpty();
  }

  of(studyId: string): T[] {
    return [...this.values()].filter(({ key }) => key.studyId === studyId);
  }

  /** Lets go of all without ending them. */
  async letGo(): Promise<void> {
    for (const { killTimer } of this.values()) killTimer?.[Symbol.dispose]();
    await Promise.all([...this.values()].map(async ({ watch }) => await watch?.[Symbol.asyncDispose]()));
  }
}

/** Resolves when all have ended, or after so many milliseconds. */
export async function endOf(lives: readonly LiveAttempt[], clock: Clock, mostMs: number): Promise<void> {
  const patience = Promise.withResolvers<void>();
  const timer = clock.after(mostMs, patience.resolve);
  await Promise.race([Promise.all(lives.map(({ ended }) => ended.promise)), patience.promise]);
  timer[Symbol.dispose]();
}
