import { HpoError } from '../../protocol/errors.ts';
import type { SchedulerName } from '../../protocol/study.ts';
import { createAshaPromote } from './ashaPromote.ts';
import { createAshaStop } from './ashaStop.ts';
import { createNone } from './none.ts';
import type { RungRange } from './rungs.ts';
import type { ConcreteSchedulerName, Scheduler, SchedulerConfig, SchedulerState } from './scheduler.ts';

/** Names that `createScheduler` takes, for messages and completion. */
export const availableSchedulers: readonly SchedulerName[] = ['auto', 'none', 'asha-stop', 'asha-promote'];

/**
 * The scheduler of a name, at its beginning or at `state` (which it then owns and changes).
 *
 * @throws HpoError HPO-4201 for a name that this version lacks, HPO-4202 for one that needs a fidelity where there is none.
 */
export function createScheduler(name: SchedulerName, config: SchedulerConfig, state?: SchedulerState): Scheduler {
  const chosen = chooseScheduler(name, config);
  const { fidelity } = config;
  if (chosen.name === 'none') return createNone(config, chosen.reason);
  if (fidelity === null) {
    throw new HpoError(
      'HPO-4202',
      `the scheduler "${chosen.name}" compares trials at parts of their training, but the script annotates no resource`,
      'mark the number of epochs (or of rounds) with: # @hpo fidelity(1, 81, eta=3), or choose the scheduler "none"',
    );
  }
  const whole: SchedulerConfig & { readonly fidelity: RungRange } = { ...config, fidelity };
  return chosen.name === 'asha-stop'
    ? createAshaStop(whole, chosen.reason, state?.type === 'asha-stop' ? state : undefined)
    : createAshaPromote(whole, chosen.reason, state?.type === 'asha-promote' ? state : undefined);
}

/** Which scheduler a name stands for here, and why. */
export function chooseScheduler(
  name: SchedulerName,
  config: SchedulerConfig,
): { readonly name: ConcreteSchedulerName; readonly reason: string } {
  switch (name) {
    case 'none':
    case 'asha-stop':
    case 'asha-promote':
      return { name, reason: 'chosen by name' };
    case 'auto':
      return chooseAutomatically(config);
    default:
      throw new HpoError(
        'HPO-4201',
        `the scheduler "${name}" does not exist`,
        `choose one of: ${availableSchedulers.join(', ')}`,
      );
  }
}

function chooseAutomatically({ fidelity, directions, hasCheckpoint }: SchedulerConfig): {
  readonly name: ConcreteSchedulerName;
  readonly reason: string;
} {
  if (fidelity === null) return { name: 'none', reason: 'no resource is annotated, so every trial runs to its end' };
  if (!(fidelity.min < fidelity.max))
    return {
      name: 'none',
      reason: `the resource has one value (${fidelity.max}), so there is nothing to compare before the end`,
    };
  if (directions.length > 1) return { name: 'none', reason: 'with several objectives no trial is stopped on one of them' };
  if (hasCheckpoint)
    return { name: 'asha-promote', reason: 'the script keeps a checkpoint, so the better trials are paused and continued' };
  return { name: 'asha-stop', reason: 'the script keeps no checkpoint, so the worse trials are stopped and none is paused' };
}
