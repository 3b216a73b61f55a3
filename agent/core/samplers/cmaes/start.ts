import { createRng } from '../../math/index.ts';
import { contains, toUnit } from '../../space/index.ts';
import type { History } from '../history.ts';
import { rankingOf } from '../ranking.ts';
import type { SamplerContext } from '../sampler.ts';
import { streams } from '../streams.ts';
import { type Columns, columnsOf } from './columns.ts';
import { evenShares, independentModel } from './model.ts';
import type { Run } from './replay.ts';
import { strategyOf } from './strategy.ts';

/** Deviation of every coordinate at the start. */
const startDeviation = 0.25;
/** Generations grow from restart to restart up to this many doublings. */
const maxDoublings = 4;
/** Of earlier results, the share that counts as good and the deviation around each: γ and α of Nomura et al. */
const goodShare = 0.1;
const goodDeviation = 0.1;
/** Fewer earlier results than this say too little. */
const leastPrior = 5;

/**
 * Where an epoch begins. The first: around the good ones of earlier studies, if any (after M. Nomura, S. Watanabe, Y. Akimoto,
 * Y. Ozaki, M. Onishi: Warm starting CMA-ES for hyperparameter optimization, AAAI 2021, coordinate by coordinate), else around the
 * script's own values, or the middle. Later ones: around a random place.
 */
export function firstRun(context: SamplerContext, epoch: number): Run {
  const columns = columnsOf(context.space);
  const strategy = strategyOf(columns.numeric.length, startLambda(columns));
  const rows = context.prior === null || epoch > 0 ? [] : goodRows(context.prior, context);
  const model =
    context.prior !== null && rows.length > 0
      ? warmModel(context.prior, rows, columns, strategy.isSeparable)
      : evenModel(epoch > 0 ? randomMean(context, columns, epoch, 0) : defaultMean(columns), columns, strategy.isSeparable);
  return { columns, strategy, model, nRestarts: 0, bestLosses: [] };
}

/** The run after one that has converged: from a random place, with twice the members. */
export function restarted({ columns, nRestarts }: Run, context: SamplerContext, epoch: number): Run {
  const lambda = startLambda(columns) * 2 ** Math.min(maxDoublings, nRestarts + 1);
  const strategy = strategyOf(columns.numeric.length, lambda);
  const mean = randomMean(context, columns, epoch, nRestarts + 1);
  const model = evenModel(mean, columns, strategy.isSeparable);
  return { columns, strategy, model, nRestarts: nRestarts + 1, bestLosses: [] };
}

/** Hansen's default. */
function startLambda({ numeric, categorical }: Columns): number {
  return 4 + Math.floor(3 * Math.log(Math.max(1, numeric.length + categorical.length)));
}

function evenModel(mean: Float64Array, columns: Columns, isSeparable: boolean): Run['model'] {
  return independentModel(mean, new Float64Array(mean.length).fill(startDeviation), evenShares(columns), isSeparable);
}

/** Mean and variance of the good rows' coordinates, and half of the shares theirs. What no good row has stays as without them. */
function warmModel(prior: History, rows: readonly number[], columns: Columns, isSeparable: boolean): Run['model'] {
  const mean = defaultMean(columns);
  const deviations = new Float64Array(mean.length).fill(startDeviation);
  columns.numeric.forEach(({ index }, j) => {
    const units = unitsOf(prior, rows, index);
    if (units.length === 0) return;
    const center = units.reduce((total, unit) => total + unit, 0) / units.length;
    const variance = units.reduce((total, unit) => total + (unit - center) ** 2, 0) / units.length;
    mean[j] = center;
    deviations[j] = Math.min(startDeviation, Math.sqrt(goodDeviation ** 2 + variance));
  });
  const shares = evenShares(columns);
  columns.categorical.forEach(({ index, size }, place) => {
    const units = unitsOf(prior, rows, index);
    const share = shares[place];
    if (units.length === 0 || share === undefined) return;
    for (let k = 0; k < size; k++) share[k] = 0.5 / size;
    for (const unit of units) {
      const choice = Math.min(size - 1, Math.floor(unit * size));
      share[choice] = (share[choice] ?? 0) + 0.5 / units.length;
    }
  });
  return independentModel(mean, deviations, shares, isSeparable);
}

function unitsOf({ unit, space }: History, rows: readonly number[], index: number): number[] {
  const all = rows.map((row) => unit[row * space.parameters.length + index] ?? NaN);
  return all.filter((value) => !Number.isNaN(value));
}

function goodRows(prior: History, { objectives }: SamplerContext): number[] {
  const ranking = rankingOf(prior, objectives);
  const ranked = Array.from({ length: prior.size }, (_, row) => row).filter(ranking.isRanked);
  if (ranked.length < leastPrior) return [];
  return ranking.best(ranked, Math.max(1, Math.round(goodShare * ranked.length)));
}

function defaultMean({ numeric }: Columns): Float64Array {
  return Float64Array.from(numeric, ({ distribution, default: value }) =>
    value !== undefined && contains(distribution, value) ? toUnit(distribution, value) : 0.5,
  );
}

function randomMean({ seed }: SamplerContext, { numeric }: Columns, epoch: number, nRestarts: number): Float64Array {
  const rng = createRng(seed, epoch, nRestarts, streams.cmaes, 1);
  return Float64Array.from(numeric, rng.next);
}
