export * from './bestRegion.ts';
export * from './evidence.ts';
export * from './explain.ts';
export * from './fanova.ts';
export type * from './importance.ts';
export * from './lossModel.ts';
export * from './marginal.ts';
export * from './pedAnova.ts';
export * from './stopAdvice.ts';
