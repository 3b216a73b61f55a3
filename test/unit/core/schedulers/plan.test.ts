import { describe, expect, test } from 'vitest';
import { planBrackets, planResource, planRungs } from '../../../../agent/core/schedulers/index.ts';
import { config } from './config.ts';

const rungs = (pairs: readonly (readonly [number, number])[]) => pairs.map(([resource, trials]) => ({ resource, trials }));

describe('trials that reach each rung', () => {
  test.each([
    ['none', config({}), [[27, 30]]],
    [
      'asha-promote',
      config({}),
      [
        [1, 30],
        [3, 10],
        [9, 4],
        [27, 2],
      ],
    ],
    [
      'asha-promote',
      config({ baseline: null, maxTrials: 27 }),
      [
        [1, 27],
        [3, 9],
        [9, 3],
        [27, 1],
      ],
    ],
    // Three or fewer: none would be promoted, so one is.
    [
      'asha-promote',
      config({ maxTrials: 3 }),
      [
        [1, 3],
        [3, 2],
        [9, 2],
        [27, 2],
      ],
    ],
    [
      'asha-promote',
      config({ maxTrials: 1 }),
      [
        [1, 1],
        [3, 1],
        [9, 1],
        [27, 1],
      ],
    ],
    // 2 of the first 2, then a third of each three: 2 + 1/3 + 1/4 + 1/5 + 2/6 = 3.1, and those that come later are better.
    [
      'asha-stop',
      config({ maxTrials: 7 }),
      [
        [1, 7],
        [3, 4],
        [9, 4],
        [27, 4],
      ],
    ],
    // 54 sampled: two brackets of 27, each as in the paper.
    [
      'sha',
      config({ maxTrials: 55 }),
      [
        [1, 55],
        [3, 19],
        [9, 7],
        [27, 3],
      ],
    ],
    // The five that complete before any is stopped, and the baseline.
    [
      'median',
      config({ maxTrials: 6 }),
      [
        [1, 6],
        [27, 6],
      ],
    ],
    // Too few for a fifth: nobody is given up.
    ['pbt', config({ maxTrials: 5, hasCheckpoint: true }), [2, 5, 8, 10, 13, 16, 18, 21, 24, 27].map((at) => [at, 5] as const)],
  ] as const)('%s', (name, given, expected) => {
    expect(planRungs(name, given)).toEqual(rungs(expected));
  });

  test('without an end or a fidelity there is none', () => {
    expect(planRungs('asha-stop', config({ maxTrials: null }))).toBeNull();
    expect(planRungs('none', config({ fidelity: null }))).toBeNull();
    expect(planResource('hyperband', config({ maxTrials: null }))).toBeNull();
  });

  test.each(['asha-stop', 'median', 'sha', 'hyperband', 'async-hyperband', 'pbt'] as const)(
    'a million trials are planned at once: %s',
    (name) => {
      const start = process.threadCpuUsage();
      const planned = planRungs(name, config({ maxTrials: 1_000_000, hasCheckpoint: true })) ?? [];
      expect(process.threadCpuUsage(start).user).toBeLessThan(1_000_000);
      expect(planned.length).toBeGreaterThan(1);
      if (name !== 'asha-stop') return;
      expect(planned[1]?.trials).toBeGreaterThan(320_000);
      expect(planned[1]?.trials).toBeLessThan(347_000);
    },
  );
});

describe('brackets', () => {
  test('Hyperband at R = 81, η = 3 is the table of Li et al. (2018)', () => {
    const given = config({ fidelity: { min: 1, max: 81, reductionFactor: 3 }, baseline: null, maxTrials: 143 });
    expect(planBrackets('hyperband', given)?.map((bracket) => bracket.rungs)).toEqual(paperBrackets(81, 3));
  });

  test.each([
    [9, 3],
    [27, 3],
    [16, 2],
    [64, 4],
    [1, 3],
  ])('Hyperband at R = %d, η = %d is algorithm 1, transcribed; ×3 for three times the trials', (R, eta) => {
    const paper = paperBrackets(R, eta);
    const nTrials = paper.reduce((sum, [first]) => sum + (first?.trials ?? 0), 0);
    for (const times of [1, 3]) {
      const given = config({
        fidelity: { min: 1, max: R, reductionFactor: eta },
        baseline: null,
        maxTrials: nTrials * times,
      });
      expect(planBrackets('hyperband', given)).toEqual(paper.map((bracket) => ({ count: times, rungs: bracket })));
    }
  });

  test.each([1, 2, 3, 7, 20, 60, 100, 200, 333])('of %d trials: all are in a bracket, in the proportions of the paper', (n) => {
    const given = config({ fidelity: { min: 1, max: 81, reductionFactor: 3 }, baseline: null, maxTrials: n });
    const brackets = planBrackets('hyperband', given) ?? [];
    const first = brackets.map(({ count, rungs: [rung] }) => [rung?.resource ?? 0, count * (rung?.trials ?? 0)] as const);
    expect(first.reduce((sum, [, trials]) => sum + trials, 0)).toBe(n);
    const atOne = first.reduce((sum, [resource, trials]) => sum + (resource === 1 ? trials : 0), 0);
    expect(Math.abs(atOne - (81 / 143) * n)).toBeLessThanOrEqual(Math.max(1, n / 143));
  });

  // Determined's rule, with R = 81, η = 3 and enough trials: 5 rungs; weights 81/5, 27/4, 9/3, 3/2, 1.
  test.each([
    ['aggressive', [1], [1]],
    ['standard', [1, 3, 9], [16.2, 6.75, 3]],
    ['conservative', [1, 3, 9, 27, 81], [16.2, 6.75, 3, 1.5, 1]],
  ] as const)('asynchronous Hyperband, %s: shares', (mode, resources, weights) => {
    const total = weights.reduce((sum: number, weight) => sum + weight, 0);
    for (const n of [81, 100, 500, 10_000]) {
      const given = config({
        fidelity: { min: 1, max: 81, reductionFactor: 3 },
        baseline: null,
        maxTrials: n,
        mode,
        hasCheckpoint: true,
      });
      const first = planBrackets('async-hyperband', given)?.map(({ rungs: [rung] }) => rung) ?? [];
      expect(first.map((rung) => rung?.resource)).toEqual(resources);
      expect(first.reduce((sum, rung) => sum + (rung?.trials ?? 0), 0)).toBe(n);
      first.forEach((rung, i) => {
        expect(Math.abs((rung?.trials ?? NaN) - ((weights[i] ?? NaN) / total) * n)).toBeLessThan(2);
      });
    }
  });

  test.each([
    ['few trials', { maxTrials: 10 }, [9, 27, 81]],
    ['a long training', { maxTrials: 1_000, fidelity: { min: 1, max: 729, reductionFactor: 3 } }, [9, 27, 81, 243, 729]],
    ['one trial', { maxTrials: 1 }, [81]],
  ])('asynchronous Hyperband with %s has fewer rungs than the fidelity', (_name, changes, expected) => {
    const given = config({
      fidelity: { min: 1, max: 81, reductionFactor: 3 },
      baseline: null,
      mode: 'aggressive',
      ...changes,
    });
    expect(planBrackets('async-hyperband', given)?.[0]?.rungs.map(({ resource }) => resource)).toEqual(expected);
  });
});

describe('resource', () => {
  const paper = { fidelity: { min: 1, max: 81, reductionFactor: 3 }, baseline: null, maxTrials: 143 };

  test.each([
    ['asha-promote', config({ hasCheckpoint: true }), 30 * 1 + 10 * 2 + 4 * 6 + 2 * 18],
    // Without a checkpoint each promotion starts from the beginning; the baseline runs through in one attempt.
    ['asha-promote', config({}), 27 + 29 * 1 + 9 * 3 + 3 * 9 + 1 * 27],
    ['none', config({}), 30 * 27],
    ['sha', config({ maxTrials: 27, baseline: null }), 27 * 1 + 9 * 3 + 3 * 9 + 27],
    ['sha', config({ maxTrials: 27, baseline: null, hasCheckpoint: true }), 27 * 1 + 9 * 2 + 3 * 6 + 18],
    // Each row of the paper's table.
    ['hyperband', config(paper), 5 * 81 + (34 * 3 + 11 * 9 + 3 * 27 + 81) + (15 * 9 + 5 * 27 + 81) + (8 * 27 + 2 * 81) + 5 * 81],
    ['pbt', config({ maxTrials: 5, hasCheckpoint: true }), 5 * 27],
  ] as const)('%s', (name, given, expected) => {
    expect(planResource(name, given)).toBe(expected);
  });
});

/** Algorithm 1 of Li et al. (2018), line by line, with r = 1. */
function paperBrackets(R: number, eta: number) {
  let sMax = 0;
  while (eta ** (sMax + 1) <= R) sMax++;
  const B = (sMax + 1) * R;
  const brackets: { resource: number; trials: number }[][] = [];
  for (let s = sMax; s >= 0; s--) {
    const n = Math.ceil((B / R) * (eta ** s / (s + 1)));
    const r = R * eta ** -s;
    const bracket: { resource: number; trials: number }[] = [];
    for (let i = 0; i <= s; i++) bracket.push({ resource: Math.round(r * eta ** i), trials: Math.floor(n * eta ** -i + 1e-9) });
    brackets.push(bracket);
  }
  return brackets;
}
