import { expect, test } from 'vitest';
import { createSampler, samplerNames } from '../../agent/core/samplers/index.ts';
import type { SamplerName } from '../../agent/protocol/study.ts';
import { samplerSuite } from './samplerSuite.ts';

for (const name of samplerNames) samplerSuite(createSampler(name), { endsEarly: name === 'grid' });

test('an unknown name is refused with the list of what there is', () => {
  expect(() => createSampler('anneal' as SamplerName)).toThrow(
    expect.objectContaining({ code: 'HPO-4105', next: `Use one of: ${samplerNames.join(', ')}.` }),
  );
});
