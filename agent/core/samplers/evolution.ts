import type { Params } from '../../protocol/space.ts';
import { createRng, type Rng } from '../math/index.ts';
import type { History } from './history.ts';
import { crossoverPoints, mutatePoint } from './mutate.ts';
import { type Ranking, rankingOf } from './ranking.ts';
import type { FidelityLevels, Proposal, Sampler, SamplerContext } from './sampler.ts';
import { startupPoint } from './startup.ts';
import { streams } from './streams.ts';
import { unseenPoint } from './unseen.ts';

/** Results before the first child; until then points are spread at random. */
const nStartup = 10;
/** Parents are among this many of the youngest results, and among the last of all trials, so that a proposal has its bound. */
const populationSize = 30;
const lookBack = 3_000;
const crossoverProbability = 0.5;
/** Each from the start of the budget to its end; the tournament's size is that of the draw (with repetition). */
const tournament = { from: 10, to: 30 };
const nMutated = { from: 1, to: 1.5 };
const step = { from: 0.25, to: 0.015 };
const randomShare = { from: 0.05, to: 0 };
const maxTries = 10;

/**
 * Regularised evolution: parents win a tournament among the youngest results, are crossed and mutated, and die of age, however
 * good (E. Real, A. Aggarwal, Y. Huang, Q. V. Le: Regularized evolution for image classifier architecture search, AAAI 2019).
 *
 * With the used share of the budget it turns from exploring to refining, as Bustle's search does: the tournament and the number of
 * mutated parameters grow, the steps shrink, random points end. Where trials are stopped early, parents come from the highest
 * rung that a third of a population has reached. Failed trials are no parents; with several objectives a tournament is won by
 * Pareto front and crowding. Until there are results of its own, children come from the best of earlier studies, if any.
 */
export const evolutionSampler: Sampler = {
  name: 'evolution',
  propose(context: SamplerContext): Proposal {
    const { history, space, objectives, prior } = context;
    const rng = createRng(context.seed, context.number, streams.evolution);
    const ranking = rankingOf(history, objectives);
    const population = youngest(history, ranking, context.fidelity);
    if (space.parameters.length === 0) return startupPoint(context, nStartup);
    if (population.length < nStartup) {
      const known = prior === null ? [] : bestOf(prior, rankingOf(prior, objectives));
      if (known.length === 0) return startupPoint(context, nStartup);
      const parent = (): Params => prior?.at(known[rng.int(known.length)] ?? 0).params ?? {};
      return child(context, rng, 0.5, parent, 'A changed copy of one of the best points of earlier studies.');
    }
    const progress = usedShare(context);
    if (rng.next() < between(randomShare, progress)) {
      return unseenPoint(context, rng.next, 'A random point, as the budget is still large enough to explore.');
    }
    const nContestants = Math.round(between(tournament, progress));
    const winner = (): Params => {
      const contestants = Array.from({ length: nContestants }, () => population[rng.int(population.length)] ?? 0);
      return history.at(ranking.best(contestants, 1)[0] ?? 0).params;
    };
    const reason = `A changed copy of a good one of the ${population.length} youngest results.`;
    return child(context, rng, progress, winner, reason);
  },
};

/** A mutated copy or cross of parents that no trial has; a free random point where 10 tries find none. */
function child(context: SamplerContext, rng: Rng, progress: number, parent: () => Params, reason: string): Proposal {
  const { space, history } = context;
  const mutation = {
    probability: Math.min(1, between(nMutated, progress) / space.parameters.length),
    step: step.from * (step.to / step.from) ** progress,
  };
  for (let attempt = 0; attempt < maxTries; attempt++) {
    const first = parent();
    const copy = rng.next() < crossoverProbability ? crossoverPoints(space, first, parent(), rng) : first;
    const params = mutatePoint(space, copy, rng, mutation);
    if (!history.has(params) && space.isValid(params)) return { type: 'point', params, reason };
  }
  return unseenPoint(context, rng.next, 'A random point: every changed copy of the good ones has been tried.');
}

/** Rows of the youngest results that reached the highest level that a third of a population has reached. */
function youngest(history: History, ranking: Ranking, fidelity: FidelityLevels | null): number[] {
  const bar = fidelity === null ? -Infinity : highestLevel(history, ranking, fidelity.levels);
  const rows: number[] = [];
  for (let row = history.size - 1; row >= firstRow(history) && rows.length < populationSize; row--) {
    if (ranking.isRanked(row) && history.at(row).resource >= bar) rows.push(row);
  }
  return rows;
}

function highestLevel(history: History, ranking: Ranking, levels: readonly number[]): number {
  const reached = levels.map(() => 0);
  for (let row = firstRow(history); row < history.size; row++) {
    const { resource } = history.at(row);
    if (!(resource >= (levels[0] ?? 0)) || !ranking.isRanked(row)) continue;
    for (let k = 0; k < levels.length && resource >= (levels[k] ?? Infinity); k++) reached[k] = (reached[k] ?? 0) + 1;
  }
  return levels.findLast((_, k) => (reached[k] ?? 0) >= nStartup) ?? -Infinity;
}

function firstRow(history: History): number {
  return Math.max(0, history.size - lookBack);
}

function bestOf(history: History, ranking: Ranking): number[] {
  const rows: number[] = [];
  for (let row = 0; row < history.size; row++) if (ranking.isRanked(row)) rows.push(row);
  return ranking.best(rows, nStartup);
}

/** Of the budget; without one, of an end that stays ahead by 100 trials. */
function usedShare({ history, budgetTrials }: SamplerContext): number {
  return budgetTrials === null ? history.ended / (history.ended + 100) : Math.min(1, history.ended / budgetTrials);
}

function between({ from, to }: { readonly from: number; readonly to: number }, share: number): number {
  return from + (to - from) * share;
}
