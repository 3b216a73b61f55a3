import { appendFileSync } from 'node:fs';

/** An agent whose work is done and recorded has nothing to wait for: what keeps its process for longer is a fault. */
const lingerMs = 5_000;
const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * A signal asks the agent to end. Where that was asked before, by whatever, it ends the process at once: what is half done then, the next
 * agent finds as after a kill.
 */
export function endOnSignals(stop: PromiseWithResolvers<string>): void {
  let isEnding = false;
  void stop.promise.then(() => (isEnding = true));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      // Also of the first process of a container, which its own signals do not end.
      if (isEnding) process.exit(exitCodes[signal]);
      stop.resolve(signal);
    });
  }
}

/** Ends the process in a while, where it does not end by itself, and says in the log what has kept it. */
export function endAnyway(log: string): void {
  const end = (): void => {
    const kept = process.getActiveResourcesInfo();
    const line = {
      level: 50,
      time: Date.now(),
      pid: process.pid,
      kept,
      msg: 'something keeps the process of an agent that has ended',
    };
    try {
      appendFileSync(log, `${JSON.stringify(line)}\n`);
    } finally {
      process.exit();
    }
  };
  setTimeout(end, lingerMs).unref();
}
