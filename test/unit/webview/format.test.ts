import { describe, expect, it } from 'vitest';
import { count, formatDuration, formatMetric, formatNumber, formatParam, formatSigned } from '../../../webview/format.ts';

describe('numbers', () => {
  it.each<[number, string]>([
    [0, '0'],
    [1, '1'],
    [-3, '−3'],
    [0.93414, '0.9341'],
    [0.1 + 0.2, '0.3'],
    [1_234.567, '1235'],
    [5_000, '5000'],
    [9_999_999, '9999999'],
    [12_345_678, '1.235e7'],
    [3.2e-4, '3.2e-4'],
    [-3.2e-4, '−3.2e-4'],
    [0.001, '0.001'],
    [1e-300, '1e-300'],
    [5e-324, '4.941e-324'],
    [Number.MAX_VALUE, '1.798e308'],
    [Number.NaN, 'NaN'],
    [Number.POSITIVE_INFINITY, '∞'],
    [Number.NEGATIVE_INFINITY, '−∞'],
    [-0, '0'],
  ])('%s → %s', (value, text) => expect(formatNumber(value)).toBe(text));

  it('of differences carry their sign', () => {
    expect([formatSigned(48.43), formatSigned(-95.87), formatSigned(0)]).toEqual(['+48.4', '−95.9', '0']);
  });

  it('of metrics and params', () => {
    expect([formatMetric('nan'), formatMetric('inf'), formatMetric('-inf'), formatMetric(undefined), formatMetric(0.5)]).toEqual([
      'NaN',
      '∞',
      '−∞',
      '–',
      '0.5',
    ]);
    expect([formatParam([64, 32]), formatParam(true), formatParam(null), formatParam('relu'), formatParam(undefined)]).toEqual([
      '[64, 32]',
      'true',
      'null',
      'relu',
      '–',
    ]);
    expect([count(1, 'trial'), count(0, 'trial')]).toEqual(['1 trial', '0 trials']);
  });
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
])('%i ms are %s', (ms, text) => expect(formatDuration(ms)).toBe(text));
