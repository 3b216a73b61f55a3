import type { HyperbandMode, SchedulerName } from '../../protocol/study.ts';
import type { RungRange } from './rungs.ts';

/** Schedulers that exist; `auto` stands for one of them. */
export type ConcreteSchedulerName = Exclude<SchedulerName, 'auto'>;

/** What a running trial is to do after a report. `pause`: it has what its attempt was for; wait for a promotion. */
export type Decision = 'continue' | 'stop' | 'pause';

/** What a study tells its scheduler once, at its start. */
export interface SchedulerConfig {
  /** Null when the script annotates no resource: then only `none` is possible. */
  readonly fidelity: RungRange | null;
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
  /**
   * Whether results count in batches: `onPaused` and `onEnded` come when all of a batch has ended, by number, and a report may
   * only be judged by what came before that and by the trial's own. Absent: no.
   */
  readonly isBatched?: boolean;
}

/** A configuration with a fidelity, which every scheduler but `none` needs. */
export type FidelityConfig = SchedulerConfig & { readonly fidelity: RungRange };

/** A number of trials that reach a resource. */
export interface PlannedRung {
  readonly resource: number;
  readonly trials: number;
}

/** Trials that are compared with one another only. `count`: so many alike. */
export interface PlannedBracket {
  readonly count: number;
  readonly rungs: readonly PlannedRung[];
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
  /** The target for a trial that is over and is tried again, whose last target was `target`. Changes nothing. */
  retryTarget(number: number, target: number | null): number | null;
  /** The trial is not over after all: it goes on to `target`. What it passed before stays as it was. */
  onRetried(number: number, target: number | null): void;
  /**
   * The paused trial that is to go on next, or null. `isClosing`: no trial runs and none will be created, so nothing
   * more will be learned; then at least one trial is taken to the full resource.
   */
  nextPromotion(isClosing: boolean): Promotion | null;
}

/** Plain JSON; one member per scheduler. */
export type SchedulerState =
  | NoneState
  | MedianState
  | SyncState
  | AshaStopState
  | AshaPromoteState
  | AsyncHyperbandState
  | PbtState;

export interface NoneState {
  readonly type: 'none';
}

export interface MedianState {
  readonly type: 'median';
  /** One per compared resource, lowest first: for each objective the averages of completed trials up to there. */
  readonly levels: readonly (readonly SortedState[])[];
  /** Completed trials, the baseline aside. */
  nComplete: number;
  /** By trial number; null when nothing more is decided about the trial. */
  readonly trials: (MedianTrial | null)[];
}

export interface MedianTrial {
  /** The highest resource reported. */
  resource: number;
  /** Index of the first level that it has not reached. */
  nextLevel: number;
  /** Per objective: reports that were a number, their mean, and the lowest score (`toScore`); null before the first. */
  readonly count: number[];
  readonly mean: number[];
  readonly best: (number | null)[];
  /** Its averages where it passed a level; null where an objective had no number yet. */
  readonly curve: { readonly level: number; readonly means: readonly (number | null)[] }[];
}

/** Successive halving and Hyperband: brackets in which each rung waits until all of its trials are measured. */
export interface SyncState {
  readonly type: 'sha' | 'hyperband';
  /** Begun and not over, oldest first. */
  readonly open: OpenBracket[];
  /** By trial number; null for the baseline and for what has ended. */
  readonly places: (SyncPlace | null)[];
  /** One per level below the full resource: paused trials by their first objective. */
  readonly paused: readonly SortedState[];
  /** Trials other than the baseline that completed. */
  nComplete: number;
}

export interface OpenBracket {
  /** Of the layout; negative for a bracket of trials that are retried. */
  readonly index: number;
  /** Index of its lowest level. */
  readonly first: number;
  /** No further trial joins. */
  isClosed: boolean;
  /** One per level from `first` on. */
  readonly rungs: readonly SyncRung[];
}

export interface SyncRung {
  /** Trials that set out for it, and those of them that were measured there or ended. */
  nEntered: number;
  nDone: number;
  isJudged: boolean;
  /** What was measured, until the rung is judged. */
  measured: Measured[];
  /** From then on: numbers of those that go on and still wait for a slot, best first. */
  queue: number[];
}

export interface SyncPlace {
  readonly bracket: number;
  /** The level that it trains for, or at which it is paused. */
  readonly level: number;
  /** Null while it trains; its key in the list of paused trials, or NaN's stand-in 'unranked'. */
  readonly pausedAs: number | 'unranked' | null;
}

export interface AshaStopState {
  readonly type: 'asha-stop';
  /** One per level below the full resource, lowest first. */
  readonly rungs: readonly RungState[];
  /** Trial number → the first rung that it has not passed. */
  readonly nextRung: number[];
  /** Where rungs are watched. */
  watch?: WatchState;
  /** In batches: what trials have shown that count when they have ended; null for the others. */
  passed?: (PassedRung[] | null)[];
}

/** A trial at a rung, the full resource included, and how it was judged there. */
export interface PassedRung {
  readonly index: number;
  readonly scores: readonly number[] | null;
  readonly isKept: boolean;
  /** Where rungs are watched: see `watch.ts`; null for a trial without a score, too. */
  readonly judged: { readonly passes: boolean; readonly isRefused: boolean } | null;
}

/** See `watch.ts`. */
export interface WatchState {
  /** One per level below the full resource, lowest first. */
  readonly rungs: readonly WatchedRung[];
  /** Trials that passed a rung and have not reached the next. */
  readonly live: { readonly number: number; readonly index: number; readonly isKept: boolean; readonly weight: number }[];
}

export interface WatchedRung {
  /** The last trials that went on from here: their scores at the next rung, whether they were among the best here, and for how many they stand. */
  readonly seen: { readonly score: number; readonly isKept: boolean; readonly weight: number }[];
  nRefused: number;
  isMute: boolean;
}

export interface AshaPromoteState {
  readonly type: 'asha-promote';
  /** One per level below the full resource, lowest first. */
  readonly rungs: readonly (RungState & { readonly candidates: SortedState })[];
  /** Trial number → the first rung at which it has not been measured. */
  readonly nextRung: number[];
  /** Trial number → its key in a rung's candidates while it is paused, else null. */
  readonly paused: ({ readonly rung: number; readonly score: number } | null)[];
  /** Trials other than the baseline that completed. */
  nComplete: number;
}

export interface AsyncHyperbandState {
  readonly type: 'async-hyperband';
  /** Most rungs first. */
  readonly brackets: readonly (AshaStopState | AshaPromoteState)[];
}

export interface PbtState {
  readonly type: 'pbt';
  /** One per ready point below the full resource, lowest first: the last that were measured there. */
  readonly rungs: readonly { readonly recent: Measured[] }[];
  /** By trial number: index of the ready point that it trains for; null for the baseline and for what is out of the population. */
  readonly members: (number | null)[];
  /** Paused members by the index of the ready point that comes next for them. */
  readonly paused: SortedState;
  /** By ready point: how many left there and are not yet replaced by forks; and their sum. */
  readonly due: number[];
  nDue: number;
  /** Trials of the population that train or are paused. */
  nLive: number;
  /** Nothing more is created. */
  isClosed: boolean;
}

/** See `rungState.ts`. */
export interface RungState {
  /** With one objective: every value, best first, and how many were NaN. */
  readonly values: SortedState;
  nNaN: number;
  /** With several: the last that were measured, in order of arrival. */
  readonly recent: Measured[];
}

/** `scores`: one per objective (`toScore`); null when one of them was NaN. */
export interface Measured {
  readonly number: number;
  readonly scores: readonly number[] | null;
}

/** See `sortedList.ts`. */
export interface SortedState {
  size: number;
  readonly chunks: { readonly scores: number[]; readonly numbers: number[] }[];
}
