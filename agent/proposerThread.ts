import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { ProposerAnswer } from './core/study/index.ts';
import type { ProposerListener, ProposerThread } from './driver/ports.ts';

/** Starts the thread, whose program lies beside the agent's own bundle. */
export function startProposer(
  listener: ProposerListener,
  path: string = join(import.meta.dirname, 'proposer.cjs'),
): ProposerThread {
  let isOver = false;
  const broke = (reason: string): void => {
    if (isOver) return;
    isOver = true;
    listener.broke(reason);
  };
  const worker = new Worker(path, { name: 'proposer', execArgv: [] });
  worker.on('message', (answer: ProposerAnswer) => {
    if (!isOver) listener.answered(answer);
  });
  worker.on('error', (error) => broke(error instanceof Error ? (error.stack ?? error.message) : String(error)));
  worker.on('exit', (exitCode) => broke(`it ended with exit code ${exitCode}`));
  // It ends with the agent, and keeps it from ending at no time.
  worker.unref();
  return {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
    post: (request) => worker.postMessage(request),
    [Symbol.dispose]: () => {
      isOver = true;
      void worker.terminate();
    },
  };
}
