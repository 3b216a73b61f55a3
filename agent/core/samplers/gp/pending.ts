import type { Liar } from '../../../protocol/study.ts';
import type { Rng } from '../../math/index.ts';
import { extendData, GpModel, type Prediction } from './model.ts';

/** Draws of the model for the liar `fantasy`. */
const nFantasies = 3;

/**
 * The model as if the pending trials had ended: each where the model expects it (`mean`), a deviation better (`min`) or worse
 * (`max`), but never better than the best or worse than the worst of the `known` values; or with draws of the model, one model a
 * draw. What the model expects keeps the others from being asked of the same place without denying what it has learned, as the
 * same value for all would (both: D. Ginsbourger, R. Le Riche, L. Carraro: Kriging is well-suited to parallelize optimization, 2010).
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
  const best = known.reduce((a, b) => Math.min(a, b), Infinity);
  const worst = known.reduce((a, b) => Math.max(a, b), -Infinity);
  const out: Prediction = { mean: 0, variance: 0 };
  const lies = Float64Array.from(pending, (place) => {
    model.predict(place, out);
    return Math.min(worst, Math.max(best, out.mean + deviations[liar] * Math.sqrt(out.variance)));
  });
  return [new GpModel(extendData(model.data, pending, lies), model.theta)];
}

const deviations = { min: -1, mean: 0, max: 1 };
