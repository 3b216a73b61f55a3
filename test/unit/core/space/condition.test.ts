import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { conditionNames, evaluate } from '../../../../agent/core/space/condition.ts';
import { parseCondition } from '../../../../agent/core/space/conditionParser.ts';
import type { ParamValue } from '../../../../agent/protocol/space.ts';

const values: Record<string, ParamValue> = {
  a: 1,
  b: 2,
  c: 3,
  s: 'sgd',
  yes: true,
  no: false,
  none: null,
  list: [1, 2],
  'model.depth': 6,
  'weight-decay': 0.5,
};

function check(text: string, expected: boolean | undefined): void {
  const parsed = parseCondition(text, new Set(Object.keys(values)));
  if (parsed.type === 'error') throw new Error(`${text}: ${parsed.message} at ${parsed.offset}`);
  expect(evaluate(parsed.condition, values), text).toBe(expected);
}

describe('evaluate', () => {
  test.each<[string, boolean | undefined]>([
    ['a == 1', true],
    ['a != 1', false],
    ['a < b', true],
    ['a <= 1', true],
    ['a > b', false],
    ['b >= 2', true],
    ['a < b < c', true],
    ['a < c < b', false],
    ['a == 1 == yes', true],
    ['1 < 2 > 1 != 3', true],
    // precedence
    ['a + b * c == 7', true],
    ['(a + b) * c == 9', true],
    ['c - b - a == 0', true],
    ['12 / c / b == 2', true],
    ['-a + b == 1', true],
    ['--a == 1', true],
    ['-b * -c == 6', true],
    ['+a == 1', true],
    ['not a == 2', true],
    ['not a == 1 or b == 2', true],
    ['no or yes and no', false],
    ['(no or yes) and yes', true],
    ['not not yes', true],
    // texts and constants
    ['s == "sgd"', true],
    ["s == 'adam'", false],
    ['s in ("adam", "sgd")', true],
    ['s in ["adam"]', false],
    ['s not in ("adam",)', true],
    ['"g" in s', true],
    ['s < "t"', true],
    ['none == None', true],
    ['yes == True', true],
    ['no == false', true],
    ['yes == 1', true],
    ['"\\u0073gd" == s', true],
    ["'it\\'s' == \"it's\"", true],
    ['"a" + "b" == "ab"', true],
    ['s in ()', false],
    ['list == (1, 2)', true],
    ['list == [1, 2, 3]', false],
    ['a in list', true],
    ['c in list', false],
    ['yes', true],
    ['no', false],
    ['none', false],
    ['s', true],
    ['list', true],
    ['a and b', true],
    ['(no or c) == 3', true],
    // numbers
    ['1e-3 < .5', true],
    ['1_000 == 1000', true],
    ['0x10 == 16', true],
    ['5. == 5', true],
    ['-1e300 * 1e300 < 0', true],
    // names with dots and hyphens
    ['model.depth == 6', true],
    ['weight-decay == 0.5', true],
    ['b-a == 1', true],
    ['weight-decay-a < 0', true],
    // absent names
    ['x == 1', undefined],
    ['x', undefined],
    ['not x', undefined],
    ['x == 1 and no', false],
    ['no and x', false],
    ['x or yes', true],
    ['yes or x', true],
    ['x or no', undefined],
    ['x and yes', undefined],
    ['x < 1 < 0', false],
    ['x in list', undefined],
    ['a in (1, x)', undefined],
    ['-x < 1', undefined],
    // what Python would refuse is false
    ['s < 1', false],
    ['s > 1', false],
    ['a / 0 < 1', false],
    ['s * 2 == 2', false],
    ['-s < 0', false],
    ['a in 3', false],
    ['a not in 3', false],
  ])('%s → %s', check);
});

test.each<[string, number, string]>([
  ['', 0, 'a value or a name is missing at the end'],
  ['a ==', 4, 'a value or a name is missing at the end'],
  ['a = 1', 2, '"=" does not compare; write "=="'],
  ['a == 1)', 6, '")" is not expected here'],
  ['(a == 1', 7, '")" is missing at the end'],
  ['a b', 2, '"b" is not expected here'],
  ['a not 1', 6, '"in" is missing before "1"'],
  ['a == "x', 5, 'the text that begins here has no closing quote'],
  ['a // 2', 2, '"//" is not one of the operators'],
  ['a ** 2', 2, '"**" is not one of the operators'],
  ['a % 2', 2, '"%" is not part of a condition'],
  ['1a == 1', 1, '"1a" is neither a number nor a name'],
  ['a[0] == 1', 1, '"[" is not expected here'],
  ['('.repeat(500), 100, 'nested at most 100 deep'],
  ['a'.concat('+a'.repeat(5000)), 2000, 'at most 2000 words'],
  ['__import__("os")', 10, '"(" is not expected here'],
])('%j is refused', (text, offset, message) => {
  const parsed = parseCondition(text);
  expect(parsed).toMatchObject({ type: 'error' });
  if (parsed.type === 'error') {
    expect(parsed.message).toContain(message);
    expect(Math.abs(parsed.offset - offset)).toBeLessThanOrEqual(1);
  }
});

test('names are listed once, in order', () => {
  const parsed = parseCondition('b < a and (a in (c, 1) or not -b * 2 == 3)');
  expect(parsed.type === 'ok' && conditionNames(parsed.condition)).toEqual(['b', 'a', 'c']);
});

test('neither parsing nor evaluating ever throws', () => {
  const word = fc.constantFrom(
    'a',
    'b',
    's',
    'x',
    '1',
    '"t"',
    'and',
    'or',
    'not',
    'in',
    '==',
    '<',
    '+',
    '-',
    '*',
    '/',
    '(',
    ')',
    '[',
    ']',
    ',',
    'list',
    'None',
    '.',
    '"',
    '=',
  );
  fc.assert(
    fc.property(
      fc.oneof(
        fc.array(word, { maxLength: 25 }).map((words) => words.join(' ')),
        fc.string(),
      ),
      (text) => {
        const parsed = parseCondition(text);
        if (parsed.type === 'ok') expect([true, false, undefined]).toContain(evaluate(parsed.condition, values));
        else expect(parsed.offset).toBeLessThanOrEqual(text.length);
      },
    ),
    { numRuns: 3000 },
  );
});
