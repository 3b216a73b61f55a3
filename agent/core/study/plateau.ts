import { dominates } from '../../protocol/gain.ts';
import { outlookOf, readEvidence } from '../analysis/index.ts';
import type { StudyEnd } from './endConditions.ts';
import type { StudyState } from './state.ts';

/** Whether what trials come to still gets better; kept where the study is to end when it does not. */
export interface Plateau {
  /** Losses of what was told, one per objective: those that no other one beats. One row with one objective. */
  front: readonly (readonly number[])[];
  /** Trials that were told since the front last changed. */
  readonly since: Set<number>;
  /** How often anything was told. */
  nTold: number;
  /** The user let the study go on after it had ended for this: a small gain is no reason any more. */
  isLeft: boolean;
}

/** Trials ahead for which the gain is foreseen. */
const outlookTrials = 10;

/** Null for a study that does not end early. */
export function createPlateau({ patience, minGain }: { readonly patience?: number; readonly minGain?: number }): Plateau | null {
  return patience === undefined && minGain === undefined ? null : { front: [], since: new Set(), nTold: 0, isLeft: false };
}

/**
 * Counts what a trial came to, when the rest of the study is told, so that in batches nothing depends on who ends first. A trial that was
 * paused counts then, and once: most of them are never promoted.
 *
 * @param losses one per objective, smaller is better; null where the trial has no result of its own
 */
export function tellPlateau(plateau: Plateau, number: number, losses: readonly number[] | null): void {
  plateau.nTold++;
  const isBetter =
    losses?.every(Number.isFinite) === true &&
    !plateau.front.some((other) => dominates(other, losses) || other.every((loss, k) => loss === losses[k]));
  if (isBetter) {
    plateau.front = [...plateau.front.filter((other) => !dominates(losses, other)), losses];
    plateau.since.clear();
  } else plateau.since.add(number);
}

/** Whoever lets a study go on that ended for lack of better results wants as many trials again. */
export function leavePlateau(plateau: Plateau | null): void {
  if (plateau === null) return;
  plateau.since.clear();
  plateau.isLeft = true;
}

/**
 * Why no further trial is to begin, or null: too many in a row without a better one (`patience`), or a gain of the next
 * ones that is too small to wait for (`minGain`). Trials that run go on to their ends, and one that is better takes the reason away.
 */
export function plateauEnd(state: StudyState): StudyEnd | null {
  const { plateau } = state;
  if (plateau === null) return null;
  const { budget, objectives } = state.view.spec;
  const what = objectives.map(({ metric }) => metric).join(', ');
  if (budget.patience !== undefined && plateau.since.size >= budget.patience) {
    const least = `patience=${budget.patience}`;
    return { reason: 'plateau', message: `No better ${what} in the last ${plateau.since.size} trials (${least}).` };
  }
  const gain = budget.minGain === undefined || plateau.isLeft ? null : foreseenGain(state);
  if (budget.minGain === undefined || gain === null || gain >= budget.minGain) return null;
  const next = `The next ${outlookTrials} trials would improve ${what} by ${Number(gain.toPrecision(2))} in the mean`;
  return { reason: 'plateau', message: `${next}, less than min_gain=${budget.minGain}.` };
}

/** Computed once for what was told, and not kept with the state: its last bits are each machine's own. */
const foreseen = new WeakMap<Plateau, { readonly nTold: number; readonly gain: number | null }>();

/** Null where too little is known. */
function foreseenGain({ plateau, history, view }: StudyState): number | null {
  if (plateau === null) return null;
  const known = foreseen.get(plateau);
  if (known?.nTold === plateau.nTold) return known.gain;
  const gain = outlookOf(readEvidence(history, view.spec.objectives), outlookTrials)?.expectedGain ?? null;
  foreseen.set(plateau, { nTold: plateau.nTold, gain });
  return gain;
}
