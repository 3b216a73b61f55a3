import type { OutputCursor, StopReason } from '../protocol/events.ts';
import type { Rate } from '../protocol/metered.ts';
import type { Failure, MetricValue, MetricValues, StudyEndReason, StudySpec, StudyState, TrialState } from '../protocol/study.ts';

/** What the audit knows of a study; no more than the checks need. */
export interface KnownStudy {
  readonly spec: StudySpec;
  readonly createdAt: number;
  state: StudyState;
  endReason: StudyEndReason | null;
  isDeleted: boolean;
  /** How often it moved, and whether it is away: then it comes back or is deleted, and nothing else happens. */
  moves: number;
  isAway: boolean;
  parallel: number;
  /** Index = number. */
  readonly trials: KnownTrial[];
  /** Trials that have not ended. */
  nOpen: number;
  nLive: number;
  /** By slot, the trial that has it. */
  readonly slots: Map<number, number>;
  /** Points that were tried → the first trial that has it. */
  readonly points: Map<string, number>;
  /** Resource consumed by attempts that ended, and the most that live ones may still consume. */
  spent: number;
  reserved: number;
  /** Money, and time of one GPU in ms, that ended attempts used up. */
  cost: number;
  gpuMs: number;
  /** Time for which the study was paused or ended, and since when it is; ms. */
  idleMs: number;
  idleSince: number | null;
  /** The complete trial with the best value, of several the first by number; null without, and with several objectives. */
  best: { readonly number: number; readonly value: number } | null;
}

export interface KnownTrial {
  readonly number: number;
  /** As in the view, but for the moments between an attempt's end and what follows from it. */
  state: TrialState;
  target: number | null;
  resource: number;
  nAttempts: number;
  live: KnownAttempt | null;
  /** The last attempt that ended, and how; null before, and once the trial was told to go on. */
  lastEnd: { readonly live: KnownAttempt; readonly failure: Failure | null; readonly why: StopReason | null } | null;
  /** With which it ended last; empty before. */
  values: MetricValues;
  /** Last value of each metric that counts for the trial's own; null once it has ended. */
  latest: Map<string, MetricValue> | null;
  /** In batches what the trial had shown when it was stopped is its result: all that it told, by metric; null once it has ended. */
  told: Map<string, Set<MetricValue>> | null;
  /** Step of the trial's last report; before it, where the parent's checkpoint stands. */
  lastReported: number;
}

/** Reports of the first objective, and their steps: the first, the highest, and the highest before it; 0 before. */
export interface KnownReports {
  nReports: number;
  firstStep: number;
  lastStep: number;
  previousStep: number;
}

export interface KnownAttempt extends KnownReports {
  readonly attempt: number;
  readonly slot: number;
  readonly target: number | null;
  /** Resource that a checkpoint keeps of earlier attempts. */
  readonly base: number;
  /** `lastReported` of its trial when it began. */
  readonly reportedBefore: number;
  isStarted: boolean;
  /** When its program began, ms since the epoch; null before. */
  startedAt: number | null;
  /** What it uses up from then on. */
  readonly rate: Rate | null;
  why: StopReason | null;
  cursor: OutputCursor;
  /**
   * In batches with a budget of resource the reports as they were after each, with the last value of each metric, until what
   * follows from the attempt's end is known; null elsewhere.
   */
  readonly after: (KnownReports & { readonly latest: ReadonlyMap<string, MetricValue> })[] | null;
}
