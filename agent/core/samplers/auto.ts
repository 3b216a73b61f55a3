import { evolutionSampler } from './evolution.ts';
import { gpSampler } from './gp/gpSampler.ts';
import { nextPoint } from './grid.ts';
import type { Proposal, Sampler, SamplerContext } from './sampler.ts';
import { tpeSampler } from './tpe.ts';

/** Ended trials from which on a Gaussian process no longer earns its cost: TPE learns as well from that many. */
const maxModelTrials = 1_000;
/** Parameters above which distances in the whole space, which the Gaussian process lives on, say little. */
const maxModelParameters = 60;
/** Trials at once above which the Gaussian process would spend its time on imagined results of pending ones. */
const maxModelParallel = 64;
/**
 * A trial this short is over sooner than a Gaussian process proposes the next. Well below what the start of any interpreter
 * takes: a choice by time must not differ between two runs with one seed.
 */
const minModelTrialMs = 15;
/** Ended trials from which on a population improves as well as a density does, at a cost that no longer grows. */
const maxDensityTrials = 50_000;

/** Chooses anew for each trial, by the space, the budget and what has been seen, and says so in the reason. */
export const autoSampler: Sampler = {
  name: 'auto',
  propose(context: SamplerContext): Proposal {
    const { space, budgetTrials } = context;
    const nPoints = budgetTrials === null ? null : space.count(budgetTrials);
    if (nPoints !== null) return explained(nextPoint(context), `grid, as the budget covers all ${nPoints} points of the space`);
    const { sampler, why } = chooseSampler(context);
    return explained(sampler.propose(context), why);
  },
};

/** The sampler for the next trial of a space that is too large to be listed, and why it. */
export function chooseSampler({ space, history, parallel, trialMs }: SamplerContext): {
  readonly sampler: Sampler;
  readonly why: string;
} {
  const nParameters = space.parameters.length;
  if (history.ended > maxDensityTrials) return { sampler: evolutionSampler, why: `evolution, after ${history.ended} trials` };
  if (history.ended > maxModelTrials) return { sampler: tpeSampler, why: `TPE, after ${history.ended} trials` };
  if (nParameters > maxModelParameters) return { sampler: tpeSampler, why: `TPE, as there are ${nParameters} parameters` };
  if (parallel > maxModelParallel) return { sampler: tpeSampler, why: `TPE, as ${parallel} trials run at once` };
  if (trialMs !== null && trialMs < minModelTrialMs)
    return { sampler: tpeSampler, why: `TPE, as a trial takes only ${Math.round(trialMs)} ms` };
  return { sampler: gpSampler, why: 'Gaussian process' };
}

function explained(proposal: Proposal, choice: string): Proposal {
  return { ...proposal, reason: `${proposal.reason} (auto: ${choice})` };
}
