import type { Clock } from './clock.ts';

/** The machine's own time. */
export const nodeClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (ms, act) => {
    const timer = setTimeout(act, ms);
    return { [Symbol.dispose]: () => clearTimeout(timer) };
  },
  soon: (act) => {
    const immediate = setImmediate(act);
    return { [Symbol.dispose]: () => clearImmediate(immediate) };
  },
};
