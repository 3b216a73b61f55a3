import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frontOrder, type Ranked } from '../../../../agent/core/schedulers/frontOrder.ts';
import { chooseBest, windowSize } from '../../../../agent/core/schedulers/rungState.ts';
import { play, type Step } from './script.ts';

const points = (...scores: readonly (readonly number[])[]): Ranked[] => scores.map((of, number) => ({ number, scores: of }));
const numbers = (ranked: readonly Ranked[]): number[] => ranked.map(({ number }) => number);

describe('order by fronts', () => {
  test.each([
    ['one objective: by value, equal ones by number', points([3], [1], [2], [1]), 4, [1, 3, 2, 0]],
    ['a front before what it dominates', points([2, 2], [1, 3], [0, 0], [3, 1]), 4, [2, 1, 0, 3]],
    ['a part of a front: its end first, then the farthest', points([4, 0], [0, 4], [2, 2], [1, 3]), 2, [1, 0]],
    ['… then what is far from both', points([4, 0], [0, 4], [2, 2], [1, 3]), 3, [1, 0, 2]],
    ['equal ones share a front', points([1, 1], [1, 1], [1, 1]), 2, [0, 1]],
    ['each objective counts by its range', points([0, 1e9], [1, 0], [0.5, 9e8], [0.9, 1e8]), 3, [0, 1, 2]],
    [
      'the largest doubles',
      points([-Number.MAX_VALUE, Number.MAX_VALUE], [Number.MAX_VALUE, -Number.MAX_VALUE], [0, 0]),
      2,
      [0, 1],
    ],
    ['more than there are', points([1, 2], [2, 1]), 9, [0, 1]],
    ['none', [], 3, []],
  ] as const)('%s', (_name, given, count, expected) => {
    expect(numbers(frontOrder(given, count))).toEqual(expected);
  });

  const some = fc.array(fc.array(fc.integer({ min: 0, max: 6 }), { minLength: 3, maxLength: 3 }), { maxLength: 40 });

  test('chooses what its definition says, whatever the order of arrival', () => {
    fc.assert(
      fc.property(some, fc.nat(40), (scores, count) => {
        const given = points(...scores);
        const found = numbers(frontOrder(given, count));
        expect(numbers(frontOrder(given.toReversed(), count))).toEqual(found);
        expect(found.toSorted((a, b) => a - b)).toEqual(naive(scores, count).toSorted((a, b) => a - b));
      }),
    );
  });
});

test('more than 512 are ranked in groups, each of which gives its part', () => {
  const measured = Array.from({ length: 1_024 }, (_, number) => ({ number, scores: [number % 512, number % 512] }));
  const best = chooseBest(measured, 10);
  expect([...best].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3, 4, 512, 513, 514, 515, 516]);
});

/** Fronts by counting, and the ε-net with every distance computed anew. */
function naive(scores: readonly (readonly number[])[], count: number): number[] {
  const dominates = (a: readonly number[], b: readonly number[]) =>
    a.every((value, k) => value <= (b[k] ?? 0)) && a.some((value, k) => value < (b[k] ?? 0));
  let rest = scores.map((_, number) => number);
  const of = (number: number | undefined) => scores[number ?? -1] ?? [];
  const chosen: number[] = [];
  while (rest.length > 0 && chosen.length < count) {
    const front = rest.filter((a) => !rest.some((b) => dominates(of(b), of(a))));
    rest = rest.filter((a) => !front.includes(a));
    if (front.length <= count - chosen.length) {
      chosen.push(...front);
      continue;
    }
    const unit = (number: number, k: number) => {
      const values = front.map((other) => of(other)[k] ?? 0);
      const range = Math.max(...values) - Math.min(...values);
      return range === 0 ? 0 : ((of(number)[k] ?? 0) - Math.min(...values)) / range;
    };
    const distance = (a: number, b: number) => of(a).reduce((sum, _, k) => sum + (unit(a, k) - unit(b, k)) ** 2, 0);
    const lexical = front.toSorted((a, b) => {
      const k = of(a).findIndex((value, i) => value !== of(b)[i]);
      return k < 0 ? a - b : (of(a)[k] ?? 0) - (of(b)[k] ?? 0);
    });
    const net: number[] = [];
    while (net.length < count - chosen.length) {
      const left = lexical.filter((number) => !net.includes(number));
      const near = left.map((number) => Math.min(...net.map((other) => distance(number, other))));
      net.push(left[near.indexOf(Math.max(...near))] ?? -1);
    }
    chosen.push(...net);
  }
  return chosen;
}

const two = { directions: ['min', 'max'] } as const;

const stopping: readonly { name: string; steps: readonly Step[] }[] = [
  {
    name: 'fewer than η decide nothing; then what a third dominates is stopped',
    steps: [
      ['report', 1, 1, [5, 5], 'continue'],
      ['report', 2, 1, [9, 1], 'continue'],
      ['report', 3, 1, [10, 0], 'stop'],
      ['report', 4, 1, [1, 9], 'continue'],
    ],
  },
  {
    name: 'of a front that does not fit, its end goes on',
    steps: [
      ['report', 1, 1, [1, 1], 'continue'],
      ['report', 2, 1, [2, 2], 'continue'],
      ['report', 3, 1, [3, 3], 'stop'],
      ['report', 4, 1, [0, 0], 'continue'],
    ],
  },
  {
    name: 'what only one dominates goes on where two do',
    steps: [
      ['report', 1, 1, [5, 5], 'continue'],
      ['report', 2, 1, [6, 4], 'continue'],
      ['report', 3, 1, [7, 3], 'stop'],
      ['report', 4, 1, [8, 2], 'stop'],
      ['report', 5, 1, [9, 1], 'stop'],
      ['report', 6, 1, [5.5, 4.5], 'continue'],
    ],
  },
  {
    name: 'NaN in one objective is stopped',
    steps: [['report', 1, 1, [0, NaN], 'stop']],
  },
  {
    name: 'equal ones all go on',
    steps: [1, 2, 3, 4, 5].map((number): Step => ['report', number, 1, [1, 1], 'continue']),
  },
  {
    name: 'late, repeated and passed rungs as with one objective',
    steps: [
      ['report', 1, 3, [1, 1], 'continue'],
      ['report', 1, 1, [9, 0], 'continue'],
      ['report', 1, 3, [9, 0], 'continue'],
      ['report', 2, 9, [2, 0], 'continue'],
      ['report', 3, 3, [5, 1], 'continue'],
      ['report', 4, 3, [6, 0], 'stop'],
      ['report', 4, 9, [0, 9], 'continue'],
    ],
  },
];

describe('asha-stop with several objectives', () => {
  test.each(stopping)('$name', ({ steps }) => {
    play('asha-stop', two, steps);
  });

  test('only the last of a rung are ranked', () => {
    const steps: Step[] = [];
    // Good ones at first, which are forgotten.
    for (let number = 1; number <= 3; number++) steps.push(['report', number, 1, [0, 9], 'continue']);
    const scheduler = play('asha-stop', two, steps);
    for (let number = 4; number < 4 + windowSize; number++) scheduler.onReport(number, 1, [number, -number]);
    expect(scheduler.onReport(1_000, 1, [2, -2])).toBe('continue');
  });
});

const promoting: readonly { name: string; steps: readonly Step[] }[] = [
  {
    name: 'of a front the ends, then nothing more than a third',
    steps: [
      ['pauseAll', 1, [1, [1, 1]], [2, [2, 2]], [3, [3, 3]]],
      ['next', [1, 3]],
      ['next', null],
      ['pauseAll', 1, [4, [4, 4]], [5, [5, 5]], [6, [6, 6]]],
      ['next', [6, 3]],
      ['next', null],
    ],
  },
  {
    name: 'what is dominated never, but for the end of a study',
    steps: [
      ['pauseAll', 1, [1, [9, 0]], [2, [1, 9]], [3, [9, 0]]],
      ['next', [2, 3]],
      ['end', 2, false],
      ['next', null],
      ['closing', [1, 3]],
    ],
  },
  {
    name: 'what waits at a higher rung is not promoted from a lower one again',
    steps: [
      ['pauseAll', 1, [1, [1, 9]], [2, [2, 2]], [3, [3, 3]]],
      ['next', [1, 3]],
      ['pause', 1, 3, [1, 9]],
      ['next', null],
    ],
  },
  {
    name: 'NaN counts in n',
    steps: [
      ['pauseAll', 1, [1, [NaN, 1]], [2, [1, NaN]], [3, [9, 0]]],
      ['next', [3, 3]],
      ['next', null],
      ['closing', null],
    ],
  },
  {
    name: 'a trial that has ended is not promoted',
    steps: [
      ['pauseAll', 1, [1, [1, 9]], [2, [2, 2]], [3, [3, 3]]],
      ['end', 1, false],
      ['next', null],
    ],
  },
];

describe('asha-promote with several objectives', () => {
  test.each(promoting)('$name', ({ steps }) => {
    play('asha-promote', two, steps);
  });
});
