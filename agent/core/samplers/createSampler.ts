import { HpoError } from '../../protocol/errors.ts';
import type { SamplerName } from '../../protocol/study.ts';
import { autoSampler } from './auto.ts';
import { cmaesSampler } from './cmaes/cmaes.ts';
import { evolutionSampler } from './evolution.ts';
import { gpSampler } from './gp/gpSampler.ts';
import { gridSampler } from './grid.ts';
import { qmcSampler } from './qmc.ts';
import { randomSampler } from './random.ts';
import type { Sampler } from './sampler.ts';
import { tpeSampler } from './tpe.ts';

/** @throws HpoError HPO-4105 for a name that this version has no sampler for. */
export function createSampler(name: SamplerName): Sampler {
  const sampler = samplers.find((candidate) => candidate.name === name);
  if (sampler !== undefined) return sampler;
  const names = samplers.map((candidate) => candidate.name).join(', ');
  throw new HpoError('HPO-4105', `the sampler "${name}" is not available`, `Use one of: ${names}.`, { exitCode: 2 });
}

const samplers: readonly Sampler[] = [
  autoSampler,
  randomSampler,
  gridSampler,
  qmcSampler,
  tpeSampler,
  gpSampler,
  evolutionSampler,
  cmaesSampler,
];

/** Names that `createSampler` accepts. */
export const samplerNames: readonly SamplerName[] = samplers.map((sampler) => sampler.name);
