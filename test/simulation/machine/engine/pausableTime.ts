import type { ProgramTime } from '../program.ts';

/** Time as it is felt in a container: what falls due while it is paused happens when it goes on. */
export class PausableTime implements ProgramTime {
  readonly #time: ProgramTime;
  /** What has fallen due; null while it is not paused. */
  #due: (() => void)[] | null = null;

  constructor(time: ProgramTime) {
    this.#time = time;
  }

  get now(): number {
    return this.#time.now;
  }

  after(ms: number, act: () => void): Disposable {
    let isDisposed = false;
    const run = (): void => void (isDisposed || act());
    const timer = this.#time.after(ms, () => {
      if (this.#due === null) run();
      else this.#due.push(run);
    });
    return {
      [Symbol.dispose]: () => {
        isDisposed = true;
        timer[Symbol.dispose]();
      },
    };
  }

  pause(): void {
    this.#due ??= [];
  }

  resume(): void {
    const due = this.#due ?? [];
    this.#due = null;
    for (const act of due) this.#time.after(0, act);
  }
}
