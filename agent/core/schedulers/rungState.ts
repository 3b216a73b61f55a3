import { frontOrder } from './frontOrder.ts';
import { nPromotable } from './rungs.ts';
import type { Measured, RungState } from './scheduler.ts';
import { at, createSortedList, insert, toScore } from './sortedList.ts';

/**
 * How many of the last trials at a rung are ranked with one another when there are several objectives. Ranking fronts
 * takes time in n², so that a bound is needed; 64 keep a decision under 20 µs and hold 21 places for the best third.
 * With one objective every trial that ever reached the rung is ranked.
 */
export const windowSize = 64;

export function createRungState(): RungState {
  return { values: createSortedList(), nNaN: 0, recent: [] };
}

/** Values as scores to be minimised, or null when one is NaN: such a trial is never among the best. */
export function toScores(values: readonly number[], directions: readonly ('min' | 'max')[]): readonly number[] | null {
  const scores = directions.map((direction, k) => toScore(values[k] ?? NaN, direction));
  return scores.some(Number.isNaN) ? null : scores;
}

/** Adds a trial that has reached the rung. */
export function measure(rung: RungState, number: number, scores: readonly number[] | null, nObjectives: number): void {
  if (nObjectives > 1) remember(rung.recent, { number, scores });
  else if (scores === null) rung.nNaN++;
  else insert(rung.values, scores[0] ?? 0, number);
}

/** Adds to a list that keeps the last `windowSize`. */
export function remember(recent: Measured[], measured: Measured): void {
  recent.push(measured);
  if (recent.length > windowSize) recent.shift();
}

/**
 * Whether a trial that was just added belongs to the best 1/η; as long as fewer than η are known, each does. One that
 * equals the last of them belongs to them too: what cannot be told apart is treated alike.
 */
export function isAmongBest(rung: RungState, scores: readonly number[] | null, reductionFactor: number): boolean {
  if (scores === null) return false;
  const n = rung.recent.length > 0 ? rung.recent.length : rung.values.size + rung.nNaN;
  if (n < reductionFactor) return true;
  const count = Math.max(1, nPromotable(n, reductionFactor));
  if (rung.recent.length > 0)
    return bestOf(rung.recent, count).some((best) => best.scores?.every((score, k) => score === scores[k]) === true);
  const cutoff = at(rung.values, count - 1);
  return cutoff === undefined || (scores[0] ?? 0) <= cutoff.score;
}

/** The `count` best, best first, without those that had NaN. */
export function bestOf(measured: readonly Measured[], count: number): readonly Measured[] {
  const ranked = measured.filter(hasScores).sort((a, b) => a.number - b.number);
  return frontOrder(
    ranked.map(({ scores }) => scores),
    count,
  ).flatMap((index) => ranked[index] ?? []);
}

/** More are ranked in groups of so many, in order of arrival, as ranking fronts takes time in n². */
const groupSize = 512;

/**
 * Numbers of all that were measured together, best first, without those that had NaN. With several objectives a rung of
 * more than 512 is ranked in groups, and the first of all groups come before the second.
 */
export function orderOf(measured: readonly Measured[]): readonly number[] {
  if ((measured.find(hasScores)?.scores?.length ?? 1) === 1) {
    return measured
      .filter(hasScores)
      .sort((a, b) => (a.scores[0] ?? 0) - (b.scores[0] ?? 0) || a.number - b.number)
      .map(({ number }) => number);
  }
  const places: { readonly number: number; readonly place: number }[] = [];
  for (let from = 0; from < measured.length; from += groupSize) {
    bestOf(measured.slice(from, from + groupSize), groupSize).forEach(({ number }, place) => places.push({ number, place }));
  }
  return places.sort((a, b) => a.place - b.place || a.number - b.number).map(({ number }) => number);
}

function hasScores(measured: Measured): measured is Measured & { readonly scores: readonly number[] } {
  return measured.scores !== null;
}
