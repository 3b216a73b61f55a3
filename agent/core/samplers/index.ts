export * from './createSampler.ts';
export * from './history.ts';
export { forkPoint } from './mutate.ts';
export * from './sampler.ts';
