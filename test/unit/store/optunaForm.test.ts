import { describe, expect, test } from 'vitest';
import type { Distribution, ParamValue } from '../../../agent/protocol/space.ts';
import type { MetricValue } from '../../../agent/protocol/study.ts';
import { optunaDatetime, optunaParam, optunaStates, optunaValue } from '../../../agent/store/optunaForm.ts';

const float = (low: number, high: number, flags: Partial<Extract<Distribution, { type: 'float' }>> = {}): Distribution => ({
  type: 'float',
  low,
  high,
  log: false,
  revlog: false,
  step: null,
  ...flags,
});
const int = (low: number, high: number, flags: Partial<Extract<Distribution, { type: 'int' }>> = {}): Distribution => ({
  type: 'int',
  low,
  high,
  log: false,
  revlog: false,
  step: null,
  ...flags,
});
const choice = (...choices: ParamValue[]): Distribution => ({ type: 'categorical', choices });

describe('distribution_json', () => {
  test.each<[string, Distribution, object]>([
    ['float', float(0, 1), { step: null, low: 0, high: 1, log: false }],
    ['log float', float(1e-5, 0.1, { log: true }), { step: null, low: 1e-5, high: 0.1, log: true }],
    ['revlog float is a plain one', float(0.5, 0.99, { revlog: true }), { step: null, low: 0.5, high: 0.99, log: false }],
    ['stepped float on its grid', float(0, 0.3, { step: 0.1 }), { step: 0.1, low: 0, high: 0.3, log: false }],
    ['stepped float off its grid ends on it', float(0.1, 1, { step: 0.4 }), { step: 0.4, low: 0.1, high: 0.9, log: false }],
    ['stepped float without binary dust', float(0.1, 0.75, { step: 0.3 }), { step: 0.3, low: 0.1, high: 0.7, log: false }],
    ['log float loses its step', float(1, 8, { log: true, step: 1 }), { step: null, low: 1, high: 8, log: true }],
  ])('%s', (_, distribution, attributes) => {
    expect(JSON.parse(optunaParam(distribution).json)).toEqual({ name: 'FloatDistribution', attributes });
  });

  test.each<[string, Distribution, object]>([
    ['int', int(1, 9), { log: false, step: 1, low: 1, high: 9 }],
    ['log int', int(8, 512, { log: true }), { log: true, step: 1, low: 8, high: 512 }],
    ['log int loses its step', int(8, 512, { log: true, step: 8 }), { log: true, step: 1, low: 8, high: 512 }],
    ['stepped int ends on its grid', int(1, 10, { step: 4 }), { log: false, step: 4, low: 1, high: 9 }],
    ['negative stepped int', int(-5, 6, { step: 5 }), { log: false, step: 5, low: -5, high: 5 }],
  ])('%s', (_, distribution, attributes) => {
    expect(JSON.parse(optunaParam(distribution).json)).toEqual({ name: 'IntDistribution', attributes });
  });

  test.each<[string, Distribution, unknown]>([
    ['scalars stay what they are', choice('a', 1, 0.5, true, null), ['a', 1, 0.5, true, null]],
    ['tuples are their JSON text', choice([1, 2], [[3], 'x']), ['[1,2]', '[[3],"x"]']],
    ['an ordinal is a choice', { type: 'ordinal', choices: [32, 64] }, [32, 64]],
  ])('%s', (_, distribution, choices) => {
    expect(JSON.parse(optunaParam(distribution).json)).toEqual({ name: 'CategoricalDistribution', attributes: { choices } });
  });
});

describe('param_value', () => {
  test.each<[string, Distribution, ParamValue, number | null]>([
    ['float', float(0, 1), 0.25, 0.25],
    ['log float in natural units', float(1e-5, 1, { log: true }), 1e-3, 1e-3],
    ['int', int(1, 9), 3, 3],
    ['index of a string', choice('a', 'b'), 'b', 1],
    ['true is not 1', choice(1, true), true, 1],
    ['null', choice('a', null), null, 1],
    ['a tuple', choice([1], [1, 2]), [1, 2], 1],
    ['not a choice', choice('a'), 'z', null],
    ['not a number', float(0, 1), 'fast', null],
  ])('%s', (_, distribution, value, encoded) => {
    expect(optunaParam(distribution).encode(value)).toBe(encoded);
  });
});

test('values keep NaN and the infinities by name', () => {
  const values: readonly MetricValue[] = [1.5, 'nan', 'inf', '-inf'];
  expect(values.map(optunaValue)).toEqual([
    { value: 1.5, type: 'FINITE' },
    { value: null, type: 'NAN' },
    { value: null, type: 'INF_POS' },
    { value: null, type: 'INF_NEG' },
  ]);
});

test('times are local, without a zone, in microseconds', () => {
  const at = new Date(2026, 0, 5, 7, 8, 9, 42).getTime();
  expect(optunaDatetime(at)).toBe('2026-01-05 07:08:09.042000');
});

test('every state has one of Optuna', () => {
  expect(optunaStates).toEqual({
    waiting: 'WAITING',
    running: 'RUNNING',
    paused: 'RUNNING',
    complete: 'COMPLETE',
    pruned: 'PRUNED',
    failed: 'FAIL',
    infeasible: 'COMPLETE',
    cancelled: 'FAIL',
  });
});
