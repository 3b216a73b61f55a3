import type { InvariantName } from './invariants.ts';

/** Counts a check and reports a violation unless `isSo`; returns `isSo`. */
export type Check = (invariant: InvariantName, isSo: boolean, what: () => string) => boolean;
