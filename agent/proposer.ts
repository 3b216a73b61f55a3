/** The thread in which the agent's long proposals are computed; see `driver/proposals.ts`. */
import { parentPort } from 'node:worker_threads';
import { ProposalMirrors, type ProposerRequest } from './core/study/index.ts';

const mirrors = new ProposalMirrors();
parentPort?.on('message', (request: ProposerRequest) => {
  const answer = mirrors.handle(request);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
  if (answer !== null) parentPort?.postMessage(answer);
});
