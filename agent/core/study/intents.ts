import { createRng } from '../math/index.ts';
import type { Params } from '../../protocol/space.ts';
import type { StudyState } from './state.ts';

/** What should be true in the world; asking for it again does no harm. */
export type Action =
  | { readonly type: 'startAttempt'; readonly number: number; readonly attempt: number; readonly target: number | null }
  | { readonly type: 'stopAttempt'; readonly number: number; readonly attempt: number };

/** The same list as long as nothing is folded, so a restart finds what is still to be done. */
export function intents(state: StudyState): readonly Action[] {
  if (state.view.movedTo !== null) return [];
  const actions: Action[] = [];
  for (const { number, attempt, target } of state.live.values()) {
    const view = state.trial(number).attempts[attempt - 1];
    if (view?.state === 'requested') actions.push({ type: 'startAttempt', number, attempt, target });
    if (view?.state === 'stopping') actions.push({ type: 'stopAttempt', number, attempt });
  }
  return actions;
}

/** What a trial's next or current attempt runs with. */
export interface Point {
  readonly params: Params;
  /** Value of the fidelity; null without one. */
  readonly target: number | null;
  /** The trial from whose checkpoint it goes on; null for one that begins afresh. */
  readonly parent: number | null;
  /** The same in all attempts of the trial; 31 bits, as most libraries take them. */
  readonly seed: number;
}

/** @throws RangeError when there is no such trial. */
export function pointOf(state: StudyState, number: number): Point {
  const trial = state.trial(number);
  return {
    params: trial.params,
    target: trial.target,
    parent: trial.parent,
    seed: createRng(state.view.spec.search.seed, number, 0x5eed).int(2 ** 31),
  };
}
