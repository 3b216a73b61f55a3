import { createBracketLayout, nSampledOf, type BracketLayout } from './bracketLayout.ts';
import { rungLevels } from './rungs.ts';
import type { FidelityConfig, Scheduler, SyncState } from './scheduler.ts';
import { createSyncBrackets } from './syncBrackets.ts';

/**
 * Successive halving: n trials run to the lowest rung; when all of them are there, the best 1/η go on to the next, and
 * so on; then the next n begin. Slots idle while a rung waits for its slowest trial, which is the price of comparing
 * whole rungs: `asha-promote` does not wait.
 *
 * K. Jamieson, A. Talwalkar (2016), "Non-stochastic Best Arm Identification and Hyperparameter Optimization", figure 3
 * of the variant with a fixed share; L. Li et al. (2020), algorithm 1.
 */
export function createSha(config: FidelityConfig, reason: string, state?: SyncState): Scheduler {
  return createSyncBrackets('sha', config, shaLayout(config), reason, state);
}

/** A bracket is as large as leaves one trial at the full resource, and has a trial for each slot at least. */
export function shaLayout(config: FidelityConfig): BracketLayout {
  const { fidelity, parallel } = config;
  const [lowest = fidelity.max] = rungLevels(fidelity);
  const size = Math.max(1, Math.ceil(fidelity.max / lowest - 1e-9), parallel);
  return createBracketLayout([{ first: 0, size }], nSampledOf(config));
}
