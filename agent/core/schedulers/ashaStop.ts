import { highestReached } from './rungs.ts';
import { createRungState, measure, toScores, wouldBeAmongBest } from './rungState.ts';
import type { AshaStopState, Decision, FidelityConfig, PassedRung, Scheduler } from './scheduler.ts';
import { createWatch, createWatchState } from './watch.ts';

/**
 * Asynchronous successive halving by stopping: every trial starts for the full resource; where it reaches a rung it
 * goes on only when it belongs to the best 1/η of those seen there so far. No trial is ever paused, so the script
 * needs no checkpoint.
 *
 * L. Li et al. (2020), "A System for Massively Parallel Hyperparameter Tuning", in the stopping form that Syne Tune
 * describes (Salinas et al. 2022): while fewer than η values are known at a rung nothing is stopped; a value as good
 * as the cutoff goes on, so trials that cannot be told apart all go on. With several objectives: `frontOrder`.
 *
 * A report beyond several rungs counts at the highest of them: counted below, a later and better value would push
 * out those that were measured in time. NaN is never among the best: it stops at the rung.
 *
 * In batches a trial is judged by those of earlier batches and itself, and counts at its rungs when it is told to have ended.
 *
 * `levels`: the resources at which trials are compared, ascending; the last is the full resource. `isWatchful`: rungs that are
 * seen to say nothing stop nobody, see `watch.ts`; with one objective only.
 */
export function createAshaStop(
  config: FidelityConfig,
  levels: readonly number[],
  reason: string,
  state: AshaStopState = createState(levels.length - 1),
  isWatchful = false,
): Scheduler & { readonly state: AshaStopState } {
  const { fidelity, baseline, directions } = config;
  const nRungs = levels.length - 1;
  if (config.isBatched === true) state.passed ??= [];
  const { passed } = state;
  if (isWatchful && directions.length === 1) state.watch ??= createWatchState(nRungs);
  const watch = state.watch === undefined ? null : createWatch(state.watch, 1 / fidelity.reductionFactor);

  function onReport(number: number, resource: number, values: readonly number[]): Decision {
    if (number === baseline) return 'continue';
    const index = highestReached(levels, nRungs, state.nextRung[number] ?? 0, resource);
    const rung = state.rungs[index];
    const scores = toScores(values, directions);
    if (rung === undefined) {
      const isWatched = watch !== null && scores !== null && resource >= fidelity.max;
      if (isWatched) note(number, { index: nRungs, scores, isKept: true, judged: watch.judge(nRungs, true) });
      return 'continue';
    }
    setNextRung(number, index + 1);
    const isKept = wouldBeAmongBest(rung, scores, fidelity.reductionFactor);
    const judged = watch === null || scores === null ? null : watch.judge(index, isKept);
    note(number, { index, scores, isKept, judged });
    if (judged?.passes ?? isKept) return 'continue';
    // What arrives after the stop changes nothing.
    setNextRung(number, nRungs);
    return 'stop';
  }

  /** Others are compared with it: at once, or in batches when the trial is over. */
  function note(number: number, what: PassedRung): void {
    if (passed === undefined) learn(number, what);
    else hold(passed, number, what);
  }

  function learn(number: number, { index, scores, isKept, judged }: PassedRung): void {
    const rung = state.rungs[index];
    if (rung !== undefined) measure(rung, number, scores, directions.length);
    if (judged !== null) watch?.learn(number, index, scores?.[0] ?? 0, isKept, judged);
  }

  function setNextRung(number: number, rungIndex: number): void {
    while (state.nextRung.length < number) state.nextRung.push(0);
    state.nextRung[number] = rungIndex;
  }

  return {
    name: 'asha-stop',
    reason,
    state,
    nextTrial: () => ({ type: 'trial', target: fidelity.max }),
    onCreated: () => undefined,
    onReport,
    onPaused: () => undefined,
    onPromoted: () => undefined,
    onEnded: (number) => {
      for (const what of passed?.[number] ?? []) learn(number, what);
      if (passed?.[number] !== undefined) passed[number] = null;
      watch?.forget(number);
    },
    retryTarget: (_, target) => target,
    onRetried: () => undefined,
    nextPromotion: () => null,
  };
}

function hold(passed: (PassedRung[] | null)[], number: number, what: PassedRung): void {
  while (passed.length <= number) passed.push(null);
  const own = passed[number] ?? [];
  // A trial that begins again comes to the full resource again.
  if (own.some(({ index }) => index === what.index)) return;
  own.push(what);
  passed[number] = own;
}

function createState(nRungs: number): AshaStopState {
  return { type: 'asha-stop', rungs: Array.from({ length: nRungs }, createRungState), nextRung: [] };
}
