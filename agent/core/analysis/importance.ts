/** How much of what happened each parameter explains. */
export interface Importance {
  readonly method: 'ped-anova' | 'fanova';
  /** Most important first; equal ones in the order of the script. */
  readonly parameters: readonly ParameterImportance[];
  /** What pairs explain beyond their two parts, largest first; only fANOVA has them. */
  readonly pairs: readonly PairImportance[];
  /** Why nothing can be said, for people; null where something is said. All shares are 0 then. */
  readonly problem: string | null;
}

export interface ParameterImportance {
  readonly name: string;
  /**
   * 0 to 1. PED-ANOVA: sums to 1 over the parameters. fANOVA: the part of the variance that this parameter alone explains; with the
   * pairs and what takes three or more parameters the parts sum to 1.
   */
  readonly share: number;
}

export interface PairImportance {
  readonly names: readonly [string, string];
  readonly share: number;
}

/** Fewer trials than this tell chance from effect too badly to say anything. */
export const leastTrials = 10;

export function sortedShares(names: readonly string[], shares: readonly number[]): ParameterImportance[] {
  return names.map((name, index) => ({ name, share: shares[index] ?? 0 })).toSorted((a, b) => b.share - a.share);
}
