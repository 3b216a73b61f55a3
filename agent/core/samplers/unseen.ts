import { triedBefore } from '../../protocol/repeat.ts';
import type { Params } from '../../protocol/space.ts';
import { walkPoints } from '../space/index.ts';
import type { Proposal, SamplerContext } from './sampler.ts';

const maxDraws = 50;
/** Spaces up to this size are listed to find the last points that no trial has. */
const maxListed = 20_000;
/** Enough for a space of 200,000 points of which few are valid. */
const maxNodes = 500_000;

/**
 * A random valid point that no trial has. First by drawing; a space that is small enough is then listed, so its last free
 * points are always found. Where all are taken: `exhausted`. Where the space is too large to list and draws keep hitting
 * taken points (hardly possible), a taken one, and the reason says so.
 */
export function unseenPoint(context: SamplerContext, next: () => number, reason: string): Proposal {
  const { space, history } = context;
  let point = space.sample(next);
  for (let draw = 0; draw < maxDraws && point.type === 'ok'; draw++) {
    if (!history.has(point.params)) return { type: 'point', params: point.params, reason };
    point = space.sample(next);
  }
  if (point.type === 'none') return { type: 'exhausted', reason: point.message };
  const free = freePoints(context);
  if (free === null) return { type: 'point', params: point.params, reason: repeated(reason) };
  const pick = free[Math.floor(next() * free.length)];
  if (pick === undefined) return exhausted(context);
  return { type: 'point', params: pick, reason };
}

/** All valid points that no trial has; null where there are too many points to list. */
export function freePoints(context: SamplerContext): Params[] | null {
  const { space, history } = context;
  if (space.parameters.some((parameter) => parameter.size === Infinity)) return null;
  if (!space.hasConditions && space.cardinality > maxListed) return null;
  const free: Params[] = [];
  const walk = walkPoints(space, maxNodes);
  for (let step = walk.next(); ; step = walk.next()) {
    if (step.done === true) return step.value === 'complete' ? free : null;
    if (!history.has(step.value)) free.push(step.value);
    if (free.length > maxListed) return null;
  }
}

function repeated(reason: string): string {
  return `${reason} ${triedBefore}: of so large a space, ${maxDraws} draws found no other point.`;
}

export function exhausted(context: SamplerContext): Proposal {
  const count = context.history.distinct;
  return { type: 'exhausted', reason: `Every point of the space has been tried: there are only ${count}.` };
}
