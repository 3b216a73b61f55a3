import { describe, expect, test } from 'vitest';
import { bestRegion } from '../../../../agent/core/analysis/index.ts';
import type { Distribution, Params, ParamValue } from '../../../../agent/protocol/space.ts';
import { choice, float, int, ordinal, parameter, searchSpace } from '../space/builders.ts';
import { accuracy, evidenceOf, numberOf, type Outcome, randomTrials, type Trial } from './build.ts';

const suggestions = (distribution: Distribution, f: (value: ParamValue, params: Params) => Outcome, n = 200) => {
  const space = searchSpace([parameter('p', distribution), parameter('other', float(0, 1))]);
  const trials = randomTrials(space, n, 6, (params) => f(params['p'] ?? null, params));
  return bestRegion(evidenceOf(space, trials));
};

const log = (value: ParamValue): number => Math.log10(Number(value));

test.each<[string, Distribution, (value: ParamValue, params: Params) => Outcome, RegExp[]]>([
  [
    'a log range',
    float(1e-5, 1, { log: true }),
    (p, params) => (log(p) + 3) ** 2 + 0.3 * numberOf(params, 'other'),
    [
      /^narrow p to (1\.\d|[2-9](\.\d)?)e-4 … 0\.00\d+ \(from 1e-5 … 1\): all of the best 30 trials lie there, and \d+ of the other 170 do not$/,
    ],
  ],
  ['an int range', int(1, 100), (p) => Math.abs(Number(p) - 30), [/^narrow p to 2\d … 3\d \(from 1 … 100\)/]],
  ['a stepped range', float(0, 10, { step: 0.5 }), (p) => Math.abs(Number(p) - 3), [/^narrow p to 2(\.5)? … (3\.5|4) \(/]],
  [
    'the best at the low end',
    float(1e-5, 1, { log: true }),
    (p) => log(p),
    [/^widen p below 1e-5, for example to 2\.1e-7, if/, /^narrow p to 1e-5 … [\de.-]+ \(beside that\)/],
  ],
  [
    'the best at the high end',
    int(1, 30),
    (p) => -Number(p),
    [/^widen p above 30, for example to 40, if/, /^narrow p to 2\d … 30/],
  ],
  ['an end at 0 is one by nature', float(0, 0.5), (p) => Number(p), [/^narrow p to 0 … 0\.\d+/]],
  [
    'choices without any of the best',
    choice('a', 'b', 'c', 'd'),
    (p, params) => (p === 'b' || p === 'd' ? 1 : 0) + numberOf(params, 'other'),
    [/^drop "b", "d" from p: \d+ trials with them, none among the best 30$/],
  ],
  [
    'ordered choices, from the ends only',
    ordinal(8, 16, 32, 64, 128),
    (p, params) => (p === 32 || p === 128 ? 1 : 0) + numberOf(params, 'other'),
    [/^drop 128 from p/],
  ],
  ['no influence', float(0, 1), (_, params) => Math.abs(numberOf(params, 'other') - 0.4) * 1e-9 + 1, []],
  ['a constant', float(0, 1), () => 1, []],
  ['one value', int(3, 3), (_, params) => numberOf(params, 'other'), []],
  ['all failed', float(0, 1), () => 'failed', []],
])('%s', (_, distribution, f, expected) => {
  const found = suggestions(distribution, f).filter(({ name }) => name === 'p');
  expect(found).toHaveLength(expected.length);
  found.forEach(({ text }, k) => expect(text).toMatch(expected[k] ?? /never/));
});

describe('evidence', () => {
  const space = searchSpace([parameter('p', float(0, 1))]);
  const near = (n: number, from: number, to: number, outcome: (p: number) => Outcome): Trial[] =>
    Array.from({ length: n }, (_, k) => from + ((k + 0.5) / n) * (to - from)).map((p) => ({
      params: { p },
      outcome: outcome(p),
    }));

  test('a sampler that hardly looked elsewhere has none', () => {
    const trials = [...near(60, 0.4, 0.6, (p) => (p * 6100) % 1), ...near(3, 0, 1, () => 9)];
    expect(bestRegion(evidenceOf(space, trials))).toEqual([]);
  });

  test('failures outside count as evidence', () => {
    const trials = [...near(30, 0.1, 0.4, (p) => Math.abs(p - 0.25)), ...near(40, 0.4, 1, () => 'failed')];
    expect(bestRegion(evidenceOf(space, trials))).toMatchObject([{ type: 'narrow', name: 'p', low: expect.closeTo(0.15, 1) }]);
  });

  test.each([0, 1, 9])('%d trials say nothing', (n) => {
    expect(
      bestRegion(
        evidenceOf(
          space,
          near(n, 0, 1, (p) => p),
        ),
      ),
    ).toEqual([]);
  });

  test('pure noise in five parameters gives a suggestion in at most one study of six', () => {
    const five = searchSpace([
      parameter('lr', float(1e-5, 1e-1, { log: true })),
      parameter('width', int(4, 64)),
      parameter('kind', choice('a', 'b', 'c')),
      parameter('decay', float(0.1, 0.5)),
      parameter('batch', ordinal(16, 32, 64, 128)),
    ]);
    let wrong = 0;
    for (let seed = 0; seed < 120; seed++) {
      const trials = randomTrials(five, 60, seed, (_, rng) => rng.normal());
      if (bestRegion(evidenceOf(five, trials)).length > 0) wrong++;
    }
    expect(wrong).toBeLessThan(20);
  });
});

test('ranges hold the good trials, lie inside the old one, and are what the text says', () => {
  for (let seed = 0; seed < 40; seed++) {
    const space = searchSpace([parameter('p', float(-3, 7)), parameter('q', float(1e-3, 1e3, { log: true }))]);
    const trials = randomTrials(
      space,
      100,
      seed,
      (params, rng) => -Math.abs(numberOf(params, 'p') - seed / 8) - Math.abs(log(params['q'] ?? 1)) + 0.1 * rng.normal(),
    );
    const good = trials.toSorted((a, b) => Number(b.outcome) - Number(a.outcome)).slice(0, 15);
    for (const found of bestRegion(evidenceOf(space, trials, accuracy))) {
      if (found.type !== 'narrow') continue;
      const [low, high] = found.name === 'p' ? [-3, 7] : [1e-3, 1e3];
      expect(found.low >= low && found.high <= high && found.low < found.high).toBe(true);
      for (const { params } of good) {
        const value = numberOf(params, found.name);
        expect(value >= found.low && value <= found.high, `${value} in ${found.text}`).toBe(true);
      }
    }
  }
});
