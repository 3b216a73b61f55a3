import { createBracketLayout, nSampledOf, type BracketLayout } from './bracketLayout.ts';
import { rungLevels } from './rungs.ts';
import type { FidelityConfig, Scheduler, SyncState } from './scheduler.ts';
import { createSyncBrackets } from './syncBrackets.ts';

/**
 * Hyperband: brackets of successive halving, from many trials that are compared early (s = s_max) to few that all train
 * in full (s = 0), for nobody knows how much an early value says. The sweep is repeated, and scaled to the number of trials.
 *
 * L. Li et al. (2018), "Hyperband: A Novel Bandit-Based Approach to Hyperparameter Optimization", JMLR 18, algorithm 1.
 * Inside of a bracket each rung waits for all of its trials, as in the paper. Brackets do not wait for one another: where
 * a slot is free and no trial may go on, the next bracket begins.
 */
export function createHyperband(config: FidelityConfig, reason: string, state?: SyncState): Scheduler {
  return createSyncBrackets('hyperband', config, hyperbandLayout(config), reason, state);
}

/**
 * Bracket s has n = ⌈(s_max + 1)/(s + 1) · R/r⌉ trials that run to r first. In the paper R/r = η^s; here r is the rung
 * itself, so that brackets cost alike where R is no power of η too.
 */
export function hyperbandLayout(config: FidelityConfig): BracketLayout {
  const { max } = config.fidelity;
  const levels = rungLevels(config.fidelity);
  const sweep = levels.map((resource, first) => {
    const s = levels.length - 1 - first;
    return { first, size: Math.max(1, Math.ceil((levels.length / (s + 1)) * (max / resource) - 1e-9)) };
  });
  return createBracketLayout(sweep, nSampledOf(config));
}
