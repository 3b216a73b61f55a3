import { highestReached, nPromotable } from './rungs.ts';
import { createBestMemo, createRungState, measure, toScores } from './rungState.ts';
import type { Admission, AshaPromoteState, FidelityConfig, Promotion, Scheduler } from './scheduler.ts';
import { at, createSortedList, insert, remove } from './sortedList.ts';

/**
 * Asynchronous successive halving by promotion: every trial runs to the lowest rung and pauses there; whenever a slot
 * is free, the best paused trial of the highest rung that belongs to the best 1/η of its rung goes on to the next.
 * Nothing waits for a rung to fill.
 *
 * L. Li et al. (2020), "A System for Massively Parallel Hyperparameter Tuning", algorithm 2 (`get_job`). Equal values
 * rank by trial number, so exactly ⌊n/η⌋ are promotable. NaN counts in n and is never promoted. With several objectives
 * (Schmucker et al. 2021: MO-ASHA) the rank is that of `frontOrder` among the last trials of the rung.
 *
 * The paper's search has no end; ours has. When no further trial will come and none has reached the full resource,
 * the best of the highest rung goes on until one has: a study ends with a result that can be compared.
 *
 * `levels`: the resources at which trials are compared, ascending; the last is the full resource.
 */
export function createAshaPromote(
  config: FidelityConfig,
  levels: readonly number[],
  reason: string,
  state: AshaPromoteState = createState(levels.length - 1),
): Scheduler & { readonly state: AshaPromoteState } {
  const { fidelity, baseline, directions } = config;
  const nRungs = levels.length - 1;
  const nObjectives = directions.length;
  const bestPart = createBestMemo((n) => nPromotable(n, fidelity.reductionFactor));

  function nextTrial(number: number): Admission {
    return { type: 'trial', target: number === baseline ? fidelity.max : (levels[0] ?? fidelity.max) };
  }

  function onPaused(number: number, resource: number, values: readonly number[]): void {
    const index = highestReached(levels, nRungs, state.nextRung[number] ?? 0, resource);
    const rung = state.rungs[index];
    if (rung === undefined || number === baseline) return;
    setAt(state.nextRung, number, index + 1, 0);
    const scores = toScores(values, directions);
    measure(rung, number, scores, nObjectives);
    if (scores === null) return;
    const score = scores[0] ?? 0;
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
      // With several objectives one of the first objective's best: it only matters when nothing has completed.
      const first = rung === undefined ? undefined : at(rung.candidates, 0)?.number;
      if (first === undefined) continue;
      const best = nObjectives > 1 ? bestCandidate(index) : isPromotable(index) ? first : null;
      const number = best ?? (isClosing && state.nComplete === 0 ? first : null);
      if (number !== null) return { number, target: levels[index + 1] ?? fidelity.max };
    }
    return null;
  }

  /** Whether the first candidate of a rung belongs to its best 1/η. */
  function isPromotable(index: number): boolean {
    const rung = state.rungs[index];
    const best = rung === undefined ? undefined : at(rung.candidates, 0);
    if (rung === undefined || best === undefined) return false;
    const n = rung.values.size + rung.nNaN;
    const last = at(rung.values, nPromotable(n, fidelity.reductionFactor) - 1);
    return last === undefined ? n >= fidelity.reductionFactor : isNotAfter(best, last);
  }

  /** The best paused trial among the best 1/η of the last that reached the rung. */
  function bestCandidate(index: number): number | null {
    const best = bestPart(state.rungs[index]?.recent ?? []);
    return best.find(({ number }) => state.paused[number]?.rung === index)?.number ?? null;
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
    // One that was cancelled while it was paused has been measured: it goes on, as if promoted.
    retryTarget: (number) => (number === baseline ? fidelity.max : (levels[state.nextRung[number] ?? 0] ?? fidelity.max)),
    onRetried: () => undefined,
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
    rungs: Array.from({ length: nRungs }, () => ({ ...createRungState(), candidates: createSortedList() })),
    nextRung: [],
    paused: [],
    nComplete: 0,
  };
}
