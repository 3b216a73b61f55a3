import { describe, expect, test } from 'vitest';
import { populationSize, readyPoints } from '../../../../agent/core/schedulers/pbt.ts';
import type { SchedulerConfig } from '../../../../agent/core/schedulers/index.ts';
import { config } from './config.ts';
import { play, type Step } from './script.ts';

const times = (n: number, target: number): number[] => Array.from({ length: n }, () => target);

/** Ready points 1, 2, 3 of 3; five train side by side, and one fork fits into the budget. */
const five: Partial<SchedulerConfig> = {
  fidelity: { min: 1, max: 3, reductionFactor: 3 },
  baseline: null,
  parallel: 5,
  maxTrials: 6,
  hasCheckpoint: true,
};

const rows: readonly { name: string; changes?: Partial<SchedulerConfig>; steps: readonly Step[] }[] = [
  {
    name: 'the worst of five is given up, and a fork of the best goes on from there',
    steps: [
      ['create', ...times(5, 1), 'wait'],
      ['report', 0, 1, 0, 'pause'],
      ['report', 1, 1, 1, 'pause'],
      ['report', 2, 1, 2, 'pause'],
      ['report', 3, 1, 3, 'pause'],
      ['report', 4, 1, 4, 'stop'],
      ['pauseAll', 1, [0, 0], [1, 1], [2, 2], [3, 3]],
      ['next', null],
      ['fork', [0], 2],
      ['create', 'wait'],
      ['next', [0, 2]],
      ['next', [1, 2]],
    ],
  },
  {
    name: 'of fewer than five nobody is given up',
    steps: [
      ['create', ...times(5, 1)],
      ['report', 0, 1, 0, 'pause'],
      ['report', 1, 1, 1, 'pause'],
      ['report', 2, 1, 2, 'pause'],
      ['report', 3, 1, 1e9, 'pause'],
    ],
  },
  {
    name: 'a trial that was judged by its pause stays paused, and does not go on',
    steps: [
      ['create', ...times(5, 1)],
      ['pauseAll', 1, [0, 0], [1, 1], [2, 2], [3, 3], [4, 4]],
      ['fork', [0], 2],
      ['next', [0, 2]],
      ['next', [1, 2]],
      ['next', [2, 2]],
      ['next', [3, 2]],
      ['next', null],
      ['closing', null],
      ['end', 4, false],
      ['create', 'wait'],
    ],
  },
  {
    name: 'max',
    changes: { directions: ['max'] },
    steps: [
      ['create', ...times(5, 1)],
      ['pauseAll', 1, [1, 1], [2, 2], [3, 3], [4, 4]],
      ['report', 0, 1, 0, 'stop'],
      ['fork', [4], 2],
    ],
  },
  {
    name: 'NaN is given up',
    steps: [
      ['create', ...times(5, 1)],
      ['pauseAll', 1, [0, 7], [1, 7], [2, 7], [3, 7]],
      ['report', 4, 1, NaN, 'stop'],
    ],
  },
  {
    name: 'equal values are not',
    steps: [
      ['create', ...times(5, 1)],
      ['pauseAll', 1, [0, 7], [1, 7], [2, 7], [3, 7]],
      ['report', 4, 1, 7, 'pause'],
    ],
  },
  {
    name: 'a parent that is ahead: the fork goes to its next ready point',
    steps: [
      ['create', ...times(5, 1)],
      ['pauseAll', 1, [0, 0], [1, 1], [2, 2], [3, 3]],
      ['next', [0, 2]],
      ['report', 0, 2, 0, 'pause'],
      ['report', 4, 1, 4, 'stop'],
      ['fork', [0], 3],
    ],
  },
  {
    name: 'the best has ended: the next best is the parent',
    steps: [
      ['create', ...times(5, 1)],
      ['pauseAll', 1, [0, 0], [1, 1], [2, 2], [3, 3]],
      ['report', 4, 1, 4, 'stop'],
      ['end', 0, false],
      ['fork', [1], 2],
    ],
  },
  {
    name: 'all have ended: a new one begins',
    steps: [
      ['create', ...times(5, 1)],
      ['pauseAll', 1, [0, 0], [1, 1], [2, 2], [3, 3]],
      ['report', 4, 1, 4, 'stop'],
      ...[0, 1, 2, 3].map((number): Step => ['end', number, false]),
      ['create', 1],
    ],
  },
  {
    name: 'nobody is given up when the budget has no trial for a fork',
    changes: { maxTrials: 5 },
    steps: [
      ['create', ...times(5, 1)],
      ['pauseAll', 1, [0, 0], [1, 1], [2, 2], [3, 3]],
      ['report', 4, 1, 1e9, 'pause'],
      ['pause', 4, 1, 1e9],
      ['next', [0, 2]],
    ],
  },
  {
    name: 'nor when the last is kept for a fork that is due',
    changes: { maxTrials: 7 },
    steps: [
      ['create', ...times(6, 1)],
      ['pauseAll', 1, [0, 0], [1, 1], [2, 2], [3, 3]],
      ['report', 4, 1, 4, 'stop'],
      ['report', 5, 1, 5, 'pause'],
    ],
  },
  {
    name: 'a member that fails or completes gives its place to a new one',
    steps: [
      ['create', ...times(5, 1), 'wait'],
      ['end', 0, true],
      ['create', 1, 'wait'],
    ],
  },
  {
    name: 'least trained first',
    changes: { parallel: 2 },
    steps: [
      ['create', 1, 1],
      ['pauseAll', 1, [1, 1]],
      ['next', null],
      ['create', ...times(3, 1)],
      ['pauseAll', 1, [0, 0]],
      ['next', [0, 2]],
      ['pauseAll', 2, [0, 0]],
      ['next', [1, 2]],
      ['next', [0, 3]],
    ],
  },
  {
    name: 'two ready points at once count at the higher; late and repeated reports change nothing',
    steps: [
      ['create', ...times(5, 1)],
      ['report', 0, 2, 0, 'pause'],
      ['report', 0, 1, 1e9, 'continue'],
      ['report', 0, 2, 1e9, 'continue'],
      ['pauseAll', 1, [0, 1e9]],
      ['pauseAll', 1, [0, 1e9]],
      ['pauseAll', 1, [1, 1], [2, 2], [3, 3]],
      // Four have been at 1.
      ['report', 4, 1, 4, 'pause'],
      ['pauseAll', 1, [4, 4]],
      ['next', [1, 2]],
      ['next', [2, 2]],
      ['next', [3, 2]],
      ['next', [4, 2]],
      ['next', [0, 3]],
      ['next', null],
    ],
  },
  {
    name: 'what arrives after the stop changes nothing',
    steps: [
      ['create', ...times(5, 1)],
      ['pauseAll', 1, [0, 0], [1, 1], [2, 2], [3, 3]],
      ['report', 4, 1, 4, 'stop'],
      ['report', 4, 2, -1, 'continue'],
      ['pause', 4, 1, -1],
      ['end', 4, false],
      ['fork', [0], 2],
      ['create', 'wait'],
    ],
  },
  {
    name: 'at the end of the study all that are paused train on, side by side, and nothing is created',
    steps: [
      ['create', 1, 1, 1],
      ['pauseAll', 1, [0, 0], [1, 1], [2, 2]],
      ['next', null],
      ['closing', [0, 2]],
      ['next', [1, 2]],
      ['next', [2, 2]],
      ['create', 'wait'],
    ],
  },
  {
    name: 'the baseline trains through and is no member',
    changes: { baseline: 0, maxTrials: 7 },
    steps: [
      ['create', 3, ...times(5, 1), 'wait'],
      ['report', 0, 1, 1e9, 'continue'],
      ['end', 0, true],
      ['create', 'wait'],
    ],
  },
  {
    name: 'several objectives: what is dominated by four fifths is given up',
    changes: { directions: ['min', 'max'] },
    steps: [
      ['create', ...times(5, 1)],
      ['pauseAll', 1, [0, [0, 0]], [1, [1, 1]], [2, [2, 2]], [3, [3, 3]]],
      ['report', 4, 1, [4, -1], 'stop'],
      ['fork', [0, 1, 2, 3], 2],
    ],
  },
];

describe('pbt', () => {
  test.each(rows)('$name', ({ changes, steps }) => {
    play('pbt', { ...five, ...changes }, steps);
  });

  test('parents are drawn from the best fifth, each sometimes, the same by the same seed', () => {
    const parents = (seed: number) => {
      // Each is better than all before; the last is worse.
      const scheduler = play('pbt', { ...five, parallel: 16, maxTrials: 20, seed }, [
        ['create', ...times(16, 1)],
        ['pauseAll', 1, ...Array.from({ length: 16 }, (_, number) => [number, number < 15 ? -number : 1] as const)],
      ]);
      const admission = scheduler.nextTrial(16);
      return admission.type === 'fork' ? admission.parent : NaN;
    };
    const drawn = Array.from({ length: 40 }, (_, seed) => parents(seed));
    expect(drawn).toEqual(Array.from({ length: 40 }, (_, seed) => parents(seed)));
    expect(new Set(drawn)).toEqual(new Set([13, 14]));
  });

  test.each([
    ['tenths', { min: 1, max: 100 }, [10, 20, 30, 40, 50, 60, 70, 80, 90, 100]],
    ['whole', { min: 1, max: 12 }, [1, 2, 3, 4, 6, 7, 8, 9, 10, 12]],
    ['none shorter than the minimum', { min: 3, max: 10 }, [3, 6, 10]],
    ['fractions', { min: 0.5, max: 1 }, [0.5, 1]],
    ['one value', { min: 9, max: 9 }, [9]],
    ['from zero', { min: 0, max: 10 }, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]],
  ])('ready points: %s', (_name, range, expected) => {
    const points = readyPoints(range);
    expect(points.length).toBe(expected.length);
    points.forEach((point, i) => expect(point).toBeCloseTo(expected[i] ?? NaN, 12));
  });

  test.each([
    ['no budget', { maxTrials: null, parallel: 4 }, 20],
    ['no budget, many slots', { maxTrials: null, parallel: 30 }, 30],
    ['a slot for each, though few forks fit', { maxTrials: 12, parallel: 10 }, 10],
    ['fewer trials than slots', { maxTrials: 3, parallel: 10 }, 3],
    // Two ready points below the full resource: 20 + 2 · Σ ⌊m/5⌋/m = 20 + 5.5.
    ['forks fit into the budget', { maxTrials: 26, parallel: 1 }, 20],
  ])('population: %s', (_name, changes, expected) => {
    const given = { min: 1, max: 3, reductionFactor: 3 };
    expect(populationSize({ ...config({ ...five, ...changes }), fidelity: given })).toBe(expected);
  });
});
