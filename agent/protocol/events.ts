import type { Rate } from './metered.ts';
import type { Params } from './space.ts';
import type { Failure, MetricValues, StudyEndReason, StudySpec, TrialState, WaitReason } from './study.ts';

/**
 * What happened to a study, in the past tense. The journal holds these and nothing else is truth:
 * every view, table and decision is a fold over them. `at` is milliseconds since the epoch.
 */
export type StudyEvent =
  | { readonly type: 'studyCreated'; readonly at: number; readonly spec: StudySpec }
  /** `failure`: the one cause for which the study paused itself; absent where the user paused it. */
  | { readonly type: 'studyPaused'; readonly at: number; readonly reason: string; readonly failure?: Failure }
  | { readonly type: 'studyResumed'; readonly at: number }
  /** `follows`: the number goes on following what its cluster has room for; absent: it stays. */
  | {
      readonly type: 'studyScaled';
      readonly at: number;
      readonly parallel: number;
      readonly follows?: boolean;
      /** Most attempts in each pool, as the cluster has room; absent: as many as there are in all. */
      readonly pools?: Readonly<Record<string, number>>;
    }
  /** No new trial starts; running attempts are being ended. */
  | { readonly type: 'studyStopRequested'; readonly at: number; readonly reason: StudyEndReason; readonly message: string }
  | { readonly type: 'studyEnded'; readonly at: number; readonly reason: StudyEndReason; readonly message: string }
  | { readonly type: 'studyDeleted'; readonly at: number }
  /** From here on another agent acts on the study, and this one only shows it: that with the id `agent`, and no other. `to` says where, for people. */
  | { readonly type: 'studyMovedAway'; readonly at: number; readonly to: string; readonly agent: string; readonly epoch: number }
  /** From here on this agent acts on the study: all before came with it. `epoch` is that of the move; one more where the study was taken back without the agent that had it. */
  | { readonly type: 'studyMovedHere'; readonly at: number; readonly from: string; readonly epoch: number }
  | {
      readonly type: 'trialCreated';
      readonly at: number;
      readonly number: number;
      readonly params: Params;
      readonly origin: TrialOrigin;
      /** Which sampler proposed it and on what grounds, for "why this trial". */
      readonly reason: string;
      /** Resource of the first attempt; null without a fidelity. */
      readonly target: number | null;
      /** The trial whose checkpoint it goes on from; absent for one that begins afresh. */
      readonly parent?: number;
      /** `seq` of the last event that the proposal knew; absent where it knew all before this one. */
      readonly basedOn?: number;
    }
  /** The user wants this point tried next. */
  | { readonly type: 'pointEnqueued'; readonly at: number; readonly params: Params }
  /** All that a batch started has come to its end: from now on the results of these trials count, in this order (`search.batch`). */
  | { readonly type: 'batchEnded'; readonly at: number; readonly trials: readonly number[] }
  /** A paused trial is to go on to `target`. */
  | { readonly type: 'trialPromoted'; readonly at: number; readonly number: number; readonly target: number }
  /**
   * The user wants a failed or cancelled trial to be tried again, up to `target`. A study that had ended is resumed by the next
   * event, for the trials that are retried alone unless it had failed.
   */
  | { readonly type: 'trialRetried'; readonly at: number; readonly number: number; readonly target: number | null }
  /** The intent to start; recorded before the executor is asked. */
  | {
      readonly type: 'attemptRequested';
      readonly at: number;
      readonly number: number;
      readonly attempt: number;
      readonly slot: number;
      readonly target: number | null;
      /** What it uses up while it runs, where the study counts that. */
      readonly rate?: Rate;
    }
  /** Why an attempt that was requested has not begun: recorded when it changes; null when nothing is known to be in its way. */
  | {
      readonly type: 'attemptWaits';
      readonly at: number;
      readonly number: number;
      readonly attempt: number;
      readonly reason: WaitReason | null;
    }
  | {
      readonly type: 'attemptStarted';
      readonly at: number;
      readonly number: number;
      readonly attempt: number;
      readonly pid: number | null;
    }
  | {
      readonly type: 'metricReported';
      readonly at: number;
      readonly number: number;
      readonly attempt: number;
      readonly step: number;
      readonly values: MetricValues;
      /** Where reading goes on after a restart of the agent. */
      readonly cursor: OutputCursor;
    }
  /** Of what an attempt reported since the last record, so much was left out; each event adds to those before it. */
  | {
      readonly type: 'metricsDropped';
      readonly at: number;
      readonly number: number;
      readonly attempt: number;
      readonly dropped: readonly Dropped[];
      readonly cursor: OutputCursor;
    }
  | {
      readonly type: 'attemptStopRequested';
      readonly at: number;
      readonly number: number;
      readonly attempt: number;
      readonly why: StopReason;
      readonly message: string;
    }
  | {
      readonly type: 'attemptEnded';
      readonly at: number;
      readonly number: number;
      readonly attempt: number;
      readonly exitCode: number | null;
      readonly signal: string | null;
      /** Null when the attempt ended as it should. */
      readonly failure: Failure | null;
    }
  | { readonly type: 'trialPaused'; readonly at: number; readonly number: number; readonly resource: number }
  | {
      readonly type: 'trialEnded';
      readonly at: number;
      readonly number: number;
      readonly state: Extract<TrialState, 'complete' | 'pruned' | 'failed' | 'infeasible' | 'cancelled'>;
      readonly values: MetricValues;
      readonly failure: Failure | null;
    };

export type TrialOrigin = 'default' | 'sampler' | 'user';

export type StopReason = 'pruned' | 'paused' | 'studyPaused' | 'studyStopped' | 'user' | 'outputLimit';

/**
 * Why a reported value is left out. What the study reads (objectives and constraints) is only ever subject to `line`, and
 * to `records` beyond `maxRequiredRecords`.
 * - `names`: the attempt reports more different metrics than are kept
 * - `name`: the metric's name is too long, or has characters that no name may have
 * - `records`: there are so many reports of this metric that only each tenth, hundredth … is kept
 * - `rate`: the attempt prints faster than can be recorded, and of what waits only the last value is kept
 * - `line`: the line is too long to be read
 */
export const metricLimits = ['names', 'name', 'records', 'rate', 'line'] as const;
export type MetricLimit = (typeof metricLimits)[number];

/** What one limit left out. */
export interface Dropped {
  readonly limit: MetricLimit;
  /** Values; of `line`, lines. */
  readonly count: number;
  /** Some of the metrics that they are of, at most `maxDroppedNames`; none of `line`. */
  readonly names: readonly string[];
}

/** Names of metrics that are kept of what was left out. */
export const maxDroppedNames = 20;

/** What an attempt writes: `out.log`, `metrics.jsonl`, and files of its work folder that an annotation names as a metric's source. */
export type OutputStream = 'out' | 'metrics' | `work/${string}`;

/** Bytes of each stream whose records have been recorded; a stream that is absent is at 0. */
export type OutputCursor = Readonly<Partial<Record<OutputStream, number>>>;

/** An event with its place in the journal. `seq` is global and strictly increasing. */
export interface JournalEntry {
  readonly seq: number;
  readonly studyId: string;
  readonly event: StudyEvent;
}
