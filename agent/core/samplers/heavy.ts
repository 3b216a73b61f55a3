import type { SamplerName } from '../../protocol/study.ts';
import { chooseSampler } from './auto.ts';
import type { SamplerContext } from './sampler.ts';

/** Trials from which on there is enough for a model. */
const modelFrom = 4;
/** Values (trials × parameters) that TPE goes through in about two milliseconds. */
const lightTpeValues = 1_000;
/** Parameters up to which CMA-ES decomposes its matrix, and trials up to which it goes through all, in well below a millisecond. */
const lightCmaes = { parameters: 20, trials: 100 } as const;
/** Earlier results of which evolution finds the best in about two milliseconds. */
const lightEvolutionPrior = 1_000;

/**
 * Whether a proposal may take more than a millisecond or two, so that it should be computed beside what must not wait for it.
 * Says nothing about what is proposed: that is the same wherever it is computed.
 */
export function isHeavy(name: SamplerName, context: SamplerContext): boolean {
  const { history, prior, space } = context;
  const nTrials = history.size + (prior?.size ?? 0);
  const width = space.parameters.length;
  switch (name) {
    case 'auto':
      return !isListed(context) && isHeavy(chooseSampler(context).sampler.name, context);
    case 'gp':
      return nTrials >= modelFrom;
    case 'tpe':
      return nTrials * width > lightTpeValues;
    case 'cmaes':
      return width > lightCmaes.parameters || nTrials > lightCmaes.trials;
    case 'evolution':
      return (prior?.size ?? 0) > lightEvolutionPrior;
    default:
      return false;
  }
}

/** Whether the budget covers all points, which `auto` then goes through. */
function isListed({ space, budgetTrials }: SamplerContext): boolean {
  return !space.hasConditions && budgetTrials !== null && space.cardinality <= budgetTrials;
}
