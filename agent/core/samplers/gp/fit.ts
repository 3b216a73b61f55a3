import { minimizeBounded } from '../../math/index.ts';
import { type Data, Likelihood } from './likelihood.ts';
import { addPrior, type Limits, measured, type Prior, priorOf } from './prior.ts';

/** Rows from which a search starts anew, and that it may use in all: cost grows with the cube. */
const maxRowsFirst = 64;
const maxRowsFit = 160;

/**
 * The most probable hyperparameters: L-BFGS-B on −log p(y | X, θ) − log p(θ), the better of two starts (long and short lengths).
 * Above 64 rows the starts are compared on an even choice of 64, and the better is then improved on at most 160.
 */
export function fitHyperparameters(data: Data, limits: Limits = measured): Float64Array {
  const prior = priorOf(data.layout, limits);
  const few = thin(data, maxRowsFirst);
  // Hundreds of hyperparameters cost more a step, and the few observations that there are say little of most.
  const ease = Math.min(1, 60 / data.layout.size);
  const first = minimize(few, prior, prior.mean, Math.round(60 * ease));
  const short = prior.mean.slice();
  for (const place of data.layout.length) if (place >= 0) short[place] = (short[place] ?? 0) - 1;
  const second = minimize(few, prior, short, Math.round(60 * ease));
  const better = second.value < first.value ? second.x : first.x;
  return data.n <= maxRowsFirst ? better : minimize(thin(data, maxRowsFit), prior, better, Math.round(20 * ease)).x;
}

function minimize(data: Data, prior: Prior, start: Float64Array, maxEvaluations: number): { x: Float64Array; value: number } {
  const likelihood = new Likelihood(data);
  const objective = (theta: Float64Array, gradient: Float64Array): number => {
    const value = likelihood.evaluate(theta, gradient);
    return value === Infinity ? value : value + addPrior(prior, theta, gradient);
  };
  const options = { maxEvaluations, gradientTolerance: 1e-2, valueTolerance: 1e-5 };
  return minimizeBounded(objective, start, prior.lower, prior.upper, options);
}

/** An even choice of rows, the best half of the choice by y, so that the neighbourhood of the optimum is well described. */
function thin(data: Data, most: number): Data {
  const { n, layout } = data;
  if (n <= most) return data;
  const width = layout.columns.length;
  const order = Array.from({ length: n }, (_, i) => i).sort((a, b) => (data.y[a] ?? 0) - (data.y[b] ?? 0) || a - b);
  const nBest = most >> 1;
  const rest = order.slice(nBest).sort((a, b) => a - b);
  const nRest = most - nBest;
  const rows = [
    ...order.slice(0, nBest),
    ...Array.from({ length: nRest }, (_, k) => rest[Math.floor((k * rest.length) / nRest)] ?? 0),
  ];
  const x = new Float64Array(most * width);
  rows.forEach((row, k) => x.set(data.x.subarray(row * width, (row + 1) * width), k * width));
  const pick = (values: Float64Array): Float64Array => Float64Array.from(rows, (row) => values[row] ?? 0);
  return { layout, n: most, x, y: pick(data.y), noise: pick(data.noise) };
}
