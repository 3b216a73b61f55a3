export * from './history.ts';
export * from './sampler.ts';
