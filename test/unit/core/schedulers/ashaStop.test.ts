import { describe, expect, test } from 'vitest';
import { createScheduler } from '../../../../agent/core/schedulers/index.ts';
import { config } from './config.ts';

describe('in batches', () => {
  const scheduler = (isWatchful = false) => createScheduler(isWatchful ? 'auto' : 'asha-stop', config({ isBatched: true }));
  const report = (asha: ReturnType<typeof scheduler>, steps: readonly Step[]): void => {
    for (const [number, resource, value, decision] of steps)
      expect([number, asha.onReport(number, resource, [value])]).toEqual([number, decision]);
  };

  test('a trial is judged by what earlier batches came to and by itself', () => {
    const asha = scheduler();
    // Alone with itself, nobody is stopped.
    report(asha, [
      [1, 1, 1, 'continue'],
      [2, 1, 2, 'continue'],
      [3, 1, 3, 'continue'],
      [3, 3, 3, 'continue'],
    ]);
    for (const number of [1, 2, 3]) asha.onEnded(number, true);
    // Of four, one goes on: the best, and what equals it.
    report(asha, [
      [4, 1, 1.5, 'stop'],
      [5, 1, 1, 'continue'],
      [6, 1, 0.5, 'continue'],
      [7, 1, 0.9, 'continue'],
      // One is known there, and itself.
      [5, 3, 99, 'continue'],
    ]);
  });

  test.each([false, true])(
    'the order of reports and of batches does not matter, only that of the told ends (watched: %s)',
    (isWatchful) => {
      const values = Array.from({ length: 60 }, (_, i) => ((i * 37) % 61) / 7);
      const play = (order: (numbers: number[]) => number[]) => {
        const asha = scheduler(isWatchful);
        const decisions: string[] = [];
        for (let first = 0; first < 60; first += 6) {
          const numbers = Array.from({ length: 6 }, (_, k) => first + k);
          const going = new Set(numbers);
          for (const resource of [1, 3, 9, 27])
            for (const number of order(numbers)) {
              if (!going.has(number)) continue;
              const decision = asha.onReport(number, resource, [(values[number] ?? 0) + 1 / resource]);
              if (decision === 'stop') going.delete(number);
              decisions.push(`${number} ${resource} ${decision}`);
            }
          for (const number of numbers) asha.onEnded(number, going.has(number));
        }
        return { decisions: decisions.sort(), state: asha.state };
      };
      const forth = play((numbers) => numbers);
      expect(play((numbers) => numbers.toReversed())).toEqual(forth);
      expect(forth.decisions.some((decision) => decision.endsWith('stop'))).toBe(true);
    },
  );

  test('what a trial reports again decides nothing', () => {
    const asha = scheduler();
    report(asha, [
      [1, 1, 1, 'continue'],
      [1, 1, 9, 'continue'],
      [1, 27, 1, 'continue'],
      [1, 27, 1, 'continue'],
    ]);
    asha.onEnded(1, true);
    expect(asha.state).toMatchObject({ rungs: [{ values: { size: 1 } }, {}, {}] });
  });
});

type Step = readonly [number: number, resource: number, value: number, decision: 'continue' | 'stop'];

const rows: readonly { name: string; direction?: 'min' | 'max'; steps: readonly Step[] }[] = [
  {
    name: 'fewer than η values decide nothing',
    steps: [
      [1, 1, 5, 'continue'],
      [2, 1, 9, 'continue'],
      [3, 1, 10, 'stop'],
    ],
  },
  {
    name: 'the best third of those seen goes on',
    steps: [
      [1, 1, 5, 'continue'],
      [2, 1, 9, 'continue'],
      [3, 1, 4, 'continue'],
      [4, 1, 4.5, 'stop'],
      [5, 1, 6, 'stop'],
      [6, 1, 4.6, 'stop'],
      [7, 1, 4.4, 'continue'],
    ],
  },
  {
    name: 'max',
    direction: 'max',
    steps: [
      [1, 1, 5, 'continue'],
      [2, 1, 9, 'continue'],
      [3, 1, 10, 'continue'],
      [4, 1, 9.5, 'stop'],
    ],
  },
  {
    name: 'between rungs nothing is decided',
    steps: [
      [1, 1, 1, 'continue'],
      [2, 1, 1, 'continue'],
      [3, 2, 99, 'stop'],
      [1, 2, 99, 'continue'],
      [2, 2.99, 99, 'continue'],
    ],
  },
  {
    name: 'NaN is stopped at its rung, also as the first',
    steps: [
      [1, 1, NaN, 'stop'],
      [2, 1, 3, 'continue'],
      [3, 1, 4, 'stop'],
    ],
  },
  {
    name: 'NaN off the rungs is only a report',
    steps: [
      [1, 1, 1, 'continue'],
      [1, 2, NaN, 'continue'],
      [1, 3, 1, 'continue'],
    ],
  },
  {
    name: 'infinity is a value, worse than any number',
    steps: [
      [1, 1, Infinity, 'continue'],
      [2, 1, 1e300, 'continue'],
      [3, 1, Infinity, 'stop'],
    ],
  },
  {
    name: 'minus infinity is the best of a minimum',
    steps: [
      [1, 1, 1, 'continue'],
      [2, 1, 2, 'continue'],
      [3, 1, -Infinity, 'continue'],
    ],
  },
  {
    name: 'equal values all go on',
    steps: [
      [1, 1, 1, 'continue'],
      [2, 1, 1, 'continue'],
      [3, 1, 1, 'continue'],
      [4, 1, 1, 'continue'],
      [5, 1, 1, 'continue'],
    ],
  },
  {
    name: 'a repeated report counts once',
    steps: [
      [1, 1, 1, 'continue'],
      [1, 1, 1, 'continue'],
      [1, 1, 1, 'continue'],
      [2, 1, 9, 'continue'],
    ],
  },
  {
    name: 'a late report of a passed rung changes nothing',
    steps: [
      [1, 3, 1, 'continue'],
      [1, 1, 99, 'continue'],
      [2, 1, 50, 'continue'],
      [3, 1, 60, 'continue'],
      [4, 1, 55, 'stop'],
    ],
  },
  {
    name: 'several rungs at once count at the highest',
    steps: [
      [1, 9, 1, 'continue'],
      [2, 1, 50, 'continue'],
      [3, 1, 51, 'continue'],
      [4, 9, 2, 'continue'],
      [5, 9, 3, 'stop'],
    ],
  },
  {
    name: 'what arrives after the stop changes nothing',
    steps: [
      [1, 1, 1, 'continue'],
      [2, 1, 2, 'continue'],
      [3, 1, 9, 'stop'],
      [3, 3, 0, 'continue'],
      [3, 9, 0, 'continue'],
      [1, 3, 5, 'continue'],
      [2, 3, 6, 'continue'],
      [4, 1, 0.5, 'continue'],
      [4, 3, 5.5, 'stop'],
    ],
  },
  {
    name: 'at the full resource nothing is stopped',
    steps: [
      [1, 27, 9, 'continue'],
      [2, 27, 8, 'continue'],
      [3, 27, 7, 'continue'],
      [4, 27, 100, 'stop'],
      [4, 27, 100, 'continue'],
    ],
  },
  {
    name: 'the baseline is never stopped and takes no place',
    steps: [
      [1, 1, 5, 'continue'],
      [2, 1, 5, 'continue'],
      [3, 1, 4, 'continue'],
      [0, 1, 1e9, 'continue'],
      [0, 3, NaN, 'continue'],
      [4, 1, 4.5, 'stop'],
    ],
  },
];

describe('asha-stop', () => {
  test.each(rows)('$name', ({ direction = 'min', steps }) => {
    const scheduler = createScheduler('asha-stop', config({ directions: [direction] }));
    expect(scheduler.nextTrial(0)).toEqual({ type: 'trial', target: 27 });
    expect(scheduler.nextTrial(5)).toEqual({ type: 'trial', target: 27 });
    const decisions = steps.map(([number, resource, value]) => scheduler.onReport(number, resource, [value]));
    expect(decisions).toEqual(steps.map(([, , , decision]) => decision));
    expect(scheduler.nextPromotion(true)).toBeNull();
  });

  test('reaching the full resource in one report is compared at the last rung below it', () => {
    const scheduler = createScheduler('asha-stop', config({}));
    expect([1, 2, 3, 4].map((number) => scheduler.onReport(number, 27, [number]))).toEqual([
      'continue',
      'continue',
      'stop',
      'stop',
    ]);
  });
});
