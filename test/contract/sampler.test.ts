import { expect, test } from 'vitest';
import { createSampler, samplerNames } from '../../agent/core/samplers/index.ts';
import type { SamplerName } from '../../agent/protocol/study.ts';
import { samplerSuite } from './samplerSuite.ts';

for (const name of samplerNames) samplerSuite(createSampler(name), { endsEarly: name === 'grid' });

test.each<SamplerName>(['qmc', 'gp', 'evolution', 'cmaes'])('"%s" is refused with the list of what there is', (name) => {
  expect(() => createSampler(name)).toThrow(
    expect.objectContaining({ code: 'HPO-4105', next: 'Use one of: auto, random, grid, tpe.' }),
  );
});
