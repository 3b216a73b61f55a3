import type { Observation } from '../history.ts';
import { type Ranking, rankingOf } from '../ranking.ts';
import type { SamplerContext } from '../sampler.ts';
import { advance } from './advance.ts';
import type { Columns } from './columns.ts';
import { deviationOf, type Model } from './model.ts';
import { firstRun, restarted } from './start.ts';
import type { Strategy } from './strategy.ts';

/** Where the search stands: the model to draw from, and what decides about its end. */
export interface Run {
  readonly columns: Columns;
  readonly strategy: Strategy;
  readonly model: Model;
  /** Runs before it in this epoch. */
  readonly nRestarts: number;
  /** Best loss of each of the last generations; empty with several objectives. */
  readonly bestLosses: readonly number[];
}

/** Trials after which everything begins anew, so that a replay is bounded. Few runs need as many. */
const epochTrials = 5_000;
/** A run ends when no continuous coordinate varies by more than this share of its range. */
const smallest = 1e-7;

/**
 * The run that the history has led to. Results in the order of their trials' numbers, pending and failed ones left out, are
 * cut into generations of λ; so a late result shifts the members behind it by one, which changes the past a little and does
 * no harm, as members may stem from any distribution (see `Strategy.longest`). A run that has converged is followed by one from a
 * random place with twice the λ (IPOP: A. Auger, N. Hansen: A restart CMA evolution strategy, CEC 2005).
 */
export function replay(context: SamplerContext): Run {
  const { history, objectives } = context;
  const epoch = Math.floor(Math.max(0, history.size - 1) / epochTrials);
  const ranking = rankingOf(history, objectives);
  const known = memos.get(history);
  const isKnown = known !== undefined && isSame(known, context, epoch);
  let run = isKnown ? known.run : firstRun(context, epoch);
  let isSettled = true;
  let members: number[] = [];
  let settled = isKnown ? known.endRow : epoch * epochTrials;
  let settledRun = run;
  for (let row = settled; row < history.size; row++) {
    if (history.at(row).state === 'pending') isSettled = false;
    if (!ranking.isRanked(row)) continue;
    members.push(row);
    if (members.length < run.strategy.lambda) continue;
    run = nextRun(run, context, ranking, members, epoch);
    members = [];
    if (!isSettled) continue;
    settled = row + 1;
    settledRun = run;
  }
  remember(context, epoch, settled, settledRun, isKnown ? known : undefined);
  return run;
}

/** Where a replay of the same history can begin: an optimisation alone, as it would come to the same. */
interface Memo {
  readonly context: SamplerContext;
  readonly epoch: number;
  /** Rows from the epoch's first to before `endRow`, as they were. */
  readonly rows: Observation[];
  readonly endRow: number;
  readonly run: Run;
}

const memos = new WeakMap<SamplerContext['history'], Memo>();

function isSame(memo: Memo, context: SamplerContext, epoch: number): boolean {
  const { history, objectives, seed, prior } = context;
  const before = memo.context;
  if (memo.epoch !== epoch || before.seed !== seed || before.prior !== prior) return false;
  if (before.space !== context.space || JSON.stringify(before.objectives) !== JSON.stringify(objectives)) return false;
  const first = epoch * epochTrials;
  return memo.rows.every((observation, k) => first + k < history.size && history.at(first + k) === observation);
}

function remember(context: SamplerContext, epoch: number, endRow: number, run: Run, before: Memo | undefined): void {
  const rows = before?.rows ?? [];
  for (let row = epoch * epochTrials + rows.length; row < endRow; row++) rows.push(context.history.at(row));
  memos.set(context.history, { context, epoch, rows, endRow, run });
}

function nextRun(run: Run, context: SamplerContext, ranking: Ranking, members: readonly number[], epoch: number): Run {
  const ranked = ranking.best(members, members.length);
  const losses = lossesOf(context, ranked);
  const areEqual = losses.length > 0 && losses[0] === losses[Math.floor(0.7 * losses.length)];
  const model = advance(run.model, run.strategy, run.columns, context.history, ranked, areEqual);
  const nKept = 10 + Math.ceil((30 * run.strategy.d) / run.strategy.lambda);
  const bestLosses = losses.length === 0 ? [] : [...run.bestLosses, losses[0] ?? NaN].slice(-nKept);
  const isStuck =
    bestLosses.length === nKept && Math.max(...bestLosses) - Math.min(...bestLosses) <= 1e-12 * Math.abs(bestLosses[0] ?? 0);
  if (model === null || isStuck || hasConverged(model, run.columns)) return restarted(run, context, epoch);
  return { ...run, model, bestLosses };
}

/** Of the members in order, with one objective; empty with several. */
function lossesOf({ history, objectives }: SamplerContext, ranked: readonly number[]): number[] {
  const [objective, ...others] = objectives;
  if (objective === undefined || others.length > 0) return [];
  const sign = objective.direction === 'min' ? 1 : -1;
  return ranked.map((row) => sign * (history.at(row).values[0] ?? NaN));
}

function hasConverged(model: Model, { numeric }: Columns): boolean {
  if (Math.max(...model.deviations) > 1e7 * Math.min(...model.deviations)) return true;
  const isContinuous = numeric.map(({ size }) => size === Infinity);
  return isContinuous.includes(true) && isContinuous.every((is, j) => !is || deviationOf(model, j) < smallest);
}
