import type { Objective } from '../../../protocol/space.ts';
import { createRng, type Rng } from '../../math/index.ts';
import { dominates } from '../pareto.ts';
import type { Proposal, Sampler, SamplerContext } from '../sampler.ts';
import { startupPoint } from '../startup.ts';
import { streams } from '../streams.ts';
import { unseenPoint } from '../unseen.ts';
import { type Acquisition, logExpectedImprovement, product } from './acquisition.ts';
import { feasibilityOf } from './feasibility.ts';
import { logHypervolumeImprovement } from './hypervolumeImprovement.ts';
import { maximizeAcquisition } from './maximizeAcquisition.ts';
import { extendData, GpModel, type Prediction } from './model.ts';
import { fitOutputTransform, type OutputTransform } from './outputTransform.ts';
import { Surrogates } from './surrogate.ts';
import { chooseRows, type TrainingSet, trainingSet } from './trainingSet.ts';

/** Ended trials before a model is asked. */
const nStartup = 6;
/** Rows of a model; beyond it a choice of the history is taken, so that the cost of a proposal has a bound. */
const maxRows = 400;
/** Best observations around which points are drawn; points drawn; points climbed from. */
const nIncumbents = 5;
const nDraws = 400;
const nClimbs = 6;
/** Draws of the model for pending trials with the liar `fantasy`. */
const nFantasies = 4;

/**
 * Bayesian optimisation: a Gaussian process is fitted to the observations and the point with the largest expected improvement
 * proposed (D. R. Jones, M. Schonlau, W. J. Welch: Efficient global optimization of expensive black-box functions, Journal of
 * Global Optimization 13 (1998)), weighted by the probability of a usable result. Two objectives: expected gain in
 * hypervolume; more: improvement of a sum and maximum with random weights (J. Knowles: ParEGO, IEEE Transactions on
 * Evolutionary Computation 10 (2006)), other weights for each trial.
 */
export const gpSampler: Sampler = {
  name: 'gp',
  propose(context: SamplerContext): Proposal {
    const { history, space, objectives, number } = context;
    if (history.ended < nStartup || space.cardinality === 1) return startupPoint(context, nStartup);
    const training = trainingSet(history, objectives);
    const rng = createRng(context.seed, number, streams.gp);
    const surrogates = new Surrogates(history);
    const goal = training.rows.length < 3 ? null : goalOf(context, training, surrogates, rng);
    const feasibility = feasibilityOf(history, training, maxRows, (...args) => surrogates.ofValues(...args));
    const parts = [...(goal === null ? [] : [goal.acquisition]), ...feasibility];
    if (parts.length === 0) return startupPoint(context, nStartup);
    const found = maximizeAcquisition({
      space,
      acquisition: product(parts),
      incumbents: goal?.incumbents ?? [],
      isTaken: (params) => history.has(params),
      rng,
      nDraws: nDraws,
      nClimbs: nClimbs,
    });
    if (found === null) return unseenPoint(context, rng.next, 'A random point: all that the model asked for was tried.');
    const reason = goal === null ? 'The point that most likely gives a usable result.' : goal.explain(found.row);
    return { type: 'point', params: found.params, reason };
  },
};

/** What is to be improved. */
interface Goal {
  /** Null where nothing usable is there to improve on. */
  readonly acquisition: Acquisition;
  /** Places of the best observations. */
  readonly incumbents: readonly Float64Array[];
  readonly explain: (row: Float64Array) => string;
}

function goalOf(context: SamplerContext, training: TrainingSet, surrogates: Surrogates, rng: Rng): Goal {
  const { objectives, liar } = context;
  const nObjectives = training.losses.length;
  const isPair = nObjectives === 2;
  const columns = nObjectives <= 2 ? training.losses : [scalarized(training.losses, rng)];
  const scores = nObjectives === 1 ? (training.losses[0] ?? new Float64Array(0)) : sumOfTransformed(training.losses);
  const chosen = chooseRows(
    scores,
    (a, b) => distance(surrogates.place(training.rows[a] ?? 0), surrogates.place(training.rows[b] ?? 0)),
    maxRows,
  );
  const rows = chosen.map((index) => training.rows[index] ?? 0);
  const fitted = columns.map((losses, k) =>
    surrogates.ofLosses(
      rows,
      Float64Array.from(chosen, (index) => losses[index] ?? 0),
      `objective ${k}`,
    ),
  );
  const eligible = chosen.flatMap((index, k) => (training.isEligible[index] === true ? [k] : []));
  // Where nothing is feasible yet, improving on the best that is not is as good a direction as any.
  const ranked = eligible.length > 0 ? eligible : chosen.map((_, k) => k);
  const pending = training.pending.slice(-maxPending).map((row) => surrogates.place(row));
  const models = fitted.map(({ model }) => withPending(model, pending, liar, ranked, rng));
  const order = ranked.toSorted((a, b) => (scores[chosen[a] ?? 0] ?? 0) - (scores[chosen[b] ?? 0] ?? 0) || a - b);
  const incumbents = order.slice(0, nIncumbents).map((k) => surrogates.place(rows[k] ?? 0));
  const bestOf = (model: GpModel): number => Math.min(...ranked.map((k) => model.data.y[k] ?? Infinity));

  const [first, second] = models;
  const [own] = fitted;
  if (isPair && first?.[0] !== undefined && second?.[0] !== undefined) {
    const points = ranked.map((k): [number, number] => [first[0]?.data.y[k] ?? 0, second[0]?.data.y[k] ?? 0]);
    const front = points.filter((point) => !points.some((other) => dominates(other, point)));
    const acquisition = logHypervolumeImprovement([first[0], second[0]], front, referenceOf(front, points));
    return { acquisition, incumbents, explain: () => `Largest expected gain over the ${front.length} best compromises.` };
  }
  const drawn = first ?? [];
  const acquisition = logExpectedImprovement(drawn, drawn.map(bestOf));
  if (own === undefined || nObjectives !== 1)
    return { acquisition, incumbents, explain: () => 'Largest expected improvement of a random compromise of the objectives.' };
  return {
    acquisition,
    incumbents,
    explain: (row) => explanation(own.model, own.transform, objectives[training.objectives[0] ?? 0], row),
  };
}

/** Pending trials of which a model is told, the newest: more make no difference to where there is room. */
const maxPending = 64;

function withPending(
  model: GpModel,
  pending: readonly Float64Array[],
  liar: SamplerContext['liar'],
  ranked: readonly number[],
  rng: Rng,
): GpModel[] {
  if (pending.length === 0) return [model];
  if (liar === 'fantasy') return model.fantasize(pending, nFantasies, rng);
  const known = ranked.map((k) => model.data.y[k] ?? 0);
  const lie =
    liar === 'min'
      ? Math.min(...known)
      : liar === 'max'
        ? Math.max(...known)
        : known.reduce((sum, y) => sum + y, 0) / known.length;
  return [new GpModel(extendData(model.data, pending, new Float64Array(pending.length).fill(lie)), model.theta)];
}

/** One loss for each row: the largest weighted one plus a little of the sum, of losses made comparable. */
function scalarized(losses: readonly Float64Array[], rng: Rng): Float64Array {
  const comparable = losses.map((list) => list.map(fitOutputTransform(list).apply));
  const least = comparable.map((list) => list.reduce((a, b) => Math.min(a, b), Infinity));
  const weights = losses.map(() => -Math.log(rng.next() + 2 ** -54));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return Float64Array.from(losses[0] ?? [], (_, i) => {
    const parts = comparable.map((list, k) => ((weights[k] ?? 0) / total) * ((list[i] ?? 0) - (least[k] ?? 0)));
    return Math.max(...parts) + 0.05 * parts.reduce((sum, part) => sum + part, 0);
  });
}

function sumOfTransformed(losses: readonly Float64Array[]): Float64Array {
  const sum = new Float64Array(losses[0]?.length ?? 0);
  for (const list of losses) {
    const { apply } = fitOutputTransform(list);
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + apply(list[i] ?? 0);
  }
  return sum;
}

/** A tenth of the front's extent beyond its worst, so that its ends can be improved; of all points where it has no extent. */
function referenceOf(
  front: readonly (readonly [number, number])[],
  points: readonly (readonly [number, number])[],
): [number, number] {
  const corner = (k: 0 | 1): number => {
    const worst = Math.max(...front.map((point) => point[k]));
    const best = Math.min(...front.map((point) => point[k]));
    const all = Math.max(...points.map((point) => point[k]));
    return worst + 0.1 * (worst > best ? worst - best : Math.max(all - best, 1));
  };
  return [corner(0), corner(1)];
}

function distance(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let d = 0; d < a.length; d++) {
    const difference = (a[d] ?? NaN) - (b[d] ?? NaN);
    sum += Number.isNaN(difference) ? Number(Number.isNaN(a[d]) !== Number.isNaN(b[d])) : difference * difference;
  }
  return sum;
}

/** Such as: Expected accuracy 0.912 (0.87 to 0.94), best so far 0.905. */
function explanation(model: GpModel, transform: OutputTransform, objective: Objective | undefined, row: Float64Array): string {
  const out: Prediction = { mean: 0, variance: 0 };
  model.predict(row, out);
  const sign = objective?.direction === 'max' ? -1 : 1;
  const deviation = Math.sqrt(out.variance);
  const read = (value: number): string => Number((sign * transform.invert(value)).toPrecision(4)).toString();
  const ends = [read(out.mean - deviation), read(out.mean + deviation)];
  if (sign < 0) ends.reverse();
  return `Largest expected improvement: the model expects ${objective?.metric ?? 'a loss'} ${read(out.mean)} (${ends.join(' to ')}).`;
}
