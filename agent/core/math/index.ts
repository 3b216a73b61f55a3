export * from './cholesky.ts';
export * from './logSumExp.ts';
export * from './normal.ts';
export * from './rng.ts';
export * from './truncatedNormal.ts';
