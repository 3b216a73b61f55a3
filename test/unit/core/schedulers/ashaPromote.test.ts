import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createScheduler, type Scheduler } from '../../../../agent/core/schedulers/index.ts';
import { config } from './config.ts';

type Step =
  | readonly ['pause', number: number, resource: number, value: number]
  | readonly ['end', number: number, isComplete: boolean]
  /** The next promotion, which is then carried out; null for none. */
  | readonly ['next', promotion: readonly [number: number, target: number] | null]
  | readonly ['closing', promotion: readonly [number: number, target: number] | null];

const rows: readonly { name: string; direction?: 'min' | 'max'; steps: readonly Step[] }[] = [
  {
    name: 'nothing below η',
    steps: [
      ['pause', 1, 1, 5],
      ['pause', 2, 1, 4],
      ['next', null],
    ],
  },
  {
    name: 'the best of three',
    steps: [
      ['pause', 1, 1, 5],
      ['pause', 2, 1, 4],
      ['pause', 3, 1, 6],
      ['next', [2, 3]],
      ['next', null],
    ],
  },
  {
    name: 'max',
    direction: 'max',
    steps: [
      ['pause', 1, 1, 5],
      ['pause', 2, 1, 4],
      ['pause', 3, 1, 6],
      ['next', [3, 3]],
    ],
  },
  {
    name: 'a better one that comes late is promoted besides',
    steps: [
      ['pause', 1, 1, 5],
      ['pause', 2, 1, 4],
      ['pause', 3, 1, 6],
      ['next', [2, 3]],
      ['pause', 4, 1, 1],
      ['next', [4, 3]],
      ['next', null],
    ],
  },
  {
    name: 'the highest rung first',
    steps: [
      ['pause', 1, 1, 1],
      ['pause', 2, 1, 2],
      ['pause', 3, 1, 3],
      ['pause', 4, 3, 4],
      ['pause', 5, 3, 5],
      ['pause', 6, 3, 6],
      ['next', [4, 9]],
      ['next', [1, 3]],
    ],
  },
  {
    name: 'equal values by number, only as many as fit',
    steps: [
      ['pause', 3, 1, 1],
      ['pause', 1, 1, 1],
      ['pause', 2, 1, 1],
      ['next', [1, 3]],
      ['next', null],
    ],
  },
  {
    name: 'NaN counts in n and is never promoted',
    steps: [
      ['pause', 1, 1, NaN],
      ['pause', 2, 1, NaN],
      ['pause', 3, 1, 7],
      ['next', [3, 3]],
      ['next', null],
      ['closing', null],
    ],
  },
  {
    name: 'all NaN',
    steps: [
      ['pause', 1, 1, NaN],
      ['pause', 2, 1, NaN],
      ['pause', 3, 1, NaN],
      ['next', null],
      ['closing', null],
    ],
  },
  {
    name: 'an ended trial is not promoted',
    steps: [
      ['pause', 1, 1, 5],
      ['pause', 2, 1, 4],
      ['pause', 3, 1, 6],
      ['end', 2, false],
      ['next', null],
    ],
  },
  {
    name: 'several rungs at once count at the highest',
    steps: [
      ['pause', 1, 9, 5],
      ['pause', 2, 9, 4],
      ['pause', 3, 10, 6],
      ['next', [2, 27]],
      ['next', null],
    ],
  },
  {
    name: 'a repeated pause counts once',
    steps: [
      ['pause', 1, 1, 5],
      ['pause', 1, 1, 5],
      ['pause', 1, 1, 5],
      ['next', null],
    ],
  },
  {
    name: 'a pause below the first rung is none',
    steps: [
      ['pause', 1, 0.5, 1],
      ['pause', 2, 0.5, 1],
      ['pause', 3, 0.5, 1],
      ['next', null],
      ['closing', null],
    ],
  },
  {
    name: 'the baseline takes no place',
    steps: [
      ['pause', 0, 1, 0],
      ['pause', 1, 1, 5],
      ['pause', 2, 1, 4],
      ['next', null],
      ['closing', [2, 3]],
    ],
  },
  {
    name: 'at the close the best of the highest rung goes on',
    steps: [
      ['pause', 1, 1, 5],
      ['pause', 2, 1, 4],
      ['closing', [2, 3]],
      ['pause', 2, 3, 4],
      ['closing', [2, 9]],
      ['pause', 2, 9, 4],
      ['closing', [2, 27]],
      ['end', 2, true],
      ['closing', null],
    ],
  },
  {
    name: 'where it fails, the next best does',
    steps: [
      ['pause', 1, 1, 5],
      ['pause', 2, 1, 4],
      ['closing', [2, 3]],
      ['end', 2, false],
      ['closing', [1, 3]],
    ],
  },
  {
    name: 'one that is complete is enough, the baseline is not',
    steps: [
      ['pause', 1, 1, 5],
      ['end', 0, true],
      ['closing', [1, 3]],
      ['end', 1, true],
      ['pause', 2, 1, 5],
      ['closing', null],
    ],
  },
];

describe('asha-promote', () => {
  test.each(rows)('$name', ({ direction = 'min', steps }) => {
    const scheduler = createScheduler('asha-promote', config({ directions: [direction] }));
    for (const step of steps) {
      if (step[0] === 'pause') scheduler.onPaused(step[1], step[2], [step[3]]);
      else if (step[0] === 'end') scheduler.onEnded(step[1], step[2]);
      else expect(promote(scheduler, step[0] === 'closing')).toEqual(step[1]);
    }
  });

  test('an attempt ends at its rung, the baseline runs through', () => {
    const scheduler = createScheduler('asha-promote', config({}));
    expect([scheduler.nextTrial(0), scheduler.nextTrial(1)]).toEqual([
      { type: 'trial', target: 27 },
      { type: 'trial', target: 1 },
    ]);
    expect(scheduler.onReport(1, 0.5, [1])).toBe('continue');
    expect(scheduler.onReport(1, 1, [1])).toBe('pause');
    expect(scheduler.onReport(0, 1, [1])).toBe('continue');
    scheduler.onPaused(1, 1, [1]);
    expect(scheduler.onReport(1, 2, [1])).toBe('continue');
    expect(scheduler.onReport(1, 3, [1])).toBe('pause');
    scheduler.onPaused(1, 9, [1]);
    expect(scheduler.onReport(1, 27, [1])).toBe('continue');
  });

  test('equals algorithm 2 of Li et al. (2020), transcribed', () => {
    const value = fc.oneof(fc.integer({ min: 0, max: 4 }), fc.double({ noNaN: true }));
    const asked = fc.array(fc.oneof(value, fc.constant('next' as const)), { maxLength: 120 });
    fc.assert(
      fc.property(asked, fc.constantFrom(2, 3, 4), (steps, reductionFactor) => {
        const scheduler = createScheduler('asha-promote', config({ fidelity: { min: 1, max: 16, reductionFactor } }));
        const oracle = new Paper(reductionFactor, 16);
        let number = 0;
        for (const step of steps) {
          if (step === 'next') {
            const expected = oracle.getJob();
            expect(promote(scheduler, false)).toEqual(expected === null ? null : [expected.number, expected.target]);
            if (expected === null) continue;
            // The promoted trial keeps its value at the next rung.
            if (expected.target < 16) scheduler.onPaused(expected.number, expected.target, [expected.value]);
            oracle.report(expected.number, expected.rung + 1, expected.value);
          } else {
            number++;
            scheduler.onPaused(number, 1, [step]);
            oracle.report(number, 0, step);
          }
        }
      }),
    );
  });
});

function promote(scheduler: Scheduler, isClosing: boolean): readonly [number, number] | null {
  const promotion = scheduler.nextPromotion(isClosing);
  if (promotion === null) return null;
  scheduler.onPromoted(promotion.number, promotion.target);
  return [promotion.number, promotion.target];
}

/** The paper's procedure get_job, line by line; its `top_k` ranks equal values by trial number. */
class Paper {
  readonly rungs: { number: number; value: number }[][] = [];
  readonly promoted: Set<number>[] = [];
  readonly levels: number[] = [];
  readonly eta: number;

  constructor(eta: number, max: number) {
    this.eta = eta;
    for (let level = 1; level < max; level *= eta) this.levels.push(level);
    this.levels.push(max);
  }

  report(number: number, rung: number, value: number): void {
    (this.rungs[rung] ??= []).push({ number, value });
  }

  getJob(): { number: number; target: number; rung: number; value: number } | null {
    for (let k = this.levels.length - 2; k >= 0; k--) {
      const rung = this.rungs[k] ?? [];
      const promoted = (this.promoted[k] ??= new Set());
      const candidates = rung
        .toSorted((a, b) => compare(a.value, b.value) || a.number - b.number)
        .slice(0, Math.floor(rung.length / this.eta));
      const first = candidates.find(({ number }) => !promoted.has(number));
      if (first === undefined) continue;
      promoted.add(first.number);
      return { number: first.number, target: this.levels[k + 1] ?? NaN, rung: k, value: first.value };
    }
    return null;
  }
}

function compare(a: number, b: number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
