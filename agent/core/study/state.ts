import type { JournalEntry, OutputCursor, StopReason } from '../../protocol/events.ts';
import { type Metered, nothingUsed, type Rate } from '../../protocol/metered.ts';
import type { Params } from '../../protocol/space.ts';
import type {
  Failure,
  FailureKind,
  MetricValue,
  MetricValues,
  StudyEndReason,
  StudySpec,
  TrialState,
} from '../../protocol/study.ts';
import { createView, type StudyView, type TrialView } from '../../protocol/view.ts';
import { createSlots, type Slots } from '../resources/index.ts';
import { conditionNames, type CompiledSpace, type Condition } from '../space/index.ts';
import { createScheduler, type Scheduler } from '../schedulers/index.ts';
import { type FidelityLevels, History } from '../samplers/index.ts';
import { baselineOf, schedulerConfig, type Baseline } from './baseline.ts';
import { createBatch, type BatchState } from './batch.ts';
import { createPlateau, type Plateau } from './plateau.ts';
import { Pools } from './pools.ts';
import { ProposalBase } from './proposalBase.ts';
import { userPoint } from './userPoint.ts';

/** An attempt that has been requested and has not ended. */
export interface LiveAttempt {
  readonly number: number;
  readonly attempt: number;
  readonly slot: number;
  /** Resource that it is to reach; null without a fidelity. */
  readonly target: number | null;
  /** Resource that earlier attempts reached and a checkpoint keeps. */
  readonly base: number;
  /** Last step that earlier attempts reported; 0 without. */
  readonly reportedBefore: number;
  /** Reports of the first objective, and their steps: the first, the highest, and the highest before it; 0 before. */
  nReports: number;
  firstStep: number;
  lastStep: number;
  previousStep: number;
  /** Why it was asked to stop, else null. */
  stopReason: StopReason | null;
  /** Highest resource that earlier attempts reached, kept by a checkpoint or not. */
  readonly resourceBefore: number;
  /** No other attempt of the study may run beside it. */
  readonly isAlone: boolean;
  /** Whether another attempt of the study ran at any time beside it. */
  hadCompany: boolean;
  /** Where the last report that was recorded ends. */
  cursor: OutputCursor;
  /** Up to where is recorded what was left out. */
  droppedCursor: OutputCursor;
}

/** What follows from an attempt's end; recorded by `decide` as the trial's next event. */
export type Verdict =
  | { readonly type: 'pause'; readonly resource: number }
  | {
      readonly type: 'end';
      readonly state: Extract<TrialState, 'complete' | 'pruned' | 'failed' | 'infeasible' | 'cancelled'>;
      readonly values: MetricValues;
      readonly failure: Failure | null;
    };

/** A trial that waits for a slot. */
export interface Waiting {
  /** Not before this time, in ms since the epoch: back-off after a failed attempt. */
  readonly notBefore: number;
  /** Only while no other attempt of the study runs. */
  readonly isAlone: boolean;
}

/** The failed attempts of a trial since it last made progress. */
export interface Trouble {
  readonly counts: Readonly<Partial<Record<FailureKind, number>>>;
  /** What had worked by the first fault of the machine among them, see `StudyState.worked`. */
  readonly workedBefore: number | null;
}

/**
 * All that is known of a study: the view that everyone sees, and what the decisions need besides. Changed by `fold`
 * alone. Everything is the fold of the journal, so a study that was read again equals one that never stopped.
 */
export class StudyState {
  readonly view: StudyView;
  readonly live = new Map<number, LiveAttempt>();
  /** In the order in which they get slots. */
  readonly waiting = new Map<number, Waiting>();
  readonly paused = new Set<number>();
  readonly unsettled = new Map<number, Verdict>();
  /** Trials that the scheduler wants stopped and whose stop has not been requested. */
  readonly stopWanted = new Set<number>();
  /** Only of trials with an attempt that failed and is repeated. */
  readonly troubles = new Map<number, Trouble>();
  /** Attempts that started, and those that ended without a failure: what shows that a fault is not the machine's. */
  readonly worked = { started: 0, ended: 0 };
  /** The fault of the machine for which the study is to pause itself. */
  machineFault: Failure | null = null;
  /** The trial whose attempts brought that to light: if it meets the fault again after a resume, it fails. */
  suspect: number | null = null;
  /** How the study had ended before trials of it were retried: it ends so again, and creates no trial until then. Else null. */
  reopened: { readonly reason: StudyEndReason; readonly message: string } | null = null;
  /** Last values of the metrics that count, of trials that have not ended. */
  readonly latest = new Map<number, Record<string, MetricValue>>();
  /** First objective at the levels of the fidelity that a trial has passed, NaN where it was not reported; of trials that have not ended. */
  readonly curves = new Map<number, readonly number[]>();
  /** Points that the user asked for and no trial has, in their order. */
  readonly points: Map<string, Params>;
  slots: Slots;
  /** Resource that ended attempts are charged (`attemptCost`), and the most that live ones may still consume. */
  spent = 0;
  reserved = 0;
  /** What ended attempts used up. */
  metered: Metered = nothingUsed;
  /** Null for a study in which whatever is known counts at once. */
  readonly batch: BatchState | null;
  /** Time for which the study was paused or ended, and since when it is. */
  idleMs = 0;
  idleSince: number | null = null;
  /** Trials that ended after a start, and the time for which their attempts ran. */
  readonly trained = { count: 0, ms: 0 };
  /** Null where the study does not end early for lack of better results. */
  readonly plateau: Plateau | null;
  /** Number of the trial that reached the goal. */
  goalTrial: number | null = null;
  /** The last failure, and how many in a row had its cause since the study began, was resumed, or a trial was retried. */
  readonly streak: { signature: string; count: number; failure: Failure | null } = { signature: '', count: 0, failure: null };
  /** Trials that ended or paused in any other way than failing. */
  nSucceeded = 0;
  /** Whether any trial has reported an objective. */
  hasReported = false;
  /** The trial with the script's own values, or null when the study has none. */
  readonly baseline: Baseline | null;
  /** What the sampler learns from. */
  readonly history: History;
  readonly schedulerState: Scheduler['state'];

  // Compiled from the spec: functions, not state. Private fields are no part of an equality check.
  readonly #base: ProposalBase;
  readonly #scheduler: Scheduler;
  readonly #requiredMetrics: readonly string[];
  readonly #pools: Pools;

  /** @param schedulerState where the scheduler stands; absent: at its beginning */
  constructor(entry: JournalEntry, schedulerState?: Scheduler['state']) {
    this.view = createView(entry);
    const { spec } = this.view;
    this.#base = new ProposalBase(spec);
    this.baseline = baselineOf(spec, this.space);
    this.#scheduler = createScheduler(spec.search.scheduler, schedulerConfig(spec, this.baseline !== null), schedulerState);
    this.schedulerState = this.#scheduler.state;
    this.#requiredMetrics = requiredMetrics(spec, this.constraints);
    this.#pools = new Pools(spec);
    this.history = new History(this.space);
    const points = (spec.search.points ?? []).map((point) => userPoint(this.space, point));
    this.points = new Map(points.map((point) => [this.space.key(point), point]));
    this.slots = createSlots(this.view.parallel);
    this.batch = createBatch(spec.search.batch);
    this.plateau = createPlateau(spec.budget);
  }

  /** What proposals follow from, besides the history and the moment. */
  get base(): ProposalBase {
    return this.#base;
  }

  get space(): CompiledSpace {
    return this.#base.space;
  }

  get scheduler(): Scheduler {
    return this.#scheduler;
  }

  /** Null without an annotated resource. */
  get fidelityLevels(): FidelityLevels | null {
    return this.#base.fidelity;
  }

  /** Whether the pool of such a trial takes one more now. */
  hasPoolFor(params: Params): boolean {
    const { poolRoom } = this.view;
    if (!this.#pools.areLimited && poolRoom === undefined) return true;
    const pool = this.#pools.of(params);
    const most = Math.min(pool?.slots ?? Infinity, poolRoom?.[pool?.name ?? ''] ?? Infinity);
    if (most === Infinity) return true;
    let count = 0;
    for (const trial of this.liveTrials()) if (this.#pools.of(trial.params) === pool) count++;
    return count < most;
  }

  /** What an attempt with these values uses up while it runs; without values, the most that any may. Null where nothing counts. */
  rateOf(params?: Params): Rate | null {
    return params === undefined ? this.#pools.highestRate : this.#pools.rateOf(params);
  }

  get constraints(): readonly Condition[] {
    return this.#base.constraints;
  }

  /** Mean duration of the trials that ended, in ms; null before the first, and where time stands still (`hpo serve`). */
  get trialMs(): number | null {
    return this.trained.ms === 0 ? null : this.trained.ms / this.trained.count;
  }

  /** Names of the metrics that a trial must report: objectives first, then what the constraints read. */
  get requiredMetrics(): readonly string[] {
    return this.#requiredMetrics;
  }

  /** Attempts that hold a slot. */
  get nRunning(): number {
    return this.live.size;
  }

  /** Trials with an attempt that has not ended. */
  *liveTrials(): Generator<TrialView> {
    for (const number of this.live.keys()) yield this.trial(number);
  }

  trial(number: number): TrialView {
    const trial = this.view.trials[number];
    if (trial === undefined) throw new RangeError(`study ${this.view.studyId} has no trial ${number}`);
    return trial;
  }
}

function requiredMetrics(spec: StudySpec, constraints: readonly Condition[]): readonly string[] {
  const parameters = new Set(spec.space.parameters.map((parameter) => parameter.name));
  const names = constraints.flatMap(conditionNames).filter((name) => !parameters.has(name));
  return [...new Set([...spec.objectives.map((objective) => objective.metric), ...names])];
}
