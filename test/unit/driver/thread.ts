import { setTimeout as sleep } from 'node:timers/promises';
import { ProposalMirrors, type ProposerRequest } from '../../../agent/core/study/index.ts';
import type { StartProposer } from '../../../agent/driver/ports.ts';

/** A thread in this one that answers after `ms`; it does one thing after the other, as a real one does. */
export function thread(ms: number, seen: ProposerRequest[] = [], told: { answers: number } = { answers: 0 }): StartProposer {
  return (listener) => {
    const mirrors = new ProposalMirrors();
    let work = Promise.resolve();
    let isOver = false;
    return {
      post: (request) => {
        const cloned = structuredClone(request);
        seen.push(cloned);
        work = work.then(async () => {
          if (cloned.type === 'propose') await sleep(ms);
          const answer = mirrors.handle(cloned);
          if (answer === null || isOver) return;
          listener.answered(structuredClone(answer));
          told.answers++;
        });
      },
      [Symbol.dispose]: () => {
        isOver = true;
      },
    };
  };
}
