import { createRng } from '../../math/index.ts';
import { forecastProposal, hasForecasts } from '../multiFidelity/forecastProposal.ts';
import type { Proposal, Sampler, SamplerContext } from '../sampler.ts';
import { startupPoint } from '../startup.ts';
import { streams } from '../streams.ts';
import { unseenPoint } from '../unseen.ts';
import { product } from './acquisition.ts';
import { feasibilityOf } from './feasibility.ts';
import { goalOf, maxRows } from './goal.ts';
import { maximizeAcquisition } from './maximizeAcquisition.ts';
import { Surrogates } from './surrogate.ts';
import { trainingSet } from './trainingSet.ts';

/** Ended trials before a model is asked, unless there are results from elsewhere. */
const nStartup = 5;

/**
 * Bayesian optimisation: a Gaussian process is fitted to the observations and the point proposed that improves most on them,
 * as far as the model knows (D. R. Jones, M. Schonlau, W. J. Welch: Efficient global optimization of expensive black-box
 * functions, Journal of Global Optimization 13 (1998)), weighted by the probability of a usable result.
 *
 * Kernel, with categories, conditions and warps: `kernel.ts`. What counts as improvement: `goal.ts`. Failures and constraints:
 * `feasibility.ts`. Parts of learning curves: `multiFidelity/`. Pending trials: `pending.ts`. Results from elsewhere: `surrogate.ts`.
 */
export const gpSampler: Sampler = {
  name: 'gp',
  propose(context: SamplerContext): Proposal {
    if (hasForecasts(context)) return forecastProposal(context);
    const { history, space, objectives, number } = context;
    if (space.cardinality === 1 || (history.ended < nStartup && context.prior === null)) return startupPoint(context, nStartup);
    const rng = createRng(context.seed, number, streams.gp);
    const training = trainingSet(history, objectives);
    const goal = goalOf(context, training, rng);
    const surrogates = new Surrogates(history, null);
    const feasibility = feasibilityOf(history, training, maxRows, (...args) => surrogates.ofValues(...args));
    const parts = [...(goal === null ? [] : [goal.acquisition]), ...feasibility];
    if (parts.length === 0) return startupPoint(context, nStartup);
    const found = maximizeAcquisition({
      space,
      acquisition: product(parts),
      incumbents: goal?.incumbents ?? [],
      isTaken: (params) => history.has(params),
      rng,
      cost: costOf(Math.min(maxRows, training.rows.length + training.pending.length), space.parameters.length) * parts.length,
    });
    if (found === null) return unseenPoint(context, rng.next, 'A random point: all that the model asked for was tried.');
    const reason = goal === null ? 'The point that most likely gives a usable result.' : goal.explain(found.row);
    return { type: 'point', params: found.params, reason };
  },
};

/** Kernel and triangular solve of one prediction; an operation of the solve is a sixteenth of one of the kernel. */
function costOf(nRows: number, nColumns: number): number {
  return nRows * nColumns + nRows ** 2 / 16;
}
