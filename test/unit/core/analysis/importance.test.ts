import { describe, expect, test } from 'vitest';
import { bestRegion, fanova, fitLossModel, type Importance, pedAnova } from '../../../../agent/core/analysis/index.ts';
import { choice, float, int, parameter, searchSpace } from '../space/builders.ts';
import { accuracy, evidenceOf, numberOf, optunaHistories, type Outcome, randomTrials } from './build.ts';

const shareOf = (importance: Importance, name: string): number =>
  importance.parameters.find((one) => one.name === name)?.share ?? NaN;
const order = (shares: Readonly<Record<string, number>>): string[] =>
  Object.keys(shares).toSorted((a, b) => (shares[b] ?? 0) - (shares[a] ?? 0));

describe.each(optunaHistories)('$name', ({ evidence, pedAnova: expectedPed, fanova: expectedFanova }) => {
  test("PED-ANOVA within 0.015 of Optuna's", () => {
    const importance = pedAnova(evidence);
    for (const [name, share] of Object.entries(expectedPed))
      expect(Math.abs(shareOf(importance, name) - share), name).toBeLessThan(0.015);
  });

  test("fANOVA within 0.12 of Optuna's, the largest share with the same parameter", () => {
    const importance = fanova(evidence, fitLossModel(evidence, 0));
    for (const [name, share] of Object.entries(expectedFanova))
      expect(Math.abs(shareOf(importance, name) - share), name).toBeLessThan(0.12);
    expect(importance.parameters[0]?.name).toBe(order(expectedFanova)[0]);
  });
});

const plain = searchSpace([
  parameter('x', float(0, 1)),
  parameter('y', float(1e-5, 1, { log: true })),
  parameter('kind', choice('a', 'b', 'c')),
  parameter('fixed', int(3, 3)),
]);

/** Both methods over the same trials. */
function both(n: number, f: (x: number, trial: number) => Outcome, space = plain, objective = accuracy): Importance[] {
  let trial = 0;
  const evidence = evidenceOf(
    space,
    randomTrials(space, n, 5, (params) => f(numberOf(params, 'x'), trial++)),
    objective,
  );
  return [pedAnova(evidence), fanova(evidence, fitLossModel(evidence, 1))];
}

describe('nothing to say: all shares are 0 and the reason is told', () => {
  test.each<[string, number, (x: number, trial: number) => Outcome, RegExp]>([
    ['no trials', 0, () => 1, /at least 10 trials.*there are 0/],
    ['nine trials', 9, (x) => x, /at least 10 trials.*there are 9/],
    ['a constant objective', 40, () => 0.5, /All trials reached the same accuracy/],
    ['all failed', 40, () => 'failed', /at least (two|10) trials with a value of accuracy; there are 0/],
    ['all pruned', 40, () => 'pruned', /at least (two|10) trials with a value/],
    ['NaN for ever', 40, () => NaN, /at least (two|10) trials with a value/],
    ['only pending', 40, () => 'pending', /at least 10 trials/],
  ])('%s', (_, n, f, reason) => {
    for (const importance of both(n, f)) {
      expect(importance.parameters.map(({ name, share }) => [name, share])).toEqual([
        ['x', 0],
        ['y', 0],
        ['kind', 0],
        ['fixed', 0],
      ]);
      expect(importance.pairs).toEqual([]);
      expect(importance.problem).toMatch(reason);
    }
  });

  test('a space without parameters', () => {
    for (const importance of both(20, (_, trial) => trial, searchSpace([]))) expect(importance.parameters).toEqual([]);
  });
});

describe('what counts', () => {
  test.each<[string, (x: number, trial: number) => Outcome]>([
    ['plain', (x) => x],
    ['with failures', (x, trial) => (trial % 3 === 0 ? 'failed' : x)],
    ['with pruned trials', (x) => (x < 0.5 ? 'pruned' : x)],
    ['one diverged to 1e308', (x, trial) => (trial === 7 ? -1e308 : x)],
    ['infinite values', (x, trial) => (trial % 5 === 0 ? Infinity : x)],
    ['values near the largest double', (x) => (2 * x - 1) * 1.7e308],
    ['denormal values', (x) => x * 1e-310],
  ])('%s: x is most of it, and no share is NaN', (_, f) => {
    for (const importance of both(120, f)) {
      expect(importance.problem).toBeNull();
      expect(importance.parameters[0]?.name).toBe('x');
      for (const { share } of importance.parameters) expect(share >= 0 && share <= 1 + 1e-9).toBe(true);
      expect(shareOf(importance, 'x')).toBeGreaterThan(0.7);
      expect(shareOf(importance, 'fixed')).toBe(0);
    }
  });

  test('a parameter that makes trials fail is important to PED-ANOVA', () => {
    const [importance] = both(200, (x, trial) => (x > 0.3 ? 'failed' : (trial * 0.61) % 1));
    expect(shareOf(importance as Importance, 'x')).toBeGreaterThan(0.6);
  });

  test('the best of a maximised objective are the largest', () => {
    const space = searchSpace([parameter('x', float(0, 1)), parameter('z', float(0, 1))]);
    // Only near the top does x matter; below it is z.
    const trials = randomTrials(space, 300, 2, (params) =>
      numberOf(params, 'x') > 0.9 ? 2 + numberOf(params, 'x') : numberOf(params, 'z'),
    );
    expect(pedAnova(evidenceOf(space, trials, accuracy)).parameters[0]).toMatchObject({ name: 'x' });
    expect(shareOf(pedAnova(evidenceOf(space, trials, accuracy)), 'x')).toBeGreaterThan(0.9);
  });

  test('a parameter that is active in few trials gets the credit of those only', () => {
    const space = searchSpace([
      parameter('kind', choice('a', 'b')),
      parameter('momentum', float(0, 1), { when: 'kind == "b"' }),
      parameter('rate', float(0, 1)),
    ]);
    const trials = randomTrials(space, 300, 3, (params) =>
      params['kind'] === 'a' ? numberOf(params, 'rate') : 5 + numberOf(params, 'momentum'),
    );
    const evidence = evidenceOf(space, trials);
    expect(shareOf(pedAnova(evidence), 'momentum')).toBe(0);
    const importance = fanova(evidence, fitLossModel(evidence, 1));
    expect(importance.parameters[0]?.name).toBe('kind');
    expect(shareOf(importance, 'momentum')).toBeLessThan(0.05);
  });

  test('what only two together explain is theirs as a pair', () => {
    const space = searchSpace([parameter('x', float(-1, 1)), parameter('y', float(-1, 1)), parameter('z', float(-1, 1))]);
    const trials = randomTrials(space, 400, 4, (params) => Math.sign(numberOf(params, 'x') * numberOf(params, 'y')));
    const evidence = evidenceOf(space, trials);
    const importance = fanova(evidence, fitLossModel(evidence, 1));
    expect(importance.pairs[0]?.names.toSorted()).toEqual(['x', 'y']);
    expect(importance.pairs[0]?.share).toBeGreaterThan(0.7);
    for (const { share } of importance.parameters) expect(share).toBeLessThan(0.1);
  });

  test('the same evidence and seed give the same shares', () => {
    expect(both(60, (x) => x * x)).toEqual(both(60, (x) => x * x));
  });
});

// Usually 2 s, most of it to make them.
test('100,000 trials take bounded time', () => {
  const space = searchSpace(Array.from({ length: 4 }, (_, k) => parameter(`p${k}`, float(0, 1))));
  const trials = randomTrials(space, 100_000, 1, (params) => numberOf(params, 'p3'));
  const evidence = evidenceOf(space, trials);
  expect(pedAnova(evidence).parameters[0]?.name).toBe('p3');
  expect(fanova(evidence, fitLossModel(evidence, 1)).parameters[0]?.name).toBe('p3');
  expect(bestRegion(evidence)).toMatchObject([{ type: 'narrow', name: 'p3', low: 0 }]);
}, 60_000);
