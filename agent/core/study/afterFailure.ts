import type { Failure, FailureKind } from '../../protocol/study.ts';
import { unreachable } from '../../protocol/view.ts';
import { duration } from './classify.ts';
import {
  failureCodes,
  failurePolicy,
  isAway,
  isMachineFault,
  type Repetition,
  repetition,
  usualRetries,
} from './failurePolicy.ts';
import type { LiveAttempt, StudyState, Trouble } from './state.ts';

export type Follows =
  | { readonly type: 'retry'; readonly repetition: Repetition }
  /** The trial is repeated after the study, which pauses itself, was resumed. */
  | { readonly type: 'hold' }
  | { readonly type: 'fail' };

/** What the policy says of an attempt that failed; the same before and after its end is folded. */
export function afterFailure(state: StudyState, live: LiveAttempt, failure: Failure): Follows {
  const { spec } = state.view;
  // It comes back by itself, or is brought back: until then no attempt is worth making, and none that was made counts.
  if (isAway(failure)) return { type: 'hold' };
  const { counts } = troubleWith(state, live, failure);
  const next = repetition({
    kind: failure.kind,
    nInRow: counts[failure.kind] ?? 1,
    retries: spec.retry ?? usualRetries,
    hasCheckpoint: spec.checkpoint !== null,
    // Alone, a container has no more memory than beside others.
    hadCompany: live.hadCompany && failure.code !== failureCodes.memoryLimit,
    seed: spec.search.seed,
    trial: live.number,
    attempt: live.attempt,
  });
  if (next !== null) return { type: 'retry', repetition: next };
  return isMachinesFault(state, live, failure) ? { type: 'hold' } : { type: 'fail' };
}

/** The trial's failed attempts with this one. */
export function troubleWith(state: StudyState, live: LiveAttempt, failure: Failure): Trouble {
  const before = state.troubles.get(live.number);
  if (isAway(failure)) return before ?? { counts: {}, workedBefore: null };
  const counts = (hasProgressed(state, live) ? kept(before) : before?.counts) ?? {};
  const workedBefore = isMachineFault(failure) ? (before?.workedBefore ?? worked(state, live)) : null;
  return { counts: { ...counts, [failure.kind]: (counts[failure.kind] ?? 0) + 1 }, workedBefore };
}

/** Adds to the text of a failure what follows from it. */
export function withWhatFollows(state: StudyState, live: LiveAttempt, failure: Failure): Failure {
  const follows = afterFailure(state, live, failure);
  const text = textOf(state, live, failure, follows);
  return text === '' ? failure : { ...failure, message: `${failure.message} ${text}` };
}

function textOf(state: StudyState, live: LiveAttempt, { kind, code }: Failure, follows: Follows): string {
  switch (follows.type) {
    case 'retry': {
      const { delayMs, isAlone, count, of } = follows.repetition;
      const when = isAlone ? 'while no other trial of the study runs' : delayMs === 0 ? 'at once' : `in ${duration(delayMs)}`;
      const from = state.view.spec.checkpoint === null ? '' : ', from its checkpoint';
      return `It is tried again ${when}${from} (${count}${of === null ? '' : ` of ${of}`}).`;
    }
    case 'hold':
      return isAway({ code })
        ? `It is tried again when the ${code === failureCodes.engineAway ? 'engine' : 'cluster'} can be used.`
        : 'It is tried again when the study is resumed.';
    case 'fail':
      if (kind === 'timeout' && state.view.spec.checkpoint === null && (state.view.spec.retry?.timeout ?? 0) > 0)
        return 'It is not tried again, as the script keeps no checkpoint from which it could go on.';
      return live.isAlone
        ? 'It was tried again alone.'
        : live.attempt > 1 && state.troubles.has(live.number)
          ? 'It was tried again in vain.'
          : '';
    default:
      return unreachable(follows);
  }
}

/** An attempt that came farther than all before it, where a checkpoint keeps that. */
function hasProgressed({ view }: StudyState, live: LiveAttempt): boolean {
  return view.spec.checkpoint !== null && live.lastStep > live.resourceBefore;
}

/** Of the counts those that no progress resets. */
function kept(trouble: Trouble | undefined): Trouble['counts'] {
  const entries = Object.entries(trouble?.counts ?? {}) as [FailureKind, number][]; // the keys of that very record
  return Object.fromEntries(entries.filter(([kind]) => !failurePolicy[kind].isResetByProgress));
}

/** Whether nothing has worked on this machine since the trial first met the fault. */
function isMachinesFault(state: StudyState, live: LiveAttempt, failure: Failure): boolean {
  if (!isMachineFault(failure) || state.suspect === live.number) return false;
  return worked(state, live) === (troubleWith(state, live, failure).workedBefore ?? NaN);
}

/** A program that starts shows that programs can be started; where they do, but fail, only one that comes to its end shows anything. */
function worked(state: StudyState, { number, attempt }: LiveAttempt): number {
  const hasStarted = state.trial(number).attempts[attempt - 1]?.startedAt !== null;
  return hasStarted ? state.worked.ended : state.worked.started;
}
