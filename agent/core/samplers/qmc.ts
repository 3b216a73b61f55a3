import { createRng, ScrambledSobol } from '../math/index.ts';
import type { Proposal, Sampler, SamplerContext } from './sampler.ts';
import { streams } from './streams.ts';
import { unseenPoint } from './unseen.ts';

/**
 * Trial n is point n of a scrambled Sobol sequence, so the trials of a study fill the space evenly whatever their number is, and
 * in whatever order they end. One dimension a parameter; those of inactive parameters are not read. A point that breaks a `where`
 * is repaired; one that a trial has already (in a discrete space) is replaced by a free one.
 */
export const qmcSampler: Sampler = {
  name: 'qmc',
  propose(context: SamplerContext): Proposal {
    const { space, seed, number, history } = context;
    const rng = createRng(seed, number, streams.qmc);
    const unit = new Float64Array(space.parameters.length);
    new ScrambledSobol(unit.length, seed).point(number, unit);
    const reason = 'The next point of a quasi-random sequence, which fills the space evenly.';
    const point = space.repair(space.decode(unit), rng.next);
    if (point.type === 'none') return { type: 'exhausted', reason: point.message };
    if (!history.has(point.params)) return { type: 'point', params: point.params, reason };
    return unseenPoint(context, rng.next, 'A random free point: a trial has the next point of the quasi-random sequence.');
  },
};
