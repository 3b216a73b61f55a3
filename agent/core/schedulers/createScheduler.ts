import { HpoError } from '../../protocol/errors.ts';
import { schedulerNames, type SchedulerName } from '../../protocol/study.ts';
import { unreachable } from '../../protocol/view.ts';
import { createAshaPromote } from './ashaPromote.ts';
import { createAshaStop } from './ashaStop.ts';
import { createAsyncHyperband } from './asyncHyperband.ts';
import { createHyperband } from './hyperband.ts';
import { createMedian } from './median.ts';
import { createNone } from './none.ts';
import { createPbt } from './pbt.ts';
import { rungLevels } from './rungs.ts';
import type { ConcreteSchedulerName, FidelityConfig, Scheduler, SchedulerConfig, SchedulerState } from './scheduler.ts';
import { createSha } from './sha.ts';

/**
 * The scheduler of a name, at its beginning or at `state` (which it then owns and changes).
 *
 * @throws HpoError HPO-4201 for an unknown name, HPO-4202 for one that needs a fidelity where there is none, HPO-4204 for
 * one that needs a checkpoint where there is none, HPO-4205 for one that cannot work in batches.
 */
export function createScheduler(name: SchedulerName, config: SchedulerConfig, state?: SchedulerState): Scheduler {
  const chosen = chooseScheduler(name, config);
  if (chosen.name === 'none') return createNone(config, chosen.reason);
  const { fidelity } = config;
  if (fidelity === null) {
    throw new HpoError(
      'HPO-4202',
      `the scheduler "${chosen.name}" compares trials at parts of their training, but the script annotates no resource`,
      'mark the number of epochs (or of rounds) with: # @hpo fidelity(1, 81, eta=3), or choose the scheduler "none"',
    );
  }
  return createWithFidelity(chosen.name, chosen.reason, { ...config, fidelity }, state, name === 'auto');
}

function createWithFidelity(
  name: Exclude<ConcreteSchedulerName, 'none'>,
  reason: string,
  config: FidelityConfig,
  state: SchedulerState | undefined,
  isWatchful: boolean,
): Scheduler {
  switch (name) {
    case 'median':
      return createMedian(config, reason, state?.type === name ? state : undefined);
    case 'sha':
      return createSha(config, reason, state?.type === name ? state : undefined);
    case 'hyperband':
      return createHyperband(config, reason, state?.type === name ? state : undefined);
    case 'asha-stop':
      return createAshaStop(config, rungLevels(config.fidelity), reason, state?.type === name ? state : undefined, isWatchful);
    case 'asha-promote':
      return createAshaPromote(config, rungLevels(config.fidelity), reason, state?.type === name ? state : undefined);
    case 'async-hyperband':
      return createAsyncHyperband(config, reason, state?.type === name ? state : undefined);
    case 'pbt':
      if (!config.hasCheckpoint) {
        throw new HpoError(
          'HPO-4204',
          'the scheduler "pbt" continues trials from the checkpoints of others, but the script keeps none',
          'save and load the training state in the folder HPO_CHECKPOINT_DIR and annotate it with: # @hpo.checkpoint, or choose the scheduler "async-hyperband"',
        );
      }
      if (config.isBatched === true) {
        throw new HpoError(
          'HPO-4205',
          'the scheduler "pbt" continues trials from checkpoints that others are changing meanwhile, so that what it does depends on who comes first; batches are to be the same however many trials run at once',
          'leave "batch" out, or choose the scheduler "asha-promote", which keeps the checkpoints and works in batches',
        );
      }
      return createPbt(config, reason, state?.type === name ? state : undefined);
    default:
      return unreachable(name);
  }
}

/** Which scheduler a name stands for here, and why. */
export function chooseScheduler(
  name: SchedulerName,
  config: SchedulerConfig,
): { readonly name: ConcreteSchedulerName; readonly reason: string } {
  if (name === 'auto') return chooseAutomatically(config);
  // A journal of another version may hold a name that is none.
  if (schedulerNames.includes(name)) return { name, reason: 'chosen by name' };
  throw new HpoError('HPO-4201', `the scheduler "${name}" does not exist`, `choose one of: ${schedulerNames.join(', ')}`);
}

function chooseAutomatically({ fidelity, hasCheckpoint }: SchedulerConfig): {
  readonly name: ConcreteSchedulerName;
  readonly reason: string;
} {
  if (fidelity === null) return { name: 'none', reason: 'no resource is annotated, so every trial runs to its end' };
  if (!(fidelity.min < fidelity.max))
    return {
      name: 'none',
      reason: `the resource has one value (${fidelity.max}), so there is nothing to compare before the end`,
    };
  if (hasCheckpoint)
    return { name: 'asha-promote', reason: 'the script keeps a checkpoint, so the better trials are paused and continued' };
  return {
    name: 'asha-stop',
    reason:
      'the script keeps no checkpoint, so the worse trials are stopped, where early results tell how trials end, and none is paused',
  };
}
