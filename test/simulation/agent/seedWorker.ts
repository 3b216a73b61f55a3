/** A thread that lives seeds through, one after the other, as it is told. */
import { parentPort, workerData } from 'node:worker_threads';
import type { SimulatedExecutor } from './scenario.ts';
import { simulateSeed } from './simulateSeed.ts';

// Faults are thrown by the thousand, and nobody reads their stacks.
Error.stackTraceLimit = 0;
parentPort?.on('message', (seeds: readonly number[]) => void run(seeds));

const executor: SimulatedExecutor = workerData;

async function run(seeds: readonly number[]): Promise<void> {
  for (const seed of seeds) {
    const { violations, checks, faults, steps } = await simulateSeed(seed, executor);
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    parentPort?.postMessage({ seed, violations, checks, faults, steps });
  }
}
