import { createRng } from '../math/index.ts';
import type { Proposal, SamplerContext } from './sampler.ts';
import { streams } from './streams.ts';
import { unseenPoint } from './unseen.ts';

/**
 * A point of the first phase, before there is anything to learn from. In blocks of `count` trials each parameter's range is
 * cut into `count` parts of which every trial gets another (Latin hypercube: M. D. McKay, R. J. Beckman, W. J. Conover,
 * Technometrics 21 (1979)), so that few trials see all of every range.
 */
export function startupPoint(context: SamplerContext, count: number): Proposal {
  const { space, seed, number } = context;
  const rng = createRng(seed, number, streams.startup);
  const block = Math.floor(number / count);
  const unit = new Float64Array(space.parameters.length);
  for (const { index } of space.parameters) {
    unit[index] = (stratum(number % count, count, seed, block, index) + rng.next()) / count;
  }
  const reason = 'A well-spread random point: there are too few results yet to learn from.';
  const point = space.repair(space.decode(unit), rng.next);
  if (point.type === 'none') return { type: 'exhausted', reason: point.message };
  if (!context.history.has(point.params)) return { type: 'point', params: point.params, reason };
  return unseenPoint(context, rng.next, reason);
}

/** Place of `k` in a random order of 0 … count − 1 that all trials of a block share. */
function stratum(k: number, count: number, seed: number, block: number, parameter: number): number {
  const rng = createRng(seed, block, parameter, streams.startup);
  const order = Array.from({ length: count }, (_, place) => place);
  for (let last = count - 1; last > 0; last--) {
    const pick = rng.int(last + 1);
    const held = order[last] ?? 0;
    order[last] = order[pick] ?? 0;
    order[pick] = held;
  }
  return order[k] ?? 0;
}
