/**
 * Records that may wait to be recorded before nothing more is read: a quarter of a second of the driver's work. Fewer would
 * give the rate to the disk's flushes, of which each turn waits for one or two.
 */
const maxPending = 12_000;
/** Chunks that are read at once. */
const maxReaders = 4;

/**
 * Who may read the output of trials next. What is read waits in memory until it is recorded, so reading stops while much
 * does: the rest stays in its files. Whoever wants to read waits in a queue, so a trial that prints without end delays the
 * others by a chunk each time.
 */
export class ReadingOrder {
  readonly #queue: (() => void)[] = [];
  #nReaders = 0;
  #nPending = 0;

  /** Resolves when a chunk may be read; `leave` must be called after it. */
  async enter(): Promise<void> {
    if (this.#queue.length === 0 && this.#hasRoom()) {
      this.#nReaders++;
      return;
    }
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#queue.push(resolve);
    await promise;
  }

  /** @param nRecords what came of the chunk and waits to be recorded */
  leave(nRecords: number): void {
    this.#nReaders--;
    this.#nPending += nRecords;
    this.#admit();
  }

  /** Everything that waited is recorded. */
  recorded(): void {
    this.#nPending = 0;
    this.#admit();
  }

  #hasRoom(): boolean {
    return this.#nReaders < maxReaders && this.#nPending < maxPending;
  }

  #admit(): void {
    while (this.#queue.length > 0 && this.#hasRoom()) {
      this.#nReaders++;
      this.#queue.shift()?.();
    }
  }
}
