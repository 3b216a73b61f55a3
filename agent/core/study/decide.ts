import type { StudyEvent } from '../../protocol/events.ts';
import type { TrialView } from '../../protocol/view.ts';
import { freeSlot } from '../resources/index.ts';
import type { Proposal, SamplerContext } from '../samplers/index.ts';
import type { Promotion } from '../schedulers/index.ts';
import { isBatchFull, toldTrials } from './batch.ts';
import { deadline, isAffordable, mayStart, startCost } from './budget.ts';
import { endNow, endOfWork, selfPause } from './endConditions.ts';
import { isMachineFault } from './failurePolicy.ts';
import { type NextTrial, nextTrial, samplerContext } from './nextTrial.ts';
import type { StudyState } from './state.ts';

/** What the decisions need from outside of the study. */
export interface World {
  /** Milliseconds since the epoch. */
  readonly now: number;
  /** Whether one more attempt may start. */
  readonly hasCapacity: boolean;
  /** Asks the sampler; null when its proposal is on its way, and nothing new starts before it is there. Absent: it is asked here and now. */
  readonly propose?: (context: SamplerContext) => Proposed | null;
}

/** `basedOn`: `seq` of the last event that the proposal knew; absent where it knew all. */
export type Proposed = Proposal & { readonly basedOn?: number };

/** Events in one answer; the rest comes with the next call. */
const maxEvents = 64;

/**
 * The next decisions that follow from what has been folded; empty when there is nothing to decide until something
 * happens. The caller records and folds them and asks again. Each answer starts at most one attempt, so `hasCapacity`
 * can be looked at anew. Depends on state and world alone.
 */
export function decide(state: StudyState, world: World): readonly StudyEvent[] {
  const { view } = state;
  if (view.state === 'ended' || view.deleted || view.movedTo !== null) return [];
  const at = world.now;
  if (state.unsettled.size > 0) return settle(state, at);
  if (view.state === 'stopping') return stopAll(state, at);
  const end = endNow(state, at);
  if (end !== null) return [{ type: 'studyStopRequested', at, ...end }];
  if (view.state === 'paused' && isRefuted(state)) return [{ type: 'studyResumed', at }];
  const pause = view.state === 'running' ? selfPause(state) : null;
  if (pause !== null) return [{ type: 'studyPaused', at, ...pause }];
  if (state.stopWanted.size > 0) return stopUnpromising(state, at);
  if (view.state === 'paused') return pauseLive(state, at);
  return start(state, world);
}

/**
 * When `decide` is to be asked again although nothing has happened, in ms since the epoch; null for never. Back-offs
 * that were over at `now` wait for a slot or for capacity, not for the time.
 */
export function nextWakeup(state: StudyState, now = -Infinity): number | null {
  const { view } = state;
  if (view.deleted || view.movedTo !== null) return null;
  // What still runs of a paused study uses up its budget.
  if (view.state === 'paused') return deadline(state);
  if (view.state !== 'running') return null;
  let at = deadline(state) ?? Infinity;
  for (const { notBefore } of state.waiting.values()) if (notBefore > Math.max(now, 0)) at = Math.min(at, notBefore);
  return at === Infinity ? null : at;
}

function settle(state: StudyState, at: number): readonly StudyEvent[] {
  return firstOf(
    state.unsettled,
    ([number, verdict]): StudyEvent =>
      verdict.type === 'pause'
        ? { type: 'trialPaused', at, number, resource: verdict.resource }
        : { type: 'trialEnded', at, number, state: verdict.state, values: verdict.values, failure: verdict.failure },
  );
}

/** Live attempts first, so that slots are freed while the rest is written down. */
function stopAll(state: StudyState, at: number): readonly StudyEvent[] {
  const { view } = state;
  const stops: StudyEvent[] = [];
  for (const { number, attempt, stopReason } of state.live.values()) {
    if (stopReason === null)
      stops.push({ type: 'attemptStopRequested', at, number, attempt, why: 'studyStopped', message: view.message });
  }
  if (stops.length > 0) return stops;
  const left = endLeft(state, at);
  if (left.length > 0) return left;
  if (state.live.size > 0) return [];
  const told = endBatch(state, at);
  if (told.length > 0) return told;
  return [{ type: 'studyEnded', at, reason: view.endReason ?? 'stopped', message: view.message }];
}

/** Trials that no longer get their turn: a trial that was measured is pruned, one that never was is cancelled. */
function endLeft(state: StudyState, at: number): readonly StudyEvent[] {
  const endOf = (number: number, isCancelled: boolean): StudyEvent => {
    const values = { ...state.latest.get(number) };
    const isMeasured = Object.keys(values).length > 0 && !isCancelled;
    return { type: 'trialEnded', at, number, state: isMeasured ? 'pruned' : 'cancelled', values, failure: null };
  };
  if (state.paused.size > 0) return firstOf(state.paused, (number) => endOf(number, false));
  const isThrownAway = state.view.endReason === 'stopped';
  return firstOf(state.waiting, ([number]) => endOf(number, isThrownAway));
}

function stopUnpromising(state: StudyState, at: number): readonly StudyEvent[] {
  return firstOf(state.stopWanted, (number): StudyEvent => {
    const attempt = state.live.get(number)?.attempt ?? 0;
    return {
      type: 'attemptStopRequested',
      at,
      number,
      attempt,
      why: 'pruned',
      message: 'others did better with the same resource',
    };
  });
}

/** The study paused itself because everything failed, and then an attempt that still ran did well. */
function isRefuted({ view, nSucceeded }: StudyState): boolean {
  return view.failure !== null && !isMachineFault(view.failure) && nSucceeded > 0;
}

/**
 * With a checkpoint the running attempts make room and go on later; without one they would lose their work. Where the study paused
 * itself nobody asked for room, and what still runs may show that not everything fails.
 */
function pauseLive(state: StudyState, at: number): readonly StudyEvent[] {
  if (state.view.spec.checkpoint === null || state.view.failure !== null) return [];
  const stops: StudyEvent[] = [];
  for (const { number, attempt, stopReason } of state.live.values()) {
    if (stopReason === null)
      stops.push({ type: 'attemptStopRequested', at, number, attempt, why: 'studyPaused', message: state.view.message });
  }
  return stops;
}

/** Fills one slot: what waits, then what is promoted, then a new trial. Ends the study when there will never be anything. */
function start(state: StudyState, world: World): readonly StudyEvent[] {
  const { now, hasCapacity } = world;
  const slot = freeSlot(state.slots);
  if (slot === null) return [];
  if (isAlone(state)) return [];
  let nHeld = 0;
  let nWithoutPool = 0;
  for (const [number, waiting] of state.waiting) {
    const trial = state.trial(number);
    if (!isAffordable(state, startCost(state, number, trial.target), state.rateOf(trial.params))) continue;
    // Everything else is held until it has run.
    if (waiting.isAlone && state.live.size > 0) return [];
    const isDueNow = isDue(state, number, waiting.notBefore, now);
    if (isDueNow && !state.hasPoolFor(trial.params)) {
      nWithoutPool++;
      continue;
    }
    if (isDueNow && hasCapacity) return [requested(state, now, trial, slot, trial.target)];
    nHeld++;
  }
  // What waits for a full pool keeps no trial of others back, but the search does not run ahead of it without end.
  if (nWithoutPool >= state.slots.size) return [];
  // A trial that comes back after a fault keeps its place: a machine in trouble is not given more and more trials.
  if (state.live.size + nHeld >= state.slots.size) return [];
  const promotion = isBatchFull(state.batch) ? null : affordablePromotion(state, false);
  if (promotion !== null) return hasCapacity ? promoted(state, now, slot, promotion) : [];
  const next = nextTrial(state);
  if (next.type !== 'none' && !hasCapacity) return [];
  if (next.type === 'point') return created(state, now, slot, next);
  let exhausted = next.type === 'none' ? next.reason : null;
  if (next.type === 'sampler') {
    const proposed = propose(state, world);
    if (proposed === null) return [];
    if (proposed.type === 'point') {
      const { params, reason, basedOn } = proposed;
      return created(state, now, slot, { target: next.target, params, origin: 'sampler', reason, parent: null }, basedOn);
    }
    exhausted = proposed.reason;
  }
  if (state.live.size + nHeld + nWithoutPool > 0) return [];
  const told = endBatch(state, now);
  if (told.length > 0) return told;
  return close(state, now, slot, hasCapacity, exhausted);
}

/** Where someone has set the clock back, a back-off can lie before its own beginning: it is over then, as nobody knows what is left of it. */
function isDue(state: StudyState, number: number, notBefore: number, now: number): boolean {
  return notBefore <= now || now < (state.trial(number).attempts.at(-1)?.endedAt ?? -Infinity);
}

function isAlone({ live }: StudyState): boolean {
  if (live.size !== 1) return false;
  const [only] = live.values();
  return only?.isAlone === true;
}

/** Nothing of the batch runs any more: what it came to counts. */
function endBatch({ batch }: StudyState, at: number): readonly StudyEvent[] {
  if (batch === null || batch.nStarts + batch.results.length === 0) return [];
  return [{ type: 'batchEnded', at, trials: toldTrials(batch) }];
}

/** Nothing runs and nothing new can begin: the last promotions, then the end. */
function close(
  state: StudyState,
  at: number,
  slot: number,
  hasCapacity: boolean,
  exhausted: string | null,
): readonly StudyEvent[] {
  const promotion = affordablePromotion(state, true);
  if (promotion !== null) return hasCapacity ? promoted(state, at, slot, promotion) : [];
  const left = endLeft(state, at);
  return left.length > 0 ? left : [{ type: 'studyEnded', at, ...endOfWork(state, exhausted) }];
}

function affordablePromotion(state: StudyState, isClosing: boolean): Promotion | null {
  const promotion = state.scheduler.nextPromotion(isClosing);
  if (promotion === null) return null;
  const { number, target } = promotion;
  return mayStart(state, startCost(state, number, target), state.rateOf(state.trial(number).params)) ? promotion : null;
}

function propose(state: StudyState, world: World): Proposed | null {
  const context = samplerContext(state);
  return world.propose === undefined ? state.base.sampler.propose(context) : world.propose(context);
}

type NewPoint = Omit<Extract<NextTrial, { type: 'point' }>, 'type'>;

function created(
  state: StudyState,
  at: number,
  slot: number,
  { target, params, origin, reason, parent }: NewPoint,
  basedOn?: number,
): readonly StudyEvent[] {
  const number = state.view.trials.length;
  const from = { ...(parent === null ? {} : { parent }), ...(basedOn === undefined ? {} : { basedOn }) };
  const born: StudyEvent = { type: 'trialCreated', at, number, params, origin, reason, target, ...from };
  return state.hasPoolFor(params) ? [born, requested(state, at, { number, params, attempts: [] }, slot, target)] : [born];
}

function promoted(state: StudyState, at: number, slot: number, { number, target }: Promotion): readonly StudyEvent[] {
  const chosen: StudyEvent = { type: 'trialPromoted', at, number, target };
  const trial = state.trial(number);
  return state.hasPoolFor(trial.params) ? [chosen, requested(state, at, trial, slot, target)] : [chosen];
}

type Asking = Pick<TrialView, 'number' | 'params' | 'attempts'>;

function requested(state: StudyState, at: number, trial: Asking, slot: number, target: number | null): StudyEvent {
  const { number, params, attempts } = trial;
  const rate = state.rateOf(params);
  const metered = rate === null ? {} : { rate };
  return { type: 'attemptRequested', at, number, attempt: attempts.length + 1, slot, target, ...metered };
}

function firstOf<T>(items: Iterable<T>, toEvent: (item: T) => StudyEvent): readonly StudyEvent[] {
  const events: StudyEvent[] = [];
  for (const item of items) {
    if (events.length === maxEvents) break;
    events.push(toEvent(item));
  }
  return events;
}
