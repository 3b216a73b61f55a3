import { highestReached, nPromotable, rungLevels, type RungRange } from './rungs.ts';
import type { Admission, AshaPromoteState, Promotion, Scheduler, SchedulerConfig } from './scheduler.ts';
import { at, createSortedList, insert, remove, toScore } from './sortedList.ts';

/**
 * Asynchronous successive halving by promotion: every trial runs to the lowest rung and pauses there; whenever a slot
 * is free, the best paused trial of the highest rung that belongs to the best 1/η of its rung goes on to the next.
 * Nothing waits for a rung to fill.
 *
 * L. Li et al. (2020), "A System for Massively Parallel Hyperparameter Tuning", algorithm 2 (`get_job`). Equal values
 * rank by trial number, so exactly ⌊n/η⌋ are promotable. NaN counts in n and is never promoted.
 *
 * The paper's search has no end; ours has. When no further trial will come and none has reached the full resource,
 * the best of the highest rung goes on until one has: a study ends with a result that can be compared.
 */
export function createAshaPromote(
  config: SchedulerConfig & { readonly fidelity: RungRange },
  reason: string,
  state: AshaPromoteState = createState(rungLevels(config.fidelity).length - 1),
): Scheduler {
  const { fidelity, baseline, directions } = config;
  const levels = rungLevels(fidelity);
  const nRungs = levels.length - 1;

  function nextTrial(number: number): Admission {
    return { type: 'trial', target: number === baseline ? fidelity.max : (levels[0] ?? fidelity.max) };
  }

  function onPaused(number: number, resource: number, [value = NaN]: readonly number[]): void {
    const index = highestReached(levels, nRungs, state.nextRung[number] ?? 0, resource);
    const rung = state.rungs[index];
    if (rung === undefined || number === baseline) return;
    setAt(state.nextRung, number, index + 1, 0);
    if (Number.isNaN(value)) {
      rung.nNaN++;
      return;
    }
    const score = toScore(value, directions[0] ?? 'min');
    insert(rung.values, score, number);
    insert(rung.candidates, score, number);
    leaveCandidates(number);
    setAt(state.paused, number, { rung: index, score }, null);
  }

  function leaveCandidates(number: number): void {
    const place = state.paused[number];
    if (place === undefined || place === null) return;
    const rung = state.rungs[place.rung];
    if (rung !== undefined) remove(rung.candidates, place.score, number);
    state.paused[number] = null;
  }

  function nextPromotion(isClosing: boolean): Promotion | null {
    for (let index = nRungs - 1; index >= 0; index--) {
      const rung = state.rungs[index];
      const best = rung === undefined ? undefined : at(rung.candidates, 0);
      if (rung === undefined || best === undefined) continue;
      const promotion = { number: best.number, target: levels[index + 1] ?? fidelity.max };
      const last = at(rung.values, nPromotable(rung.values.size + rung.nNaN, fidelity.reductionFactor) - 1);
      const isAllPromotable = last === undefined && rung.values.size + rung.nNaN >= fidelity.reductionFactor;
      if (isAllPromotable || (last !== undefined && isNotAfter(best, last))) return promotion;
      if (isClosing && state.nComplete === 0) return promotion;
    }
    return null;
  }

  return {
    name: 'asha-promote',
    reason,
    state,
    nextTrial,
    onCreated: () => undefined,
    onReport(number, resource) {
      const target = number === baseline ? fidelity.max : (levels[state.nextRung[number] ?? 0] ?? fidelity.max);
      return target < fidelity.max && resource >= target ? 'pause' : 'continue';
    },
    onPaused,
    onPromoted: leaveCandidates,
    onEnded(number, isComplete) {
      leaveCandidates(number);
      if (isComplete && number !== baseline) state.nComplete++;
    },
    nextPromotion,
  };
}

function setAt<T>(list: T[], index: number, value: T, filler: T): void {
  while (list.length < index) list.push(filler);
  list[index] = value;
}

type Pair = { readonly score: number; readonly number: number };

function isNotAfter(a: Pair, b: Pair): boolean {
  return a.score < b.score || (a.score === b.score && a.number <= b.number);
}

function createState(nRungs: number): AshaPromoteState {
  return {
    type: 'asha-promote',
    rungs: Array.from({ length: nRungs }, () => ({ values: createSortedList(), candidates: createSortedList(), nNaN: 0 })),
    nextRung: [],
    paused: [],
    nComplete: 0,
  };
}
