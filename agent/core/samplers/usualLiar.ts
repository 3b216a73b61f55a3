import type { Liar, SamplerName } from '../../protocol/study.ts';

/**
 * The liar where the user chose none. A Gaussian process imagines what pending trials will give; pessimism about all of them
 * would keep it away from where it expects the most (of 96 trials with 32 at once, twice the regret). TPE has no such expectation of
 * a single point: the worst that was seen keeps its trials apart.
 */
export function usualLiar(sampler: SamplerName): Liar {
  return sampler === 'auto' || sampler === 'gp' ? 'fantasy' : 'max';
}
