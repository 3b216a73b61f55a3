import { nextPoint } from './grid.ts';
import type { Proposal, Sampler, SamplerContext } from './sampler.ts';
import { tpeSampler } from './tpe.ts';

/** Chooses by the space and the budget, and says so in the reason. */
export const autoSampler: Sampler = {
  name: 'auto',
  propose(context: SamplerContext): Proposal {
    const { space, budgetTrials } = context;
    const nPoints = budgetTrials === null ? null : space.count(budgetTrials);
    if (nPoints === null) return explained(tpeSampler.propose(context), 'TPE');
    return explained(nextPoint(context), `grid, as the budget covers all ${nPoints} points of the space`);
  },
};

function explained(proposal: Proposal, choice: string): Proposal {
  return { ...proposal, reason: `${proposal.reason} (auto: ${choice})` };
}
