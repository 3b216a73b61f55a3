import { expect, test } from 'vitest';
import { evaluate, parseCondition, violation } from '../../../../agent/core/space/index.ts';

const tiny = Number.MIN_VALUE;

test.each([
  // The difference of a comparison, with the sign of its truth.
  ['a <= 5', { a: 3 }, -2],
  ['a <= 5', { a: 5 }, 0],
  ['a <= 5', { a: 5.5 }, 0.5],
  ['a < 5', { a: 5 }, tiny],
  ['a < 5', { a: 4 }, -1],
  ['a >= 5', { a: 7 }, -2],
  ['a > 5', { a: 5 }, tiny],
  ['5 >= a', { a: 7 }, 2],
  ['a * 2 + 1 <= b', { a: 3, b: 4 }, 3],
  ['a == 5', { a: 5 }, 0],
  ['a == 5', { a: 3 }, 2],
  ['a != 5', { a: 5 }, 1],
  ['a != 5', { a: 3 }, -1],
  ['0 <= a <= 5', { a: 2 }, -2],
  ['0 < a <= 5', { a: 0 }, tiny],
  ['0 <= a <= 5', { a: 8 }, 3],
  // Parts.
  ['a <= 5 and b <= 1', { a: 3, b: 4 }, 3],
  ['a <= 5 and b <= 1', { a: 3, b: 0 }, -1],
  ['a <= 5 or b <= 1', { a: 3, b: 4 }, -2],
  ['a <= 5 or b <= 1', { a: 7, b: 4 }, 2],
  ['not a <= 5', { a: 7 }, -2],
  ['not a <= 5', { a: 5 }, tiny],
  ['not (a <= 5 and b <= 1)', { a: 3, b: 0 }, 1],
  // Neither numbers nor amounts.
  ['a in ["x", "y"]', { a: 'x' }, -1],
  ['a in ["x", "y"]', { a: 'z' }, 1],
  ['a == "x"', { a: 'y' }, 1],
  ['a', { a: true }, -1],
  ['a', { a: 0 }, 1],
  ['a < "x"', { a: 3 }, 1],
  // Unknown, unless a known part decides.
  ['a <= 5', {}, NaN],
  ['a <= 5', { a: NaN }, NaN],
  ['a <= 5 and b <= 1', { b: 4 }, 3],
  ['a <= 5 and b <= 1', { b: 0 }, NaN],
  ['a <= 5 or b <= 1', { b: 0 }, -1],
  ['a <= 5 or b <= 1', { b: 4 }, NaN],
  ['a <= 5 and b <= 1', { a: NaN, b: 0 }, NaN],
  ['a <= 5 and b < 1', { b: 1 }, tiny],
  ['0 <= a <= b', { a: -2 }, 2],
  // The ends of double.
  ['a <= 5', { a: Infinity }, Infinity],
  ['a <= 5', { a: -Infinity }, -Infinity],
  ['a <= b', { a: Infinity, b: Infinity }, 0],
  ['a < b', { a: Infinity, b: Infinity }, tiny],
  ['a < b', { a: 1, b: 1 + Number.EPSILON }, -Number.EPSILON],
])('%s with %j: %d', (text, values, expected) => {
  const parsed = parseCondition(text);
  if (parsed.type === 'error') throw new Error(parsed.message);
  const found = violation(parsed.condition, values);
  // Of the two zeros either will do.
  expect(found + 0).toBe(expected);
  const isTrue = evaluate(parsed.condition, values);
  if (!Number.isNaN(found)) expect(found <= 0).toBe(isTrue);
});
