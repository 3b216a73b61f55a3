import type { Params } from './space.ts';
import type { Failure, MetricValues, StudyEndReason, StudySpec, TrialState } from './study.ts';

/**
 * What happened to a study, in the past tense. The journal holds these and nothing else is truth:
 * every view, table and decision is a fold over them. `at` is milliseconds since the epoch.
 */
export type StudyEvent =
  | { readonly type: 'studyCreated'; readonly at: number; readonly spec: StudySpec }
  | { readonly type: 'studyPaused'; readonly at: number; readonly reason: string }
  | { readonly type: 'studyResumed'; readonly at: number }
  | { readonly type: 'studyScaled'; readonly at: number; readonly parallel: number }
  /** No new trial starts; running attempts are being ended. */
  | { readonly type: 'studyStopRequested'; readonly at: number; readonly reason: StudyEndReason; readonly message: string }
  | { readonly type: 'studyEnded'; readonly at: number; readonly reason: StudyEndReason; readonly message: string }
  | { readonly type: 'studyDeleted'; readonly at: number }
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
  /** A paused trial is to go on to `target`. */
  | { readonly type: 'trialPromoted'; readonly at: number; readonly number: number; readonly target: number }
  /** The intent to start; recorded before the executor is asked. */
  | {
      readonly type: 'attemptRequested';
      readonly at: number;
      readonly number: number;
      readonly attempt: number;
      readonly slot: number;
      readonly target: number | null;
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
