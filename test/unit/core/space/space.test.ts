import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { conditionCycle } from '../../../../agent/core/space/conditionCycle.ts';
import { walkPoints } from '../../../../agent/core/space/points.ts';
import { compileSpace } from '../../../../agent/core/space/space.ts';
import type { Distribution, Params, SearchSpace } from '../../../../agent/protocol/space.ts';
import { choice, float, int, parameter, searchSpace } from './builders.ts';

const conditional = compileSpace(
  searchSpace(
    [
      parameter('nesterov', choice(false, true), { when: 'momentum > 0.5', default: true }),
      parameter('momentum', float(0, 1), { when: 'optimizer == "sgd"', default: 0.9 }),
      parameter('optimizer', choice('adam', 'sgd'), { default: 'adam' }),
      parameter('layers', int(1, 8), { default: 3 }),
      parameter('width', int(1, 8), { default: 3 }),
    ],
    ['layers * width <= 16', 'momentum < 0.95'],
  ),
);

/** Linear congruential numbers: any source will do here. */
function source(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test('parameters come after those that their conditions read', () => {
  expect(conditional.ordered.map(({ name }) => name)).toEqual(['optimizer', 'layers', 'width', 'momentum', 'nesterov']);
});

test.each<[Params, string[]]>([
  [{ optimizer: 'adam', layers: 1, width: 1, momentum: 0.9 }, ['optimizer', 'layers', 'width']],
  [{ optimizer: 'sgd', layers: 1, width: 1, momentum: 0.4, nesterov: true }, ['optimizer', 'layers', 'width', 'momentum']],
  [
    { optimizer: 'sgd', layers: 1, width: 1, momentum: 0.6, nesterov: true },
    ['optimizer', 'layers', 'width', 'momentum', 'nesterov'],
  ],
])('active names of %j', (params, names) => expect([...conditional.activeNames(params)]).toEqual(names));

test.each<[string, Params, boolean]>([
  ['without the inactive', { optimizer: 'adam', layers: 2, width: 8 }, true],
  ['with an inactive one', { optimizer: 'adam', layers: 2, width: 8, momentum: 0.1 }, false],
  ['missing', { optimizer: 'adam', layers: 2 }, false],
  ['where', { optimizer: 'adam', layers: 3, width: 8 }, false],
  ['where on a conditional one', { optimizer: 'sgd', layers: 3, width: 1, momentum: 0.96, nesterov: true }, false],
  ['out of range', { optimizer: 'adam', layers: 9, width: 1 }, false],
  ['unknown name', { optimizer: 'adam', layers: 1, width: 1, toString: 1 }, false],
])('isValid: %s', (_, params, expected) => expect(conditional.isValid(params)).toBe(expected));

test('defaults are the active ones, or null where they are not allowed', () => {
  expect(conditional.defaults()).toEqual({ optimizer: 'adam', layers: 3, width: 3 });
  expect(compileSpace(searchSpace([parameter('a', int(1, 3))])).defaults()).toBeNull();
  expect(compileSpace(searchSpace([parameter('a', int(1, 3), { default: 4 })])).defaults()).toBeNull();
  expect(compileSpace(searchSpace([])).defaults()).toEqual({});
});

test('an inactive parameter is NaN in the unit cube and absent after it', () => {
  const params: Params = { optimizer: 'sgd', layers: 2, width: 4, momentum: 0.25 };
  const unit = conditional.encode(params);
  expect([...unit]).toEqual([NaN, 0.25, 0.75, 0.1875, 0.4375]);
  expect(conditional.decode(unit)).toEqual(params);
  expect(conditional.decode([NaN, NaN, 0.75, 0.1875, NaN])).toEqual({
    optimizer: 'sgd',
    layers: 2,
    width: 3,
    momentum: 0.9,
    nesterov: true,
  });
});

test.each<[string, SearchSpace, number, number | null]>([
  ['empty', searchSpace([]), 10, 1],
  ['plain', searchSpace([parameter('a', int(1, 3)), parameter('b', choice('x', 'y'))]), 10, 6],
  ['more than the limit', searchSpace([parameter('a', int(1, 3)), parameter('b', choice('x', 'y'))]), 5, null],
  ['continuous', searchSpace([parameter('a', float(0, 1))]), 5, null],
  ['when', searchSpace([parameter('a', int(1, 3)), parameter('b', choice('x', 'y'), { when: 'a == 1' })]), 10, 4],
  ['where', searchSpace([parameter('a', int(1, 10)), parameter('b', int(1, 10))], ['a + b == 5']), 10, 4],
  ['nothing', searchSpace([parameter('a', int(1, 10))], ['a > 10']), 10, 0],
])('count: %s', (_, space, limit, expected) => expect(compileSpace(space).count(limit)).toBe(expected));

test('walking a space meets every point once', () => {
  const space = compileSpace(
    searchSpace(
      [parameter('b', int(0, 2), { when: 'a != 1' }), parameter('a', int(0, 2)), parameter('c', choice('x', 'y'))],
      ['not (a == 2 and c == "x")'],
    ),
  );
  const keys = [...walkPoints(space, 1000)].map((params) => space.key(params));
  expect(new Set(keys).size).toBe(keys.length);
  expect(keys).toHaveLength(6 + 2 + 3);
});

test.each<[string, SearchSpace, RegExp]>([
  [
    'cycle',
    searchSpace([parameter('a', int(1, 2), { when: 'b == 1' }), parameter('b', int(1, 2), { when: 'a == 1' })]),
    /a → b → a/,
  ],
  ['own name', searchSpace([parameter('a', int(1, 2), { when: 'a == 1' })]), /a → a/],
  ['twice', searchSpace([parameter('a', int(1, 2)), parameter('a', int(1, 2))]), /"a" stands there twice/],
  ['range', searchSpace([parameter('a', int(2, 1))]), /2 is above 1/],
  ['syntax', searchSpace([parameter('a', int(1, 2))], ['a = 1']), /write "=="/],
  ['unknown name', searchSpace([parameter('a', int(1, 2))], ['b == 1']), /no parameter "b"/],
  ['prototype', searchSpace([parameter('__proto__', int(1, 2))]), /cannot be named/],
])('compileSpace refuses: %s', (_, space, message) => expect(() => compileSpace(space)).toThrow(message));

test('a cycle is found behind a long chain without recursion', () => {
  const chain = Array.from({ length: 3000 }, (_, k) =>
    parameter(`p${k}`, int(0, 1), { when: `p${k === 2999 ? 2997 : k + 1} == 1` }),
  );
  expect(conditionCycle(chain)).toEqual(['p2997', 'p2998', 'p2999']);
  expect(conditionCycle(chain.slice(0, 2999))).toBeNull();
});

describe('sampling', () => {
  test.each<[string, SearchSpace]>([
    ['conditions', searchSpace(conditionalParameters(), ['a * b <= 4', 'c != "y" or a == 1'])],
    [
      'one point in ten thousand',
      searchSpace(
        ['p', 'q', 'r', 's'].map((name) => parameter(name, int(0, 9))),
        ['p + q + r + s == 36'],
      ),
    ],
    ['an equation', searchSpace([parameter('a', int(1, 1000)), parameter('b', float(0, 1))], ['a in (17, 18)', 'b < 0.2'])],
    ['all ends', searchSpace([parameter('a', float(0, 1)), parameter('b', float(0, 1))], ['a == 1', 'b == 0'])],
  ])('never violates: %s', (_, raw) => {
    const space = compileSpace(raw);
    const next = source(1);
    for (let draw = 0; draw < 50; draw++) {
      const point = space.sample(next);
      expect(point.type === 'ok' && space.isValid(point.params)).toBe(true);
    }
  });

  test.each<[string, SearchSpace, number, number]>([
    ['60 of 125,000 points', searchSpace(cube(int(1, 50)), ['a * b * c == 96']), 400, 58],
    ['a thin corner', searchSpace(cube(float(0, 1)).slice(1), ['b + c < 0.001']), 30, 28],
    ['a thin corner in decades', searchSpace(cube(float(1e-9, 1, { log: true })), ['a * b * c < 1e-26']), 30, 28],
    ['a thin band', searchSpace(cube(float(0, 1)), ['a - b < 0.00001', 'b - a < 0.00001']), 30, 28],
    ['two equal floats', searchSpace(cube(float(0, 1)), ['a == b', 'c < 0.1']), 30, 28],
    [
      'few of the discrete part',
      searchSpace([...cube(int(1, 50)), parameter('x', float(0, 1))], ['a * b * c == 96', 'x < 0.0001 or x > a']),
      30,
      28,
    ],
  ])('draws from a thin set differ: %s', (_, raw, draws, atLeast) => {
    const space = compileSpace(raw);
    const seen = new Set<string>();
    for (let draw = 0; draw < draws; draw++) {
      const point = draw % 2 === 0 ? space.sample(source(draw)) : space.repair({ a: 17, b: 0.9, c: 0.9 }, source(draw));
      expect(point.type === 'ok' && space.isValid(point.params)).toBe(true);
      if (point.type === 'ok') seen.add(space.key(point.params));
    }
    expect(seen.size).toBeGreaterThanOrEqual(atLeast);
    // The same without a list that is already made.
    expect(compileSpace(raw).sample(source(3))).toEqual(space.sample(source(3)));
  });

  test('draws from a thin set spread over it', () => {
    const space = compileSpace(searchSpace(cube(float(0, 1)).slice(1), ['b + c < 0.001']));
    const next = source(5);
    let sum = 0;
    let above = 0;
    for (let draw = 0; draw < 400; draw++) {
      const point = space.sample(next);
      if (point.type !== 'ok') continue;
      sum += Number(point.params['b']) / 400;
      if (Number(point.params['b']) + Number(point.params['c']) > 0.0005) above++;
    }
    // Of the uniform distribution over the triangle: a third of its side, and three quarters.
    expect(sum).toBeGreaterThan(0.00028);
    expect(sum).toBeLessThan(0.00039);
    expect(above).toBeGreaterThan(260);
  });

  test('says that there is no point only where all were looked at', () => {
    const none = compileSpace(searchSpace(cube(int(1, 50)), ['a * b * c == 97 * 101']));
    expect(none.sample(source(1))).toMatchObject({ type: 'none', message: expect.stringContaining('no point of the space sat') });
  });

  test('says when there is no point', () => {
    const space = compileSpace(searchSpace([parameter('a', float(0, 1)), parameter('b', int(0, 1e6))], ['a > 2', 'b != 3']));
    expect(space.sample(source(1))).toMatchObject({ type: 'none', message: expect.stringContaining('"a > 2"') });
    expect(space.repair({ a: 0.5, b: 1 }, source(1))).toMatchObject({ type: 'none' });
  });

  test('repair leaves valid points alone and mends all others', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('nesterov', 'momentum', 'optimizer', 'layers', 'width', 'x'),
          fc.oneof(fc.double(), fc.constantFrom('sgd', 'adam', true, null)),
        ),
        fc.nat(),
        (params, seed) => {
          const point = conditional.repair(params, source(seed));
          expect(point.type === 'ok' && conditional.isValid(point.params)).toBe(true);
          if (point.type === 'ok') expect(conditional.repair(point.params, source(seed))).toEqual(point);
        },
      ),
    );
  });
});

function cube(distribution: Distribution) {
  return ['a', 'b', 'c'].map((name) => parameter(name, distribution));
}

function conditionalParameters() {
  return [parameter('a', int(1, 4)), parameter('b', int(1, 4), { when: 'a > 1' }), parameter('c', choice('x', 'y'))];
}

test('keys tell points apart', () => {
  const space = compileSpace(
    searchSpace([parameter('a', choice('1', 1, ',')), parameter('b', choice('1', 1, ','), { when: 'a != 1' })]),
  );
  const keys = [...walkPoints(space, 100)].map((params) => space.key(params));
  expect(new Set(keys).size).toBe(7);
});
