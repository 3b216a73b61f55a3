export * from './cholesky.ts';
export * from './lbfgsb.ts';
export type { Differentiable } from './lineSearch.ts';
export * from './logSumExp.ts';
export * from './normal.ts';
export * from './rng.ts';
export * from './sobol.ts';
export * from './truncatedNormal.ts';
