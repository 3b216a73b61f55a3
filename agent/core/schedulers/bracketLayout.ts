/** Trials that are compared with one another only. */
export interface BracketPlace {
  /** Which bracket, counted from 0 through all sweeps. */
  readonly index: number;
  /** Index of the level to which its trials run first. */
  readonly first: number;
  /** Whether no further trial belongs to it. */
  readonly isLast: boolean;
}

/** One bracket of a sweep: `size` trials run to level `first`. */
export interface SweepBracket {
  readonly first: number;
  readonly size: number;
}

/** Which trial belongs to which bracket: sweeps of brackets, one after the other. */
export interface BracketLayout {
  /** `position`: number of the trial among those that are sampled, from 0. */
  at(position: number): BracketPlace;
  /** The sweeps of a study, alike ones counted; without an end, one of each. */
  readonly sweeps: readonly { readonly count: number; readonly brackets: readonly SweepBracket[] }[];
}

/**
 * As many sweeps as come nearest to `nTrials`, each scaled by the same factor, so that the trials are used up exactly and
 * the last bracket is as whole as the others; null repeats the sweep as it is without end.
 */
export function createBracketLayout(sweep: readonly SweepBracket[], nTrials: number | null): BracketLayout {
  const natural = totalSize(sweep);
  const count = nTrials === null ? Infinity : Math.max(1, Math.round(nTrials / natural));
  const least = nTrials === null ? natural : Math.floor(nTrials / count);
  // The first sweeps have one trial more where it does not divide.
  const nLarger = nTrials === null ? 0 : nTrials - least * count;
  const larger = scale(sweep, least + 1);
  const smaller = nTrials === null ? sweep : scale(sweep, least);
  const nInLarger = nLarger * (least + 1);

  return {
    at(position) {
      if (position < nInLarger) return placeIn(larger, position, 0, sweep.length);
      // A study of no sampled trial asks too.
      return placeIn(least > 0 ? smaller : sweep, position - nInLarger, nLarger, sweep.length);
    },
    sweeps: [
      { count: nLarger, brackets: larger },
      { count: nTrials === null ? 1 : count - nLarger, brackets: smaller },
    ].filter((part) => part.count > 0),
  };
}

function placeIn(sweep: readonly SweepBracket[], position: number, nSweepsBefore: number, nBrackets: number): BracketPlace {
  const total = totalSize(sweep);
  const nSweeps = Math.floor(position / total);
  let rest = position - nSweeps * total;
  for (const [index, { first, size }] of sweep.entries()) {
    if (rest < size) return { index: (nSweepsBefore + nSweeps) * nBrackets + index, first, isLast: rest === size - 1 };
    rest -= size;
  }
  throw new RangeError(`no bracket for trial ${position} of a sweep of ${total}`);
}

/** `total` trials in the sweep's proportions, by the largest remainders; of equal ones the first. */
function scale(sweep: readonly SweepBracket[], total: number): readonly SweepBracket[] {
  const factor = total / totalSize(sweep);
  const sizes = sweep.map(({ size }) => Math.floor(size * factor + 1e-9));
  const left = total - sizes.reduce((sum, size) => sum + size, 0);
  const byRemainder = sweep
    .map(({ size }, index) => ({ index, remainder: size * factor - (sizes[index] ?? 0) }))
    .sort((a, b) => b.remainder - a.remainder || a.index - b.index);
  for (const { index } of byRemainder.slice(0, left)) sizes[index] = (sizes[index] ?? 0) + 1;
  return sweep.map(({ first }, index) => ({ first, size: sizes[index] ?? 0 }));
}

function totalSize(sweep: readonly SweepBracket[]): number {
  return sweep.reduce((sum, { size }) => sum + size, 0);
}

/** Which of the sampled trials a trial is; the baseline is none of them. */
export function positionOf(number: number, baseline: number | null): number {
  return baseline !== null && number > baseline ? number - 1 : number;
}

/** How many trials of a study are sampled; null without an end. */
export function nSampledOf({
  maxTrials,
  baseline,
}: {
  readonly maxTrials: number | null;
  readonly baseline: number | null;
}): number | null {
  return maxTrials === null ? null : Math.max(0, maxTrials - (baseline === null ? 0 : 1));
}
