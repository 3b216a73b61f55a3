import type { StudyEvent } from '../protocol/events.ts';
import { endedTrialStates } from '../protocol/study.ts';
import type { InvariantName } from './invariants.ts';
import type { KnownStudy, KnownTrial } from './known.ts';

export interface OrderFault {
  readonly invariant: Extract<InvariantName, 'order' | 'oneCounts'>;
  readonly what: string;
}

type EventOf<T extends StudyEvent['type']> = Extract<StudyEvent, { type: T }>;
type TrialEvent = Exclude<Extract<StudyEvent, { number: number }>, { type: 'trialCreated' }>;
type AttemptEvent = Extract<TrialEvent, { attempt: number }>;

/** Why the event cannot follow from what is known, or null. */
export function orderFault(study: KnownStudy, event: StudyEvent): OrderFault | null {
  const what = study.isDeleted && !isSeen(event) ? `${event.type} after the study was deleted` : studyFault(study, event);
  if (what !== null) return { invariant: 'order', what };
  if (!('number' in event) || event.type === 'trialCreated') return null;
  const trial = study.trials[event.number];
  if (trial === undefined) return { invariant: 'order', what: `${event.type} of trial ${event.number}, which was never created` };
  return trialFault(study, trial, event);
}

/** What was under way when the study was deleted is still seen. */
function isSeen({ type }: StudyEvent): boolean {
  return (
    type === 'attemptWaits' ||
    type === 'attemptStarted' ||
    type === 'metricReported' ||
    type === 'metricsDropped' ||
    type === 'attemptEnded'
  );
}

function studyFault(study: KnownStudy, event: StudyEvent): string | null {
  const { state } = study;
  if (study.isAway && event.type !== 'studyMovedHere' && event.type !== 'studyDeleted')
    return `${event.type} of a study that has moved away`;
  const only = (...states: readonly string[]): string | null =>
    states.includes(state) ? null : `${event.type} of a study that is ${state}`;
  switch (event.type) {
    case 'studyCreated':
      return 'the study is created twice';
    case 'studyPaused':
    case 'trialPromoted':
    case 'attemptRequested':
      return only('running');
    case 'trialCreated':
      return only('running') ?? creationFault(study, event);
    case 'trialRetried':
      return only('running', 'paused', 'ended');
    case 'studyResumed':
      return only('paused', 'ended') ?? resumeFault(study);
    case 'studyScaled':
      if (!Number.isInteger(event.parallel) || event.parallel < 1) return `the study is scaled to ${event.parallel}`;
      return only('running', 'paused', 'stopping');
    case 'studyStopRequested':
    case 'pointEnqueued':
      return only('running', 'paused');
    case 'studyEnded':
      return only('running', 'stopping');
    case 'studyDeleted':
      return study.isAway ? null : only('stopping', 'ended');
    case 'studyMovedAway':
      return event.epoch === study.moves + 1 ? null : `move ${event.epoch} of a study that has moved ${study.moves} times`;
    case 'studyMovedHere':
      return study.isAway && (event.epoch === study.moves || event.epoch === study.moves + 1)
        ? null
        : `the study arrives by move ${event.epoch}, and none such began`;
    default:
      return only('running', 'paused', 'stopping');
  }
}

function resumeFault({ state, endReason, nOpen }: KnownStudy): string | null {
  // With a trial to retry any study goes on.
  if (state === 'paused' || nOpen > 0) return null;
  if (endReason === 'stopped' || endReason === 'failed' || endReason === 'plateau') return null;
  return `the study is resumed although it ended for good (${endReason})`;
}

function creationFault({ trials }: KnownStudy, { number, parent }: EventOf<'trialCreated'>): string | null {
  if (number !== trials.length) return `trial ${number} is created where trial ${trials.length} is due`;
  if (parent !== undefined && trials[parent] === undefined)
    return `trial ${number} goes on from trial ${parent}, which is not there`;
  return null;
}

function trialFault({ spec }: KnownStudy, trial: KnownTrial, event: TrialEvent): OrderFault | null {
  const name = `trial ${trial.number}`;
  const order = (what: string): OrderFault => ({ invariant: 'order', what });
  if (event.type === 'trialRetried') {
    const mayRetry = trial.state === 'failed' || trial.state === 'cancelled';
    return mayRetry ? null : order(`${name} is retried although it is ${trial.state}`);
  }
  if ((endedTrialStates as readonly string[]).includes(trial.state))
    return order(`${event.type} of ${name}, which has ended (${trial.state})`);
  switch (event.type) {
    case 'trialPromoted':
      if (trial.state !== 'paused') return order(`${name} is promoted although it is ${trial.state}`);
      return event.target > (trial.target ?? 0) ? null : order(`${name} is promoted from ${trial.target} to ${event.target}`);
    case 'attemptRequested':
      return requestFault(trial, event);
    case 'trialPaused':
      if (trial.live !== null) return order(`${name} is paused although attempt ${trial.live.attempt} has not ended`);
      if (trial.lastEnd === null) return order(`${name} is paused although no attempt of it has ended`);
      if (trial.lastEnd.failure !== null) return order(`${name} is paused although its attempt failed`);
      return spec.fidelity === null ? order(`${name} is paused in a study without a fidelity`) : null;
    case 'trialEnded':
      return endFault(trial, event);
    default:
      return attemptFault(trial, event);
  }
}

function requestFault(trial: KnownTrial, { attempt, target }: EventOf<'attemptRequested'>): OrderFault | null {
  const name = `trial ${trial.number}`;
  if (trial.live !== null)
    return { invariant: 'oneCounts', what: `attempt ${attempt} of ${name} begins while attempt ${trial.live.attempt} counts` };
  if (trial.state === 'paused') return { invariant: 'order', what: `${name} goes on without having been promoted` };
  if (attempt !== trial.nAttempts + 1)
    return { invariant: 'order', what: `attempt ${attempt} of ${name} begins where attempt ${trial.nAttempts + 1} is due` };
  if (target !== trial.target)
    return { invariant: 'order', what: `attempt ${attempt} of ${name} is to reach ${target}, the trial ${trial.target}` };
  if (trial.lastEnd !== null && hasDelivered(trial.lastEnd))
    return { invariant: 'oneCounts', what: `${name} starts again although its attempt ${attempt - 1} counts` };
  return null;
}

/** It ended as it should and not to make room: what follows is the trial's pause or end. */
function hasDelivered({ failure, why }: NonNullable<KnownTrial['lastEnd']>): boolean {
  return failure === null && why !== 'studyPaused';
}

function endFault(trial: KnownTrial, { state, failure }: EventOf<'trialEnded'>): OrderFault | null {
  const name = `trial ${trial.number}`;
  const order = (what: string): OrderFault => ({ invariant: 'order', what });
  if (trial.live !== null) return order(`${name} ends although attempt ${trial.live.attempt} has not`);
  if ((state === 'failed') !== (failure !== null))
    return order(`${name} ends as ${state} ${failure === null ? 'without a failure' : `with the failure ${failure.code}`}`);
  if (state !== 'complete' && state !== 'infeasible') return null;
  if (trial.lastEnd?.failure === null) return null;
  return order(`${name} ends as ${state} although ${trial.lastEnd === null ? 'no attempt of it has' : 'its attempt failed'}`);
}

function attemptFault(
  { number, live, nAttempts }: KnownTrial,
  event: Exclude<AttemptEvent, { type: 'attemptRequested' }>,
): OrderFault | null {
  const name = `attempt ${event.attempt} of trial ${number}`;
  const order = (what: string): OrderFault => ({ invariant: 'order', what });
  if (live === null || live.attempt !== event.attempt) {
    const why = event.attempt >= 1 && event.attempt <= nAttempts ? 'which has ended' : 'which was never requested';
    return order(`${event.type} of ${name}, ${why}`);
  }
  switch (event.type) {
    case 'attemptWaits':
      return live.isStarted ? order(`${name} waits after it has started`) : null;
    case 'attemptStarted':
      if (live.isStarted) return order(`${name} starts twice`);
      return live.why === null ? null : order(`${name} starts after it was asked to stop`);
    case 'metricReported':
    case 'metricsDropped':
      if (live.why !== null && live.why !== 'studyPaused' && live.why !== 'paused')
        return order(`${name} counts a report after it was asked to stop for good (${live.why})`);
      return live.isStarted || live.why !== null ? null : order(`${name} reports before it has started`);
    case 'attemptStopRequested':
      // A user, or in batches the scheduler, may end for good what only made room.
      if (live.why === null || (live.why === 'studyPaused' && (event.why === 'user' || event.why === 'pruned'))) return null;
      return order(`${name} is asked to stop twice (${live.why}, ${event.why})`);
    case 'attemptEnded':
      return live.isStarted || live.why !== null || event.failure !== null
        ? null
        : order(`${name} ends well without having started`);
    default:
      return null;
  }
}
