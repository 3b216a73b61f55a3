import type { Params } from '../../protocol/space.ts';
import { createRng, type Rng } from '../math/index.ts';
import type { CompiledSpace } from '../space/index.ts';
import { ParzenEstimator } from './parzen.ts';
import type { Proposal, Sampler, SamplerContext } from './sampler.ts';
import { splitObservations } from './split.ts';
import { startupPoint } from './startup.ts';
import { streams } from './streams.ts';
import { freePoints, unseenPoint } from './unseen.ts';

/** Trials before the model is asked. */
const nStartup = 10;
const nCandidates = 24;
/** Kernels of the density of the rest; beyond it old observations are thinned, so the cost of a proposal has a bound. */
const maxKernels = 500;

/**
 * Tree-structured Parzen estimator, multivariate: fits one density l to the best tenth of the observations and one, g, to the
 * rest, draws candidates from l and proposes the one with the largest l / g, which is the one with the largest expected
 * improvement (J. Bergstra, R. Bardenet, Y. Bengio, B. Kégl, NeurIPS 2011, equation 10).
 *
 * Share of the best, weights (old observations count less from the 26th on), bandwidths and number of candidates follow the
 * facts that Optuna documents for its TPESampler. The densities, and how conditions, pending, pruned and failed trials
 * enter: see `parzen.ts` and `split.ts`.
 */
export const tpeSampler: Sampler = {
  name: 'tpe',
  propose(context: SamplerContext): Proposal {
    const { history, space } = context;
    if (history.ended < nStartup || space.parameters.length === 0) return startupPoint(context, nStartup);
    const rng = createRng(context.seed, context.number, streams.tpe);
    const { below, above } = splitObservations(history, context.objectives, context.liar === 'fantasy' ? 'mean' : context.liar);
    const good = new ParzenEstimator(space, history.unit, below, recencyWeights(below.length));
    const thinned = thin(above);
    const rest = new ParzenEstimator(space, history.unit, thinned.rows, thinned.weights);
    const candidates = drawCandidates(context, good, rng);
    const reason = `Most promising of ${candidates.length} points drawn around the best ${below.length} of ${history.ended} trials.`;
    const best = mostPromising(space, candidates, good, rest);
    if (best !== undefined) return { type: 'point', params: best, reason };
    const free = freePoints(context);
    if (free === null) return unseenPoint(context, rng.next, 'A random point: the model only drew points that were tried.');
    const last = mostPromising(space, someOf(free, 500, rng), good, rest);
    if (last === undefined) return unseenPoint(context, rng.next, reason);
    return { type: 'point', params: last, reason: `Most promising of the ${free.length} points that are left.` };
  },
};

/** Valid points drawn from the density; none that a trial of a discrete space has. May be fewer than asked for, even none. */
function drawCandidates(context: SamplerContext, density: ParzenEstimator, rng: Rng): Params[] {
  const { space, history } = context;
  const unit = new Float64Array(space.parameters.length);
  const candidates: Params[] = [];
  const isDiscrete = space.cardinality < Infinity;
  for (let draw = 0; draw < 4 * nCandidates && candidates.length < nCandidates; draw++) {
    density.sample(rng, unit);
    let params = space.decode(unit);
    if (!space.satisfies(params)) {
      // Half of the draws may go into plain retries before points are bent into the allowed region.
      if (draw < 2 * nCandidates) continue;
      const repaired = space.repair(params, rng.next);
      if (repaired.type === 'none') return candidates;
      params = repaired.params;
    }
    if (!isDiscrete || !history.has(params)) candidates.push(params);
  }
  return candidates;
}

/** The candidate with the largest log l − log g; undefined for none. */
function mostPromising(
  space: CompiledSpace,
  candidates: readonly Params[],
  good: ParzenEstimator,
  rest: ParzenEstimator,
): Params | undefined {
  const width = space.parameters.length;
  const points = new Float64Array(candidates.length * width);
  candidates.forEach((params, index) => space.encode(params, points, index * width));
  const logGood = good.logDensity(points, candidates.length);
  const logRest = rest.logDensity(points, candidates.length);
  let best: Params | undefined;
  let bestRatio = -Infinity;
  candidates.forEach((params, index) => {
    const ratio = (logGood[index] ?? 0) - (logRest[index] ?? 0);
    if (best !== undefined && !(ratio > bestRatio)) return;
    best = params;
    bestRatio = ratio;
  });
  return best;
}

/** Weights of n observations from the oldest to the newest: the last 25 count fully, older ones from 1/n up to 1. */
function recencyWeights(n: number): Float64Array {
  const nOld = Math.max(0, n - 25);
  const weights = new Float64Array(n).fill(1);
  for (let k = 0; k < nOld; k++) weights[k] = 1 / n + ((1 - 1 / n) * k) / Math.max(1, nOld - 1);
  return weights;
}

/** At most `maxKernels` rows: the newest half all, the older ones evenly thinned and weighing as much as those left out. */
function thin(rows: readonly number[]): { rows: number[]; weights: Float64Array } {
  const weights = recencyWeights(rows.length);
  if (rows.length <= maxKernels) return { rows: [...rows], weights };
  const nNew = maxKernels / 2;
  const nOld = rows.length - nNew;
  const stride = nOld / (maxKernels - nNew);
  const kept = Array.from({ length: maxKernels }, (_, k) =>
    k < maxKernels - nNew ? Math.floor(k * stride) : nOld + k - (maxKernels - nNew),
  );
  return {
    rows: kept.map((place) => rows[place] ?? 0),
    weights: Float64Array.from(kept, (place) => (weights[place] ?? 0) * (place < nOld ? stride : 1)),
  };
}

function someOf(points: readonly Params[], most: number, rng: Rng): readonly Params[] {
  if (points.length <= most) return points;
  return Array.from({ length: most }, () => points[rng.int(points.length)]).filter((params) => params !== undefined);
}
