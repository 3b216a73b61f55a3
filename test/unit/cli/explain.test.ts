import { expect, test } from 'vitest';
import { explanationText } from '../../../agent/cli/explain.ts';
import type { Explanation } from '../../../agent/core/analysis/index.ts';

const usual: Explanation = {
  objective: { metric: 'val_loss', direction: 'min', goal: null },
  summary: '40 trials with a value of val_loss.',
  importance: {
    method: 'ped-anova',
    parameters: [
      { name: 'lr', share: 0.62 },
      { name: 'kind', share: 0.372 },
      { name: 'unused', share: 0.008 },
    ],
    pairs: [],
    problem: null,
  },
  marginals: [
    {
      name: 'lr',
      points: [
        { value: 1e-5, place: 0, mean: 3.9, deviation: 0.1 },
        { value: 3.2e-4, place: 0.5, mean: 0.6213, deviation: 0.05 },
        { value: 0.1, place: 1, mean: 2, deviation: 0.1 },
      ],
    },
    {
      name: 'kind',
      points: [
        { value: 'a', place: 0.25, mean: 1, deviation: 0.1 },
        { value: 'b', place: 0.75, mean: 1.15, deviation: 0.1 },
      ],
    },
  ],
  region: [{ type: 'narrow', name: 'lr', low: 1e-4, high: 3e-3, text: 'narrow lr to 1e-4 … 3e-3' }],
  stop: { advice: 'goOn', outlook: { trials: 20, expectedGain: 0.1, chance: 0.3 }, text: 'It is worth going on.' },
};

test('four parts, in words and bars', () => {
  expect(explanationText(usual)).toBe(`Importance for reaching the best tenth of val_loss (PED-ANOVA)
  lr       62 %  ████████████████████████
  kind     37 %  ██████████████
  unused  < 1 %
  (40 trials with a value of val_loss.)

val_loss, averaged over all other parameters
  lr    best about 0.621 at 3.2e-4  worst about 3.9 at 1e-5
  kind  no clear difference

The space of the next study
  narrow lr to 1e-4 … 3e-3

Going on
  It is worth going on.`);
});

test('a maximised objective is best where it is largest', () => {
  const text = explanationText({ ...usual, objective: { ...usual.objective, direction: 'max' } });
  expect(text).toContain('best about 3.9 at 1e-5');
});

test('fANOVA says what it measures and which pairs matter', () => {
  const text = explanationText({
    ...usual,
    importance: {
      ...usual.importance,
      method: 'fanova',
      pairs: [
        { names: ['lr', 'kind'], share: 0.12 },
        { names: ['lr', 'unused'], share: 0.001 },
      ],
    },
  });
  expect(text).toContain('parts of the variance of val_loss over the whole space (fANOVA)');
  expect(text).toContain('lr with kind: 12 % more together');
  expect(text).not.toContain('lr with unused');
});

test('where nothing can be said, the reason stands in its place', () => {
  const text = explanationText({
    ...usual,
    importance: { ...usual.importance, problem: 'Importance needs at least 10 trials that ended; there are 3 so far.' },
    marginals: [],
    region: [],
  });
  expect(text).toMatch(/^Importance .*\n {2}Importance needs at least 10 trials/);
  expect(text).not.toContain('█');
  expect(text).not.toContain('averaged');
  expect(text).toContain('  The trials do not speak clearly for a change.');
});

test('names cannot move the cursor', () => {
  const text = explanationText({
    ...usual,
    importance: { ...usual.importance, parameters: [{ name: '\u001b[2Jx', share: 1 }] },
    region: [{ type: 'narrow', name: '\u001b', low: 0, high: 1, text: 'narrow \u001b[2J' }],
  });
  expect(text).not.toContain('\u001b');
});
