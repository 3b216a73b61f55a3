import { type JournalEntry, type MetricLimit, maxDroppedNames } from './events.ts';
import { addPoint, type CurvePoint, type Thinning } from './curve.ts';
import type { Rate } from './metered.ts';
import { metricNumber } from './metricValue.ts';
import type { Params } from './space.ts';
import type { BestTrial, Failure, MetricValues, StudyEndReason, StudySpec, StudyState, TrialState, WaitReason } from './study.ts';
import type { TrialOrigin } from './events.ts';
import { shownState } from './waits.ts';

export type { CurvePoint } from './curve.ts';
export { metricNumber, metricValue } from './metricValue.ts';

/**
 * A study as anyone sees it: the fold of its events. The agent, the command line, the tree and the panel all use
 * this one fold, so a view that reconnects cannot differ from one that never left.
 */
export interface StudyView {
  readonly studyId: string;
  spec: StudySpec;
  state: StudyState;
  /** Why it is paused, stopping or ended, for people; empty while it simply runs. */
  message: string;
  /** The one cause for which the study paused itself; else null. */
  failure: Failure | null;
  endReason: StudyEndReason | null;
  parallel: number;
  /** `parallel` follows what the cluster has room for, until the user says a number. */
  followsRoom: boolean;
  /** Where it follows the room of several pools: most attempts in each. */
  poolRoom?: Readonly<Record<string, number>>;
  createdAt: number;
  endedAt: number | null;
  /** Index = trial number. */
  trials: TrialView[];
  /** Number of the best complete trial of a study with one objective, else null. */
  incumbent: number | null;
  deleted: boolean;
  /** How often it moved from one agent to another: the epoch of its last move. */
  moves: number;
  /** Where the agent is that acts on it, for people; null where that is this one. */
  movedTo: string | null;
  /** Sequence number of the last event folded. */
  seq: number;
}

export interface TrialView {
  readonly number: number;
  readonly params: Params;
  readonly origin: TrialOrigin;
  readonly reason: string;
  /** The trial whose checkpoint it went on from, else null. */
  readonly parent: number | null;
  state: TrialState;
  /** Resource that the current or last attempt is to reach; null without a fidelity. */
  target: number | null;
  /** Highest resource reached. */
  resource: number;
  /** Final values; empty until the trial ended. */
  values: MetricValues;
  /**
   * Reports of the objectives and other metrics in order of arrival; of steps that a later attempt did again, its own. Of
   * very many, evenly chosen ones, the best and the last: see `curve.ts`. The journal has them all.
   */
  curve: CurvePoint[];
  /** Index in `curve` from which the points are those of the current or last attempt. */
  curveStart: number;
  /** Null while the curve has every report. */
  thinning: Thinning | null;
  /** What was left out of the records by a limit; null for nothing. */
  dropped: DroppedMetrics | null;
  attempts: AttemptView[];
  failure: Failure | null;
  createdAt: number;
  startedAt: number | null;
  endedAt: number | null;
}

export interface DroppedMetrics {
  /** By limit: values that were left out; lines where the limit is `line`. */
  readonly counts: Readonly<Partial<Record<MetricLimit, number>>>;
  /** The metrics that they are of, at most `maxDroppedNames`. */
  readonly names: readonly string[];
}

export interface AttemptView {
  readonly attempt: number;
  readonly slot: number;
  readonly target: number | null;
  /** What it uses up while it runs; null where nothing of it counts. */
  readonly rate: Rate | null;
  state: 'requested' | 'started' | 'stopping' | 'ended';
  /** Why it has not begun, as far as that is known; null when it has. */
  waits: WaitReason | null;
  pid: number | null;
  stopReason: string | null;
  exitCode: number | null;
  /** Why it did not deliver; null while it runs, and where it ended as it should. */
  failure: Failure | null;
  startedAt: number | null;
  endedAt: number | null;
}

/** `trialId` as printed by the command line: unique over all studies. */
export function trialId(studyId: string, number: number): string {
  return `${studyId}/${number}`;
}

/** Starts a view from a study's first event; throws a TypeError when the entry is not `studyCreated`. */
export function createView(entry: JournalEntry): StudyView {
  if (entry.event.type !== 'studyCreated') throw new TypeError(`a study begins with studyCreated, not ${entry.event.type}`);
  const { spec, at } = entry.event;
  return {
    studyId: entry.studyId,
    spec,
    state: 'running',
    message: '',
    failure: null,
    endReason: null,
    parallel: firstParallel(spec),
    followsRoom: spec.cluster?.followsCapacity === true,
    createdAt: at,
    endedAt: null,
    trials: [],
    incumbent: null,
    deleted: false,
    moves: 0,
    movedTo: null,
    seq: entry.seq,
  };
}

/** What the study does here: after a move another agent acts on it, and what is known here is how it was then. */
export function stateHere({ state, movedTo }: Pick<StudyView, 'state' | 'movedTo'>): StudyState | 'moved' {
  return movedTo === null ? state : 'moved';
}

/** Trials at once before anything is known of a cluster's room. */
const firstRoom = 4;

/** Where it follows the room of a cluster it begins with a few, as nothing is known of that yet. */
export function firstParallel({ search, cluster }: StudySpec): number {
  return cluster?.followsCapacity === true ? Math.min(firstRoom, search.parallel) : search.parallel;
}

/** Folds one event into the view, in place. Events must come in order and belong to the view's study. */
export function foldView(view: StudyView, entry: JournalEntry): void {
  const event = entry.event;
  view.seq = entry.seq;
  switch (event.type) {
    case 'studyCreated':
      return;
    case 'studyPaused':
      view.state = 'paused';
      view.message = event.reason;
      view.failure = event.failure ?? null;
      return;
    case 'studyResumed':
      view.state = 'running';
      view.message = '';
      view.failure = null;
      view.endReason = null;
      view.endedAt = null;
      return;
    case 'studyScaled':
      view.parallel = event.parallel;
      view.followsRoom = event.follows ?? false;
      if (event.pools === undefined) delete view.poolRoom;
      else view.poolRoom = event.pools;
      return;
    case 'studyStopRequested':
      view.state = 'stopping';
      view.message = event.message;
      view.failure = null;
      view.endReason = event.reason;
      return;
    case 'studyEnded':
      view.state = 'ended';
      view.message = event.message;
      view.endReason = event.reason;
      view.endedAt = event.at;
      return;
    case 'studyDeleted':
      view.deleted = true;
      return;
    case 'studyMovedAway':
      view.moves = event.epoch;
      view.movedTo = event.to;
      return;
    case 'studyMovedHere':
      view.moves = event.epoch;
      view.movedTo = null;
      return;
    case 'pointEnqueued':
    case 'batchEnded':
      return;
    case 'trialCreated': {
      const parent = event.parent ?? null;
      view.trials[event.number] = {
        number: event.number,
        params: event.params,
        origin: event.origin,
        reason: event.reason,
        parent,
        state: 'waiting',
        target: event.target,
        // With the parent's checkpoint it starts where that one stands.
        resource: parent === null || view.spec.checkpoint === null ? 0 : trialAt(view, parent).resource,
        values: {},
        curve: [],
        curveStart: 0,
        thinning: null,
        dropped: null,
        attempts: [],
        failure: null,
        createdAt: event.at,
        startedAt: null,
        endedAt: null,
      };
      return;
    }
    default: {
      const trial = trialAt(view, event.number);
      // One that had ended is not changed but replaced: it may be on its way to someone.
      const next = trial.endedAt === null ? trial : copyTrial(trial);
      if (next !== trial) view.trials[event.number] = next;
      foldTrial(view, next, event);
      return;
    }
  }
}

type TrialEvent = Extract<JournalEntry['event'], { number: number }>;

function foldTrial(view: StudyView, trial: TrialView, event: Exclude<TrialEvent, { type: 'trialCreated' }>): void {
  switch (event.type) {
    case 'trialRetried':
      trial.target = event.target;
      trial.state = 'waiting';
      trial.values = {};
      trial.failure = null;
      trial.endedAt = null;
      return;
    case 'trialPromoted':
      trial.target = event.target;
      trial.state = 'waiting';
      return;
    case 'attemptRequested':
      trial.state = 'running';
      trial.target = event.target;
      trial.curveStart = trial.curve.length;
      trial.attempts.push({
        attempt: event.attempt,
        slot: event.slot,
        target: event.target,
        rate: event.rate ?? null,
        state: 'requested',
        waits: null,
        pid: null,
        stopReason: null,
        exitCode: null,
        failure: null,
        startedAt: null,
        endedAt: null,
      });
      return;
    case 'attemptWaits':
      attemptAt(trial, event.attempt).waits = event.reason;
      return;
    case 'attemptStarted': {
      const attempt = attemptAt(trial, event.attempt);
      attempt.state = 'started';
      attempt.waits = null;
      attempt.pid = event.pid;
      attempt.startedAt = event.at;
      trial.startedAt ??= event.at;
      return;
    }
    case 'metricReported': {
      addPoint(trial, { step: event.step, values: event.values }, view.spec.objectives);
      trial.resource = Math.max(trial.resource, event.step);
      return;
    }
    case 'metricsDropped': {
      const counts = { ...trial.dropped?.counts };
      const names = new Set(trial.dropped?.names);
      for (const { limit, count, names: more } of event.dropped) {
        counts[limit] = (counts[limit] ?? 0) + count;
        for (const name of more) names.add(name);
      }
      trial.dropped = { counts, names: [...names].slice(0, maxDroppedNames) };
      return;
    }
    case 'attemptStopRequested': {
      const attempt = attemptAt(trial, event.attempt);
      attempt.state = 'stopping';
      attempt.stopReason = event.why;
      return;
    }
    case 'attemptEnded': {
      const attempt = attemptAt(trial, event.attempt);
      attempt.state = 'ended';
      attempt.exitCode = event.exitCode;
      attempt.failure = event.failure;
      attempt.endedAt = event.at;
      // The trial's own state follows by trialEnded or trialPaused; an attempt that only has to be repeated waits again.
      trial.state = 'waiting';
      return;
    }
    case 'trialPaused':
      trial.state = 'paused';
      trial.resource = Math.max(trial.resource, event.resource);
      return;
    case 'trialEnded':
      trial.state = event.state;
      trial.values = event.values;
      trial.failure = event.failure;
      trial.endedAt = event.at;
      if (isBetter(view, trial)) view.incumbent = trial.number;
      return;
    default:
      return unreachable(event);
  }
}

/** A trial with lists of its own. */
export function copyTrial(trial: TrialView): TrialView {
  return { ...trial, curve: trial.curve.slice(), attempts: trial.attempts.map((attempt) => ({ ...attempt })) };
}

function trialAt(view: StudyView, number: number): TrialView {
  const trial = view.trials[number];
  if (trial === undefined) throw new RangeError(`study ${view.studyId} has no trial ${number}`);
  return trial;
}

function attemptAt(trial: TrialView, attempt: number): AttemptView {
  const found = trial.attempts[attempt - 1];
  if (found === undefined) throw new RangeError(`trial ${trial.number} has no attempt ${attempt}`);
  return found;
}

/** Only complete trials compete: a pruned one never saw the full resource. */
function isBetter(view: StudyView, trial: TrialView): boolean {
  const [objective, ...others] = view.spec.objectives;
  if (objective === undefined || others.length > 0 || trial.state !== 'complete') return false;
  const value = metricNumber(trial.values[objective.metric]);
  // As an objective the infinities are no results, also where somebody tells them to be complete.
  if (!Number.isFinite(value)) return false;
  if (view.incumbent === null) return true;
  const best = metricNumber(view.trials[view.incumbent]?.values[objective.metric]);
  // Of equal ones the first, not the first to end: that would depend on what else the machine did.
  if (value === best) return trial.number < view.incumbent;
  return objective.direction === 'min' ? value < best : value > best;
}

export function bestTrial(view: StudyView): BestTrial | null {
  if (view.incumbent === null) return null;
  const trial = trialAt(view, view.incumbent);
  return { number: trial.number, params: trial.params, values: trial.values };
}

export type TrialCounts = Record<TrialState, number>;

/** As people see them: an attempt that was asked for and has not begun is waiting. */
export function countTrials(view: StudyView): TrialCounts {
  const counts: TrialCounts = {
    waiting: 0,
    running: 0,
    paused: 0,
    complete: 0,
    pruned: 0,
    failed: 0,
    infeasible: 0,
    cancelled: 0,
  };
  for (const trial of view.trials) counts[shownState(trial)]++;
  return counts;
}

/** Ends an exhaustive switch; reaching it is a bug in this program. */
export function unreachable(value: never): never {
  throw new TypeError(`unhandled case: ${JSON.stringify(value)}`);
}
