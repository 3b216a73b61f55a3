import type { Failure, FailureKind, RetrySettings } from '../../protocol/study.ts';
import { createRng } from '../math/index.ts';
import { streams } from '../samplers/streams.ts';

/** Waits before further attempts: none before the first `nAtOnce`, then `firstMs`, and `factor` times as long after each, up to `capMs`. */
export interface BackOff {
  readonly nAtOnce: number;
  readonly firstMs: number;
  readonly factor: number;
  readonly capMs: number;
}

/** What follows from failures of one kind. `media/failures.md` is made from it. */
export interface FailureRule {
  /** What it is, for people. */
  readonly title: string;
  /** The setting that says how many further attempts follow; null: never any. */
  readonly setting: keyof RetrySettings | null;
  /** What else a further attempt needs: a checkpoint to go on from, or trials beside it that may have been the cause. */
  readonly needs: 'checkpoint' | 'company' | null;
  readonly backOff: BackOff | null;
  /**
   * Whether an attempt that came farther than those before it, with a checkpoint that keeps what it reached, begins the
   * count anew. Not where the count is a limit of time: each attempt may come farther there.
   */
  readonly isResetByProgress: boolean;
  /** Whether it is the trial's own failure: the sampler then learns to keep away; else it learns what was reported. */
  readonly isTrialsFault: boolean;
  /** Why it is so, for people. */
  readonly because: string;
}

/** One wait after each of several faults in a row; the cap keeps a trial from waiting for longer than a machine takes to come back. */
const afterFaults: BackOff = { nAtOnce: 0, firstMs: 1_000, factor: 4, capMs: 5 * 60_000 };

export const failurePolicy: Readonly<Record<FailureKind, FailureRule>> = {
  userError: {
    title: 'The program failed',
    setting: 'error',
    needs: null,
    backOff: afterFaults,
    isResetByProgress: true,
    isTrialsFault: true,
    because: 'All attempts of a trial have the same values and the same seed, so most errors come again.',
  },
  badMetric: {
    title: 'No objective, or one that is NaN or infinite',
    setting: null,
    needs: null,
    backOff: null,
    isResetByProgress: false,
    isTrialsFault: true,
    because: 'The program came to its end: that is its result.',
  },
  outOfMemory: {
    title: 'Out of memory',
    setting: 'memory',
    needs: 'company',
    backOff: null,
    isResetByProgress: true,
    isTrialsFault: true,
    because:
      'Where other trials of the study ran beside it, they may have taken the memory: it is tried again while none runs. One that ran alone would fail again.',
  },
  timeout: {
    title: 'Time limit',
    setting: 'timeout',
    needs: 'checkpoint',
    backOff: null,
    isResetByProgress: false,
    isTrialsFault: true,
    because: 'Only from a checkpoint does a further attempt come farther, and only you know whether that is worth its time.',
  },
  preempted: {
    title: 'The machine was taken away',
    setting: 'preempted',
    needs: null,
    backOff: { nAtOnce: 3, firstMs: 2_000, factor: 2, capMs: 5 * 60_000 },
    isResetByProgress: true,
    isTrialsFault: false,
    because: 'It says nothing of the trial. After three in a row without progress the trial waits, so that it does not spin.',
  },
  infrastructure: {
    title: 'Lost, or not to be started',
    setting: 'lost',
    needs: null,
    backOff: afterFaults,
    isResetByProgress: true,
    isTrialsFault: false,
    because:
      'It says nothing of the trial. Where the machine cannot start any attempt, or its disk is full, the study pauses instead of losing trials.',
  },
  cancelled: {
    title: 'Stopped by you',
    setting: null,
    needs: null,
    backOff: null,
    isResetByProgress: false,
    isTrialsFault: false,
    because: 'You decided so; `hpo retry` takes it back.',
  },
};

/** Further attempts where the user says nothing. */
export const usualRetries: RetrySettings = { error: 0, memory: 1, timeout: 0, lost: 3, preempted: null };

/** Failure codes; each stands for one cause and one remedy. */
export const failureCodes = {
  program: 'HPO-3001',
  start: 'HPO-3002',
  noObjective: 'HPO-3003',
  objectiveNotFinite: 'HPO-3004',
  timeout: 'HPO-3005',
  memory: 'HPO-3006',
  lost: 'HPO-3007',
  outputLimit: 'HPO-3008',
  preempted: 'HPO-3009',
  cannotStart: 'HPO-3010',
  diskFull: 'HPO-3011',
  module: 'HPO-3012',
  memoryAlone: 'HPO-3015',
  readOnly: 'HPO-3016',
  noNetwork: 'HPO-3017',
  moduleInImage: 'HPO-3018',
  memoryLimit: 'HPO-3019',
  engineAway: 'HPO-3020',
  memoryFolder: 'HPO-3021',
  clusterAway: 'HPO-3022',
  diskLimit: 'HPO-3023',
} as const;

/** Whether every trial that is started at present would fail alike. */
export function isMachineFault(failure: Failure): boolean {
  const { code } = failure;
  return code === failureCodes.cannotStart || code === failureCodes.diskFull || isAway(failure);
}

/** Whether what runs the trials is away, and comes back by itself: no fault of any attempt. */
export function isAway({ code }: Pick<Failure, 'code'>): boolean {
  return code === failureCodes.engineAway || code === failureCodes.clusterAway;
}

/** All that the rules look at. */
export interface FailedAttempt {
  readonly kind: FailureKind;
  /** Failures of this kind in a row, this one included. */
  readonly nInRow: number;
  readonly retries: RetrySettings;
  readonly hasCheckpoint: boolean;
  /** Whether other attempts of the study ran at any time beside it. */
  readonly hadCompany: boolean;
  /** Of the study; with trial and attempt the key of the jitter. */
  readonly seed: number;
  readonly trial: number;
  readonly attempt: number;
}

export interface Repetition {
  readonly delayMs: number;
  /** It is to be the only attempt of its study. */
  readonly isAlone: boolean;
  /** The how-manieth further attempt it is, and of how many; null: without limit. */
  readonly count: number;
  readonly of: number | null;
}

/** The further attempt that follows, or null when the trial has failed. */
export function repetition(failed: FailedAttempt): Repetition | null {
  const { kind, nInRow, retries, seed, trial, attempt } = failed;
  const { setting, needs, backOff } = failurePolicy[kind];
  if (setting === null) return null;
  const most = retries[setting];
  if (most !== null && nInRow > most) return null;
  if (needs === 'checkpoint' && !failed.hasCheckpoint) return null;
  if (needs === 'company' && !failed.hadCompany) return null;
  const delayMs = backOff === null ? 0 : delayOf(backOff, nInRow, createRng(seed, trial, attempt, streams.backOff).next());
  return { delayMs, isAlone: needs === 'company', count: nInRow, of: most };
}

/** Whole ms between half and one and a half of the nominal wait, so that trials that were lost together do not return in one moment. `u` in [0, 1). */
export function delayOf({ nAtOnce, firstMs, factor, capMs }: BackOff, nInRow: number, u: number): number {
  if (nInRow <= nAtOnce) return 0;
  const nominal = Math.min(capMs, firstMs * factor ** (nInRow - nAtOnce - 1));
  return Math.round(nominal * (0.5 + u));
}
