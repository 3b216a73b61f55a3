export * from './createSampler.ts';
export * from './heavy.ts';
export * from './history.ts';
export * from './sampler.ts';
export * from './usualLiar.ts';
