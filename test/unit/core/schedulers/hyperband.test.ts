import { describe, expect, test } from 'vitest';
import { hyperbandLayout } from '../../../../agent/core/schedulers/hyperband.ts';
import { config } from './config.ts';
import { play, type Step } from './script.ts';

const times = (n: number, target: number): number[] => Array.from({ length: n }, () => target);

/** R = 9, η = 3: brackets of 9 trials from 1, of 5 from 3 and of 3 from 9. */
const nine = { fidelity: { min: 1, max: 9, reductionFactor: 3 }, baseline: null, maxTrials: 17 } as const;

const rows: readonly { name: string; changes?: object; steps: readonly Step[] }[] = [
  {
    name: 'brackets one after the other, by number, and no trial waits',
    steps: [['create', ...times(9, 1), ...times(5, 3), ...times(3, 9)]],
  },
  {
    name: 'sweeps repeat',
    changes: { maxTrials: null },
    steps: [['create', ...times(9, 1), ...times(5, 3), ...times(3, 9), ...times(9, 1), 3]],
  },
  {
    name: 'a rung waits for its own bracket only',
    steps: [
      ['create', ...times(9, 1), ...times(5, 3)],
      ['pauseAll', 3, [9, 9], [10, 10], [11, 11], [12, 12], [13, 13]],
      ['next', [9, 9]],
      ['next', null],
      ['pauseAll', 1, ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map((number) => [number, number] as const)],
      ['next', [0, 3]],
      ['next', [1, 3]],
      ['next', [2, 3]],
      ['next', null],
    ],
  },
  {
    name: 'the oldest bracket first',
    steps: [
      ['create', ...times(9, 1), ...times(5, 3)],
      ['pauseAll', 3, [9, 9], [10, 10], [11, 11], [12, 12], [13, 13]],
      ['pauseAll', 1, ...[0, 1, 2, 3, 4, 5, 6, 7, 8].map((number) => [number, number] as const)],
      ['next', [0, 3]],
      ['next', [1, 3]],
      ['next', [2, 3]],
      ['next', [9, 9]],
      ['next', null],
    ],
  },
  {
    name: 'a failed trial, NaN and a tie in one bracket',
    steps: [
      ['create', ...times(9, 1)],
      ['end', 0, false],
      ['pauseAll', 1, [1, NaN], [2, 7], [3, 7], [4, 7], [5, 7], [6, 7], [7, 7], [8, 7]],
      ['next', [2, 3]],
      ['next', [3, 3]],
      ['next', [4, 3]],
      ['next', null],
    ],
  },
  {
    name: 'a trial of the bracket that trains in full is never paused',
    steps: [
      ['create', ...times(9, 1), ...times(5, 3), 9],
      ['report', 14, 9, 0, 'continue'],
      ['report', 0, 9, 0, 'pause'],
    ],
  },
  {
    name: 'at the end of the study every bracket is judged as it is',
    steps: [
      ['create', ...times(9, 1), 3, 3],
      ['pauseAll', 3, [9, 9], [10, 8]],
      ['pauseAll', 1, ...[0, 1, 2, 3, 4, 5, 6, 7].map((number) => [number, number] as const)],
      ['end', 8, false],
      ['next', [0, 3]],
      ['next', [1, 3]],
      ['next', [2, 3]],
      ['pauseAll', 3, [0, 0], [1, 1], [2, 2]],
      ['next', [0, 9]],
      ['end', 0, true],
      ['next', null],
      ['closing', [10, 9]],
      ['end', 10, true],
      ['closing', null],
    ],
  },
];

describe('hyperband', () => {
  test.each(rows)('$name', ({ changes, steps }) => {
    play('hyperband', { ...nine, ...changes }, steps);
  });

  test('the bracket of a trial follows from its number alone', () => {
    const layout = hyperbandLayout({ ...config({ ...nine, maxTrials: 100 }), fidelity: nine.fidelity });
    const brackets = Array.from({ length: 100 }, (_, position) => layout.at(position));
    // Six sweeps of 17 or 16 trials; each bracket ends where the next begins.
    expect(new Set(brackets.map(({ index }) => index)).size).toBe(18);
    brackets.forEach(({ index, isLast }, position) => {
      expect(isLast).toBe(position === 99 || brackets[position + 1]?.index !== index);
      expect(index).toBeGreaterThanOrEqual(brackets[position - 1]?.index ?? 0);
    });
  });
});
