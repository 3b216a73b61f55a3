import { createAshaPromote } from './ashaPromote.ts';
import { createAshaStop } from './ashaStop.ts';
import { nSampledOf, positionOf } from './bracketLayout.ts';
import { rungLevels } from './rungs.ts';
import type { AsyncHyperbandState, FidelityConfig, Promotion, Scheduler, SchedulerState } from './scheduler.ts';

/**
 * Asynchronous Hyperband: several searches of asynchronous successive halving side by side, which begin to compare at
 * different rungs, for nobody knows how much an early value says. With a checkpoint trials are paused and promoted,
 * without one they are stopped. Nothing waits.
 *
 * L. Li et al. (2020), "A System for Massively Parallel Hyperparameter Tuning", section 3.3; modes, number of rungs and
 * shares as in Determined's adaptive ASHA (see `asyncBrackets`).
 */
export function createAsyncHyperband(config: FidelityConfig, reason: string, state?: AsyncHyperbandState): Scheduler {
  const brackets = asyncBrackets(config);
  const searches = brackets.map(({ levels }, i) => {
    const known = state?.brackets[i];
    return config.hasCheckpoint
      ? createAshaPromote(config, levels, reason, known?.type === 'asha-promote' ? known : undefined)
      : createAshaStop(config, levels, reason, known?.type === 'asha-stop' ? known : undefined);
  });
  const searchOf = (number: number): Scheduler | undefined =>
    searches[bracketOf(brackets, positionOf(number, config.baseline))] ?? searches[0];
  const own: AsyncHyperbandState = state ?? { type: 'async-hyperband', brackets: searches.map((search) => search.state) };

  return {
    name: 'async-hyperband',
    reason,
    state: own satisfies SchedulerState,
    nextTrial: (number) => searchOf(number)?.nextTrial(number) ?? { type: 'trial', target: config.fidelity.max },
    onCreated: () => undefined,
    onReport: (number, resource, values) => searchOf(number)?.onReport(number, resource, values) ?? 'continue',
    onPaused: (number, resource, values) => searchOf(number)?.onPaused(number, resource, values),
    onPromoted: (number, target) => searchOf(number)?.onPromoted(number, target),
    onEnded: (number, isComplete) => searchOf(number)?.onEnded(number, isComplete),
    retryTarget: (number, target) => searchOf(number)?.retryTarget(number, target) ?? target,
    onRetried: (number, target) => searchOf(number)?.onRetried(number, target),
    /** The farthest of all brackets: it is nearest to a result. */
    nextPromotion(isClosing) {
      let farthest: Promotion | null = null;
      for (const search of searches) {
        const promotion = search.nextPromotion(isClosing);
        if (promotion !== null && promotion.target > (farthest?.target ?? 0)) farthest = promotion;
      }
      return farthest;
    },
  };
}

export interface AsyncBracket {
  /** Where its trials are compared, and the full resource. */
  readonly levels: readonly number[];
  /** Part of all trials, from 0 to 1. */
  readonly share: number;
}

/** More rungs than these compare values that say too little. */
const maxRungs = 5;

/**
 * Brackets by mode, most rungs first. The full resource R and the number of trials N give the highest number of rungs,
 * K = min(5, rungs of the fidelity, ⌊log_η N⌋ + 1): aggressive has one bracket with K rungs, standard those with ⌊(K−1)/2⌋+1 … K,
 * conservative those with 1 … K, and the one rung is the full resource. A bracket of k rungs takes about k·R for η^(k−1)
 * trials; shares in proportion to η^(k−1)/k make brackets cost alike.
 */
export function asyncBrackets(config: FidelityConfig): readonly AsyncBracket[] {
  const { fidelity, mode } = config;
  const levels = rungLevels(fidelity);
  const factor = Math.max(fidelity.reductionFactor, 1.01);
  const nTrials = nSampledOf(config) ?? Infinity;
  const byTrials = Math.floor(Math.log(Math.max(1, nTrials)) / Math.log(factor) + 1e-9) + 1;
  const most = Math.min(maxRungs, levels.length, byTrials);
  const least = { aggressive: most, standard: Math.floor((most - 1) / 2) + 1, conservative: 1 }[mode];
  const brackets = Array.from({ length: most - least + 1 }, (_, i) => most - i).map((nRungs) => ({
    levels: levels.slice(-nRungs),
    weight: factor ** (nRungs - 1) / nRungs,
  }));
  const total = brackets.reduce((sum, { weight }) => sum + weight, 0);
  return brackets.map((bracket) => ({ levels: bracket.levels, share: bracket.weight / total }));
}

const goldenRatio = (Math.sqrt(5) - 1) / 2;

/**
 * The bracket of a trial: multiples of the golden ratio fill [0, 1) evenly, so that the first n trials have the shares
 * too, for any n.
 */
export function bracketOf(brackets: readonly AsyncBracket[], position: number): number {
  let rest = (position * goldenRatio) % 1;
  for (const [i, { share }] of brackets.entries()) {
    if (rest < share) return i;
    rest -= share;
  }
  return brackets.length - 1;
}
