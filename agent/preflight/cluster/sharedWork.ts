/** Work that several ask for at once and that must not be done twice at the same time, by what it makes. */
export class SharedWork {
  readonly #going = new Map<string, Promise<unknown>>();

  /**
   * Does the work where nobody does it; else says so by `onWait` and resolves when who does it has ended, however that went: what it
   * made is there, or who waited asks again. False where it only waited. Rejects with the signal, which leaves the others' work alone.
   */
  async doOrWait(key: string, work: () => Promise<void>, onWait: () => void, signal?: AbortSignal): Promise<boolean> {
    const others = this.#going.get(key);
    if (others === undefined) {
      const own = work();
      this.#going.set(key, own);
      await own.finally(() => this.#going.delete(key));
      return true;
    }
    onWait();
    const cut = Promise.withResolvers<never>();
    const onAbort = (): void => cut.reject(signal?.reason);
    signal?.addEventListener('abort', onAbort);
    try {
      signal?.throwIfAborted();
      await Promise.race([others.catch(() => undefined), cut.promise]);
    } finally {
      signal?.removeEventListener('abort', onAbort);
    }
    return false;
  }
}
