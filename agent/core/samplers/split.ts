import type { Observation } from './history.ts';
import { Outcomes, outcome } from './outcomes.ts';
import type { SamplerContext } from './sampler.ts';
import { volumeShares } from './volume.ts';

export interface Split {
  /** Rows of the history that the good density is fitted to, in order of arrival. */
  readonly below: readonly number[];
  /** What each of them counts, 1 on average: the better the more. */
  readonly weights: Float64Array;
  /** Rows of trials that run and have shown nothing, which belong to neither side by themselves. */
  readonly pending: readonly number[];
  /** Rows that could be compared. */
  readonly nRanked: number;
}

/**
 * Finds the best tenth of the observations, at most 25.
 *
 * Complete trials come first, by value or, with several objectives, by Pareto front and, in the front that does not fit as a
 * whole, by the hypervolume that they cover together (Y. Ozaki et al.: Multiobjective tree-structured Parzen estimator, JAIR 73
 * (2022)). Then pruned ones, the further they came the better, and by their last report. With a fidelity that trials have curves
 * of, those that reached the highest level with enough trials compare by their value there, then those of the levels below
 * (S. Falkner et al.: BOHB, ICML 2018, section 4); a trial that goes on after a pause keeps what it showed. Then
 * infeasible ones, by how far they violate the measured constraints (K. Deb: An efficient constraint handling method for genetic
 * algorithms, CMAME 186 (2000)). NaN, failed and otherwise infeasible ones are never among the best.
 *
 * A pending trial counts as if it had reached the worst, mean or best loss so far (constant liar: Ginsbourger, Le Riche,
 * Carraro 2010): the lower the lie, the more the sampler gathers where trials are already running. With `fantasy` it is left
 * to the model, see `tpe.ts`.
 */
export function splitObservations(context: Pick<SamplerContext, 'history' | 'objectives' | 'liar' | 'fidelity'>): Split {
  const { history, liar } = context;
  const fidelity = context.objectives.length === 1 ? context.fidelity : null;
  const outcomes = Outcomes.of(history, context.objectives, fidelity);
  const nShown = fidelity === null ? 0 : outcomes.count(outcome.reporting);
  const nRanked = outcomes.count(outcome.complete) + outcomes.count(outcome.partial) + outcomes.count(outcome.violating) + nShown;
  const nBelow = Math.min(maxBelow, Math.ceil(shareBelow * nRanked));

  const silent = outcomes.rowsOf(outcome.pending);
  const pending = fidelity === null ? [...silent, ...outcomes.rowsOf(outcome.reporting)].sort((x, y) => x - y) : silent;
  const best = fidelity === null ? bestRows(outcomes, nBelow) : bestAtLevels(outcomes, nBelow, fidelity.levels.length);
  if (best.length < nBelow) best.push(...leastViolating(outcomes, history.at.bind(history), nBelow - best.length));
  const weights = new Map(best.map((row, place) => [row, (2 * (best.length - place)) / (best.length + 1)]));
  if (outcomes.nObjectives > 1) weighByVolume(outcomes, best, weights);
  if (liar === 'min' || (liar === 'mean' && isMeanGood(outcomes, best))) for (const row of pending) weights.set(row, 1);
  const below = [...weights.keys()].sort((a, b) => a - b);
  return { below, weights: Float64Array.from(below, (row) => weights.get(row) ?? 1), pending, nRanked };
}

/** As in Optuna. */
const shareBelow = 0.1;
const maxBelow = 25;

/** Complete rows, then those that were stopped early. */
function bestRows(outcomes: Outcomes, nBelow: number): number[] {
  const { kinds, losses, nObjectives, size } = outcomes;
  const best = nObjectives > 1 ? outcomes.bestComplete(nBelow) : [];
  const selection = new Selection(nBelow - best.length);
  for (let row = 0; row < size; row++) {
    const kind = kinds[row];
    const loss = losses[row * nObjectives] ?? Infinity;
    if (kind === outcome.partial) selection.offer(row, -outcomes.resourceOf(row), loss);
    else if (kind === outcome.complete && nObjectives === 1) selection.offer(row, -Infinity, loss);
  }
  return [...best, ...selection.rows];
}

/** With one objective and a fidelity: by the highest level that enough trials reached, then those that came less far. */
function bestAtLevels(outcomes: Outcomes, nBelow: number, nLevels: number): number[] {
  const { kinds, losses, levels, size } = outcomes;
  const reached = new Int32Array(nLevels + 1);
  const isShown = (row: number): boolean => {
    const kind = kinds[row];
    return kind === outcome.complete || kind === outcome.partial || kind === outcome.reporting;
  };
  for (let row = 0; row < size; row++)
    if (isShown(row)) for (let k = levels[row] ?? -1; k >= -1; k--) reached[k + 1] = (reached[k + 1] ?? 0) + 1;
  const enough = Math.min(2 * nBelow, reached[0] ?? 0);
  let common = nLevels - 1;
  while (common >= 0 && (reached[common + 1] ?? 0) < enough) common--;
  const selection = new Selection(nBelow);
  for (let row = 0; row < size; row++) {
    if (!isShown(row)) continue;
    const level = levels[row] ?? -1;
    if (level < common) selection.offer(row, -level, losses[row] ?? Infinity);
    else selection.offer(row, -Infinity, common < 0 ? (losses[row] ?? Infinity) : outcomes.lossAt(row, common));
  }
  return selection.rows;
}

/** Rows that violate constraints, each constraint's violations in units of their mean, the smallest sum first. */
function leastViolating(outcomes: Outcomes, observationAt: (row: number) => Observation, count: number): number[] {
  const rows = outcomes.rowsOf(outcome.violating);
  const sums: number[] = [];
  const numbers: number[] = [];
  const finite = (by: number): boolean => by > 0 && by < Infinity;
  for (const row of rows) {
    (observationAt(row).violations ?? []).forEach((by, constraint) => {
      if (finite(by)) numbers[constraint] = (numbers[constraint] ?? 0) + 1;
    });
  }
  for (const row of rows) {
    (observationAt(row).violations ?? []).forEach((by, constraint) => {
      if (finite(by)) sums[constraint] = (sums[constraint] ?? 0) + by / (numbers[constraint] ?? 1);
    });
  }
  const selection = new Selection(count);
  for (const row of rows) {
    let total = 0;
    (observationAt(row).violations ?? []).forEach((by, constraint) => {
      if (by > 0) total += by / (sums[constraint] ?? 1);
    });
    selection.offer(row, total, 0);
  }
  return selection.rows;
}

/** With one objective the mean is nearly always worse than the best tenth; if not (all equal), it is among them. */
function isMeanGood(outcomes: Outcomes, best: readonly number[]): boolean {
  const worst = outcomes.losses[best.at(-1) ?? -1];
  if (outcomes.nObjectives > 1 || worst === undefined) return false;
  let mean = 0;
  let n = 0;
  for (let row = 0; row < outcomes.size; row++)
    if (outcomes.kinds[row] === outcome.complete) mean += ((outcomes.losses[row] ?? 0) - mean) / ++n;
  return mean <= worst;
}

/** With several objectives: half as much for each, half by what it alone adds to the volume of the best. */
function weighByVolume(outcomes: Outcomes, best: readonly number[], weights: Map<number, number>): void {
  const shares = volumeShares(best.map((row) => Array.from(outcomes.lossesOf(row))));
  best.forEach((row, place) => weights.set(row, (1 + best.length * (shares[place] ?? 0)) / 2));
}

/** The `count` rows with the smallest keys, in order; equal ones in the order of the offers. */
class Selection {
  readonly rows: number[] = [];
  private readonly firsts: number[] = [];
  private readonly seconds: number[] = [];
  private readonly count: number;

  constructor(count: number) {
    this.count = count;
  }

  offer(row: number, first: number, second: number): void {
    let place = this.rows.length;
    if (place === this.count && (place === 0 || !this.isBefore(first, second, place - 1))) return;
    if (place === this.count) place--;
    // The place that is freed, or a new one; then what is worse moves up.
    for (; place > 0 && this.isBefore(first, second, place - 1); place--) {
      this.rows[place] = this.rows[place - 1] ?? 0;
      this.firsts[place] = this.firsts[place - 1] ?? 0;
      this.seconds[place] = this.seconds[place - 1] ?? 0;
    }
    this.rows[place] = row;
    this.firsts[place] = first;
    this.seconds[place] = second;
  }

  private isBefore(first: number, second: number, place: number): boolean {
    const other = this.firsts[place] ?? Infinity;
    return first < other || (first === other && second < (this.seconds[place] ?? Infinity));
  }
}
