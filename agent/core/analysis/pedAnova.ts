import { kdeMasses, scottBandwidth } from '../math/index.ts';
import { type CompiledParameter } from '../space/index.ts';
import type { Evidence } from './evidence.ts';
import { type Importance, leastTrials, sortedShares } from './importance.ts';

/** Part of the trials that count as good. */
const goodQuantile = 0.1;
/** Cells of a continuous parameter's axis. */
const mostCells = 50;

/**
 * Importance for reaching the best tenth: how far the distribution of a parameter among the good trials is from that among all.
 *
 *   share_d ∝ (α² / β) Σ_c p(c) (p'(c) / p(c) − 1)²,   p', p: mass of cell c among the good and among all trials
 *
 * where α and β are the parts of the good and of all trials in which the parameter is active, 1 and 1 without conditions. Trials
 * without a value count among all: a parameter that makes trials fail is important. O(trials + parameters · cells²).
 *
 * S. Watanabe, A. Bansal, F. Hutter: PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary Subspaces, IJCAI 2023
 * (arXiv 2304.10255), equation 14 in its local form. Conditions: Conditional PED-ANOVA (arXiv 2601.20800), theorem 4.2.
 */
export function pedAnova(evidence: Evidence): Importance {
  const { space, count, losses, ranked, objective } = evidence;
  const names = space.parameters.map(({ name }) => name);
  const nothing = (problem: string): Importance => ({
    method: 'ped-anova',
    parameters: sortedShares(names, []),
    pairs: [],
    problem,
  });
  if (count < leastTrials)
    return nothing(`Importance needs at least ${leastTrials} trials that ended; there are ${count} so far.`);
  if (ranked < 2)
    return nothing(`Importance needs at least two trials with a value of ${objective.metric}; there are ${ranked}.`);

  const isGood = goodRows(losses, ranked);
  const nGood = isGood.reduce((sum, flag) => sum + flag, 0);
  if (nGood === count) return nothing(`All trials reached the same ${objective.metric}.`);
  const raw = space.parameters.map((parameter) => (parameter.size === 1 ? 0 : divergence(evidence, parameter, isGood, nGood)));
  const total = raw.reduce((sum, value) => sum + value, 0);
  if (!(total > 0)) return nothing('No parameter differs between the best trials and the others.');
  const shares = raw.map((value) => value / total);
  return { method: 'ped-anova', parameters: sortedShares(names, shares), pairs: [], problem: null };
}

/** 1 for the rows of the best tenth, ties included. */
function goodRows(losses: Float64Array, ranked: number): Uint8Array {
  const place = Math.min(ranked, Math.ceil(goodQuantile * losses.length)) - 1;
  const cutoff = losses.toSorted()[place] ?? -Infinity;
  return Uint8Array.from(losses, (loss) => (loss <= cutoff ? 1 : 0));
}

function divergence(evidence: Evidence, parameter: CompiledParameter, isGood: Uint8Array, nGood: number): number {
  const { unit, count, space } = evidence;
  const width = space.parameters.length;
  const cells = cellsOf(parameter);
  const all = new Float64Array(cells);
  const good = new Float64Array(cells);
  let nAll = 0;
  let nActiveGood = 0;
  for (let row = 0; row < count; row++) {
    const u = unit[row * width + parameter.index] ?? NaN;
    if (Number.isNaN(u)) continue;
    const cell = Math.min(cells - 1, Math.floor(u * cells));
    all[cell] = (all[cell] ?? 0) + 1;
    nAll++;
    if (isGood[row] !== 1) continue;
    good[cell] = (good[cell] ?? 0) + 1;
    nActiveGood++;
  }
  if (nAll < 2 || nActiveGood === 0) return 0;
  const isCategorical = parameter.distribution.type === 'categorical';
  const pAll = isCategorical ? categoryMasses(all, nAll) : smoothMasses(all, nAll);
  const pGood = isCategorical ? categoryMasses(good, nActiveGood) : smoothMasses(good, nActiveGood);
  let sum = 0;
  for (let cell = 0; cell < cells; cell++) {
    const p = pAll[cell] ?? 0;
    sum += p * ((pGood[cell] ?? 0) / p - 1) ** 2;
  }
  return ((nActiveGood / nGood) ** 2 / (nAll / count)) * sum;
}

/** A cell a value where there are few of equal width, else 50. */
function cellsOf({ distribution, size }: CompiledParameter): number {
  if (distribution.type === 'categorical') return size;
  const isWarped = distribution.type !== 'ordinal' && (distribution.log || distribution.revlog);
  return !isWarped && size <= mostCells ? size : mostCells;
}

/** Density estimate of the counts, with one uniform observation as prior so that no cell is empty. */
function smoothMasses(counts: Float64Array, n: number): Float64Array {
  const cells = counts.length;
  const centers = Float64Array.from(counts, (_, cell) => (cell + 0.5) / cells);
  // A deviation of at least 0.3 cells: nine tenths of the kernel stay in its cell.
  const bandwidth = Math.max(scottBandwidth(centers, counts), 0.5 / 1.64 / cells);
  const masses = new Float64Array(cells);
  kdeMasses(centers, counts, bandwidth, masses);
  return masses.map((mass) => (mass * n + 1 / cells) / (n + 1));
}

/** Every observation lends 1 / (different categories + 1) to each category, as its kernel. */
function categoryMasses(counts: Float64Array, n: number): Float64Array {
  const different = counts.reduce((sum, value) => sum + (value > 0 ? 1 : 0), 0);
  const lent = 1 / (different + 1);
  const scale = 1 + counts.length * lent;
  return counts.map((value) => ((value + n * lent) / scale + 1 / counts.length) / (n + 1));
}
