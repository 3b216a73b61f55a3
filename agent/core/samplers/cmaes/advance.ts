import type { History } from '../history.ts';
import { type Columns, cutNormalMoments, observedCell } from './columns.ts';
import { withMargin } from './margin.ts';
import { decompose, deviationOf, fromAxes, type Model, toAxes } from './model.ts';
import type { Strategy } from './strategy.ts';

/** Widest deviation of a coordinate: beyond it draws would only pile up at the ends of the range. */
const widest = 0.5;

/**
 * The model after one generation; null where its covariance has become singular. `ranked`: rows of the λ members, best first.
 *
 * N. Hansen, arXiv 1604.00772, appendix A (equations 41 to 47, with negative weights). Members that are known by a cell alone, as
 * discrete or inactive parameters are, enter with mean and variance of the model's own normal within that cell: what they do
 * not say changes nothing. `areEqual`: the members differ too little to tell them apart, so the step size grows.
 */
export function advance(
  model: Model,
  strategy: Strategy,
  columns: Columns,
  history: History,
  ranked: readonly number[],
  areEqual: boolean,
): Model | null {
  const { weights, muEff, mu, cSigma, dSigma, cC, chi } = strategy;
  const d = columns.numeric.length;
  const shares = newShares(model, strategy, columns, history, ranked);
  const generation = model.generation + 1;
  if (d === 0) return { ...model, shares, generation };
  const { steps, variances, whitened } = membersOf(model, strategy, columns, history, ranked);
  const step = new Float64Array(d);
  const whiteStep = new Float64Array(d);
  for (let i = 0; i < mu; i++) {
    const weight = weights[i] ?? 0;
    for (let j = 0; j < d; j++) {
      step[j] = (step[j] ?? 0) + weight * (steps[i * d + j] ?? 0);
      whiteStep[j] = (whiteStep[j] ?? 0) + weight * (whitened[i * d + j] ?? 0);
    }
  }
  const turned = new Float64Array(d);
  fromAxes(model, whiteStep, turned);
  const pull = Math.sqrt(cSigma * (2 - cSigma) * muEff);
  const sigmaPath = model.sigmaPath.map((p, j) => (1 - cSigma) * p + pull * (turned[j] ?? 0));
  const known = model.known.map((share, j) => {
    // Of inactive parameters nothing is known. Cells count in full: that steps shrink with them is what finds the others' optimum.
    let active = 0;
    for (let i = 0; i < mu; i++) if ((variances[i * d + j] ?? 0) < 1) active += weights[i] ?? 0;
    return (1 - cSigma) ** 2 * share + cSigma * (2 - cSigma) * active;
  });
  const length = norm(sigmaPath) / Math.sqrt(Math.max(1e-3, known.reduce((total, share) => total + share, 0) / d));
  const isSteady = length / Math.sqrt(1 - (1 - cSigma) ** (2 * generation)) < (1.4 + 2 / (d + 1)) * chi;
  const path = model.path.map((p, j) => (1 - cC) * p + (isSteady ? Math.sqrt(cC * (2 - cC) * muEff) * (step[j] ?? 0) : 0));
  const pathVariances = path.map((p, j) => p * p + (1 - (known[j] ?? 1)) * (model.variances[j] ?? 0));
  const learned = newCovariance(
    model,
    strategy,
    { steps, variances, whitened },
    path,
    pathVariances,
    isSteady ? 0 : cC * (2 - cC),
  );
  if (learned === null) return null;
  const growth = areEqual ? 0.2 + cSigma / dSigma : Math.min(1, (cSigma / dSigma) * (length / chi - 1));
  const mean = model.mean.map((m, j) => Math.min(1, Math.max(0, m + model.sigma * (model.scale[j] ?? 0) * (step[j] ?? 0))));
  const free: Model = {
    mean,
    sigma: model.sigma * Math.exp(growth),
    scale: model.scale,
    ...learned,
    sigmaPath,
    path,
    known,
    generation,
    shares,
  };
  return bounded(free, strategy, columns);
}

interface Members {
  /** λ × d: (x − m) / (σ A). */
  readonly steps: Float64Array;
  /** λ × d: what is not known of the steps, as a share of C's diagonal. */
  readonly variances: Float64Array;
  /** λ × d: C^(−1/2) of the steps, in the basis of the axes. */
  readonly whitened: Float64Array;
}

function membersOf(model: Model, strategy: Strategy, { numeric }: Columns, history: History, ranked: readonly number[]): Members {
  const d = numeric.length;
  const width = history.space.parameters.length;
  const steps = new Float64Array(ranked.length * d);
  const variances = new Float64Array(ranked.length * d);
  const whitened = new Float64Array(ranked.length * d);
  const cell = new Float64Array(2);
  const moments = new Float64Array(2);
  const along = new Float64Array(d);
  const deviations = model.mean.map((_, j) => deviationOf(model, j));
  ranked.forEach((row, i) => {
    numeric.forEach((column, j) => {
      observedCell(column, history.unit[row * width + column.index] ?? NaN, cell);
      const mean = model.mean[j] ?? 0;
      const deviation = deviations[j] ?? 1;
      cutNormalMoments(((cell[0] ?? 0) - mean) / deviation, ((cell[1] ?? 0) - mean) / deviation, moments);
      steps[i * d + j] = (moments[0] ?? 0) * Math.sqrt(model.variances[j] ?? 0);
      variances[i * d + j] = moments[1] ?? 0;
    });
    toAxes(model, steps, i * d, along);
    let squares = 0;
    for (let k = 0; k < d; k++) {
      const white = (along[k] ?? 0) / (model.deviations[k] ?? 1);
      whitened[i * d + k] = white;
      squares += white * white;
    }
    const shrink = Math.min(1, strategy.longest / Math.sqrt(squares));
    if (!(shrink < 1)) return;
    for (let at = i * d; at < (i + 1) * d; at++) {
      steps[at] = (steps[at] ?? 0) * shrink;
      whitened[at] = (whitened[at] ?? 0) * shrink;
    }
  });
  return { steps, variances, whitened };
}

/** Equation 47, with the members' unknown variances on the diagonal; null where the result is singular. */
function newCovariance(
  model: Model,
  strategy: Strategy,
  { steps, variances, whitened }: Members,
  path: Float64Array,
  pathVariances: Float64Array,
  lost: number,
): Pick<Model, 'full' | 'variances' | 'deviations'> | null {
  const { weights, sumOfWeights, c1, cMu } = strategy;
  const { full } = model;
  const d = path.length;
  const kept = 1 + c1 * lost - c1 - cMu * sumOfWeights;
  const diagonal = model.variances.map((variance, j) => kept * variance + c1 * (pathVariances[j] ?? 0));
  const matrix = full?.matrix.map((entry) => kept * entry) ?? null;
  if (matrix !== null) addSquare(matrix, c1, path, 0);
  for (let member = 0; member < weights.length; member++) {
    const weight = weights[member] ?? 0;
    const at = member * d;
    let factor = cMu * weight;
    if (weight < 0) {
      let squares = 0;
      for (let k = 0; k < d; k++) squares += (whitened[at + k] ?? 0) ** 2;
      // A step below one deviation in all is not stretched further than to √d.
      factor *= d / Math.max(1, squares);
    }
    for (let j = 0; j < d; j++) {
      const unknown = cMu * weight * (variances[at + j] ?? 0) * (model.variances[j] ?? 0);
      diagonal[j] = (diagonal[j] ?? 0) + factor * (steps[at + j] ?? 0) ** 2 + unknown;
    }
    if (matrix !== null) addSquare(matrix, factor, steps, at);
  }
  if (matrix !== null) {
    for (let j = 0; j < d; j++) matrix[j * d + j] = diagonal[j] ?? 0;
    return decompose(matrix, d);
  }
  if (!diagonal.every((variance) => variance > 0 && variance < Infinity)) return null;
  return { full: null, variances: diagonal, deviations: diagonal.map(Math.sqrt) };
}

/** matrix += factor v vᵀ, with v the numbers of `vectors` from `offset`. */
function addSquare(matrix: Float64Array, factor: number, vectors: Float64Array, offset: number): void {
  const d = Math.sqrt(matrix.length);
  for (let i = 0; i < d; i++) {
    const scaled = factor * (vectors[offset + i] ?? 0);
    for (let j = 0; j < d; j++) matrix[i * d + j] = (matrix[i * d + j] ?? 0) + scaled * (vectors[offset + j] ?? 0);
  }
}

/** The model with its margins, and with no coordinate wider than the cube. */
function bounded(model: Model, strategy: Strategy, { numeric, categorical }: Columns): Model {
  const d = numeric.length;
  let largest = 0;
  for (let j = 0; j < d; j++) largest = Math.max(largest, deviationOf(model, j));
  const shrink = largest > widest ? widest / largest : 1;
  const mean = Float64Array.from(model.mean);
  const scale = Float64Array.from(model.scale);
  const margin = 1 / (strategy.lambda * (d + categorical.length));
  const moved = new Float64Array(2);
  numeric.forEach((parameter, j) => {
    if (parameter.size === Infinity) return;
    const deviation = shrink * deviationOf(model, j);
    withMargin(parameter, mean[j] ?? 0, deviation, margin, moved);
    mean[j] = moved[0] ?? 0;
    scale[j] = (scale[j] ?? 0) * ((moved[1] ?? 0) / deviation);
  });
  return { ...model, sigma: shrink * model.sigma, mean, scale };
}

/**
 * Shares of the choices, drawn towards those of the better half, none below what keeps it in play: the update of CatCMA (R. Hamano,
 * S. Saito, M. Nomura, K. Uchida, S. Shirakawa, GECCO 2024) with a fixed rate. A parameter that was inactive says nothing.
 */
function newShares(
  model: Model,
  strategy: Strategy,
  columns: Columns,
  history: History,
  ranked: readonly number[],
): Float64Array[] {
  const width = history.space.parameters.length;
  const nColumns = columns.numeric.length + columns.categorical.length;
  return columns.categorical.map(({ index, size }, place) => {
    const rate = strategy.muEff / (strategy.muEff + size + 4);
    const shares = Float64Array.from(model.shares[place] ?? []);
    const before = model.shares[place] ?? shares;
    for (let i = 0; i < strategy.mu; i++) {
      const unit = history.unit[(ranked[i] ?? 0) * width + index] ?? NaN;
      if (Number.isNaN(unit)) continue;
      const pull = rate * (strategy.weights[i] ?? 0);
      const choice = Math.min(size - 1, Math.floor(unit * size));
      for (let k = 0; k < size; k++) shares[k] = (shares[k] ?? 0) - pull * (before[k] ?? 0);
      shares[choice] = (shares[choice] ?? 0) + pull;
    }
    const least = Math.min(0.5 / size, (1 - 0.73 ** (1 / nColumns)) / (size - 1));
    // What is raised to the least is taken from what lies above it, in proportion.
    const raised = shares.map((share) => Math.max(share, least));
    const excess = raised.reduce((total, share) => total + share, 0) - 1;
    const free = raised.reduce((total, share) => total + share - least, 0);
    return free > 0 ? raised.map((share) => share - (excess / free) * (share - least)) : raised;
  });
}

function norm(vector: Float64Array): number {
  return Math.sqrt(vector.reduce((total, value) => total + value * value, 0));
}
