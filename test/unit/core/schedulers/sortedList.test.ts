import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { at, createSortedList, insert, remove, toScore } from '../../../../agent/core/schedulers/sortedList.ts';

const pair = fc.record({
  score: fc.oneof(fc.integer({ min: -5, max: 5 }), fc.double({ noNaN: true, noDefaultInfinity: true })),
  number: fc.nat(30),
});
const edit = fc.record({ pair, isRemoval: fc.boolean() });

describe('sorted list', () => {
  test('equals a plain sorted array under insertions and removals', () => {
    fc.assert(
      fc.property(fc.array(edit, { maxLength: 200 }), (edits) => {
        const list = createSortedList();
        let plain: { score: number; number: number }[] = [];
        for (const { pair: one, isRemoval } of edits) {
          const score = toScore(one.score, 'min');
          const index = plain.findIndex((other) => other.score === score && other.number === one.number);
          if (isRemoval) {
            expect(remove(list, score, one.number)).toBe(index !== -1);
            if (index !== -1) plain = plain.toSpliced(index, 1);
          } else if (index === -1) {
            insert(list, score, one.number);
            plain = [...plain, { score, number: one.number }].sort((a, b) => a.score - b.score || a.number - b.number);
          }
        }
        expect(list.size).toBe(plain.length);
        expect(plain.map((_, i) => at(list, i))).toEqual(plain);
        expect(at(list, plain.length)).toBeUndefined();
        expect(at(list, -1)).toBeUndefined();
      }),
    );
  });

  test('holds 20,000 pairs in chunks, in order, and survives JSON', () => {
    let list = createSortedList();
    for (let i = 0; i < 20_000; i++) insert(list, (i * 7919) % 20_011, i);
    expect(Math.max(...list.chunks.map((chunk) => chunk.scores.length))).toBeLessThanOrEqual(1024);
    list = JSON.parse(JSON.stringify(list)) as typeof list;
    const scores = Array.from({ length: 20_000 }, (_, i) => at(list, i)?.score ?? NaN);
    expect(scores).toEqual(scores.toSorted((a, b) => a - b));
    for (let i = 0; i < 20_000; i++) expect(remove(list, (i * 7919) % 20_011, i)).toBe(true);
    expect(list).toEqual(createSortedList());
  });

  test.each([
    [1, 'min', 1],
    [1, 'max', -1],
    [-0, 'min', 0],
    [0, 'max', 0],
    [Infinity, 'min', Number.MAX_VALUE],
    [Infinity, 'max', -Number.MAX_VALUE],
    [-Infinity, 'min', -Number.MAX_VALUE],
  ] as const)('the score of %d (%s) is %d', (value, direction, score) => {
    expect(toScore(value, direction)).toBe(score);
    expect(JSON.parse(JSON.stringify(toScore(value, direction)))).toBe(score);
  });
});
