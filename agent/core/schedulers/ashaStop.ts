import { highestReached } from './rungs.ts';
import { createRungState, isAmongBest, measure, toScores } from './rungState.ts';
import type { AshaStopState, Decision, FidelityConfig, Scheduler } from './scheduler.ts';
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
  if (isWatchful && directions.length === 1) state.watch ??= createWatchState(nRungs);
  const watch = state.watch === undefined ? null : createWatch(state.watch, 1 / fidelity.reductionFactor);

  function onReport(number: number, resource: number, values: readonly number[]): Decision {
    if (number === baseline) return 'continue';
    const index = highestReached(levels, nRungs, state.nextRung[number] ?? 0, resource);
    const rung = state.rungs[index];
    const scores = toScores(values, directions);
    if (rung === undefined) {
      if (resource >= fidelity.max && scores !== null) watch?.passes(number, nRungs, scores[0] ?? 0, true);
      return 'continue';
    }
    setNextRung(number, index + 1);
    measure(rung, number, scores, directions.length);
    const isKept = isAmongBest(rung, scores, fidelity.reductionFactor);
    const passes = watch === null || scores === null ? isKept : watch.passes(number, index, scores[0] ?? 0, isKept);
    if (passes) return 'continue';
    // What arrives after the stop changes nothing.
    setNextRung(number, nRungs);
    return 'stop';
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
    onEnded: (number) => watch?.forget(number),
    nextPromotion: () => null,
  };
}

function createState(nRungs: number): AshaStopState {
  return { type: 'asha-stop', rungs: Array.from({ length: nRungs }, createRungState), nextRung: [] };
}
