import { dominates } from '../../protocol/gain.ts';
import { frontOrder, type Ranked } from './frontOrder.ts';
import { nPromotable } from './rungs.ts';
import type { Measured, RungState } from './scheduler.ts';
import { countBelow, createSortedList, insert, toScore } from './sortedList.ts';

/**
 * How many of the last trials at a rung are ranked with one another when there are several objectives. Ranking fronts
 * takes time in n², so that a bound is needed; 48 keep a decision under 20 µs and hold 16 places for the best third.
 * With one objective every trial that ever reached the rung is ranked.
 */
export const windowSize = 48;

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
 * Whether a trial, once it is added, belongs to the best 1/η; as long as fewer than η are known, each does. One that
 * equals the last of them belongs to them too: what cannot be told apart is treated alike.
 */
export function wouldBeAmongBest(rung: RungState, scores: readonly number[] | null, reductionFactor: number): boolean {
  if (scores === null) return false;
  // Numbers only tell equal ones apart.
  const recent = scores.length > 1 ? [...rung.recent, { number: Infinity, scores }].slice(-windowSize) : [];
  const n = scores.length > 1 ? recent.length : rung.values.size + rung.nNaN + 1;
  if (n < reductionFactor) return true;
  const count = Math.max(1, nPromotable(n, reductionFactor));
  return scores.length > 1 ? isAmongRecentBest(recent, scores, count) : countBelow(rung.values, scores[0] ?? 0) < count;
}

function isAmongRecentBest(recent: readonly Measured[], scores: readonly number[], count: number): boolean {
  // Whatever dominates it ranks before it, which mostly settles the question.
  let nBetter = 0;
  for (const other of recent) if (other.scores !== null && dominates(other.scores, scores)) nBetter++;
  if (nBetter >= count) return false;
  return hasEqual(bestOf(recent, count), scores);
}

/** The `count` best, best first, without those that had NaN. */
export function bestOf(measured: readonly Measured[], count: number): readonly Ranked[] {
  return frontOrder(measured.filter(hasScores), count);
}

/**
 * `bestOf` of lists that only grow or shift, remembered until another is measured: ranking fronts at every question
 * would cost too much. `countOf` says how many of n.
 */
export function createBestMemo(countOf: (n: number) => number): (recent: readonly Measured[]) => readonly Ranked[] {
  const memo = new WeakMap<Measured, readonly Ranked[]>();
  return (recent) => {
    const last = recent.at(-1);
    if (last === undefined) return [];
    const known = memo.get(last) ?? bestOf(recent, countOf(recent.length));
    memo.set(last, known);
    return known;
  };
}

/** More are ranked in groups of so many, in order of arrival, as ranking fronts takes time in n². */
const groupSize = 512;

/**
 * Numbers of the `count` best of all that were measured together, best first. With several objectives a rung of more than
 * 512 is ranked in groups, each of which gives its part; the first of all groups come before the second.
 */
export function chooseBest(measured: readonly Measured[], count: number): readonly number[] {
  const isOne = measured.every(({ scores }) => scores === null || scores.length === 1);
  if (isOne || measured.length <= groupSize) return bestOf(measured, count).map(({ number }) => number);
  const places: { readonly number: number; readonly place: number }[] = [];
  for (let from = 0; from < measured.length; from += groupSize) {
    const group = measured.slice(from, from + groupSize);
    const part = Math.ceil((count * group.length) / measured.length);
    bestOf(group, part).forEach(({ number }, place) => places.push({ number, place }));
  }
  return places
    .sort((a, b) => a.place - b.place || a.number - b.number)
    .slice(0, count)
    .map(({ number }) => number);
}

/** Whether one of `best` has just these scores. */
export function hasEqual(best: readonly Ranked[], scores: readonly number[]): boolean {
  return best.some((other) => other.scores.every((score, k) => score === scores[k]));
}

function hasScores(measured: Measured): measured is Ranked {
  return measured.scores !== null;
}
