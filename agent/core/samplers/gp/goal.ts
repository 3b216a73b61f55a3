import { dominates } from '../../../protocol/gain.ts';
import type { Objective } from '../../../protocol/space.ts';
import type { Rng } from '../../math/index.ts';
import type { SamplerContext } from '../sampler.ts';
import { type Acquisition, logExpectedImprovement, withColumns } from './acquisition.ts';
import { logHypervolumeImprovement } from './hypervolumeImprovement.ts';
import type { GpModel, Prediction } from './model.ts';
import { fitOutputTransform, type OutputTransform } from './outputTransform.ts';
import { withPending } from './pending.ts';
import { type Losses, ownStudy, Surrogates } from './surrogate.ts';
import { chooseRows, squaredDistance, type TrainingSet, trainingSet } from './trainingSet.ts';

/** What is to be improved. */
export interface Goal {
  /** Of points as `CompiledSpace.encode` writes them. */
  readonly acquisition: Acquisition;
  /** Places of the best observations, the best first. */
  readonly incumbents: readonly Float64Array[];
  readonly explain: (point: Float64Array) => string;
}

/** Rows of a model; beyond it a choice of the history is taken, so that the cost of a proposal has a bound. */
export const maxRows = 400;
/** Rows of earlier results. */
const maxEarlier = 100;
/** Pending trials of which a model is told, the newest. */
const maxPending = 64;
/** Best observations around which points are drawn. */
const nIncumbents = 5;
/**
 * Improvements below this many deviations of the losses do not count: without it the search stays at the first good place, where
 * ever smaller gains are almost certain. In the second half of the budget (without one, after 30 trials) every third trial
 * takes any gain, so that the best place is also refined.
 */
const leastGain = 0.02;
const refineEvery = 3;
const refineFrom = 30;
/** Least usable results of a model. */
const minRows = 3;

/**
 * One objective: expected improvement. Two: expected gain in hypervolume. More: improvement of a sum and maximum with random
 * weights, others for each trial (J. Knowles: ParEGO, IEEE Transactions on Evolutionary Computation 10 (2006)). Null with
 * fewer than three results.
 */
export function goalOf(context: SamplerContext, training: TrainingSet, rng: Rng): Goal | null {
  const { history, space, objectives, liar } = context;
  const earlier = earlierOf(context, training);
  const prior = earlier === null ? null : context.prior;
  if (training.rows.length < minRows && earlier === null) return null;
  const used = earlier?.objectives ?? training.objectives;
  const surrogates = new Surrogates(history, prior);

  const nObjectives = used.length;
  const scores = nObjectives === 1 && training.losses[0] !== undefined ? training.losses[0] : sumOfTransformed(training.losses);
  const chosen = chooseRows(scores, maxRows, (best) => {
    const center = surrogates.place(training.rows[best] ?? 0);
    return (index) => squaredDistance(history.unit, (training.rows[index] ?? 0) * space.parameters.length, center);
  });
  const rows = chosen.map((index) => training.rows[index] ?? 0);
  const columns = nObjectives <= 2 ? training.losses : [scalarized(training.losses, rng)];
  const fitted = used.slice(0, nObjectives <= 2 ? nObjectives : 1).map((objective, k) => {
    const losses = Float64Array.from(chosen, (index) => columns[k]?.[index] ?? 0);
    const before = earlier === null ? null : { rows: earlier.rows, losses: earlier.losses[k] ?? new Float64Array(0) };
    return { objective, ...surrogates.ofLosses({ rows, losses }, before, `objective ${objective}`) };
  });

  // Places in the models of what may be improved on. Where nothing is feasible yet, what is not is as good a direction as any.
  const eligible = chosen.flatMap((index, k) => (training.isEligible[index] === true ? [k] : []));
  const own = eligible.length > 0 ? eligible : chosen.map((_, k) => k);
  const ranked = own.length > 0 ? own : (earlier?.rows ?? []).map((_, k) => chosen.length + k);
  const [firstModel] = fitted;
  if (firstModel === undefined) return null;
  const total = (k: number): number => fitted.reduce((sum, { model }) => sum + (model.data.y[k] ?? 0), 0);
  const order = ranked.toSorted((a, b) => total(a) - total(b) || a - b);
  const incumbents = order
    .slice(0, nIncumbents)
    .map((k) =>
      k < rows.length ? surrogates.place(rows[k] ?? 0) : surrogates.place(earlier?.rows[k - rows.length] ?? 0, prior ?? history),
    );
  const pending = training.pending.slice(-maxPending).map((row) => surrogates.place(row));
  const drawn = fitted.map(({ model }) =>
    withPending(
      model,
      pending,
      liar,
      ranked.map((k) => model.data.y[k] ?? 0),
      rng,
    ),
  );
  const finish = (acquisition: Acquisition, explain: Goal['explain']): Goal => ({
    acquisition: prior === null ? acquisition : withColumns(acquisition, space.parameters.length, [ownStudy]),
    incumbents,
    explain,
  });

  const [first, second] = drawn;
  if (first?.[0] !== undefined && second?.[0] !== undefined) {
    const [a, b] = [first[0], second[0]];
    const points = ranked.map((k): [number, number] => [a.data.y[k] ?? 0, b.data.y[k] ?? 0]);
    const front = points.filter((point) => !points.some((other) => dominates(other, point)));
    const acquisition = logHypervolumeImprovement([a, b], front, referenceOf(front, points));
    return finish(acquisition, () => `Largest expected gain over the ${front.length} best compromises.`);
  }
  const models = first ?? [];
  const best = models.map((model) => Math.min(...ranked.map((k) => model.data.y[k] ?? Infinity)) - gainThatCounts(context));
  const acquisition = logExpectedImprovement(models, best);
  if (nObjectives > 2) return finish(acquisition, () => 'Largest expected improvement of a random compromise of the objectives.');
  return finish(acquisition, (point) => {
    const row = surrogates.layout.columns.length === point.length ? point : Float64Array.of(...point, ownStudy);
    return explanation(firstModel.model, firstModel.transform, objectives[firstModel.objective], row);
  });
}

function gainThatCounts({ number, history, budgetTrials }: SamplerContext): number {
  const isLate = history.ended >= (budgetTrials === null ? refineFrom : budgetTrials / 2);
  return isLate && number % refineEvery === 0 ? 0 : leastGain;
}

interface Earlier extends Pick<Losses, 'rows'> {
  readonly objectives: readonly number[];
  readonly losses: readonly Float64Array[];
}

/** A choice of the earlier results with all objectives that this study has values of; null for too few. */
function earlierOf({ prior, objectives }: SamplerContext, training: TrainingSet): Earlier | null {
  if (prior === null) return null;
  const known = trainingSet(prior, objectives);
  const isSame = training.rows.length === 0 || training.objectives.join() === known.objectives.join();
  if (known.rows.length < minRows || known.objectives.length > 2 || !isSame) return null;
  const chosen = chooseRows(sumOfTransformed(known.losses), maxEarlier);
  return {
    objectives: known.objectives,
    rows: chosen.map((index) => known.rows[index] ?? 0),
    losses: known.losses.map((losses) => Float64Array.from(chosen, (index) => losses[index] ?? 0)),
  };
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
  if (sum.length === 0) return sum;
  for (const list of losses) {
    const { apply } = fitOutputTransform(list);
    for (let i = 0; i < sum.length; i++) sum[i] = (sum[i] ?? 0) + apply(list[i] ?? 0);
  }
  return sum;
}

type Pair = readonly [number, number];

/** A tenth of the front's extent beyond its worst, so that its ends can be improved; of all points where it has no extent. */
function referenceOf(front: readonly Pair[], points: readonly Pair[]): [number, number] {
  const corner = (k: 0 | 1): number => {
    const worst = Math.max(...front.map((point) => point[k]));
    const best = Math.min(...front.map((point) => point[k]));
    const all = Math.max(...points.map((point) => point[k]));
    return worst + 0.1 * (worst > best ? worst - best : Math.max(all - best, 1));
  };
  return [corner(0), corner(1)];
}

/** Such as: the model expects accuracy 0.912 (0.87 to 0.94). */
function explanation(model: GpModel, transform: OutputTransform, objective: Objective | undefined, row: Float64Array): string {
  const out: Prediction = { mean: 0, variance: 0 };
  model.predict(row, out);
  const sign = objective?.direction === 'max' ? -1 : 1;
  const deviation = Math.sqrt(out.variance);
  const read = (value: number): string => Number((sign * transform.invert(value)).toPrecision(4)).toString();
  const ends = [read(out.mean - deviation), read(out.mean + deviation)];
  if (sign < 0) ends.reverse();
  const name = objective?.metric ?? 'a loss';
  return `Largest expected improvement: the model expects ${name} ${read(out.mean)} (${ends.join(' to ')}).`;
}
