/** Both may be passed on by themselves. */
export interface Throttled {
  readonly call: () => void;
  readonly cancel: () => void;
}

/** Calls `act` at most once per `intervalMs`: at once when it has been quiet, else when the interval is over. */
export function throttle(act: () => void, intervalMs: number): Throttled {
  let timer: NodeJS.Timeout | null = null;
  let isWanted = false;
  const open = (): void => {
    timer = null;
    if (!isWanted) return;
    isWanted = false;
    run();
  };
  const run = (): void => {
    timer = setTimeout(open, intervalMs);
    act();
  };
  return {
    call: () => {
      if (timer === null) run();
      else isWanted = true;
    },
    cancel: () => {
      if (timer !== null) clearTimeout(timer);
      timer = null;
      isWanted = false;
    },
  };
}
