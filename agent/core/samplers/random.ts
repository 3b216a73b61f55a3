import { createRng } from '../math/index.ts';
import type { Proposal, Sampler, SamplerContext } from './sampler.ts';
import { streams } from './streams.ts';
import { unseenPoint } from './unseen.ts';

/** Independent draws, uniform over the valid points; a point is not repeated while there are others. */
export const randomSampler: Sampler = {
  name: 'random',
  propose(context: SamplerContext): Proposal {
    const rng = createRng(context.seed, context.number, streams.random);
    const reason = 'A random point: every value of the space is equally likely.';
    const point = context.space.sample(rng.next);
    if (point.type === 'none') return { type: 'exhausted', reason: point.message };
    if (!context.history.has(point.params)) return { type: 'point', params: point.params, reason };
    return unseenPoint(context, rng.next, reason);
  },
};
