/** Lets so many through at once, and then so many a second; who comes next waits in line. */
export class TokenBucket {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #countedAt = performance.now();
  #line: Promise<void> = Promise.resolve();

  constructor(perSecond: number, burst: number) {
    this.#perSecond = perSecond;
    this.#burst = burst;
    this.#tokens = burst;
  }

  /** Resolves when it is the caller's turn; rejects when the signal fires before. */
  take(signal: AbortSignal): Promise<void> {
    const turn = this.#line.then(() => this.#next(signal));
    this.#line = turn.catch(() => undefined);
    return turn;
  }

  async #next(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const now = performance.now();
    this.#tokens = Math.min(this.#burst, this.#tokens + ((now - this.#countedAt) / 1_000) * this.#perSecond);
    this.#countedAt = now;
    if (this.#tokens < 1) {
      await pause(((1 - this.#tokens) / this.#perSecond) * 1_000, signal);
      return await this.#next(signal);
    }
    this.#tokens -= 1;
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
