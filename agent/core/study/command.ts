import type { StudyEvent } from '../../protocol/events.ts';
import type { StudyCommand } from '../../protocol/requests.ts';
import type { Rate } from '../../protocol/metered.ts';
import type { Params } from '../../protocol/space.ts';
import { endedTrialStates, type TrialState } from '../../protocol/study.ts';
import { unreachable } from '../../protocol/view.ts';
import { shownState } from '../../protocol/waits.ts';
import { fitsResource, startCost } from './budget.ts';
import { isMeteredAffordable } from './metered.ts';
import type { StudyState } from './state.ts';
import { userPoint } from './userPoint.ts';

/** A command that makes no sense in the study's state: what, why, and what to do instead. */
export interface Refusal {
  readonly code: string;
  readonly message: string;
  readonly next: string;
}

type MovedAway = Extract<StudyEvent, { type: 'studyMovedAway' }>;

/** Most attempts at once that a study may be scaled to. */
const maxParallel = 10_000;

/**
 * The events that a user's command amounts to; none when it is so already.
 *
 * @throws HpoError for a point that is none of the study's space (see `userPoint`).
 */
export function command(state: StudyState, asked: StudyCommand, now: number): readonly StudyEvent[] | Refusal {
  const { view } = state;
  // It is about to be forgotten, and with it what is acknowledged now.
  if (view.deleted && asked.type !== 'delete')
    return { code: 'HPO-4301', message: 'The study has been deleted.', next: 'See which studies there are with: hpo status' };
  if (view.movedTo !== null) return ofMoved(state, asked, view.movedTo, now);
  switch (asked.type) {
    case 'pause':
      if (view.state === 'paused') return [];
      return view.state === 'running'
        ? [{ type: 'studyPaused', at: now, reason: asked.because ?? pauseMessage(state) }]
        : notPossible(state, 'paused');
    case 'resume':
      return resume(state, now);
    case 'stop':
      if (view.state === 'stopping') return [];
      return view.state === 'ended' ? notPossible(state, 'stopped') : [stopped(now)];
    case 'delete':
      if (view.deleted) return [];
      return [...(view.state === 'running' || view.state === 'paused' ? [stopped(now)] : []), { type: 'studyDeleted', at: now }];
    case 'scale':
      return scale(state, asked.parallel, now);
    case 'stopTrial':
      return stopTrial(state, asked.trial, now);
    case 'retry':
      return retry(state, asked.number, now);
    case 'enqueue':
      return enqueue(state, asked.params, now);
    default:
      return unreachable(asked);
  }
}

/** Only its traces here can go: the study itself is another agent's. */
function ofMoved({ view }: StudyState, asked: StudyCommand, movedTo: string, at: number): readonly StudyEvent[] | Refusal {
  if (asked.type === 'delete') return view.deleted ? [] : [{ type: 'studyDeleted', at }];
  return {
    code: 'HPO-4314',
    message: `The study ${view.studyId} has moved: the agent in ${movedTo} acts on it.`,
    next: `Add --agent to the command, as in: hpo status ${view.studyId} --agent cluster; or bring it back with: hpo move ${view.studyId} --to local`,
  };
}

/**
 * Hands the study over to another agent: nothing that is seen or asked of it here counts from then on. Attempts go on, as nobody
 * stops them.
 */
export function moveAway(
  { view }: StudyState,
  move: Omit<MovedAway, 'type' | 'at'>,
  at: number,
): readonly StudyEvent[] | Refusal {
  const { epoch } = move;
  if (view.movedTo !== null && view.moves === epoch) return [];
  if (view.deleted)
    return { code: 'HPO-4301', message: 'The study has been deleted.', next: 'See which studies there are with: hpo status' };
  if (view.movedTo === null && epoch === view.moves + 1) return [{ type: 'studyMovedAway', at, ...move }];
  return {
    code: 'HPO-2503',
    message: `The study ${view.studyId} has moved meanwhile (${view.moves} times; this was to be move ${epoch}).`,
    next: 'See where it is with: hpo status; then move it again',
  };
}

function stopped(at: number): StudyEvent {
  return { type: 'studyStopRequested', at, reason: 'stopped', message: 'Stopped by the user.' };
}

/** Whoever pauses wants the machine back: says when that is. */
function pauseMessage(state: StudyState): string {
  const n = state.live.size;
  if (n === 0) return 'Paused.';
  const waiting = [...state.live.keys()].filter((number) => shownState(state.trial(number)) === 'waiting').length;
  const what = waiting === 0 ? 'running' : waiting === n ? 'waiting' : 'running and waiting';
  const running = n === 1 ? `The ${what} trial` : `The ${n} ${what} trials`;
  if (state.view.spec.checkpoint !== null)
    return `Paused. ${running} ${n === 1 ? 'stops' : 'stop'} and will go on from the checkpoint.`;
  return `Paused. ${running} ${n === 1 ? 'goes' : 'go'} on to the end, as the script keeps no checkpoint; no new trial starts.`;
}

function resume({ view }: StudyState, at: number): readonly StudyEvent[] | Refusal {
  if (view.state === 'running') return [];
  if (view.state === 'paused') return [{ type: 'studyResumed', at }];
  if (view.state === 'stopping')
    return { code: 'HPO-4302', message: 'The study is being stopped.', next: 'Resume it when its trials have ended.' };
  if (view.endReason === 'stopped' || view.endReason === 'plateau') return [{ type: 'studyResumed', at }];
  // One in which something were left to do would have paused itself.
  if (view.endReason === 'failed')
    return {
      code: 'HPO-4302',
      message: `The study has ended, and nothing is left to do in it: ${view.message}`,
      next: `Try its failed trials again with: hpo retry ${view.studyId} --failed; what is mended in the script needs a new study: hpo tune ${view.spec.script ?? 'hpo.yml'}`,
    };
  return {
    code: 'HPO-4302',
    message: `The study has ended: ${view.message}`,
    next: 'Tune the script again, with a larger budget.',
  };
}

function scale({ view }: StudyState, parallel: number | 'auto', at: number): readonly StudyEvent[] | Refusal {
  if (parallel === 'auto') return followAgain(view, at);
  if (!Number.isInteger(parallel) || parallel < 1 || parallel > maxParallel) {
    const message = `A study cannot run ${parallel} trials at once.`;
    return {
      code: 'HPO-4303',
      message,
      next: `Give a whole number from 1 to ${maxParallel}; to run none for a while, pause the study.`,
    };
  }
  if (view.state === 'ended') return notPossible({ view }, 'scaled');
  return parallel === view.parallel && !view.followsRoom ? [] : [{ type: 'studyScaled', at, parallel }];
}

/** From here on the room of the cluster says how many run at once, as it did before the user named a number. */
function followAgain(view: StudyState['view'], at: number): readonly StudyEvent[] | Refusal {
  if (view.spec.cluster === undefined)
    return {
      code: 'HPO-4315',
      message: `The study runs on this machine (${view.spec.executor}), whose room does not change.`,
      next: `Give a whole number from 1 to ${maxParallel}.`,
    };
  if (view.state === 'ended') return notPossible({ view }, 'scaled');
  return view.followsRoom ? [] : [{ type: 'studyScaled', at, parallel: view.parallel, follows: true }];
}

/** Most that follow from room alone, in a study that began with fewer. */
const maxRoom = 100;

/**
 * How many attempts of a study have room where they run, by pool: one more is asked for in each, as only what waits makes a cluster grow, and
 * as many as the user wants at most. Each pool has its own room, so that a full one takes no slot from the others.
 */
export function followRoom({ view }: StudyState, attempts: Readonly<Record<string, number>>, at: number): readonly StudyEvent[] {
  const { spec } = view;
  if (spec.cluster === undefined || !view.followsRoom || view.state === 'ended' || view.movedTo !== null) return [];
  // A study that was told to follow later was given a number of its own before.
  const most = spec.cluster.followsCapacity ? spec.search.parallel : maxRoom;
  const names = spec.cluster.pools.map(({ name }) => name);
  if (names.length < 2) {
    const all = Object.values(attempts).reduce((sum, one) => sum + one, 0);
    const parallel = Math.max(1, Math.min(all + 1, most));
    return parallel === view.parallel ? [] : [{ type: 'studyScaled', at, parallel, follows: true }];
  }
  const pools = Object.fromEntries(names.map((name) => [name, Math.min((attempts[name] ?? 0) + 1, most)]));
  const parallel = Math.min(
    names.reduce((sum, name) => sum + (pools[name] ?? 0), 0),
    most,
  );
  const isSame = parallel === view.parallel && names.every((name) => view.poolRoom?.[name] === pools[name]);
  return isSame ? [] : [{ type: 'studyScaled', at, parallel, follows: true, pools }];
}

function stopTrial(state: StudyState, number: number, at: number): readonly StudyEvent[] | Refusal {
  const trial = state.view.trials[number];
  if (trial === undefined) return noSuchTrial(state, number);
  if (isEnded(trial.state))
    return { code: 'HPO-4305', message: `Trial ${number} has ended: ${trial.state}.`, next: 'Choose one that runs or waits.' };
  const live = state.live.get(number);
  if (live !== undefined) {
    if (live.stopReason !== null && live.stopReason !== 'studyPaused') return [];
    return [{ type: 'attemptStopRequested', at, number, attempt: live.attempt, why: 'user', message: 'stopped by the user' }];
  }
  // Its attempt has just ended, and what follows from that is about to be recorded.
  if (state.unsettled.has(number)) return [];
  return [{ type: 'trialEnded', at, number, state: 'cancelled', values: { ...state.latest.get(number) }, failure: null }];
}

function noSuchTrial({ view }: StudyState, number: number): Refusal {
  const count = view.trials.length;
  const range = count === 0 ? 'The study has no trial yet.' : `The study has the trials 0 to ${count - 1}.`;
  return { code: 'HPO-4304', message: `There is no trial ${number}.`, next: range };
}

/** A study that has ended, or paused itself, goes on for it. */
function retry(state: StudyState, number: number, at: number): readonly StudyEvent[] | Refusal {
  const { view } = state;
  const trial = view.trials[number];
  if (trial === undefined) return noSuchTrial(state, number);
  if (view.state === 'stopping')
    return { code: 'HPO-4302', message: 'The study is being stopped.', next: 'Retry the trial when those that run have ended.' };
  // Its attempt has just ended. What follows is about to be recorded, and may be that it failed.
  const is = state.unsettled.has(number) ? 'ending' : trial.state;
  if (is === 'waiting') return [];
  if (is !== 'failed' && is !== 'cancelled') {
    return {
      code: 'HPO-4312',
      message: `Trial ${number} cannot be retried: it is ${is}.`,
      next:
        is === 'ending'
          ? 'Ask again when it has ended.'
          : 'Choose one that failed or was cancelled; to try a point again, enqueue it with another value.',
    };
  }
  const target = state.scheduler.retryTarget(number, trial.target);
  const overdrawn = whatIsUsed(state, startCost(state, number, target), state.rateOf(trial.params), at);
  if (overdrawn !== null) {
    return {
      code: 'HPO-4313',
      message: `The budget of ${overdrawn} leaves none for trial ${number}.`,
      next: 'Tune the script again, with a larger budget.',
    };
  }
  const isResumed = view.state === 'ended' || view.failure !== null;
  return [{ type: 'trialRetried', at, number, target }, ...(isResumed ? [{ type: 'studyResumed', at } as const] : [])];
}

/** The budget that has no room for another attempt; null where there is room. */
function whatIsUsed(state: StudyState, cost: number, rate: Rate | null, now: number): string | null {
  const { budget, fidelity } = state.view.spec;
  if (!fitsResource(state, cost)) return fidelity?.name ?? 'resource';
  if (!isMeteredAffordable(state, rate)) return budget.cost === undefined ? 'GPU hours' : 'money';
  const { wallTimeMs } = budget;
  const ranMs = (state.idleSince ?? now) - state.view.createdAt - state.idleMs;
  return wallTimeMs !== null && ranMs >= wallTimeMs ? 'time' : null;
}

function enqueue(state: StudyState, given: Params, at: number): readonly StudyEvent[] | Refusal {
  const { view, space } = state;
  if (view.state === 'stopping' || view.state === 'ended') return notPossible(state, 'given another point');
  const params = userPoint(space, given);
  const key = space.key(params);
  if (state.points.has(key)) return [];
  const known = view.trials.find((trial) => space.key(trial.params) === key);
  if (known !== undefined) {
    return { code: 'HPO-4310', message: `Trial ${known.number} has exactly this point.`, next: 'Change one of its values.' };
  }
  const { trials } = view.spec.budget;
  if (trials !== null && view.trials.length + state.points.size >= trials) {
    const next = 'Tune the script again, with a larger budget.';
    return { code: 'HPO-4311', message: `The budget of ${trials} trials leaves none for another point.`, next };
  }
  return [{ type: 'pointEnqueued', at, params }];
}

function notPossible({ view }: Pick<StudyState, 'view'>, what: string): Refusal {
  const how = view.state === 'ended' ? 'has ended' : 'is being stopped';
  return {
    code: 'HPO-4301',
    message: `The study cannot be ${what}: it ${how}. ${view.message}`.trim(),
    next: 'See how it stands with: hpo status',
  };
}

function isEnded(state: TrialState): boolean {
  return (endedTrialStates as readonly TrialState[]).includes(state);
}
