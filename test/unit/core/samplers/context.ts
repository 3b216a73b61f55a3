import { History, type SamplerContext } from '../../../../agent/core/samplers/index.ts';
import type { CompiledSpace } from '../../../../agent/core/space/index.ts';
import type { Sampler } from '../../../../agent/core/samplers/index.ts';
import type { Objective, Params } from '../../../../agent/protocol/space.ts';

export const loss: Objective = { metric: 'loss', direction: 'min', goal: null };

/** What a sampler is told at the start of a sequential study, with what differs. */
export function contextOf(space: CompiledSpace, more: Partial<SamplerContext> = {}): SamplerContext {
  return {
    space,
    objectives: [loss],
    history: new History(space),
    seed: 1,
    number: 0,
    budgetTrials: null,
    liar: 'max',
    parallel: 1,
    fidelity: null,
    prior: null,
    trialMs: null,
    ...more,
  };
}

/** Best loss after `nTrials` of a study whose trials all complete, `parallel` at once, ending in the order they began. */
export function bestAfter(
  sampler: Sampler,
  space: CompiledSpace,
  lossAt: (params: Params) => number,
  { nTrials, seed, parallel = 1 }: { readonly nTrials: number; readonly seed: number; readonly parallel?: number },
): number {
  const history = new History(space);
  let best = Infinity;
  for (let number = 0; number < nTrials + parallel - 1; number++) {
    if (number < nTrials) {
      const proposal = sampler.propose(contextOf(space, { history, seed, number, budgetTrials: nTrials, parallel }));
      if (proposal.type === 'exhausted') return best;
      history.upsert({ number, params: proposal.params, state: 'pending', values: [NaN], resource: 0 });
    }
    const ended = number - parallel + 1;
    if (ended < 0) continue;
    const { params } = history.at(ended);
    const value = lossAt(params);
    best = Math.min(best, value);
    history.upsert({ number: ended, params, state: 'complete', values: [value], resource: 1 });
  }
  return best;
}
