/** The range of a fidelity and how much fewer trials go on at each rung. */
export interface RungRange {
  readonly min: number;
  readonly max: number;
  readonly reductionFactor: number;
}

/**
 * Resources at which trials are compared, ascending: min·η^k below max, then max itself (Li et al. 2020, section 3).
 * A whole-numbered range gives whole numbers, each once. A range without room (min ≥ max) has the one rung max.
 */
export function rungLevels({ min, max, reductionFactor }: RungRange): readonly number[] {
  const isWhole = Number.isInteger(min) && Number.isInteger(max);
  const levels: number[] = [];
  // A factor barely above 1 would make rungs without end; a factor of 1 or less is a fault of the annotation.
  const factor = Math.max(reductionFactor, 1.01);
  // From zero there is no geometric series.
  for (let k = min > 0 ? 0 : Infinity; k < Infinity; k++) {
    const exact = min * factor ** k;
    const level = isWhole ? Math.round(exact) : exact;
    // Powers come out a few units in the last place off: 0.1·3^k must not end with 2.7 and 2.7000000000000006.
    if (!(level < max * (1 - 1e-9))) break;
    if (level > (levels.at(-1) ?? 0)) levels.push(level);
  }
  return [...levels, max];
}

/** How many of n go on: the top 1/η. A factor of 3.0000000000000004 must not turn 9 / 3 into 2. */
export function nPromotable(n: number, reductionFactor: number): number {
  return Math.floor(n / reductionFactor + 1e-9);
}

/** Index of the highest of the first `count` levels that `resource` has reached, at least `from`; −1 when there is none. */
export function highestReached(levels: readonly number[], count: number, from: number, resource: number): number {
  for (let index = count - 1; index >= from; index--) {
    if (resource >= (levels[index] ?? Infinity)) return index;
  }
  return -1;
}
