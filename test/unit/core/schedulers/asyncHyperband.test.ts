import { describe, expect, test } from 'vitest';
import { asyncBrackets, bracketOf } from '../../../../agent/core/schedulers/asyncHyperband.ts';
import { config } from './config.ts';
import { play, type Step } from './script.ts';

const base = { baseline: null, maxTrials: 100, fidelity: { min: 1, max: 27, reductionFactor: 3 } } as const;
const brackets = asyncBrackets({ ...config(base), fidelity: base.fidelity });
/** The first trials of a bracket (standard mode: 0 begins at 1, 1 at 3, 2 at 9). */
const of = (bracket: number, count: number): number[] =>
  Array.from({ length: 100 }, (_, number) => number)
    .filter((number) => bracketOf(brackets, number) === bracket)
    .slice(0, count);
const [a = 0, b = 0, c = 0, d = 0] = of(0, 4);
const [e = 0, f = 0, g = 0] = of(1, 3);
const targets = Array.from({ length: 40 }, (_, number) => brackets[bracketOf(brackets, number)]?.levels[0] ?? NaN);

const rows: readonly { name: string; hasCheckpoint: boolean; steps: readonly Step[] }[] = [
  {
    name: 'without a checkpoint trials are stopped at their own first rung',
    hasCheckpoint: false,
    steps: [
      ['create', ...targets.map(() => 27)],
      ['report', a, 1, 1, 'continue'],
      ['report', b, 1, 2, 'continue'],
      ['report', c, 1, 3, 'stop'],
      // The other bracket does not compare at 1, and does not know the values of the first.
      ['report', e, 1, 99, 'continue'],
      ['report', e, 3, 99, 'continue'],
      ['report', f, 3, 98, 'continue'],
      ['report', g, 3, 100, 'stop'],
      ['report', g, 9, 0, 'continue'],
      ['report', d, 1, NaN, 'stop'],
    ],
  },
  {
    name: 'with one they are paused and promoted, the farthest first',
    hasCheckpoint: true,
    steps: [
      ['create', ...targets],
      ['report', a, 1, 1, 'pause'],
      ['report', e, 1, 1, 'continue'],
      ['report', e, 3, 1, 'pause'],
      ['pauseAll', 1, [a, 1], [b, 2], [c, 3]],
      ['pauseAll', 3, [e, 99], [f, 98], [g, NaN]],
      ['next', [f, 9]],
      ['next', [a, 3]],
      ['next', null],
      ['end', a, false],
      ['next', null],
    ],
  },
  {
    name: 'at the end of the study each bracket brings one to the full resource',
    hasCheckpoint: true,
    steps: [
      ['create', ...targets],
      ['pause', a, 1, 1],
      ['pause', e, 3, 1],
      ['next', null],
      ['closing', [e, 9]],
      ['closing', [a, 3]],
      ['pause', e, 9, 1],
      ['closing', [e, 27]],
      ['end', e, true],
      ['pause', a, 3, 1],
      ['closing', [a, 9]],
      ['end', a, false],
      ['closing', null],
    ],
  },
];

describe('async-hyperband', () => {
  test.each(rows)('$name', ({ hasCheckpoint, steps }) => {
    play('async-hyperband', { ...base, hasCheckpoint }, steps);
  });

  test('the first n trials have the shares of the brackets too, for any n', () => {
    for (const mode of ['conservative', 'standard'] as const) {
      const all = asyncBrackets({ ...config({ ...base, mode }), fidelity: base.fidelity });
      const counts = all.map(() => 0);
      for (let n = 1; n <= 3_000; n++) {
        const index = bracketOf(all, n - 1);
        counts[index] = (counts[index] ?? 0) + 1;
        counts.forEach((count, i) => expect(Math.abs(count - (all[i]?.share ?? NaN) * n)).toBeLessThan(3));
      }
    }
  });

  test('the baseline is in no bracket', () => {
    play('async-hyperband', { ...base, baseline: 0, hasCheckpoint: true }, [
      ['create', 27, ...targets.slice(0, 20)],
      ['report', 0, 1, 1e9, 'continue'],
    ]);
  });
});
