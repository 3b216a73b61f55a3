import { describe, expect, test } from 'vitest';
import { createRng, type Rng } from '../../../../agent/core/math/index.ts';
import { crossoverPoints, forkPoint, mutatePoint } from '../../../../agent/core/samplers/mutate.ts';
import { type CompiledSpace, compileSpace, toUnit } from '../../../../agent/core/space/index.ts';
import type { Params, SearchSpace } from '../../../../agent/protocol/space.ts';
import { choice, float, int, ordinal, parameter, searchSpace } from '../space/builders.ts';

const spaces = {
  mixed: searchSpace([
    parameter('x', float(-1, 1)),
    parameter('rate', float(1e-5, 1e-1, { log: true })),
    parameter('decay', float(0.5, 0.999, { revlog: true })),
    parameter('n', int(1, 9)),
    parameter('width', int(1, 4096, { log: true })),
    parameter('kind', choice('a', 'b', null)),
    parameter('size', ordinal(32, 64, 128)),
    parameter('one', int(3, 3)),
  ]),
  conditions: searchSpace([
    parameter('momentum', float(0, 0.99), { when: 'optimizer == "sgd"' }),
    parameter('nesterov', choice(false, true), { when: 'momentum > 0.5' }),
    parameter('optimizer', choice('adam', 'sgd')),
  ]),
  where: searchSpace(
    [parameter('heads', int(1, 32)), parameter('width', int(8, 256, { step: 8 })), parameter('x', float(0, 1))],
    ['heads * 8 <= width'],
  ),
  narrow: searchSpace([parameter('a', int(0, 99)), parameter('b', int(0, 99))], ['a + b == 100']),
  binary: searchSpace([parameter('on', choice(false, true))]),
  huge: searchSpace([parameter('x', float(1e-300, 1e300, { log: true })), parameter('y', float(-1e308, 1e308))]),
} satisfies Record<string, SearchSpace>;

const drawn = (space: CompiledSpace, rng: Rng): Params => {
  const point = space.sample(rng.next);
  return point.type === 'ok' ? point.params : {};
};

describe.each<[string, (space: CompiledSpace, parent: Params, rng: Rng) => Params]>([
  ['mutatePoint', (space, parent, rng) => mutatePoint(space, parent, rng, { probability: 0.3, step: 0.1 })],
  ['mutatePoint, never by chance', (space, parent, rng) => mutatePoint(space, parent, rng, { probability: 0, step: 1e-12 })],
  ['forkPoint', forkPoint],
])('%s', (_, change) => {
  test.each(Object.entries(spaces))('gives another valid point: %s', (_name, raw) => {
    const space = compileSpace(raw);
    for (let seed = 0; seed < 100; seed++) {
      const rng = createRng(seed);
      const parent = drawn(space, rng);
      const child = change(space, parent, rng);
      expect(space.isValid(child)).toBe(true);
      expect(space.key(child)).not.toBe(space.key(parent));
    }
  });

  test('gives the only point of a space', () => {
    const space = compileSpace(searchSpace([parameter('a', int(2, 2))]));
    expect(change(space, { a: 2 }, createRng(1))).toEqual({ a: 2 });
    expect(change(compileSpace(searchSpace([])), {}, createRng(1))).toEqual({});
  });

  test('mends a parent of another space', () => {
    const space = compileSpace(spaces.mixed);
    const child = change(space, { x: 7, kind: 'gone', other: 1 }, createRng(1));
    expect(space.isValid(child)).toBe(true);
  });
});

describe('mutatePoint', () => {
  const space = compileSpace(spaces.mixed);
  const parent: Params = { x: 0, rate: 1e-3, decay: 0.9, n: 5, width: 64, kind: 'b', size: 64, one: 3 };
  const children = (probability: number, step: number): Params[] =>
    Array.from({ length: 2000 }, (_, seed) => mutatePoint(space, parent, createRng(seed), { probability, step }));

  test('changes one parameter at least, and each with its probability', () => {
    const nChanged = (child: Params): number => Object.keys(parent).filter((name) => child[name] !== parent[name]).length;
    expect(children(0, 0.1).every((child) => nChanged(child) === 1)).toBe(true);
    const mean = children(0.5, 0.1).reduce((sum, child) => sum + nChanged(child), 0) / 2000;
    // Seven of them can change.
    expect(mean).toBeGreaterThan(3.4);
    expect(mean).toBeLessThan(3.7);
  });

  test('numbers take steps of the given size on their own axis', () => {
    for (const { name, distribution } of space.parameters.slice(0, 3)) {
      const from = toUnit(distribution, parent[name] ?? null);
      const steps = children(1, 0.05).map((child) => toUnit(distribution, child[name] ?? null) - from);
      const deviation = Math.sqrt(steps.reduce((sum, by) => sum + by * by, 0) / steps.length);
      expect(deviation).toBeGreaterThan(0.047);
      expect(deviation).toBeLessThan(0.053);
    }
  });

  test('other categories are equally likely, small ints go to both neighbours', () => {
    const small = children(1, 0.01);
    const share = (name: string, value: unknown): number => small.filter((child) => child[name] === value).length / small.length;
    expect(share('kind', 'a')).toBeCloseTo(0.5, 1);
    expect(share('kind', null)).toBeCloseTo(0.5, 1);
    expect(share('n', 4)).toBeCloseTo(0.5, 1);
    expect(share('n', 6)).toBeCloseTo(0.5, 1);
    expect(share('size', 32)).toBeCloseTo(0.5, 1);
  });
});

describe('forkPoint', () => {
  const values = (raw: SearchSpace, parent: Params, name: string): unknown[] => {
    const space = compileSpace(raw);
    return Array.from({ length: 4000 }, (_, seed) => forkPoint(space, parent, createRng(seed))[name]);
  };
  const count = (list: readonly unknown[], isCounted: (value: number) => boolean): number =>
    list.filter((value) => isCounted(Number(value))).length / list.length;
  const near = (to: number) => (value: number) => Math.abs(value - to) < 1e-9 * Math.abs(to);

  test('multiplies by 0.8 or 1.2, or draws anew one time in four', () => {
    const list = values(spaces.mixed, { x: 0.5, rate: 1e-3, decay: 0.9, n: 5, width: 64, kind: 'b', size: 64, one: 3 }, 'rate');
    expect(count(list, near(0.8e-3))).toBeCloseTo(0.375, 1);
    expect(count(list, near(1.2e-3))).toBeCloseTo(0.375, 1);
  });

  test.each<[string, SearchSpace, Params, string, number[]]>([
    ['log', searchSpace([parameter('x', float(0.1, 10, { log: true }))]), { x: 1 }, 'x', [0.8, 1.2]],
    [
      'revlog: the distance from 1',
      searchSpace([parameter('x', float(0.01, 0.99, { revlog: true }))]),
      { x: 0.9 },
      'x',
      [0.88, 0.92],
    ],
    ['cut at the end', searchSpace([parameter('x', float(0, 1))]), { x: 0.9 }, 'x', [0.72, 1]],
    ['zero takes a step', searchSpace([parameter('x', float(0, 2))]), { x: 0 }, 'x', [0.2]],
    ['at the upper end, inwards', searchSpace([parameter('x', float(0, 2))]), { x: 2 }, 'x', [1.6, 1.8]],
    ['negative', searchSpace([parameter('x', float(-2, 2))]), { x: -1 }, 'x', [-1.4, -0.6]],
    ['an int moves by one at least', searchSpace([parameter('x', int(1, 100))]), { x: 2 }, 'x', [1, 3]],
    ['the last int', searchSpace([parameter('x', int(1, 3))]), { x: 3 }, 'x', [2]],
    ['a neighbour of an ordinal', searchSpace([parameter('x', ordinal(8, 16, 32, 64))]), { x: 16 }, 'x', [8, 32]],
  ])('%s', (_, raw, parent, name, expected) => {
    const list = values(raw, parent, name);
    for (const value of expected) expect(count(list, near(value))).toBeGreaterThan(0.3);
  });
});

describe('crossoverPoints', () => {
  test('takes every value from a parent', () => {
    const space = compileSpace(spaces.mixed);
    const [a, b] = [drawn(space, createRng(1)), drawn(space, createRng(2))];
    const seen = new Set<string>();
    for (let seed = 0; seed < 50; seed++) {
      const child = crossoverPoints(space, a, b, createRng(seed));
      for (const [name, value] of Object.entries(child)) expect([a[name], b[name]]).toContain(value);
      seen.add(space.key(child));
    }
    expect(seen.size).toBeGreaterThan(20);
  });

  test.each(Object.entries(spaces))('is valid: %s', (_, raw) => {
    const space = compileSpace(raw);
    for (let seed = 0; seed < 50; seed++) {
      const rng = createRng(seed);
      expect(space.isValid(crossoverPoints(space, drawn(space, rng), drawn(space, rng), rng))).toBe(true);
    }
  });

  test('values of a parameter that only one parent has are kept', () => {
    const space = compileSpace(spaces.conditions);
    const child = { optimizer: 'sgd', momentum: 0.3 };
    expect(crossoverPoints(space, child, { optimizer: 'sgd', momentum: 0.3 }, createRng(1))).toEqual(child);
    for (let seed = 0; seed < 20; seed++) {
      const mixed = crossoverPoints(space, child, { optimizer: 'adam' }, createRng(seed));
      expect([child, { optimizer: 'adam' }]).toContainEqual(mixed);
    }
  });
});
