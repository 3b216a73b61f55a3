import type { Objective, Params } from '../../protocol/space.ts';
import type { Liar, SamplerName } from '../../protocol/study.ts';
import type { CompiledSpace } from '../space/index.ts';
import type { History } from './history.ts';

/**
 * Proposes points from what has been observed. A sampler holds no state of its own: the same seed, history and trial number
 * give the same proposal, in any process and after any restart.
 */
export interface Sampler {
  readonly name: SamplerName;
  /** A point that is valid in `context.space` and that no pending or ended trial has, where one is left. Never throws. */
  propose(context: SamplerContext): Proposal;
}

export interface SamplerContext {
  readonly space: CompiledSpace;
  readonly objectives: readonly Objective[];
  readonly history: History;
  readonly seed: number;
  /** Number of the trial to propose; with the seed it determines all randomness. */
  readonly number: number;
  /** Trials that the study may run in all; null when it has no such end. */
  readonly budgetTrials: number | null;
  /** Most trials that run at once. */
  readonly parallel: number;
  /** What a pending trial is taken to have reached: the best (`min` of the loss), mean or worst value, or a draw of the model. */
  readonly liar: Liar;
  /** Null without an annotated resource. */
  readonly fidelity: FidelityLevels | null;
  /** What other studies found, in this study's space, apart from the study's own history; null for nothing. */
  readonly prior: History | null;
  /** Mean duration of the trials that ended, in ms; null before the first. */
  readonly trialMs: number | null;
}

/** The resource that the scheduler hands out. */
export interface FidelityLevels {
  /** Ascending; the last is the full resource. `Observation.curve` has one value for each. */
  readonly levels: readonly number[];
}

export type Proposal =
  /** `reason` says in one sentence why this point. */
  | { readonly type: 'point'; readonly params: Params; readonly reason: string }
  /** There is nothing left to propose; `reason` says why. */
  | { readonly type: 'exhausted'; readonly reason: string };
