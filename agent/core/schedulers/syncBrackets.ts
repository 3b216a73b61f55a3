import { positionOf, type BracketLayout } from './bracketLayout.ts';
import { nPromotable, rungLevels } from './rungs.ts';
import { chooseBest, toScores } from './rungState.ts';
import type { FidelityConfig, OpenBracket, Promotion, Scheduler, SyncPlace, SyncRung, SyncState } from './scheduler.ts';
import { at, createSortedList, insert, remove } from './sortedList.ts';

/**
 * Brackets in which each rung waits for all of its trials: when every one of them has been measured there, failed or was
 * cancelled, the best 1/η, and at least one, go on. NaN counts in n and never goes on. Equal values rank by trial number.
 * `sha` begins a bracket when the one before is over, `hyperband` whenever a slot is free.
 *
 * When no further trial will come, a bracket that is not full is judged as it is; and where every trial that came far
 * has failed, the best of those that are paused at the highest rung goes on until one has reached the full resource.
 *
 * A rung costs its judgement n·log n once with one objective, with several see `chooseBest`; every other call takes time in
 * the number of open brackets, of which there are at most as many as slots and one more.
 */
export function createSyncBrackets(
  name: 'sha' | 'hyperband',
  config: FidelityConfig,
  layout: BracketLayout,
  reason: string,
  state: SyncState = createState(name, rungLevels(config.fidelity).length - 1),
): Scheduler {
  const { fidelity, baseline, directions } = config;
  const levels = rungLevels(fidelity);
  const top = levels.length - 1;
  const levelOf = (index: number): number => levels[index] ?? fidelity.max;
  const placeOf = (number: number) => layout.at(positionOf(number, baseline));
  const findOpen = (index: number): OpenBracket | undefined => state.open.find((bracket) => bracket.index === index);

  function onCreated(number: number): void {
    while (state.places.length <= number) state.places.push(null);
    if (number === baseline) return;
    const { index, first, isLast } = placeOf(number);
    let bracket = findOpen(index);
    if (bracket === undefined) {
      bracket = { index, first, isClosed: false, rungs: levels.slice(first).map(createRung) };
      state.open.push(bracket);
    }
    if (isLast) bracket.isClosed = true;
    enter(bracket, number, first);
  }

  function enter(bracket: OpenBracket | undefined, number: number, level: number): void {
    const rung = bracket?.rungs[level - (bracket?.first ?? 0)];
    if (rung !== undefined) rung.nEntered++;
    state.places[number] = { bracket: bracket?.index ?? -1, level, pausedAs: null };
  }

  function onPaused(number: number, resource: number, values: readonly number[]): void {
    const place = state.places[number];
    if (place === undefined || place === null || place.pausedAs !== null) return;
    // What ended before its rung was not measured there: it counts like NaN.
    const scores = resource >= levelOf(place.level) ? toScores(values, directions) : null;
    state.places[number] = { ...place, pausedAs: scores?.[0] ?? 'unranked' };
    const list = state.paused[place.level];
    if (scores !== null && list !== undefined) insert(list, scores[0] ?? 0, number);
    const bracket = findOpen(place.bracket);
    const rung = bracket?.rungs[place.level - bracket.first];
    if (bracket === undefined || rung === undefined) return;
    rung.nDone++;
    if (!rung.isJudged) rung.measured.push({ number, scores });
    settle(bracket);
  }

  function onPromoted(number: number, target: number): void {
    const place = state.places[number];
    if (place === undefined || place === null) return;
    leavePaused(number, place);
    const bracket = findOpen(place.bracket);
    const rung = bracket?.rungs[place.level - bracket.first];
    if (bracket !== undefined && rung !== undefined) {
      // Only the end of a study promotes before a rung is full: what is missing will not come.
      if (!rung.isJudged) {
        bracket.isClosed = true;
        judge(rung);
      }
      if (rung.queue[0] === number) rung.queue.shift();
    }
    enter(bracket, number, Math.max(place.level + 1, levels.indexOf(target)));
    if (bracket !== undefined) settle(bracket);
  }

  function onEnded(number: number, isComplete: boolean): void {
    if (isComplete && number !== baseline) state.nComplete++;
    const place = state.places[number];
    if (place === undefined || place === null) return;
    state.places[number] = null;
    leavePaused(number, place);
    const bracket = findOpen(place.bracket);
    const rung = bracket?.rungs[place.level - bracket.first];
    if (bracket === undefined || rung === undefined) return;
    if (place.pausedAs === null) rung.nDone++;
    else {
      rung.measured = rung.measured.filter((measured) => measured.number !== number);
      rung.queue = rung.queue.filter((other) => other !== number);
    }
    settle(bracket);
  }

  /** Where its rung has been judged without it, a bracket of those that are retried is judged when nothing else is left to do. */
  function onRetried(number: number, target: number | null): void {
    if (number === baseline) return;
    const { index } = placeOf(number);
    const level = Math.max(0, levels.indexOf(target ?? fidelity.max));
    const own = findOpen(index);
    const rung = own?.rungs[level - own.first];
    if (own !== undefined && rung !== undefined && !rung.isJudged) {
      rung.nDone--;
      state.places[number] = { bracket: index, level, pausedAs: null };
      return;
    }
    let lateIndex = -1 - level;
    while (findOpen(lateIndex)?.rungs[0]?.isJudged === true) lateIndex -= levels.length;
    let late = findOpen(lateIndex);
    if (late === undefined) {
      late = { index: lateIndex, first: level, isClosed: level === top, rungs: levels.slice(level).map(createRung) };
      state.open.push(late);
    }
    enter(late, number, level);
  }

  function leavePaused(number: number, { level, pausedAs }: SyncPlace): void {
    const list = state.paused[level];
    if (list !== undefined && typeof pausedAs === 'number') remove(list, pausedAs, number);
  }

  /** Judges what has become full, and forgets the bracket when nothing of it is left to come. */
  function settle(bracket: OpenBracket): void {
    let isFull = bracket.isClosed;
    for (const [i, rung] of bracket.rungs.entries()) {
      isFull &&= rung.nDone >= rung.nEntered;
      if (!isFull) return;
      if (bracket.first + i === top) break;
      if (!rung.isJudged) judge(rung);
      if (rung.queue.length > 0) return;
    }
    state.open.splice(state.open.indexOf(bracket), 1);
  }

  function judge(rung: SyncRung): void {
    rung.isJudged = true;
    rung.queue = [...bestOfRung(rung)];
    rung.measured = [];
  }

  function bestOfRung({ measured, nEntered }: SyncRung): readonly number[] {
    return chooseBest(measured, Math.max(1, nPromotable(nEntered, fidelity.reductionFactor)));
  }

  function nextPromotion(isClosing: boolean): Promotion | null {
    for (const bracket of state.open) {
      for (let i = bracket.rungs.length - 2; i >= 0; i--) {
        const rung = bracket.rungs[i];
        if (rung === undefined) continue;
        const [number] = isClosing && !rung.isJudged ? bestOfRung(rung) : rung.queue;
        if (number !== undefined) return { number, target: levelOf(bracket.first + i + 1) };
      }
    }
    if (!isClosing || state.nComplete > 0) return null;
    for (let level = top - 1; level >= 0; level--) {
      const list = state.paused[level];
      const best = list === undefined ? undefined : at(list, 0);
      if (best !== undefined) return { number: best.number, target: levelOf(level + 1) };
    }
    return null;
  }

  return {
    name,
    reason,
    state,
    nextTrial(number) {
      if (number === baseline) return { type: 'trial', target: fidelity.max };
      const { index, first } = placeOf(number);
      const mustWait = name === 'sha' && state.open.some((bracket) => bracket.index >= 0 && bracket.index !== index);
      return mustWait ? { type: 'wait' } : { type: 'trial', target: levelOf(first) };
    },
    onCreated,
    onReport(number, resource) {
      const place = state.places[number];
      if (place === undefined || place === null || place.pausedAs !== null || place.level === top) return 'continue';
      return resource >= levelOf(place.level) ? 'pause' : 'continue';
    },
    onPaused,
    onPromoted,
    onEnded,
    retryTarget: (_, target) => target,
    onRetried,
    nextPromotion,
  };
}

function createRung(): SyncRung {
  return { nEntered: 0, nDone: 0, isJudged: false, measured: [], queue: [] };
}

function createState(type: SyncState['type'], nRungs: number): SyncState {
  return { type, open: [], places: [], paused: Array.from({ length: nRungs }, createSortedList), nComplete: 0 };
}
