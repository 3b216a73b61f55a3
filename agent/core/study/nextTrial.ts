import type { TrialOrigin } from '../../protocol/events.ts';
import type { Params } from '../../protocol/space.ts';
import { createRng } from '../math/index.ts';
import { forkPoint } from '../samplers/mutate.ts';
import type { SamplerContext } from '../samplers/index.ts';
import { streams } from '../samplers/streams.ts';
import { isBatchFull } from './batch.ts';
import { mayCreate, mayStart, startCost } from './budget.ts';
import { plateauEnd } from './plateau.ts';
import type { StudyState } from './state.ts';

/** What the next new trial would be. */
export type NextTrial =
  /** None: the budget is used, the batch is full, or (then `reason` says so) the scheduler has none to start. */
  | { readonly type: 'none'; readonly reason: string | null }
  | {
      readonly type: 'point';
      readonly target: number | null;
      readonly params: Params;
      readonly origin: TrialOrigin;
      readonly reason: string;
      /** The trial whose checkpoint it goes on from. */
      readonly parent: number | null;
    }
  /** A point of the sampler's choice. */
  | { readonly type: 'sampler'; readonly target: number | null };

/** The script's own values first, then the points that the user asked for, then the sampler's; forks when the scheduler wants them. */
export function nextTrial(state: StudyState): NextTrial {
  const number = state.view.trials.length;
  if (state.reopened !== null || !mayCreate(state) || isBatchFull(state.batch)) return { type: 'none', reason: null };
  const isAsked = number === state.baseline?.number || state.points.size > 0;
  if (!isAsked && plateauEnd(state) !== null) return { type: 'none', reason: null };
  const admission = state.scheduler.nextTrial(number);
  if (admission.type === 'wait')
    return { type: 'none', reason: `The plan of the scheduler "${state.scheduler.name}" has no further trial.` };
  const { target } = admission;
  if (admission.type === 'fork') {
    const { parent } = admission;
    if (!mayStart(state, startCost(state, parent, target), state.rateOf())) return { type: 'none', reason: null };
    const rng = createRng(state.view.spec.search.seed, number, streams.fork);
    const params = forkPoint(state.space, state.trial(parent).params, rng);
    const reason = `Trial ${parent} did well: it goes on from there with changed values.`;
    return { type: 'point', target, params, origin: 'sampler', reason, parent };
  }
  if (!mayStart(state, target ?? 0, state.rateOf())) return { type: 'none', reason: null };
  if (number === state.baseline?.number) {
    const { params } = state.baseline;
    return { type: 'point', target, params, origin: 'default', reason: "the script's own values", parent: null };
  }
  const [point] = state.points.values();
  if (point === undefined) return { type: 'sampler', target };
  return { type: 'point', target, params: point, origin: 'user', reason: 'A point that the user asked for.', parent: null };
}

/** What the sampler is to know when it proposes the next trial; null when the next one is none of its own. */
export function nextContext(state: StudyState): SamplerContext | null {
  return nextTrial(state).type === 'sampler' ? samplerContext(state) : null;
}

export function samplerContext(state: StudyState): SamplerContext {
  const { view, base, history, batch } = state;
  const number = view.trials.length;
  // In batches nothing may depend on how many workers there are and how fast they are.
  if (batch !== null) return base.context(history, { number, parallel: batch.size, trialMs: null });
  return base.context(history, { number, parallel: view.parallel, trialMs: state.trialMs });
}
