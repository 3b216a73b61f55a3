import { createRng } from '../../math/index.ts';
import type { Proposal, Sampler, SamplerContext } from '../sampler.ts';
import { streams } from '../streams.ts';
import { unseenPoint } from '../unseen.ts';
import { drawFrom } from './model.ts';
import { replay } from './replay.ts';

/** Draws that must lie in the cube, that must satisfy `where` as they are, and in all. */
const nInside = 10;
const nSatisfied = 20;
const nDraws = 30;

/**
 * CMA-ES: draws from a normal distribution whose mean, step size and covariance follow the better half of each generation (N. Hansen:
 * The CMA evolution strategy, a tutorial, arXiv 1604.00772). It holds no state: the model is computed from the history, see
 * `replay.ts`; so any number of trials may run at once, and members that failed or still run are simply missing.
 *
 * Numbers and ordinals are coordinates, discrete ones with a margin that keeps them moving; categories are drawn by shares that
 * follow the better half, too; what a condition leaves out of a trial teaches nothing about it. Draws outside of the cube
 * are repeated, then cut; where `where` or a trial that has the point already forbid them, repeated, then repaired.
 */
export const cmaesSampler: Sampler = {
  name: 'cmaes',
  propose(context: SamplerContext): Proposal {
    const { space, history } = context;
    const rng = createRng(context.seed, context.number, streams.cmaes);
    const { columns, model, nRestarts } = replay(context);
    const unit = new Float64Array(space.parameters.length).fill(NaN);
    const run = nRestarts === 0 ? '' : ` of run ${nRestarts + 1}, as earlier ones have converged`;
    const reason = `Drawn around the mean of the better results, generation ${model.generation + 1}${run}.`;
    for (let draw = 0; draw < nDraws; draw++) {
      drawFrom(model, columns, rng, unit);
      const isInside = columns.numeric.every(({ index, size }) => size < Infinity || Math.abs((unit[index] ?? 0) - 0.5) <= 0.5);
      if (!isInside && draw < nInside) continue;
      let params = space.decode(unit);
      if (!space.satisfies(params)) {
        if (draw < nSatisfied) continue;
        const repaired = space.repair(params, rng.next);
        if (repaired.type === 'none') return { type: 'exhausted', reason: repaired.message };
        params = repaired.params;
      }
      if (!history.has(params)) return { type: 'point', params, reason };
    }
    return unseenPoint(context, rng.next, 'A random point: what the model drew has all been tried.');
  },
};
