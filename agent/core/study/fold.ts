import type { JournalEntry, StudyEvent } from '../../protocol/events.ts';
import { addUse, attemptUse } from '../../protocol/metered.ts';
import type { MetricValues, TrialState } from '../../protocol/study.ts';
import { foldView, unreachable } from '../../protocol/view.ts';
import { releaseSlot, scaleSlots, takeSlot } from '../resources/index.ts';
import type { Observation } from '../samplers/index.ts';
import { highestReached } from '../schedulers/rungs.ts';
import { troubleWith } from './afterFailure.ts';
import { nextBatch, type StoppedTrial, type TrialResult } from './batch.ts';
import { attemptCost, hasReportedAll, reservation, startCost } from './budget.ts';
import { failureSignature, goalReached } from './endConditions.ts';
import { failurePolicy, isAway, isMachineFault } from './failurePolicy.ts';
import { leavePlateau, tellPlateau } from './plateau.ts';
import { objectiveValues, withLevel } from './proposalBase.ts';
import { StudyState, type LiveAttempt } from './state.ts';
import { verdict, type AttemptOutcome } from './verdict.ts';

/**
 * The state of a study after its first entry.
 *
 * @throws TypeError when the entry is not `studyCreated`; HpoError when the spec cannot be run (see `compileSpace`,
 * `createScheduler`, `createSampler`).
 */
export function createStudy(entry: JournalEntry): StudyState {
  return new StudyState(entry);
}

/** Folds one event into the state, in place. Events must come in order and belong to the study. */
export function fold(state: StudyState, entry: JournalEntry): void {
  const { event } = entry;
  // What the view forgets of the trial.
  if (event.type === 'trialRetried') foldRetried(state, event);
  if (event.type === 'studyResumed' && state.view.endReason === 'plateau') leavePlateau(state.plateau);
  foldView(state.view, entry);
  switch (event.type) {
    case 'studyCreated':
    case 'studyStopRequested':
    case 'studyDeleted':
    case 'studyMovedAway':
    case 'studyMovedHere':
      return;
    case 'attemptWaits':
      return;
    case 'attemptStarted':
      state.worked.started++;
      return;
    case 'studyPaused':
      state.idleSince ??= event.at;
      return;
    case 'studyEnded':
      state.idleSince ??= event.at;
      state.reopened = null;
      return;
    case 'studyResumed':
      // A clock that was set back meanwhile takes nothing from the budget of time.
      if (state.idleSince !== null) state.idleMs += Math.max(0, event.at - state.idleSince);
      state.idleSince = null;
      forgive(state);
      return;
    case 'studyScaled':
      state.slots = scaleSlots(state.slots, event.parallel);
      return;
    case 'pointEnqueued':
      foldEnqueued(state, event);
      return;
    case 'trialCreated':
      foldCreated(state, event);
      return;
    case 'trialRetried':
      observe(state, event.number, 'pending', state.latest.get(event.number) ?? {});
      return;
    case 'batchEnded':
      if (state.batch !== null) for (const result of nextBatch(state.batch, state.spent)) count(state, result);
      return;
    case 'trialPromoted':
      addStart(state, event.number, event.target);
      state.paused.delete(event.number);
      state.scheduler.onPromoted(event.number, event.target);
      state.waiting.set(event.number, { notBefore: 0, isAlone: false });
      observe(state, event.number, 'pending', state.latest.get(event.number) ?? {});
      return;
    case 'attemptRequested':
      foldRequested(state, event);
      return;
    case 'metricReported':
      foldMetric(state, event);
      return;
    case 'metricsDropped': {
      const live = state.live.get(event.number);
      if (live?.attempt === event.attempt) Object.assign(live, { cursor: event.cursor, droppedCursor: event.cursor });
      return;
    }
    case 'attemptStopRequested': {
      const live = state.live.get(event.number);
      if (live !== undefined) live.stopReason = event.why;
      state.stopWanted.delete(event.number);
      return;
    }
    case 'attemptEnded':
      foldEnded(state, event);
      return;
    case 'trialPaused': {
      const values = state.latest.get(event.number) ?? {};
      state.unsettled.delete(event.number);
      state.paused.add(event.number);
      // Most paused trials are never promoted: to the sampler each is a result, as one that was stopped there would be.
      settle(state, { event, observation: observation(state, event.number, 'pruned', values) });
      return;
    }
    case 'trialEnded':
      foldTrialEnded(state, event);
      return;
    default:
      unreachable(event);
  }
}

type EventOf<T extends StudyEvent['type']> = Extract<StudyEvent, { type: T }>;

function foldEnqueued(state: StudyState, { params }: EventOf<'pointEnqueued'>): void {
  const key = state.space.key(params);
  if (!state.history.has(params) && !state.points.has(key)) state.points.set(key, params);
}

function foldCreated(state: StudyState, { number, params, target, parent }: EventOf<'trialCreated'>): void {
  addStart(state, number, target);
  state.waiting.set(number, { notBefore: 0, isAlone: false });
  state.latest.set(number, {});
  if (state.points.size > 0) state.points.delete(state.space.key(params));
  // What a fork's parent went through before was measured with other values.
  const { resource } = state.trial(number);
  const skipped = (state.fidelityLevels?.levels ?? []).filter((level) => level <= resource);
  state.curves.set(
    number,
    skipped.map(() => NaN),
  );
  state.scheduler.onCreated(number, target, parent ?? null);
  observe(state, number, 'pending', {});
}

function foldRequested(state: StudyState, { number, attempt, slot, target }: EventOf<'attemptRequested'>): void {
  const trial = state.trial(number);
  const isAlone = state.waiting.get(number)?.isAlone ?? false;
  state.waiting.delete(number);
  state.slots = takeSlot(state.slots, slot, number);
  // With a checkpoint an attempt goes on where the last one stood, else it starts from the beginning.
  const isContinued = state.view.spec.checkpoint !== null;
  if (!isContinued) state.latest.set(number, {});
  const live: LiveAttempt = {
    number,
    attempt,
    slot,
    target,
    base: isContinued ? Math.min(trial.resource, target ?? 0) : 0,
    reportedBefore: trial.curve.at(-1)?.step ?? (trial.parent === null ? 0 : trial.resource),
    nReports: 0,
    firstStep: 0,
    lastStep: 0,
    previousStep: 0,
    stopReason: null,
    resourceBefore: trial.resource,
    isAlone,
    hadCompany: state.live.size > 0,
    cursor: {},
    droppedCursor: {},
  };
  // Two or more know of company already.
  if (state.live.size === 1) for (const other of state.live.values()) other.hadCompany = true;
  state.live.set(number, live);
  state.reserved += reservation(live);
}

function foldMetric(state: StudyState, event: EventOf<'metricReported'>): void {
  const live = state.live.get(event.number);
  const latest = state.latest.get(event.number);
  if (live === undefined || latest === undefined || live.attempt !== event.attempt) return;
  live.cursor = event.cursor;
  // In batches nothing counts that comes after the scheduler's word, neither as a result nor for the budget.
  if (state.batch?.stopped.has(event.number) === true) return;
  for (const name of state.requiredMetrics) {
    const value = Object.hasOwn(event.values, name) ? event.values[name] : undefined;
    if (value !== undefined) latest[name] = value;
  }
  const [objective] = state.view.spec.objectives;
  if (objective === undefined || !Object.hasOwn(event.values, objective.metric)) return;
  countReport(live, event.step);
  state.hasReported = true;
  // In batches a rung is a rung, also while the attempt makes room because the study is paused.
  const isJudged = live.stopReason === null || (state.batch !== null && live.stopReason === 'studyPaused');
  if (live.target !== null && isJudged) {
    // Only a stop is acted on: an attempt that has what it was for ends by itself, as its target is what the script trains for.
    const decision = state.scheduler.onReport(event.number, event.step, objectivesOf(state, event.values));
    if (decision === 'stop') state.stopWanted.add(event.number);
    // Reports come in groups: by the time of the decision it may have trained to the end.
    if (hasReportedAll(state, live)) state.stopWanted.delete(event.number);
  }
  passLevels(state, event);
  if (state.batch !== null) {
    const { resource } = state.trial(event.number);
    const curve = state.curves.get(event.number) ?? [];
    if (state.stopWanted.has(event.number)) state.batch.stopped.set(event.number, { values: { ...latest }, resource, curve });
    return;
  }
  // A trial that begins again, to go farther, is known by what it reached before until it gets there.
  if (event.step >= state.trial(event.number).resource) observe(state, event.number, 'pending', latest);
}

/**
 * A report beyond several levels counts at the highest of them, as it does for the scheduler: at a lower one, it would
 * make the trial look better than those that were measured there. A level that was passed before keeps its value.
 */
function passLevels(state: StudyState, { number, step, values }: EventOf<'metricReported'>): void {
  const levels = state.fidelityLevels?.levels;
  const curve = state.curves.get(number);
  if (levels === undefined || curve === undefined) return;
  const level = highestReached(levels, levels.length, curve.length, step);
  if (level >= 0) state.curves.set(number, withLevel(curve, level, objectivesOf(state, values)[0] ?? NaN));
}

function countReport(live: LiveAttempt, step: number): void {
  if (live.nReports === 0) live.firstStep = step;
  live.nReports++;
  if (step <= live.lastStep) return;
  live.previousStep = live.lastStep;
  live.lastStep = step;
}

function foldEnded(state: StudyState, event: EventOf<'attemptEnded'>): void {
  const { number } = event;
  const live = state.live.get(number);
  if (live === undefined || live.attempt !== event.attempt) return;
  state.live.delete(number);
  state.stopWanted.delete(number);
  state.slots = releaseSlot(state.slots, live.slot);
  const outcome: AttemptOutcome = { live, failure: event.failure, exitCode: event.exitCode, signal: event.signal, at: event.at };
  state.reserved -= reservation(live);
  const view = state.trial(number).attempts[live.attempt - 1];
  if (view !== undefined) state.metered = addUse(state.metered, attemptUse(view, event.at));
  const stopped = state.batch?.stopped.get(number);
  state.spent += attemptCost(live, outcome, stopped !== undefined);
  // In batches the scheduler's word holds, however far the attempt came before it heard of it; but not against the user's.
  const follows: ReturnType<typeof verdict> =
    stopped === undefined || live.stopReason === 'user'
      ? verdict(state, outcome)
      : { type: 'end', state: 'pruned', values: stopped.values, failure: null };
  if (event.failure === null) state.worked.ended++;
  if (state.suspect === number && (event.failure === null || !isMachineFault(event.failure))) state.suspect = null;
  if (follows.type === 'pause' || follows.type === 'end') {
    state.unsettled.set(number, follows);
    return;
  }
  if (event.failure !== null) state.troubles.set(number, troubleWith(state, live, event.failure));
  if (follows.type === 'hold') {
    state.machineFault = event.failure;
    if (event.failure === null || !isAway(event.failure)) state.suspect = number;
  }
  const { notBefore, isAlone } = follows;
  state.waiting.set(number, { notBefore, isAlone });
}

/** Whoever resumes a study after failures, or retries a trial, has changed something: what failed before does not count again. */
function forgive(state: StudyState): void {
  state.streak.count = 0;
  state.machineFault = null;
  state.troubles.clear();
  for (const [number, { isAlone }] of state.waiting) state.waiting.set(number, { notBefore: 0, isAlone });
}

/** Before the view: what the trial had when it ended is what it goes on with. */
function foldRetried(state: StudyState, { number, target }: EventOf<'trialRetried'>): void {
  const { view, history } = state;
  const { values } = state.trial(number);
  if (view.state === 'ended' && state.reopened === null && view.endReason !== null && view.endReason !== 'failed')
    state.reopened = { reason: view.endReason, message: view.message };
  state.streak.count = 0;
  countTime(state, number, -1);
  state.latest.set(number, { ...values });
  const untold = takeBack(state, number);
  state.curves.set(number, (untold ?? history.of(number))?.curve ?? []);
  state.waiting.set(number, { notBefore: 0, isAlone: false });
  if (untold === undefined) state.scheduler.onRetried(number, target);
}

function foldTrialEnded(state: StudyState, event: EventOf<'trialEnded'>): void {
  const { number } = event;
  state.unsettled.delete(number);
  state.waiting.delete(number);
  const isTakenAway = state.paused.delete(number) && event.state === 'cancelled';
  state.troubles.delete(number);
  if (state.suspect === number) state.suspect = null;
  state.latest.delete(number);
  countTime(state, number, 1);
  const isTrialsFault = event.failure !== null && failurePolicy[event.failure.kind].isTrialsFault;
  const known = isTrialsFault ? 'failed' : endedObservation[event.state];
  const result = { event, observation: observation(state, number, known, event.values, state.batch?.stopped.get(number)) };
  // A paused trial that the user takes away must not be promoted before its batch has ended.
  if (isTakenAway) {
    takeBack(state, number);
    count(state, result);
  } else settle(state, result);
  state.batch?.stopped.delete(number);
  state.curves.delete(number);
}

/** A start counts for its batch, and with all that it may consume. */
function addStart(state: StudyState, number: number, target: number | null): void {
  if (state.batch === null) return;
  state.batch.nStarts++;
  state.batch.cost += startCost(state, number, target);
}

/** What a trial came to counts from now on, or from the end of its batch. */
function settle(state: StudyState, result: TrialResult): void {
  if (state.batch === null) count(state, result);
  else state.batch.results.push(result);
}

/** What the trial came to, where nobody was told yet; then nobody will be. */
function takeBack({ batch }: StudyState, number: number): Observation | undefined {
  const untold = batch?.results.findLast(({ event }) => event.number === number)?.observation;
  if (batch !== null && untold !== undefined) batch.results = batch.results.filter(({ event }) => event.number !== number);
  return untold;
}

function count(state: StudyState, { event, observation: seen }: TrialResult): void {
  const { number } = event;
  if (state.plateau !== null && !(event.type === 'trialEnded' && event.state === 'cancelled'))
    tellPlateau(state.plateau, number, lossesOf(state, seen));
  if (event.type === 'trialPaused') {
    state.nSucceeded++;
    state.scheduler.onPaused(number, event.resource, seen.values);
    state.history.upsert(seen);
    return;
  }
  state.scheduler.onEnded(number, event.state === 'complete');
  if (event.state === 'failed' && event.failure !== null) {
    const signature = failureSignature(event.failure);
    state.streak.count = signature === state.streak.signature ? state.streak.count + 1 : 1;
    state.streak.signature = signature;
    state.streak.failure = event.failure;
  } else if (event.state !== 'cancelled') {
    state.nSucceeded++;
  }
  if (state.goalTrial === null && event.state === 'complete' && goalReached(state.view.spec.objectives, event.values)) {
    state.goalTrial = number;
  }
  state.history.upsert(seen);
}

/** How long the trial ran, over all its attempts; a trial that is retried takes back what was counted at its end. */
function countTime(state: StudyState, number: number, sign: 1 | -1): void {
  let ms = 0;
  let isStarted = false;
  for (const { startedAt, endedAt } of state.trial(number).attempts) {
    if (startedAt === null || endedAt === null) continue;
    isStarted = true;
    ms += endedAt - startedAt;
  }
  if (!isStarted) return;
  state.trained.count += sign;
  state.trained.ms += sign * ms;
}

/** A cancelled trial, or one that the infrastructure took, says nothing bad of its point: as far as it came is what is known. */
const endedObservation: Readonly<Record<EventOf<'trialEnded'>['state'] & TrialState, Observation['state']>> = {
  complete: 'complete',
  pruned: 'pruned',
  infeasible: 'infeasible',
  cancelled: 'pruned',
  failed: 'pruned',
};

function observe(state: StudyState, number: number, as: Observation['state'], values: MetricValues): void {
  state.history.upsert(observation(state, number, as, values));
}

/** What is known of a trial; `shown`: not by now, but when it was stopped. */
function observation(
  state: StudyState,
  number: number,
  as: Observation['state'],
  values: MetricValues,
  shown?: StoppedTrial,
): Observation {
  const trial = state.trial(number);
  const { params } = trial;
  const { base } = state;
  const { resource, curve } = shown ?? { resource: trial.resource, curve: state.curves.get(number) ?? [] };
  // Before its end a trial may not have reported all that its constraints read.
  const isMeasured = as === 'complete' || as === 'infeasible';
  const violations = isMeasured ? base.violations(params, values) : base.constraints.map(() => NaN);
  return {
    number,
    params,
    state: as,
    values: objectivesOf(state, values),
    resource,
    ...(state.fidelityLevels === null ? {} : { curve }),
    ...(violations.length === 0 ? {} : { violations }),
  };
}

/** Smaller is better; null for a trial that is not complete. */
function lossesOf({ view }: StudyState, { state: is, values }: Observation): readonly number[] | null {
  if (is !== 'complete') return null;
  return view.spec.objectives.map(({ direction }, k) => (direction === 'min' ? 1 : -1) * (values[k] ?? NaN));
}

/** One per objective; NaN where it was not reported. */
function objectivesOf(state: StudyState, values: MetricValues): number[] {
  return objectiveValues(state.view.spec.objectives, values);
}
