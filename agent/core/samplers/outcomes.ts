import type { Objective } from '../../protocol/space.ts';
import type { History, Observation } from './history.ts';
import { bestOfFronts, leastCrowded } from './pareto.ts';
import type { FidelityLevels } from './sampler.ts';
import { largestVolume } from './volume.ts';

/** What an observation says of its point, from the best to know on. */
export const outcome = {
  /** Trained to the end, and some objective is known. */
  complete: 0,
  /** Stopped early, with a value. */
  partial: 1,
  /** Violates a measured constraint, and it is known by how much. */
  violating: 2,
  /** Failed, or nothing is known of it that could be compared. */
  worthless: 3,
  /** Runs and has shown a value. */
  reporting: 4,
  /** Runs and has shown nothing. */
  pending: 5,
} as const;

/**
 * The outcomes of a history's rows in typed columns, so that ranking 100,000 of them is a pass over a few bytes each.
 * Kept per history, as only few rows change between two proposals; the same without.
 */
export class Outcomes {
  /** One of `outcome` per row. */
  kinds = new Uint8Array(0);
  /** Row-major, one column an objective, smaller is better; Infinity where it is not known. */
  losses = new Float64Array(0);
  /** Highest level of the fidelity whose value is known, −1 for none; 0 without a fidelity. */
  levels = new Int16Array(0);
  private readonly counts = new Int32Array(6);
  private readonly history: History;
  private readonly signs: readonly number[];
  private readonly fidelity: FidelityLevels | null;
  private readonly winners: number[][][] = [];
  private version = 0;
  /** Rows of that version. */
  private known = 0;

  private constructor(history: History, signs: readonly number[], fidelity: FidelityLevels | null) {
    this.history = history;
    this.signs = signs;
    this.fidelity = fidelity;
  }

  static of(history: History, objectives: readonly Objective[], fidelity: FidelityLevels | null): Outcomes {
    const key = JSON.stringify([objectives.map(({ direction }) => direction), fidelity?.levels]);
    let known = memo.get(history);
    if (known?.key !== key) {
      const signs = objectives.map(({ direction }) => (direction === 'min' ? 1 : -1));
      known = { key, outcomes: new Outcomes(history, signs, fidelity) };
      memo.set(history, known);
    }
    known.outcomes.update();
    return known.outcomes;
  }

  get size(): number {
    return this.history.size;
  }

  get nObjectives(): number {
    return this.signs.length;
  }

  /** Number of rows of a kind. */
  count(kind: number): number {
    return this.counts[kind] ?? 0;
  }

  /** Rows of a kind, ascending. */
  rowsOf(kind: number): number[] {
    const rows: number[] = [];
    for (let left = this.count(kind), row = -1; left > 0; left--) rows.push((row = this.kinds.indexOf(kind, row + 1)));
    return rows;
  }

  /** Losses of one row. */
  lossesOf(row: number): Float64Array {
    return this.losses.subarray(row * this.nObjectives, (row + 1) * this.nObjectives);
  }

  resourceOf(row: number): number {
    return this.history.at(row).resource;
  }

  /** Loss at a level of the fidelity; where it was not reported there, the last known one. */
  lossAt(row: number, level: number): number {
    const loss = (this.signs[0] ?? 1) * (this.history.at(row).curve?.[level] ?? NaN);
    return Number.isNaN(loss) ? (this.losses[row * this.nObjectives] ?? Infinity) : loss;
  }

  /**
   * The `count` ≤ 32 best complete rows with several objectives, by Pareto front, then by hypervolume. Of more than 256
   * rows the best of each block meet: a row that belongs to the best fronts does so in its block too.
   */
  bestComplete(count: number): number[] {
    let level = 0;
    while (blockSize * fanOut ** level < this.size) level++;
    return this.fittest(this.winnersOf(level, 0), count, largestVolume);
  }

  private winnersOf(level: number, block: number): readonly number[] {
    const known = this.winners[level]?.[block];
    if (known !== undefined) return known;
    const rows: number[] = [];
    if (level === 0) {
      for (let row = block * blockSize; row < Math.min(this.size, (block + 1) * blockSize); row++)
        if (this.kinds[row] === outcome.complete) rows.push(row);
    } else {
      const below = blockSize * fanOut ** (level - 1);
      for (let k = 0; k < fanOut && (block * fanOut + k) * below < this.size; k++)
        rows.push(...this.winnersOf(level - 1, block * fanOut + k));
    }
    const best = this.fittest(rows, nWinners);
    (this.winners[level] ??= [])[block] = best;
    return best;
  }

  private fittest(rows: readonly number[], count: number, choose = leastCrowded): number[] {
    const losses = rows.map((row) => Array.from(this.lossesOf(row)));
    return bestOfFronts(rows, losses, count, choose);
  }

  private update(): void {
    const { history, version, nObjectives } = this;
    if (history.version === version) return;
    if (history.size > this.kinds.length) this.grow(Math.max(64, 2 * history.size));
    const { changedAt } = history;
    for (let row = 0; row < history.size; row++) {
      if ((changedAt[row] ?? 0) <= version) continue;
      const observation = history.at(row);
      for (let k = 0; k < nObjectives; k++) {
        const loss = (this.signs[k] ?? 1) * (observation.values[k] ?? NaN);
        this.losses[row * nObjectives + k] = Number.isNaN(loss) ? Infinity : loss;
      }
      this.levels[row] = levelOf(observation, this.fidelity);
      const kind = kindOf(observation, this.lossesOf(row));
      if (row < this.known) this.tally(this.kinds[row] ?? kind, -1);
      this.kinds[row] = kind;
      this.tally(kind, 1);
      for (let level = 0, block = Math.floor(row / blockSize); level < this.winners.length; level++) {
        delete this.winners[level]?.[block];
        block = Math.floor(block / fanOut);
      }
    }
    this.version = history.version;
    this.known = history.size;
  }

  private tally(kind: number, change: 1 | -1): void {
    this.counts[kind] = this.count(kind) + change;
  }

  private grow(size: number): void {
    const { kinds, losses, levels } = this;
    this.kinds = new Uint8Array(size);
    this.kinds.set(kinds);
    this.losses = new Float64Array(size * this.nObjectives);
    this.losses.set(losses);
    this.levels = new Int16Array(size);
    this.levels.set(levels);
  }
}

const memo = new WeakMap<History, { readonly key: string; readonly outcomes: Outcomes }>();
const blockSize = 256;
const fanOut = 16;
const nWinners = 32;

function kindOf(observation: Observation, losses: Float64Array): number {
  const isKnown = losses.some((loss) => loss < Infinity);
  switch (observation.state) {
    case 'pending':
      return isKnown ? outcome.reporting : outcome.pending;
    case 'failed':
      return outcome.worthless;
    default:
      if (observation.violations?.some((by) => by > 0) === true) return outcome.violating;
      if (!isKnown || observation.state === 'infeasible') return outcome.worthless;
      return observation.state === 'complete' ? outcome.complete : outcome.partial;
  }
}

function levelOf({ curve, resource, state }: Observation, fidelity: FidelityLevels | null): number {
  if (fidelity === null) return 0;
  const last = (curve ?? []).findLastIndex((value) => !Number.isNaN(value));
  if (last >= 0) return last;
  return state === 'complete' ? fidelity.levels.length - 1 : fidelity.levels.findLastIndex((level) => level <= resource);
}
