import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  contains,
  fromUnit,
  unitCell,
  size,
  toUnit,
  validateDistribution,
  valueAt,
  valuesEqual,
} from '../../../../agent/core/space/distribution.ts';
import type { Distribution, ParamValue } from '../../../../agent/protocol/space.ts';
import { choice, float, int, ordinal } from './builders.ts';

test.each<[string, Distribution, number, ParamValue]>([
  ['plain low', float(-2, 6), 0, -2],
  ['plain middle', float(-2, 6), 0.5, 2],
  ['plain high', float(-2, 6), 1, 6],
  ['log middle', float(1e-5, 1e-1, { log: true }), 0.5, 1e-3],
  ['log ends', float(1e-5, 1e-1, { log: true }), 1, 1e-1],
  ['revlog low', float(0.001, 1, { revlog: true }), 0, 0.001],
  ['revlog high', float(0.001, 1, { revlog: true }), 1, 1],
  ['step', float(0, 1, { step: 0.1 }), 0.3, 0.3],
  ['step last', float(0, 1, { step: 0.1 }), 1, 1],
  ['step not meeting the end', float(0, 1, { step: 0.3 }), 1, 0.9],
  ['int first cell', int(1, 4), 0.249, 1],
  ['int second cell', int(1, 4), 0.25, 2],
  ['int last', int(1, 4), 1, 4],
  ['int step', int(0, 10, { step: 5 }), 0.5, 5],
  ['int log low', int(1, 1024, { log: true }), 0, 1],
  ['int log high', int(1, 1024, { log: true }), 1, 1024],
  ['choice', choice('a', null, [1, 2]), 0.7, [1, 2]],
  ['ordinal', ordinal(32, 64, 128), 0.34, 64],
  ['one value', float(3, 3), 0.7, 3],
  ['one int', int(3, 3), 0.7, 3],
  ['outside the cube', int(1, 4), 7, 4],
  ['NaN', int(1, 4), NaN, 1],
  ['all doubles', float(-1e308, 1e308), 0.5, 0],
  ['600 orders of magnitude', float(1e-300, 1e300, { log: true }), 1, 1e300],
])('fromUnit: %s', (_, distribution, unit, expected) => {
  const value = fromUnit(distribution, unit);
  if (typeof expected === 'number') expect(value).toBeCloseTo(expected, 12);
  else expect(value).toEqual(expected);
});

test.each<[string, Distribution, number]>([
  ['float', float(0, 1), Infinity],
  ['one value', float(1, 1), 1],
  ['float step', float(0, 1, { step: 0.1 }), 11],
  ['float step that does not meet the end', float(0, 1, { step: 0.3 }), 4],
  ['int', int(-3, 3), 7],
  ['int step', int(1, 10, { step: 4 }), 3],
  ['choice', choice('a', 'b'), 2],
  ['more cells than doubles', float(0, 1e300, { step: 1e-300 }), Infinity],
])('size: %s', (_, distribution, expected) => expect(size(distribution)).toBe(expected));

test.each<[string, Distribution, ParamValue, boolean]>([
  ['inside', float(0, 1), 0.5, true],
  ['above', float(0, 1), 1.0000001, false],
  ['NaN', float(0, 1), NaN, false],
  ['text', float(0, 1), '0.5', false],
  ['off the grid', float(0, 1, { step: 0.1 }), 0.25, false],
  ['on the grid, rounded', float(0, 1, { step: 0.1 }), 0.1 + 0.2, true],
  ['fraction for int', int(0, 3), 1.5, false],
  ['off the int grid', int(0, 10, { step: 5 }), 6, false],
  ['list', choice([1, 2], [3]), [1, 2], true],
  ['1 is not true', choice(true, false), 1, false],
  ['fine grid far from zero', float(1e6, 1e6 + 1, { step: 1e-6 }), 1e6 + 0.123456, true],
])('contains: %s', (_, distribution, value, expected) => expect(contains(distribution, value)).toBe(expected));

test.each<[Distribution, string[]]>([
  [float(0, 1), []],
  [float(1, 0), ['reversed']],
  [float(0, 1, { log: true }), ['logNotPositive']],
  [float(-1, 1, { revlog: true }), ['logNotPositive']],
  [float(1, 2, { log: true, revlog: true }), ['logTwice']],
  [float(0, 1, { step: 0 }), ['badStep']],
  [float(0, Infinity), ['notFinite']],
  [int(0, 1.5), ['notInteger']],
  [int(0, 2 ** 60), ['notInteger']],
  [int(0, 3, { step: -1 }), ['badStep']],
  [choice(), ['noChoices']],
  [choice('a', [1], [1]), ['duplicateChoice']],
])('validate %j', (distribution, expected) => {
  expect(validateDistribution(distribution).map(({ problem }) => problem)).toEqual(expected);
});

test.each<[ParamValue, ParamValue, boolean]>([
  [1, 1, true],
  [1, true, false],
  [[1, ['a']], [1, ['a']], true],
  [[1], [1, 2], false],
  [null, false, false],
])('valuesEqual %j %j', (a, b, expected) => expect(valuesEqual(a, b)).toBe(expected));

const safe = Number.MAX_SAFE_INTEGER;

test.each<[string, Distribution]>([
  ['to 2^53 − 1', int(0, safe)],
  ['all safe integers', int(-safe, safe)],
  ['all safe integers, log', int(1, safe, { log: true })],
  ['all safe integers, revlog', int(1, safe, { revlog: true })],
  ['every second one', int(-safe, safe, { step: 2 })],
  ['every third one, not meeting the end', int(-safe, safe, { step: 3 })],
  ['two values', int(-safe, safe - 1, { step: safe })],
  ['tens of a long log range', int(5, 1e15, { log: true, step: 10 })],
  ['where a tolerance of counting would show', int(0, 5e12)],
  ['2^50 − 1 values', int(1, 2 ** 50 - 1)],
  ['2^40 − 1 values, log', int(1, 2 ** 40 - 1, { log: true })],
  ['2^40 − 1 values, revlog', int(1, 2 ** 40 - 1, { revlog: true })],
])('ints are whole, within their ends and on the grid: %s', (_, d) => {
  if (d.type !== 'int') return;
  const step = BigInt(d.step ?? 1);
  const check = (value: ParamValue): void => {
    expect(Number.isSafeInteger(value) && Number(value) >= d.low && Number(value) <= d.high, String(value)).toBe(true);
    expect((BigInt(Number(value)) - BigInt(d.low)) % step).toBe(0n);
    expect(contains(d, value)).toBe(true);
    const back = fromUnit(d, toUnit(d, value));
    expect(contains(d, back)).toBe(true);
    if (size(d) < Infinity) expect(back).toBe(value);
    else expect(Math.abs(Number(back) - Number(value))).toBeLessThanOrEqual(1e-13 * (d.high - d.low));
    const next = Number(value) + 1;
    if (step > 1n && next <= d.high) expect(contains(d, next)).toBe(false);
  };
  for (let k = 0; k <= 1000; k++) check(fromUnit(d, k === 1000 ? 1 : (k * 0.6180339887498949) % 1));
  for (const index of [0, 1, 2, 3, 4, 1e6, 2 ** 53, Math.min(2 ** 54, size(d) - 1)]) check(valueAt(d, index));
  expect(fromUnit(d, 0)).toBe(d.low);
  expect(BigInt(Number(fromUnit(d, 1))) > BigInt(d.high) - step).toBe(true);
});

test.each<[Distribution, number]>([
  [int(0, 5e12), 5e12 + 1],
  [int(0, safe), Infinity],
  [int(-1, 5e14, { step: 3 }), 166666666666668],
  [int(0, safe, { step: 3 }), Infinity],
  [int(-safe, safe), Infinity],
])('size of %j is %d', (d, expected) => expect(size(d)).toBe(expected));

const finite = fc.double({ min: -1e6, max: 1e6, noNaN: true });
const positive = fc.double({ min: -12, max: 12, noNaN: true }).map((exponent) => 10 ** exponent);
const range = (ends: fc.Arbitrary<number>): fc.Arbitrary<[number, number]> =>
  fc.tuple(ends, ends).map(([a, b]) => [Math.min(a, b), Math.max(a, b)]);
const warp = fc.constantFrom({ log: true }, { revlog: true });
const distribution: fc.Arbitrary<Distribution> = fc.oneof(
  range(finite).map(([low, high]) => float(low, high)),
  fc.tuple(range(positive), warp).map(([[low, high], options]) => float(low, high, options)),
  fc
    .tuple(range(finite), fc.double({ min: 1e-4, max: 10, noNaN: true }))
    .map(([[low, high], step]) => float(low, high, { step })),
  fc
    .tuple(range(fc.integer({ min: -5000, max: 5000 })), fc.integer({ min: 1, max: 40 }))
    .map(([[low, high], step]) => int(low, high, { step })),
  fc
    .tuple(range(fc.integer({ min: 1, max: 5000 })), fc.integer({ min: 1, max: 40 }), warp)
    .map(([[low, high], step, options]) => int(low, high, { step, ...options })),
  fc.uniqueArray(fc.integer(), { minLength: 1, maxLength: 20 }).map((choices) => choice(...choices)),
);

describe('properties', () => {
  test('every place of the unit interval is an allowed value', () => {
    fc.assert(
      fc.property(distribution, fc.double({ min: 0, max: 1, noNaN: true }), (d, u) => {
        expect(contains(d, fromUnit(d, u))).toBe(true);
      }),
      { numRuns: 2000 },
    );
  });

  test('a value survives the way to its place and back', () => {
    fc.assert(
      fc.property(distribution, fc.double({ min: 0, max: 1, noNaN: true }), (d, u) => {
        const value = fromUnit(d, u);
        const back = fromUnit(d, toUnit(d, value));
        if (size(d) < Infinity) expect(back).toEqual(value);
        else
          expect(Math.abs(Number(back) - Number(value))).toBeLessThanOrEqual(
            1e-9 * (Math.abs(Number(value)) + (d.type === 'float' ? d.high - d.low : 0)),
          );
      }),
      { numRuns: 2000 },
    );
  });

  test('places keep the order of values', () => {
    fc.assert(
      fc.property(
        distribution,
        fc.double({ min: 0, max: 1, noNaN: true }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (d, u, v) => {
          if (d.type === 'categorical' || d.type === 'ordinal') return;
          expect(Number(fromUnit(d, Math.min(u, v)))).toBeLessThanOrEqual(Number(fromUnit(d, Math.max(u, v))));
        },
      ),
    );
  });

  test('cells of a grid adjoin, hold their value, and are all mapped to it', () => {
    fc.assert(
      fc.property(distribution, fc.nat(), fc.double({ min: 0.001, max: 0.999, noNaN: true }), (d, seed, inside) => {
        if (size(d) === Infinity) return;
        const value = valueAt(d, seed % size(d));
        const [from, to] = unitCell(d, value);
        expect(fromUnit(d, from + (to - from) * inside)).toEqual(value);
      }),
    );
  });

  test('ints get equal room', () => {
    const counts = [0, 0, 0, 0, 0];
    for (let k = 0; k < 5000; k++) {
      const value = Number(fromUnit(int(0, 4), (k + 0.5) / 5000));
      counts[value] = (counts[value] ?? 0) + 1;
    }
    expect(counts).toEqual([1000, 1000, 1000, 1000, 1000]);
  });
});
