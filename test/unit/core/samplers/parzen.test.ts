import { describe, expect, test } from 'vitest';
import { createRng } from '../../../../agent/core/math/index.ts';
import { History } from '../../../../agent/core/samplers/history.ts';
import { ParzenEstimator } from '../../../../agent/core/samplers/parzen.ts';
import { compileSpace, walkPoints } from '../../../../agent/core/space/index.ts';
import type { Params } from '../../../../agent/protocol/space.ts';
import { choice, float, int, ordinal, parameter, searchSpace } from '../space/builders.ts';

function fit(
  space: ReturnType<typeof compileSpace>,
  points: readonly Params[],
  bandwidth: 'near' | 'wide' = 'near',
): ParzenEstimator {
  const history = new History(space);
  points.forEach((params, number) => history.upsert({ number, params, state: 'complete', values: [0], resource: 1 }));
  return new ParzenEstimator(
    space,
    history.unit.subarray(0, points.length * space.parameters.length),
    new Float64Array(points.length).fill(1),
    bandwidth,
  );
}

const density = (space: ReturnType<typeof compileSpace>, estimator: ParzenEstimator, params: Params): number =>
  Math.exp(estimator.logDensity(space.encode(params), 1)[0] ?? NaN);

describe('the density is one in all', () => {
  test('over a continuous range', () => {
    const space = compileSpace(searchSpace([parameter('x', float(-2, 6))]));
    for (const points of [[], [-2], [1], [5.9, 6, -1, -1, 0.3]]) {
      const estimator = fit(
        space,
        points.map((x) => ({ x })),
      );
      let sum = 0;
      for (let k = 0; k < 4000; k++) sum += density(space, estimator, { x: -2 + (8 * (k + 0.5)) / 4000 }) / 4000;
      expect(sum).toBeCloseTo(1, 4);
    }
  });

  test.each([
    ['ints', searchSpace([parameter('x', int(1, 7))])],
    ['log ints', searchSpace([parameter('x', int(1, 100, { log: true }))])],
    ['revlog steps', searchSpace([parameter('x', float(0.5, 1, { revlog: true, step: 0.05 }))])],
    ['categories', searchSpace([parameter('x', choice('a', 'b', 'c'))])],
    [
      'ordinals and a condition',
      searchSpace([parameter('x', ordinal(1, 2, 4)), parameter('y', choice(true, false), { when: 'x > 1' })]),
    ],
  ])('over %s', (_, raw) => {
    const space = compileSpace(raw);
    const all = [...walkPoints(space, 10_000)];
    const estimator = fit(
      space,
      [all[0], all.at(-1), all[1], all[0]].filter((params) => params !== undefined),
    );
    expect(all.reduce((sum, params) => sum + density(space, estimator, params), 0)).toBeCloseTo(1, 5);
  });
});

test.each<['near' | 'wide', number]>([
  // Alone, an observation reaches to the farther end.
  ['near', 0.75],
  ['wide', 0.2],
])('agrees with the formula written out for one observation, %s', (bandwidth, width) => {
  const space = compileSpace(searchSpace([parameter('x', float(0, 1)), parameter('c', choice('a', 'b'))]));
  const estimator = fit(space, [{ x: 0.25, c: 'a' }], bandwidth);
  // By quadrature: a normal, cut to [0, 1], with mean μ and deviation σ.
  const cut = (x: number, mu: number, sigma: number): number => {
    const bell = (t: number): number => Math.exp(-(((t - mu) / sigma) ** 2) / 2);
    let mass = 0;
    for (let k = 0; k < 10_000; k++) mass += bell((k + 0.5) / 10_000) / 10_000;
    return bell(x) / mass;
  };
  // Two kernels: (δ + ½) / (1 + 2/2).
  const kernel = cut(0.4, 0.25, width) * (1.5 / 2);
  const prior = cut(0.4, 0.5, 1) * 0.5;
  expect(density(space, estimator, { x: 0.4, c: 'a' })).toBeCloseTo((kernel + prior) / 2, 6);
});

test('says nothing about parameters that were inactive', () => {
  const space = compileSpace(searchSpace([parameter('c', choice('a', 'b')), parameter('x', float(0, 1), { when: 'c == "b"' })]));
  const estimator = fit(space, [{ c: 'a' }, { c: 'a' }]);
  const ratio = density(space, estimator, { c: 'b', x: 0.1 }) / density(space, estimator, { c: 'b', x: 0.9 });
  expect(ratio).toBeCloseTo(1, 5);
});

test('draws follow the density', () => {
  const space = compileSpace(searchSpace([parameter('x', int(0, 4)), parameter('c', choice('a', 'b', 'c'))]));
  const estimator = fit(space, [
    { x: 1, c: 'a' },
    { x: 2, c: 'a' },
    { x: 4, c: 'b' },
  ]);
  const rng = createRng(5);
  const unit = new Float64Array(2);
  const counts = new Map<string, number>();
  const n = 30_000;
  for (let draw = 0; draw < n; draw++) {
    estimator.sample(rng, unit);
    const key = space.key(space.decode(unit));
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  for (const params of walkPoints(space, 100)) {
    const p = density(space, estimator, params);
    // Five standard deviations.
    expect(Math.abs((counts.get(space.key(params)) ?? 0) / n - p)).toBeLessThan(5 * Math.sqrt((p * (1 - p)) / n));
  }
});
