import { expect, test } from 'vitest';
import { medianLevels } from '../../../../agent/core/schedulers/median.ts';
import { planRungs } from '../../../../agent/core/schedulers/index.ts';
import { config } from './config.ts';
import { play, type Step } from './script.ts';

/** Trials 1 to 5 complete with the values 10, 20 … 50 at resources 1 and 2. */
const five: readonly Step[] = [
  ['create', 27, 27, 27, 27, 27, 27, 27, 27],
  ...[1, 2, 3, 4, 5].flatMap((number): Step[] => [
    ['report', number, 1, 10 * number, 'continue'],
    ['report', number, 2, 10 * number, 'continue'],
    ['end', number, true],
  ]),
];

const rows: readonly { name: string; directions?: readonly ('min' | 'max')[]; steps: readonly Step[] }[] = [
  {
    name: 'four completed trials decide nothing',
    steps: [...five.slice(0, -3), ['report', 6, 1, 1e9, 'continue']],
  },
  { name: 'worse than the median of five', steps: [...five, ['report', 6, 1, 31, 'stop'], ['report', 7, 1, 29, 'continue']] },
  { name: 'as good as the median', steps: [...five, ['report', 6, 1, 30, 'continue']] },
  {
    name: 'max',
    directions: ['max'],
    steps: [...five, ['report', 6, 1, 31, 'continue'], ['report', 7, 1, 29, 'stop']],
  },
  {
    name: 'the best value so far counts, not the last',
    steps: [...five, ['report', 6, 1, 5, 'continue'], ['report', 6, 2, 99, 'continue']],
  },
  {
    name: 'of the others the mean up to there counts, not the last value',
    steps: [
      ['create', 27, 27, 27, 27, 27, 27, 27],
      ...[1, 2, 3, 4, 5].flatMap((number): Step[] => [
        ['report', number, 1, 100, 'continue'],
        ['report', number, 2, 0, 'continue'],
        ['end', number, true],
      ]),
      ['report', 6, 1, 100, 'continue'],
      // 50 is not worse than the means of 100 and 0.
      ['report', 6, 2, 50, 'continue'],
    ],
  },
  {
    name: 'of an even number the median is between the two in the middle',
    steps: [
      ...five,
      ['report', 6, 1, 20, 'continue'],
      ['end', 6, true],
      // 10 20 20 30 40 50
      ['report', 7, 1, 25.5, 'stop'],
    ],
  },
  { name: 'nothing below the minimum', steps: [...five, ['report', 6, 0.5, 1e9, 'continue']] },
  { name: 'nothing at the full resource', steps: [...five, ['report', 6, 27, 1e9, 'continue']] },
  { name: 'nothing where nobody else was', steps: [...five, ['report', 6, 3, 1e9, 'continue']] },
  {
    name: 'a trial that was stopped is none of the others',
    steps: [...five, ['report', 6, 1, 1e9, 'stop'], ['end', 6, false], ['report', 7, 1, 31, 'stop']],
  },
  {
    name: 'a report that is repeated, late or out of order changes nothing',
    steps: [
      ...five,
      ['report', 6, 2, 5, 'continue'],
      ['report', 6, 2, 1e9, 'continue'],
      ['report', 6, 1, 1e9, 'continue'],
      ['end', 6, true],
      // At resource 1 the median is still that of the five.
      ['report', 7, 1, 31, 'stop'],
    ],
  },
  {
    name: 'what arrives after the stop changes nothing',
    steps: [
      ...five,
      ['report', 6, 1, 31, 'stop'],
      ['report', 6, 2, 1e9, 'continue'],
      ['end', 6, true],
      ['report', 7, 2, 31, 'stop'],
    ],
  },
  {
    name: 'a repeated report is no part of the mean',
    steps: [
      ['create', 27, 27, 27, 27, 27, 27, 27],
      ...[1, 2, 3, 4, 5].flatMap((number): Step[] => [
        ['report', number, 1, 10 * number, 'continue'],
        ['report', number, 1, 1e9, 'continue'],
        ['report', number, 2, 10 * number, 'continue'],
        ['end', number, true],
      ]),
      ['report', 6, 2, 31, 'stop'],
    ],
  },
  {
    name: 'a trial that failed is none of the others',
    steps: [...five, ['report', 6, 1, 0, 'continue'], ['end', 6, false], ['report', 7, 1, 30, 'continue']],
  },
  { name: 'nothing but NaN is worse than any median', steps: [...five, ['report', 6, 1, NaN, 'stop']] },
  {
    name: 'NaN beside numbers is left out',
    steps: [...five, ['report', 6, 1, 29, 'continue'], ['report', 6, 2, NaN, 'continue']],
  },
  {
    name: 'infinity is a value',
    steps: [...five, ['report', 6, 1, Infinity, 'stop'], ['report', 7, 1, -Infinity, 'continue']],
  },
  {
    name: 'equal values all go on',
    steps: [
      ['create', ...Array.from({ length: 12 }, () => 27)],
      ...Array.from({ length: 11 }, (_, i): Step[] => [
        ['report', i + 1, 1, 7, 'continue'],
        ['end', i + 1, true],
      ]).flat(),
    ],
  },
  {
    name: 'the baseline neither stops nor counts',
    steps: [
      ['create', 27, 27, 27, 27, 27, 27, 27],
      ['report', 0, 1, 1, 'continue'],
      ['end', 0, true],
      ...five.slice(1, -3),
      ['report', 6, 1, 1e9, 'continue'],
    ],
  },
  {
    name: 'several objectives: stopped where it is worse in each',
    directions: ['min', 'max'],
    steps: [
      ['create', 27, 27, 27, 27, 27, 27, 27, 27, 27],
      ...[1, 2, 3, 4, 5].flatMap((number): Step[] => [
        ['report', number, 1, [number, number], 'continue'],
        ['end', number, true],
      ]),
      ['report', 6, 1, [4, 4], 'continue'],
      ['report', 7, 1, [4, 2], 'stop'],
      ['report', 8, 1, [NaN, 4], 'continue'],
    ],
  },
];

test.each(rows)('median: $name', ({ directions = ['min'], steps }) => {
  const scheduler = play('median', { directions }, steps);
  expect(scheduler.nextPromotion(true)).toBeNull();
});

test.each([
  ['each whole number while they are few', { min: 1, max: 5 }, [1, 2, 3, 4, 5]],
  ['one value', { min: 9, max: 9 }, [9]],
  ['reversed', { min: 9, max: 3 }, [3]],
])('levels: %s', (_name, range, expected) => {
  expect(medianLevels(range)).toEqual(expected);
});

test('levels: never more than 101, from the minimum to the maximum', () => {
  for (const range of [
    { min: 1, max: 1_000 },
    { min: 0.1, max: 2 },
    { min: 0, max: 1e300 },
  ]) {
    const levels = medianLevels(range);
    expect([levels.length, levels[0], levels.at(-1)]).toEqual([101, range.min, range.max]);
  }
});

test('the number that completes grows like the root of the number of trials', () => {
  const complete = (maxTrials: number) => planRungs('median', config({ maxTrials, baseline: null }))?.at(-1)?.trials ?? NaN;
  expect(complete(40_000) / complete(10_000)).toBeCloseTo(2, 1);
});
