import { describe, expect, it } from 'vitest';
import {
  formatBytes,
  formatDistribution,
  formatDuration,
  formatMetric,
  formatNumber,
  formatParams,
  formatSigned,
  formatValue,
  joinWithin,
  plural,
} from '../../../agent/protocol/format.ts';
import type { Distribution, ParamValue } from '../../../agent/protocol/space.ts';
import type { MetricValue } from '../../../agent/protocol/study.ts';

describe('numbers are short and exact enough', () => {
  it.each<[number, string]>([
    [0, '0'],
    [-0, '0'],
    [1, '1'],
    [-3, '-3'],
    [0.93414, '0.9341'],
    [0.1 + 0.2, '0.3'],
    [1_234.567, '1235'],
    [5_000, '5000'],
    [9_999_999, '9999999'],
    [12_345_678, '1.235e7'],
    [1e8, '1e8'],
    [3.2e-4, '3.2e-4'],
    [-3.2e-4, '-3.2e-4'],
    [0.001, '0.001'],
    [1e-300, '1e-300'],
    [5e-324, '4.941e-324'],
    [Number.MAX_VALUE, '1.798e308'],
    [Number.NaN, 'nan'],
    [Number.POSITIVE_INFINITY, 'inf'],
    [Number.NEGATIVE_INFINITY, '-inf'],
  ])('%s → %s', (value, text) => expect(formatNumber(value)).toBe(text));

  it('to as many digits as are asked for', () => expect(formatNumber(0.123_456_789, 6)).toBe('0.123457'));

  it.each<[number, string]>([
    [48.43, '+48.4'],
    [-95.87, '-95.9'],
    [0, '0'],
  ])('a difference of %s is %s', (value, text) => expect(formatSigned(value)).toBe(text));
});

it.each<[MetricValue | undefined, string]>([
  ['nan', 'nan'],
  ['inf', 'inf'],
  ['-inf', '-inf'],
  [undefined, '–'],
  [0.5, '0.5'],
])('the metric %s is %s', (value, text) => expect(formatMetric(value)).toBe(text));

it.each<[ParamValue | undefined, string]>([
  [3.2e-4, '3.2e-4'],
  [true, 'True'],
  [false, 'False'],
  [null, 'None'],
  ['relu', '"relu"'],
  ['8', '"8"'],
  ['', '""'],
  ['a "b"\n', '"a \\"b\\"\\n"'],
  [[64, 32], '[64, 32]'],
  [[64, [0.5, 'x']], '[64, [0.5, "x"]]'],
  [undefined, '–'],
])('the value %j is the literal %s', (value, text) => expect(formatValue(value)).toBe(text));

it.each<[number, string]>([
  [Infinity, 'lr=3.2e-4 depth=6 solver="adam"'],
  [20, 'lr=3.2e-4 depth=6 …'],
  [1, 'lr=3.2e-4 …'],
])('parameters within %d characters are %s', (limit, text) =>
  expect(formatParams({ lr: 3.2e-4, depth: 6, solver: 'adam' }, limit)).toBe(text),
);

it('joins what fits, and nothing is nothing', () => {
  expect(joinWithin([], 3)).toBe('');
  expect(joinWithin(['', 'ab'], 3)).toBe(' ab');
  expect(joinWithin(['', 'ab'], 2)).toBe(' …');
});

const range = { low: 1e-5, high: 0.1, log: false, revlog: false, step: null };

it.each<[Distribution, string]>([
  [{ type: 'float', ...range, log: true }, 'float 1e-5 to 0.1, log'],
  [{ type: 'float', ...range, revlog: true }, 'float 1e-5 to 0.1, revlog'],
  [{ type: 'int', ...range, low: 2, high: 8, step: 2 }, 'int 2 to 8, step 2'],
  [{ type: 'categorical', choices: ['a', true, null] }, 'one of "a", True, None'],
  [{ type: 'ordinal', choices: [8, 16, 32] }, '8 < 16 < 32'],
])('%j is %s', (distribution, text) => expect(formatDistribution(distribution)).toBe(text));

it('cuts long lists of choices where that is asked for', () => {
  const choices = [1, 2, 3, 4];
  expect(formatDistribution({ type: 'categorical', choices }, 2)).toBe('one of 1, 2 … (4)');
  expect(formatDistribution({ type: 'ordinal', choices }, 4)).toBe('1 < 2 < 3 < 4');
});

it.each<[number, string]>([
  [0, '0.0 s'],
  [420, '0.4 s'],
  [9_940, '9.9 s'],
  [9_960, '10 s'],
  [59_400, '59 s'],
  [59_600, '1 min 00 s'],
  [185_000, '3 min 05 s'],
  [3_599_600, '1 h 00 min'],
  [7_500_000, '2 h 05 min'],
  [273_600_000, '3 d 4 h'],
  [Number.NaN, '–'],
  [-1, '–'],
])('%d ms are %s', (ms, text) => expect(formatDuration(ms)).toBe(text));

it.each<[number, string]>([
  [0, '0 B'],
  [1023, '1023 B'],
  [1536, '1.5 kB'],
  [30 * 1024 ** 2, '30.0 MB'],
  [24_005.6 * 1024 ** 2, '23.4 GB'],
])('%d bytes are %s', (bytes, text) => expect(formatBytes(bytes)).toBe(text));

it('counts in singular and plural', () => {
  expect([0, 1, 2].map((n) => plural(n, 'trial'))).toEqual(['0 trials', '1 trial', '2 trials']);
});
