import { describe, expect, test } from 'vitest';
import { play, type Step } from './script.ts';

const ones = (n: number): number[] => Array.from({ length: n }, () => 1);

/** Of rungs 1, 3, 9 a bracket is nine trials; without a baseline. */
const nine = { fidelity: { min: 1, max: 9, reductionFactor: 3 }, baseline: null, maxTrials: 18 } as const;
/** Nine trials pause at resource 1 with the value of their number. */
const full: readonly Step[] = [
  ['create', ...ones(9)],
  ['pauseAll', 1, ...[3, 1, 4, 0, 5, 2, 6, 8, 7].map((number) => [number, number] as const)],
];

const rows: readonly { name: string; changes?: object; steps: readonly Step[] }[] = [
  {
    name: 'a bracket from its beginning to its end, then the next',
    steps: [
      ...full,
      ['next', [0, 3]],
      ['next', [1, 3]],
      ['create', 'wait'],
      ['next', [2, 3]],
      ['next', null],
      ['pauseAll', 3, [2, 0.5], [0, 0.7]],
      ['next', null],
      ['create', 'wait'],
      ['pause', 1, 3, 0.6],
      ['next', [2, 9]],
      ['next', null],
      ['create', 'wait'],
      ['end', 2, true],
      ['create', ...ones(9)],
      ['next', null],
    ],
  },
  {
    name: 'nothing goes on before the last of a rung is there',
    steps: [
      ['create', ...ones(9)],
      ['pauseAll', 1, ...[0, 1, 2, 3, 4, 5, 6, 7].map((number) => [number, number] as const)],
      ['next', null],
      ['create', 'wait'],
      ['pause', 8, 1, 8],
      ['next', [0, 3]],
    ],
  },
  { name: 'max', changes: { directions: ['max'] }, steps: [...full, ['next', [8, 3]], ['next', [7, 3]], ['next', [6, 3]]] },
  {
    name: 'failed and cancelled trials count as done',
    steps: [
      ['create', ...ones(9)],
      ['pauseAll', 1, ...[0, 1, 2, 3, 4, 5, 6].map((number) => [number, number] as const)],
      ['end', 7, false],
      ['end', 8, false],
      ['next', [0, 3]],
      ['next', [1, 3]],
      ['next', [2, 3]],
      ['next', null],
    ],
  },
  {
    name: 'where all fail, the next bracket begins',
    steps: [
      ['create', ...ones(9)],
      ...Array.from({ length: 9 }, (_, number): Step => ['end', number, false]),
      ['next', null],
      ['create', 1],
    ],
  },
  {
    name: 'a promoted trial that fails counts as done above',
    steps: [
      ...full,
      ['next', [0, 3]],
      ['next', [1, 3]],
      ['next', [2, 3]],
      ['end', 0, false],
      ['pauseAll', 3, [1, 1], [2, 2]],
      ['next', [1, 9]],
    ],
  },
  {
    name: 'where every promoted trial fails, the bracket is over; at the end of the study the best that is left goes on',
    steps: [
      ...full,
      ['next', [0, 3]],
      ['next', [1, 3]],
      ['next', [2, 3]],
      ['end', 0, false],
      ['end', 1, false],
      ['end', 2, false],
      ['next', null],
      ['create', 1],
      ['end', 9, false],
      ['closing', [3, 3]],
      ['pause', 3, 3, 3],
      ['closing', [3, 9]],
      ['end', 3, true],
      ['closing', null],
    ],
  },
  {
    name: 'a baseline that completed is no reason to leave it at that',
    changes: { baseline: 0, maxTrials: 3 },
    steps: [
      ['create', 9, 1, 1],
      ['end', 0, true],
      ['pauseAll', 1, [1, 1], [2, 2]],
      ['next', [1, 3]],
      ['end', 1, false],
      ['next', null],
      ['closing', [2, 3]],
    ],
  },
  {
    name: 'a paused trial that is cancelled does not go on',
    steps: [...full, ['end', 0, false], ['next', [1, 3]], ['next', [2, 3]], ['next', null]],
  },
  {
    name: 'cancelled while its rung fills, it leaves its place to the next best',
    steps: [
      ['create', ...ones(9)],
      ['pauseAll', 1, ...[0, 1, 2, 3, 4, 5, 6, 7].map((number) => [number, number] as const)],
      ['end', 0, false],
      ['pause', 8, 1, 8],
      ['next', [1, 3]],
      ['next', [2, 3]],
      ['next', [3, 3]],
      ['next', null],
    ],
  },
  {
    name: 'NaN counts in n and does not go on',
    steps: [
      ['create', ...ones(9)],
      ['pauseAll', 1, [8, 8], ...[0, 1, 2, 3, 4, 5, 6, 7].map((number) => [number, NaN] as const)],
      ['next', [8, 3]],
      ['next', null],
    ],
  },
  {
    name: 'all NaN: over',
    steps: [
      ['create', ...ones(9)],
      ['pauseAll', 1, ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map((number) => [number, NaN] as const)],
      ['next', null],
      ['create', 1],
      ['end', 9, false],
      ['closing', null],
    ],
  },
  {
    name: 'equal values by number',
    steps: [
      ['create', ...ones(9)],
      ['pauseAll', 1, ...[8, 7, 6, 5, 4, 3, 2, 1, 0].map((number) => [number, 0] as const)],
      ['next', [0, 3]],
      ['next', [1, 3]],
      ['next', [2, 3]],
      ['next', null],
    ],
  },
  {
    name: 'a repeated pause counts once',
    steps: [
      ['create', ...ones(9)],
      ...Array.from({ length: 9 }, (): Step => ['pause', 0, 1, 0]),
      ['next', null],
      ['create', 'wait'],
    ],
  },
  {
    name: 'a pause beyond several rungs counts at its own',
    steps: [
      ['create', ...ones(9)],
      ['pauseAll', 9, ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map((number) => [number, number] as const)],
      ['next', [0, 3]],
    ],
  },
  {
    name: 'a pause below its rung is done, and not measured',
    steps: [
      ['create', ...ones(9)],
      ['pause', 0, 0.5, -1],
      ['pauseAll', 1, ...[1, 2, 3, 4, 5, 6, 7, 8].map((number) => [number, number] as const)],
      ['next', [1, 3]],
    ],
  },
  {
    name: 'reports pause at the target, early and late ones say nothing',
    steps: [
      ['create', ...ones(9)],
      ['report', 0, 0.5, 0, 'continue'],
      ['report', 0, 1, 0, 'pause'],
      ['report', 0, 3, 0, 'pause'],
      ['pauseAll', 1, ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map((number) => [number, number] as const)],
      ['report', 0, 1, 9, 'continue'],
      ['next', [0, 3]],
      ['report', 0, 1, 9, 'continue'],
      ['report', 0, 3, 9, 'pause'],
    ],
  },
  {
    name: 'the baseline runs through and nothing waits for it',
    changes: { baseline: 0, maxTrials: 10 },
    steps: [
      ['create', 9, ...ones(9)],
      ['report', 0, 1, 99, 'continue'],
      ['pauseAll', 1, ...[1, 2, 3, 4, 5, 6, 7, 8, 9].map((number) => [number, number] as const)],
      ['next', [1, 3]],
      ['end', 0, true],
      ['next', [2, 3]],
    ],
  },
  {
    name: 'at the end of the study a bracket that is not full is judged, and goes on side by side',
    steps: [
      ['create', ...ones(7)],
      ['pauseAll', 1, ...[0, 1, 2, 3, 4, 5, 6].map((number) => [number, number] as const)],
      ['next', null],
      ['closing', [0, 3]],
      ['next', [1, 3]],
      ['next', null],
    ],
  },
  {
    name: 'several objectives: front by front',
    changes: { directions: ['min', 'max'], maxTrials: 9 },
    steps: [
      ['create', ...ones(9)],
      // The front: 0, 1, 2, 3; the ends of it, then what lies farthest from both.
      [
        'pauseAll',
        1,
        [0, [0, 0]],
        [1, [1, 1]],
        [2, [5, 5]],
        [3, [10, 10]],
        ...[4, 5, 6, 7, 8].map((number) => [number, [20, -number]] as const),
      ],
      ['next', [0, 3]],
      ['next', [3, 3]],
      ['next', [2, 3]],
      ['next', null],
    ],
  },
];

describe('sha', () => {
  test.each(rows)('$name', ({ changes, steps }) => {
    play('sha', { ...nine, ...changes }, steps);
  });

  test('a bracket has a trial for each slot', () => {
    play('sha', { ...nine, maxTrials: null, parallel: 12 }, [['create', ...ones(12), 'wait']]);
  });

  test('brackets repeat without end where there is no budget', () => {
    const scheduler = play('sha', { ...nine, maxTrials: null }, [...full]);
    for (let round = 0; round < 4; round++) scheduler.nextPromotion(false);
    expect(scheduler.nextTrial(9)).toEqual({ type: 'wait' });
  });
});
