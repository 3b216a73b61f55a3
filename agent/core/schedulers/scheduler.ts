import type { HyperbandMode, SchedulerName } from '../../protocol/study.ts';

/** Schedulers that exist; `auto` stands for one of them. */
export type ConcreteSchedulerName = Extract<SchedulerName, 'none' | 'asha-stop' | 'asha-promote'>;

/** What a running trial is to do after a report. `pause`: it has what its attempt was for; wait for a promotion. */
export type Decision = 'continue' | 'stop' | 'pause';

/** What a study tells its scheduler once, at its start. */
export interface SchedulerConfig {
  /** Null when the script annotates no resource: then only `none` is possible. */
  readonly fidelity: { readonly min: number; readonly max: number; readonly reductionFactor: number } | null;
  /** One per objective. */
  readonly directions: readonly ('min' | 'max')[];
  /** Most trials that run at once. */
  readonly parallel: number;
  /** Key of all randomness. */
  readonly seed: number;
  readonly mode: HyperbandMode;
  /** The script keeps a checkpoint, so a paused trial goes on where it stood. */
  readonly hasCheckpoint: boolean;
  /**
   * Number of the trial with the script's own values, or null. It runs through to the full resource, is never stopped
   * and stands outside of the rungs, so that "what was gained" compares two full trainings and its place costs
   * nobody a promotion.
   */
  readonly baseline: number | null;
  /** Trials that the study may create, the baseline included; null means without end. */
  readonly maxTrials: number | null;
}

/** A number of trials that reach a resource. */
export interface PlannedRung {
  readonly resource: number;
  readonly trials: number;
}

/** A paused trial that is to go on. */
export interface Promotion {
  readonly number: number;
  readonly target: number;
}

/** What the next trial is to be. */
export type Admission =
  /** A point of the sampler's choice; `target` is the resource of its first attempt, null without a fidelity. */
  | { readonly type: 'trial'; readonly target: number | null }
  /** A changed copy of a trial, going on from the parent's checkpoint (population-based training). */
  | { readonly type: 'fork'; readonly parent: number; readonly target: number }
  /** Nothing before more is known of those that run or wait. */
  | { readonly type: 'wait' };

/**
 * Decides how much resource each trial gets. It owns no clock and no randomness; all it remembers is `state`, which
 * is plain JSON and changes only in the `on…` calls, so folding the same calls gives the same decisions.
 * Trials are known by their numbers. `values` has one number per objective, NaN where it was not reported or is NaN.
 */
export interface Scheduler {
  readonly name: ConcreteSchedulerName;
  /** Why this scheduler, for people. */
  readonly reason: string;
  readonly state: SchedulerState;
  /** What trial `number`, the next to be created, is to be. Changes nothing. */
  nextTrial(number: number): Admission;
  /** The trial was created, with the target of its first attempt. */
  onCreated(number: number, target: number | null, parent: number | null): void;
  /** Values at a resource. Late, repeated and out-of-order reports are allowed; they decide nothing. */
  onReport(number: number, resource: number, values: readonly number[]): Decision;
  /** The trial's attempt ended at `resource` with `values`, and the trial waits for a promotion. */
  onPaused(number: number, resource: number, values: readonly number[]): void;
  /** The trial goes on to `target`. */
  onPromoted(number: number, target: number): void;
  /** The trial is over and will not go on. */
  onEnded(number: number, isComplete: boolean): void;
  /**
   * The paused trial that is to go on next, or null. `isClosing`: no trial runs and none will be created, so nothing
   * more will be learned; then at least one trial is taken to the full resource.
   */
  nextPromotion(isClosing: boolean): Promotion | null;
}

/** Plain JSON; one member per scheduler. */
export type SchedulerState = NoneState | AshaStopState | AshaPromoteState;

export interface NoneState {
  readonly type: 'none';
}

export interface AshaStopState {
  readonly type: 'asha-stop';
  /** One per level below the full resource, lowest first. */
  readonly rungs: readonly { readonly values: SortedState; nNaN: number }[];
  /** Trial number → the first rung that it has not passed. */
  readonly nextRung: number[];
}

export interface AshaPromoteState {
  readonly type: 'asha-promote';
  /** One per level below the full resource, lowest first. */
  readonly rungs: readonly { readonly values: SortedState; readonly candidates: SortedState; nNaN: number }[];
  /** Trial number → the first rung at which it has not been measured. */
  readonly nextRung: number[];
  /** Trial number → its key in a rung's candidates while it is paused, else null. */
  readonly paused: ({ readonly rung: number; readonly score: number } | null)[];
  /** Trials other than the baseline that completed. */
  nComplete: number;
}

/** See `sortedList.ts`. */
export interface SortedState {
  size: number;
  readonly chunks: { readonly scores: number[]; readonly numbers: number[] }[];
}
