import type { Liar } from '../../../protocol/study.ts';
import type { Rng } from '../../math/index.ts';
import { extendData, GpModel } from './model.ts';

/** Draws of the model for the liar `fantasy`. */
const nFantasies = 3;

/**
 * The model as if the pending trials had ended: with the best, mean or worst of the `known` values (constant liar: D. Ginsbourger,
 * R. Le Riche, L. Carraro: Kriging is well-suited to parallelize optimization, 2010), or with draws of the model itself, one model
 * a draw.
 */
export function withPending(
  model: GpModel,
  pending: readonly Float64Array[],
  liar: Liar,
  known: readonly number[],
  rng: Rng,
): readonly GpModel[] {
  if (pending.length === 0) return [model];
  if (liar === 'fantasy') return model.fantasize(pending, nFantasies, rng);
  const lie = lieOf(liar, known);
  return [new GpModel(extendData(model.data, pending, new Float64Array(pending.length).fill(lie)), model.theta)];
}

function lieOf(liar: Exclude<Liar, 'fantasy'>, known: readonly number[]): number {
  if (liar === 'min') return known.reduce((a, b) => Math.min(a, b), Infinity);
  if (liar === 'max') return known.reduce((a, b) => Math.max(a, b), -Infinity);
  return known.reduce((sum, y) => sum + y, 0) / known.length;
}
