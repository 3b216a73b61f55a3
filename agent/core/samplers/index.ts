export * from './createSampler.ts';
export * from './history.ts';
export * from './sampler.ts';
