import { setImmediate as settled } from 'node:timers/promises';
import type { Machine } from './machine.ts';

/** Lets a machine's time pass as real time does, for suites that also hold for a real machine. Disposing stops it. */
export function runInRealTime({ timeline }: Machine): Disposable {
  const startedAt = performance.now() - timeline.now;
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
    while (!over.signal.aborted && timeline.next <= performance.now() - startedAt) {
      timeline.step();
      await settled();
    }
    isPassing = false;
  }
}
