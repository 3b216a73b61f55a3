/** Time as the agent sees it; the simulation has one of its own. */
export interface Clock {
  /** Milliseconds since the epoch. May be set back or forward by whoever owns the machine: only for records. */
  now(): number;
  /** Milliseconds that only grow, since some moment: for durations. */
  monotonic(): number;
  /** Calls `act` once, `ms` from now. Disposing it in time prevents the call. */
  after(ms: number, act: () => void): Disposable;
  /** Calls `act` once, when what runs now has come to its end. */
  soon(act: () => void): Disposable;
}

/** Resolves `ms` from now. */
export function sleep(clock: Clock, ms: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  clock.after(ms, resolve);
  return promise;
}
