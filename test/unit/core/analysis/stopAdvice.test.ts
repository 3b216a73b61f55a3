import { describe, expect, test } from 'vitest';
import { outlookOf, stopAdvice } from '../../../../agent/core/analysis/index.ts';
import { createRng, type Rng } from '../../../../agent/core/math/index.ts';
import { float, parameter, searchSpace } from '../space/builders.ts';
import { accuracy, evidenceOf, loss, type Outcome } from './build.ts';

const space = searchSpace([parameter('x', float(0, 1))]);
const evidence = (outcomes: readonly Outcome[], objective = loss) =>
  evidenceOf(
    space,
    outcomes.map((outcome) => ({ params: { x: 0.5 }, outcome })),
    objective,
  );
const draws = (n: number, seed: number, f: (rng: Rng) => number): number[] => {
  const rng = createRng(seed);
  return Array.from({ length: n }, () => f(rng));
};

// What the next trials in truth brought, over 400 repetitions: the chance within 0.06, the gain within the factor stated.
test.each<[string, (rng: Rng) => number, number, number, number]>([
  ['uniform', (rng) => rng.next(), 60, 20, 2.2],
  ['a minimum in four dimensions', (rng) => rng.next() ** 0.5, 60, 60, 1.6],
  ['a minimum in four dimensions', (rng) => rng.next() ** 0.5, 300, 100, 1.6],
  ['normal', (rng) => rng.normal(), 20, 20, 1.5],
  ['normal', (rng) => rng.normal(), 300, 100, 1.5],
])('%s draws', (_, f, n, more, factor) => {
  const repetitions = 400;
  let [expectedGain, gain, expectedChance, chance] = [0, 0, 0, 0];
  for (let seed = 0; seed < repetitions; seed++) {
    const values = draws(n + more, seed, f);
    const outlook = outlookOf(evidence(values.slice(0, n)), more);
    const before = Math.min(...values.slice(0, n));
    const after = Math.min(...values);
    expectedGain += (outlook?.expectedGain ?? NaN) / repetitions;
    expectedChance += (outlook?.chance ?? NaN) / repetitions;
    gain += (before - after) / repetitions;
    chance += (after < before ? 1 : 0) / repetitions;
  }
  expect(Math.abs(expectedChance - chance)).toBeLessThan(0.06);
  expect(expectedGain / gain).toBeGreaterThan(1 / factor);
  expect(expectedGain / gain).toBeLessThan(factor);
});

describe('outlook', () => {
  test.each<[string, Outcome[], number]>([
    ['no trials', [], 20],
    ['nine values', draws(9, 1, (rng) => rng.next()), 20],
    ['forty failures', Array.from({ length: 40 }, () => 'failed'), 20],
    ['no more trials', draws(40, 1, (rng) => rng.next()), 0],
  ])('%s: too early', (_, outcomes, trials) => expect(outlookOf(evidence(outcomes), trials)).toBeNull());

  test('a plateau has nothing left', () => {
    expect(outlookOf(evidence([5, 4, 1, 1, 3, 1, 1, 1, 9, 8, 7]), 20)).toEqual({ trials: 20, expectedGain: 0, chance: 0 });
  });

  test('grows with the trials, scales with the values and does not care for the direction', () => {
    const values = draws(50, 3, (rng) => rng.normal());
    const gain = (trials: number, scale = 1): number =>
      outlookOf(evidence(values.map((v) => scale * v)), trials)?.expectedGain ?? NaN;
    expect(gain(10)).toBeLessThan(gain(20));
    expect(gain(10, 1000)).toBeCloseTo(1000 * gain(10), 9);
    expect(
      outlookOf(
        evidence(
          values.map((value) => -value),
          accuracy,
        ),
        10,
      )?.expectedGain,
    ).toBeCloseTo(gain(10), 12);
  });

  test('failures count as draws', () => {
    const values = draws(50, 3, (rng) => rng.normal());
    const failures = Array.from({ length: 50 }, (): Outcome => 'failed');
    expect(outlookOf(evidence([...values, ...failures]), 10)?.chance).toBeCloseTo(10 / 110, 12);
  });

  test.each([1e308, 1e-308])('values of %d give no NaN', (scale) => {
    const outlook = outlookOf(evidence(draws(50, 3, (rng) => scale * rng.next())), 10);
    expect(outlook?.expectedGain).toBeGreaterThanOrEqual(0);
  });
});

describe('advice', () => {
  const usual = evidence(draws(50, 3, (rng) => rng.normal()));
  test('goes on while there is something to gain', () => {
    expect(stopAdvice(usual, outlookOf(usual, 50))).toMatchObject({
      advice: 'goOn',
      text: expect.stringMatching(
        /^The next 50 trials have a chance of about 50 % to improve the best loss, by 0\.\d+ in the mean\. It is worth going on\.$/,
      ),
    });
  });

  test('stops on a plateau', () => {
    const flat = evidence([...draws(40, 3, (rng) => 1 + rng.next()), ...Array.from({ length: 20 }, (): Outcome => 1)]);
    expect(stopAdvice(flat, outlookOf(flat, 20))).toMatchObject({
      advice: 'stop',
      text: expect.stringMatching(/less than 1 % .* by 0 in the mean\. The study can be stopped/),
    });
  });

  test('stops when what is left is little beside what was gained', () => {
    const converged = evidence([...draws(30, 3, (rng) => 1 + rng.next()), ...draws(60, 4, (rng) => 0.1 + 1e-4 * rng.next())]);
    expect(stopAdvice(converged, outlookOf(converged, 30)).advice).toBe('stop');
  });

  test('takes the word of a model', () => {
    expect(stopAdvice(usual, { trials: 1, expectedGain: 0.3, chance: 0.999 }).text).toBe(
      'The next trial has a chance of about 99 % to improve the best loss, by 0.3 in the mean. It is worth going on.',
    );
  });

  test('says when it is too early', () => {
    expect(stopAdvice(evidence([1, 2]), null)).toEqual({
      advice: 'tooEarly',
      outlook: null,
      text: 'Too early to say what more trials would bring: 2 have a value of loss, and it takes 10.',
    });
  });
});
