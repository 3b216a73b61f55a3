interface Waiting {
  readonly go: () => void;
  readonly isUrgent: boolean;
}

/** Lets so many through at once, and then so many a second; who comes next waits in line, behind those that are urgent. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  readonly #line: Waiting[] = [];
  #tokens: number;
  #countedAt = performance.now();
  #timer: NodeJS.Timeout | null = null;

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** Resolves when it is the caller's turn; rejects with the signal's reason when that fires before. */
  take(signal: AbortSignal, isUrgent = false): Promise<void> {
    return new Promise((resolve, reject) => {
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the reason of a signal is what its owner gave
      if (signal.aborted) return reject(signal.reason);
      const onAbort = (): void => {
        this.#line.splice(this.#line.indexOf(waiting), 1);
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- as above
        reject(signal.reason);
      };
      const waiting = {
        isUrgent,
        go: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      const firstOrdinary = isUrgent ? this.#line.findIndex((other) => !other.isUrgent) : -1;
      this.#line.splice(firstOrdinary === -1 ? this.#line.length : firstOrdinary, 0, waiting);
      this.#serve();
    });
  }

  #serve(): void {
    const now = performance.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#countedAt) / 1_000) * this.#perSecond);
    this.#countedAt = now;
    while (this.#tokens >= 1) {
      const next = this.#line.shift();
      if (next === undefined) return;
      this.#tokens -= 1;
      next.go();
    }
    if (this.#line.length === 0 || this.#timer !== null) return;
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#serve();
      },
      Math.ceil(((1 - this.#tokens) / this.#perSecond) * 1_000),
    );
  }
}

/** Rejects when the signal fires before the time is over. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the reason of a signal is what its owner gave
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener('abort', onAbort);
      resolve();
    }, ms);
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  });
}
