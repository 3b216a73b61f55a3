import type { SchedulerConfig } from '../../../../agent/core/schedulers/index.ts';

/** Rungs 1, 3, 9, 27; trial 0 is the baseline. */
export function config(changes: Partial<SchedulerConfig>): SchedulerConfig {
  return {
    fidelity: { min: 1, max: 27, reductionFactor: 3 },
    directions: ['min'],
    parallel: 1,
    seed: 1,
    mode: 'standard',
    hasCheckpoint: false,
    baseline: 0,
    maxTrials: 30,
    ...changes,
  };
}
