import { isAway } from '../core/study/index.ts';
import type { Clock } from '../system/clock.ts';
import type { Study } from './study.ts';

const firstWaitMs = 2_000;
const maxWaitMs = 15_000;

/**
 * Studies that paused themselves as the container engine or the cluster was away: each goes on when its executor can start attempts again. The
 * waits get longer for one whose engine comes back and is away again before anything began.
 */
export class Comebacks implements Disposable {
  readonly #clock: Clock;
  readonly #resume: (studyId: string) => Promise<void>;
  readonly #waits = new Map<string, { timer: Disposable; ms: number; isDue: boolean }>();

  constructor(clock: Clock, resume: (studyId: string) => Promise<void>) {
    this.#clock = clock;
    this.#resume = resume;
  }

  /** To be told whenever a study may have changed. */
  see(study: Study): void {
    const known = this.#waits.get(study.studyId);
    if (isWaiting(study)) {
      if (known === undefined || known.isDue) this.#wait(study, known === undefined ? firstWaitMs : nextWait(known.ms));
      return;
    }
    if (known === undefined || (study.state.view.state === 'running' && !hasBegun(study))) return;
    known.timer[Symbol.dispose]();
    this.#waits.delete(study.studyId);
  }

  [Symbol.dispose](): void {
    for (const { timer } of this.#waits.values()) timer[Symbol.dispose]();
    this.#waits.clear();
  }

  #wait(study: Study, ms: number): void {
    const wait = { timer: this.#clock.after(ms, () => void this.#look(study)), ms, isDue: false };
    this.#waits.set(study.studyId, wait);
  }

  async #look(study: Study): Promise<void> {
    const isReady = await study.executor.isReady(study.studyId);
    const wait = this.#waits.get(study.studyId);
    if (wait === undefined || !isWaiting(study)) return;
    if (!isReady) {
      this.#wait(study, nextWait(wait.ms));
      return;
    }
    wait.isDue = true;
    // While the journal takes nothing, it is asked for again.
    await this.#resume(study.studyId).catch(() => {
      if (this.#waits.get(study.studyId) === wait && isWaiting(study)) this.#wait(study, nextWait(wait.ms));
    });
  }
}

/** Whether it waits for its container engine, or its cluster. */
export function isWaiting({ state: { view } }: Study): boolean {
  return !view.deleted && view.movedTo === null && view.state === 'paused' && view.failure !== null && isAway(view.failure);
}

function hasBegun({ state }: Study): boolean {
  return [...state.liveTrials()].some(({ attempts }) => attempts.at(-1)?.startedAt !== null);
}

function nextWait(ms: number): number {
  return Math.min(2 * ms, maxWaitMs);
}
