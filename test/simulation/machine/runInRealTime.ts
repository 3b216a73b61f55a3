import { setImmediate as settled } from 'node:timers/promises';
import type { Machine } from './machine.ts';

/** More than this passes at once on no machine: where this process has to wait, the virtual machine stands still, in ms. */
const mostAtOnceMs = 50;

/** Lets a machine's time pass as real time does, for suites that also hold for a real machine. Disposing stops it. */
export function runInRealTime({ timeline }: Machine): Disposable {
  /** How far the machine is to be. */
  let until = timeline.now;
  let lookedAt = performance.now();
  const over = new AbortController();
  const timer = setInterval(() => void pass(), 1);
  let isPassing = false;
  return {
    [Symbol.dispose]: () => {
      over.abort();
      clearInterval(timer);
    },
  };

  async function pass(): Promise<void> {
    if (isPassing) return;
    isPassing = true;
    const now = performance.now();
    until += Math.min(mostAtOnceMs, now - lookedAt);
    lookedAt = now;
    while (!over.signal.aborted && timeline.next <= until) {
      timeline.step();
      await settled();
    }
    // Also where nothing happens: what is planned now is planned from now on.
    timeline.now = Math.max(timeline.now, until);
    isPassing = false;
  }
}
