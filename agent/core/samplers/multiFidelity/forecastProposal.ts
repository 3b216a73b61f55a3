import { createRng } from '../../math/index.ts';
import { logExpectedImprovement, product } from '../gp/acquisition.ts';
import { feasibilityOf } from '../gp/feasibility.ts';
import { columnsOf, layoutOf } from '../gp/kernel.ts';
import type { Data } from '../gp/likelihood.ts';
import { maximizeAcquisition } from '../gp/maximizeAcquisition.ts';
import { rememberedFit } from '../gp/memo.ts';
import { GpModel, type Prediction } from '../gp/model.ts';
import { fitOutputTransform } from '../gp/outputTransform.ts';
import { withPending } from '../gp/pending.ts';
import { Surrogates } from '../gp/surrogate.ts';
import { chooseRows, squaredDistance, trainingSet } from '../gp/trainingSet.ts';
import type { History } from '../history.ts';
import type { Proposal, SamplerContext } from '../sampler.ts';
import { startupPoint } from '../startup.ts';
import { streams } from '../streams.ts';
import { unseenPoint } from '../unseen.ts';
import { type Forecasts, forecastsOf } from './forecasts.ts';

/** Least and most trials that have shown something before a model is asked: most of them cost no more than the first level. */
const minStartup = 6;
const maxStartup = 20;
/** Rows of the model: trials are many and short, so that a proposal has to be quick. */
const maxRows = 128;
/** Rows that hyperparameters are found from, the newest. */
const maxFitRows = 256;
/** Best trials around which points are drawn, and pending ones of which the model is told. */
const nIncumbents = 5;
const maxPending = 64;
/** Improvements below this many deviations do not count. */
const leastGain = 0.02;
/** A forecast's deviation of a twentieth of the losses' spread counts as much as the noise of a measured loss. */
const noisePerDoubt = 400;
const maxNoise = 10_000;

/**
 * Whether trials have shown parts of their curves that a model can learn from. Earlier studies, of which no curves are known, are
 * asked as long as the study has next to none of its own.
 */
export function hasForecasts({ objectives, fidelity, history, prior, budgetTrials }: SamplerContext): boolean {
  if (fidelity === null || objectives.length > 1) return false;
  if (prior !== null && history.ended < startupCount(budgetTrials)) return false;
  for (let row = 0; row < history.size; row++) if (history.at(row).curve !== undefined) return true;
  return false;
}

/** A small study cannot spend half of itself on looking around. */
function startupCount(budgetTrials: number | null): number {
  return Math.min(maxStartup, Math.max(minStartup, Math.ceil((budgetTrials ?? Infinity) / 8)));
}

/**
 * Expected improvement of the loss at the full resource, by a Gaussian process of all trials, however early they were stopped: each
 * counts with the loss that it would have reached (see `forecasts.ts`), and with the more noise the less sure that is. Trials
 * that run enter by what they have shown.
 */
export function forecastProposal(context: SamplerContext): Proposal {
  const { history, space, objectives, fidelity, number, liar } = context;
  const nStartup = startupCount(context.budgetTrials);
  if (fidelity === null) return startupPoint(context, nStartup);
  const forecasts = forecastsOf(history, objectives, fidelity);
  const { rows, losses } = forecasts;
  if (rows.length < nStartup || space.cardinality === 1) return startupPoint(context, nStartup);
  const rng = createRng(context.seed, number, streams.gp);
  const width = space.parameters.length;
  const distanceTo = (best: number): ((index: number) => number) => {
    const center = history.unit.subarray((rows[best] ?? 0) * width, ((rows[best] ?? 0) + 1) * width);
    return (index) => squaredDistance(history.unit, (rows[index] ?? 0) * width, center);
  };
  const chosen = chooseRows(losses, maxRows, distanceTo);
  const { model, invert } = modelOf(history, forecasts, chosen);

  const isEligible = (k: number): boolean => history.at(rows[chosen[k] ?? 0] ?? 0).state !== 'infeasible';
  const places = chosen.map((_, k) => k);
  const ranked = places.some(isEligible) ? places.filter(isEligible) : places;
  const y = (k: number): number => model.data.y[k] ?? Infinity;
  const order = ranked.toSorted((a, b) => y(a) - y(b) || a - b);
  const shown = new Set(rows);
  const training = trainingSet(history, objectives);
  const hidden = training.pending.filter((row) => !shown.has(row)).slice(-maxPending);
  const known = ranked.map(y);
  const models = withPending(
    model,
    hidden.map((row) => placeOf(history, row)),
    liar,
    known,
    rng,
  );
  const aim = y(order[0] ?? 0) - leastGain;
  const surrogates = new Surrogates(history, null);
  const feasibility = feasibilityOf(history, training, maxRows, (...args) => surrogates.ofValues(...args));
  const parts = [
    logExpectedImprovement(
      models,
      models.map(() => aim),
    ),
    ...feasibility,
  ];
  const nRows = model.data.n + hidden.length;
  const found = maximizeAcquisition({
    space,
    acquisition: product(parts),
    incumbents: order.slice(0, nIncumbents).map((k) => placeOf(history, rows[chosen[k] ?? 0] ?? 0)),
    isTaken: (params) => history.has(params),
    rng,
    cost: (nRows * width + nRows ** 2 / 16) * parts.length,
  });
  if (found === null) return unseenPoint(context, rng.next, 'A random point: all that the model asked for was tried.');
  const out: Prediction = { mean: 0, variance: 0 };
  model.predict(found.row, out);
  const [objective] = objectives;
  const value = Number(((objective?.direction === 'max' ? -1 : 1) * invert(out.mean)).toPrecision(4));
  const reason = `Largest expected improvement at the full resource, of which ${rows.length} trials have shown a part: the model expects ${objective?.metric ?? 'a loss'} ${value}.`;
  return { type: 'point', params: found.params, reason };
}

/**
 * The model of the chosen forecasts. They change with every report, so hyperparameters are found from the losses at the highest
 * level that many trials reached.
 */
function modelOf(
  history: History,
  forecasts: Forecasts,
  chosen: readonly number[],
): { readonly model: GpModel; readonly invert: (value: number) => number } {
  const { rows, losses } = forecasts.common;
  const nFit = steppedDown(rows.length);
  const from = Math.max(0, nFit - maxFitRows);
  const early = losses.subarray(from, nFit);
  const fit = dataOf(history, rows.slice(from, nFit), early.map(fitOutputTransform(early).apply));
  const theta = rememberedFit(history, 'forecasts', fit);
  const expected = Float64Array.from(chosen, (index) => forecasts.losses[index] ?? 0);
  const { apply, invert } = fitOutputTransform(expected);
  const noise = Float64Array.from(chosen, (index) => 1 + Math.min(maxNoise, (forecasts.doubts[index] ?? 0) * noisePerDoubt));
  const data = dataOf(
    history,
    chosen.map((index) => forecasts.rows[index] ?? 0),
    expected.map(apply),
  );
  return { model: new GpModel({ ...data, noise }, theta), invert };
}

function dataOf(history: History, rows: readonly number[], y: Float64Array): Data {
  const layout = layoutOf(columnsOf(history.space));
  const width = layout.columns.length;
  const x = new Float64Array(rows.length * width);
  rows.forEach((row, k) => x.set(placeOf(history, row), k * width));
  return { layout, n: rows.length, x, y, noise: new Float64Array(rows.length).fill(1) };
}

/** Place of a row in the unit cube; where a value is no choice of this space, the middle says least. */
function placeOf(history: History, row: number): Float64Array {
  const width = history.space.parameters.length;
  const place = history.unit.slice(row * width, (row + 1) * width);
  history.space.parameters.forEach(({ when }, d) => {
    if (when === null && Number.isNaN(place[d])) place[d] = 0.5;
  });
  return place;
}

/** The last of numbers that grow by a sixteenth to an eighth, so that hyperparameters are found anew only then. */
function steppedDown(n: number): number {
  const step = n < 32 ? 1 : 2 ** (Math.floor(Math.log2(n)) - 4);
  return n - (n % step);
}
