import { expect, test } from 'vitest';
import { fault, quickRegret, readBands, samplers } from '../bench/core/quick.mjs';

const bands = readBands();

test.each(samplers)('the sampler %s is no worse than random and stays in its recorded band', (sampler) => {
  expect(fault(sampler, quickRegret(sampler), bands)).toBeNull();
});

test.each([
  ['tpe', 10, /left its band/],
  ['gp', (bands['random']?.regret ?? 0) + 1e-6, /left its band|worse than random/],
])('a regret of %s that went up to %d is found', (sampler, regret, expected) => {
  expect(fault(sampler, regret, bands)).toMatch(expected);
});
