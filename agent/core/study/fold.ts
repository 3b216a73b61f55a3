import type { JournalEntry, StudyEvent } from '../../protocol/events.ts';
import type { MetricValues, TrialState } from '../../protocol/study.ts';
import { foldView, unreachable } from '../../protocol/view.ts';
import { releaseSlot, scaleSlots, takeSlot } from '../resources/index.ts';
import type { Observation } from '../samplers/index.ts';
import { highestReached } from '../schedulers/rungs.ts';
import { attemptCost, hasReportedAll, reservation } from './budget.ts';
import { failureSignature, goalReached } from './endConditions.ts';
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
  foldView(state.view, entry);
  const { event } = entry;
  switch (event.type) {
    case 'studyCreated':
    case 'studyStopRequested':
    case 'studyDeleted':
    case 'attemptStarted':
    case 'metricsDropped':
      return;
    case 'studyPaused':
    case 'studyEnded':
      state.idleSince ??= event.at;
      return;
    case 'studyResumed':
      if (state.idleSince !== null) state.idleMs += event.at - state.idleSince;
      state.idleSince = null;
      // Whoever resumes a study after failures has changed something: they do not count twice.
      Object.assign(state.streak, { signature: '', count: 0, failure: null });
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
    case 'trialPromoted':
      state.paused.delete(event.number);
      state.scheduler.onPromoted(event.number, event.target);
      state.waiting.set(event.number, { notBefore: 0 });
      observe(state, event.number, 'pending', state.latest.get(event.number) ?? {});
      return;
    case 'attemptRequested':
      foldRequested(state, event);
      return;
    case 'metricReported':
      foldMetric(state, event);
      return;
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
      state.nSucceeded++;
      state.scheduler.onPaused(event.number, event.resource, objectivesOf(state, values));
      // Most paused trials are never promoted: to the sampler each is a result, as one that was stopped there would be.
      observe(state, event.number, 'pruned', values);
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
  state.waiting.set(number, { notBefore: 0 });
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
    cursor: {},
  };
  state.live.set(number, live);
  state.reserved += reservation(live);
}

function foldMetric(state: StudyState, event: EventOf<'metricReported'>): void {
  const live = state.live.get(event.number);
  const latest = state.latest.get(event.number);
  if (live === undefined || latest === undefined || live.attempt !== event.attempt) return;
  live.cursor = event.cursor;
  for (const name of state.requiredMetrics) {
    const value = Object.hasOwn(event.values, name) ? event.values[name] : undefined;
    if (value !== undefined) latest[name] = value;
  }
  const [objective] = state.view.spec.objectives;
  if (objective === undefined || !Object.hasOwn(event.values, objective.metric)) return;
  countReport(live, event.step);
  state.hasReported = true;
  if (live.target !== null && live.stopReason === null) {
    // Only a stop is acted on: an attempt that has what it was for ends by itself, as its target is what the script trains for.
    const decision = state.scheduler.onReport(event.number, event.step, objectivesOf(state, event.values));
    if (decision === 'stop') state.stopWanted.add(event.number);
    // Reports come in groups: by the time of the decision it may have trained to the end.
    if (hasReportedAll(state, live)) state.stopWanted.delete(event.number);
  }
  passLevels(state, event);
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
  state.spent += attemptCost(live, outcome);
  const follows = verdict(state, outcome);
  if (follows.type === 'retry') {
    if (event.failure?.kind === 'infrastructure') state.nLost.set(number, (state.nLost.get(number) ?? 0) + 1);
    state.waiting.set(number, { notBefore: follows.notBefore });
  } else {
    state.unsettled.set(number, follows);
  }
}

function foldTrialEnded(state: StudyState, event: EventOf<'trialEnded'>): void {
  const { number } = event;
  state.unsettled.delete(number);
  state.waiting.delete(number);
  state.paused.delete(number);
  state.nLost.delete(number);
  state.latest.delete(number);
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
  countTime(state, number);
  const isTrialsFault = event.state === 'failed' && event.failure?.kind !== 'infrastructure';
  observe(state, number, isTrialsFault ? 'failed' : endedObservation[event.state], event.values);
  state.curves.delete(number);
}

/** How long the trial ran, over all its attempts. */
function countTime(state: StudyState, number: number): void {
  let ms = 0;
  let isStarted = false;
  for (const { startedAt, endedAt } of state.trial(number).attempts) {
    if (startedAt === null || endedAt === null) continue;
    isStarted = true;
    ms += endedAt - startedAt;
  }
  if (!isStarted) return;
  state.trained.count++;
  state.trained.ms += ms;
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
  const { params, resource } = state.trial(number);
  const { base } = state;
  const curve = state.curves.get(number) ?? [];
  // Before its end a trial may not have reported all that its constraints read.
  const isMeasured = as === 'complete' || as === 'infeasible';
  const violations = isMeasured ? base.violations(params, values) : base.constraints.map(() => NaN);
  state.history.upsert({
    number,
    params,
    state: as,
    values: objectivesOf(state, values),
    resource,
    ...(state.fidelityLevels === null ? {} : { curve }),
    ...(violations.length === 0 ? {} : { violations }),
  });
}

/** One per objective; NaN where it was not reported. */
function objectivesOf(state: StudyState, values: MetricValues): number[] {
  return objectiveValues(state.view.spec.objectives, values);
}
