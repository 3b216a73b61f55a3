import { describe, expect, test } from 'vitest';
import { createRng, normalCdf, symmetricEigen } from '../../../../../agent/core/math/index.ts';
import { advance } from '../../../../../agent/core/samplers/cmaes/advance.ts';
import { columnsOf, cutNormalMoments } from '../../../../../agent/core/samplers/cmaes/columns.ts';
import { withMargin } from '../../../../../agent/core/samplers/cmaes/margin.ts';
import {
  deviationOf,
  drawFrom,
  evenShares,
  independentModel,
  type Model,
} from '../../../../../agent/core/samplers/cmaes/model.ts';
import { type Strategy, strategyOf } from '../../../../../agent/core/samplers/cmaes/strategy.ts';
import { History } from '../../../../../agent/core/samplers/index.ts';
import { type CompiledSpace, compileSpace } from '../../../../../agent/core/space/index.ts';
import type { Params } from '../../../../../agent/protocol/space.ts';
import { choice, float, int, parameter, searchSpace } from '../../space/builders.ts';

describe('strategyOf', () => {
  // d, λ: μ, μ_eff, c_σ, d_σ, c_c, c_1 as PyPI's cmaes 0.12 has them; c_μ by table 1 of the tutorial (cmaes leaves out its ¼).
  test.each<[number, number, readonly number[], number]>([
    [
      2,
      6,
      [3, 2.0286114646100617, 0.44620498737831715, 1.4462049873783172, 0.6245545390268264, 0.1548153998964136],
      0.0855927794,
    ],
    [
      10,
      10,
      [5, 3.1672992814107026, 0.2844285879463675, 1.2844285879463675, 0.29499038303562225, 0.015283824524751714],
      0.0235517767,
    ],
    [
      5,
      8,
      [4, 2.6001788261131793, 0.3650883760934854, 1.3650883760934853, 0.4501995579928079, 0.047292304159400896],
      0.0478590496,
    ],
  ])('%d coordinates, λ = %d', (d, lambda, expected, cMu) => {
    const strategy = strategyOf(d, lambda);
    const { mu, muEff, cSigma, dSigma, cC, c1, weights } = strategy;
    [mu, muEff, cSigma, dSigma, cC, c1].forEach((value, k) => expect(value).toBeCloseTo(expected[k] ?? NaN, 10));
    expect(strategy.cMu).toBeCloseTo(cMu, 9);
    expect(weights.slice(0, mu).reduce((total, weight) => total + weight, 0)).toBeCloseTo(1, 12);
    expect(weights.slice(mu).every((weight) => weight < 0)).toBe(true);
    // The covariance stays positive definite.
    expect(1 - c1 - strategy.cMu * strategy.sumOfWeights).toBeGreaterThan(0);
  });

  test('many coordinates are learned one by one, and faster', () => {
    expect(strategyOf(20, 12).isSeparable).toBe(false);
    expect(strategyOf(21, 12).isSeparable).toBe(true);
    expect(strategyOf(21, 12).cMu).toBeGreaterThan(3 * strategyOf(20, 12).cMu);
  });
});

describe('cutNormalMoments', () => {
  test.each<[number, number]>([
    [-Infinity, Infinity],
    [-1, 2],
    [0, Infinity],
    [-Infinity, -1],
    [2, 2.5],
    [8, 9],
    [-31, -30],
    [-0.001, 0.001],
  ])('from %d to %d, as by quadrature', (from, to) => {
    const low = Math.max(from, -40);
    const high = Math.min(to, 40);
    const [shift] = [low, high, 0].filter((x) => x >= low && x <= high).sort((a, b) => Math.abs(a) - Math.abs(b));
    const n = 200_000;
    let [mass, first, second] = [0, 0, 0];
    for (let k = 0; k < n; k++) {
      const x = low + ((high - low) * (k + 0.5)) / n;
      const density = Math.exp(-0.5 * (x * x - (shift ?? 0) ** 2));
      mass += density;
      first += density * x;
      second += density * x * x;
    }
    const moments = new Float64Array(2);
    cutNormalMoments(from, to, moments);
    expect(moments[0]).toBeCloseTo(first / mass, 5);
    expect(moments[1]).toBeCloseTo(second / mass - (first / mass) ** 2, 5);
  });

  test.each<[number, number, number]>([
    [0.3, 0.3, 0.3],
    [-5, -5, -5],
    [1e6, 2e6, 1e6],
    [-2e6, -1e6, -1e6],
  ])('from %d to %d is the point %d', (from, to, point) => {
    const moments = new Float64Array(2);
    cutNormalMoments(from, to, moments);
    expect([...moments]).toEqual([point, 0]);
  });
});

describe('withMargin', () => {
  const ten = columnsOf(compileSpace(searchSpace([parameter('n', int(0, 9))]))).numeric[0];
  if (ten === undefined) throw new Error('no column');
  const target = new Float64Array(2);
  test.each<[string, number, number]>([
    ['inside', 0.55, 1e-6],
    ['inside, off the middle', 0.501, 1e-3],
    ['inside, one side free', 0.501, 0.002],
    ['at the lower end', 0.02, 1e-6],
    ['at the upper end', 0.98, 1e-6],
  ])('no neighbour is given up: %s', (_, mean, deviation) => {
    withMargin(ten, mean, deviation, 0.02, target);
    const [m = NaN, s = NaN] = target;
    const from = Math.floor(mean * 10) / 10;
    // The value of the mean stays.
    expect(Math.floor(m * 10)).toBe(Math.floor(mean * 10));
    const sides = [normalCdf((from - m) / s), normalCdf((m - from - 0.1) / s)];
    if (mean > 0.1) expect(sides[0]).toBeGreaterThan(mean > 0.9 ? 0.0199 : 0.0099);
    if (mean < 0.9) expect(sides[1]).toBeGreaterThan(mean < 0.1 ? 0.0199 : 0.0099);
  });

  test('changes nothing where it is kept already', () => {
    withMargin(ten, 0.52, 0.2, 0.02, target);
    expect([...target]).toEqual([0.52, 0.2]);
    withMargin(ten, 0.05, 0.2, 0.02, target);
    expect([...target]).toEqual([0.05, 0.2]);
  });
});

/** A generation in the tutorial's own words, on plain lists, for a space of numbers from 0 to 1. */
function generation(
  state: { m: number[]; sigma: number; c: number[][]; ps: number[]; pc: number[]; g: number },
  members: readonly number[][],
  { weights, mu, muEff, cSigma, dSigma, cC, c1, cMu, chi, d }: Strategy,
): typeof state {
  const values = new Float64Array(d);
  const vectors = Float64Array.from(state.c.flat());
  symmetricEigen(vectors, d, values);
  const range = [...Array(d).keys()];
  const inverseRoot = (v: readonly number[]): number[] =>
    range.map((i) =>
      range.reduce(
        (total, k) =>
          total + (vectors[k * d + i]! / Math.sqrt(values[k]!)) * range.reduce((dot, j) => dot + vectors[k * d + j]! * v[j]!, 0),
        0,
      ),
    );
  const length = (v: readonly number[]): number => Math.hypot(...v);
  const y = members.map((x) => range.map((j) => (x[j]! - state.m[j]!) / state.sigma));
  const yw = range.map((j) => y.slice(0, mu).reduce((total, yi, i) => total + weights[i]! * yi[j]!, 0));
  const white = inverseRoot(yw);
  const ps = range.map((j) => (1 - cSigma) * state.ps[j]! + Math.sqrt(cSigma * (2 - cSigma) * muEff) * white[j]!);
  const g = state.g + 1;
  const h = length(ps) / Math.sqrt(1 - (1 - cSigma) ** (2 * g)) < (1.4 + 2 / (d + 1)) * chi ? 1 : 0;
  const pc = range.map((j) => (1 - cC) * state.pc[j]! + h * Math.sqrt(cC * (2 - cC) * muEff) * yw[j]!);
  const w = weights.map((weight, i) => (weight >= 0 ? weight : (weight * d) / length(inverseRoot(y[i]!)) ** 2));
  const c = range.map((i) =>
    range.map(
      (j) =>
        (1 + c1 * (1 - h) * cC * (2 - cC) - c1 - cMu * weights.reduce((total, weight) => total + weight, 0)) * state.c[i]![j]! +
        c1 * pc[i]! * pc[j]! +
        cMu * y.reduce((total, yk, k) => total + w[k]! * yk[i]! * yk[j]!, 0),
    ),
  );
  return {
    m: range.map((j) => state.m[j]! + state.sigma * yw[j]!),
    sigma: state.sigma * Math.exp((cSigma / dSigma) * (length(ps) / chi - 1)),
    c,
    ps,
    pc,
    g,
  };
}

/** A history of complete trials at these points, best first. */
function historyOf(space: CompiledSpace, points: readonly Params[]): History {
  return new History(
    space,
    points.map((params, number) => ({ number, params, state: 'complete' as const, values: [number], resource: 1 })),
  );
}

describe('advance', () => {
  test('does what the tutorial says, over five generations', () => {
    const space = compileSpace(searchSpace(['x', 'y', 'z'].map((name) => parameter(name, float(0, 1)))));
    const columns = columnsOf(space);
    const strategy = strategyOf(3, 8);
    let model = independentModel(new Float64Array(3).fill(0.5), new Float64Array(3).fill(0.02), [], false);
    let oracle = {
      m: [0.5, 0.5, 0.5],
      sigma: 0.02,
      c: [
        [1, 0, 0],
        [0, 1, 0],
        [0, 0, 1],
      ],
      ps: [0, 0, 0],
      pc: [0, 0, 0],
      g: 0,
    };
    const rng = createRng(3);
    for (let g = 0; g < 5; g++) {
      const members: number[][] = [];
      for (let draw = 0; draw < 1000 && members.length < 8; draw++) {
        const unit = new Float64Array(3);
        drawFrom(model, columns, rng, unit);
        const squares = [...unit].map((u, j) => ((u - oracle.m[j]!) / oracle.sigma) ** 2);
        // Longer and shorter steps are treated apart: see the next two tests.
        if (Math.max(...squares) < 3 && squares.reduce((total, square) => total + square, 0) > 3) members.push([...unit]);
      }
      members.sort((a, b) => (a[0]! - 0.3) ** 2 + a[1]! - ((b[0]! - 0.3) ** 2 + b[1]!));
      const history = historyOf(
        space,
        members.map(([x = 0, y = 0, z = 0]) => ({ x, y, z })),
      );
      const next = advance(model, strategy, columns, history, [...Array(8).keys()], false);
      if (next === null) throw new Error('singular');
      model = next;
      oracle = generation(oracle, members, strategy);
      oracle.m.forEach((value, j) => expect(model.mean[j]).toBeCloseTo(value, 10));
      expect(model.sigma).toBeCloseTo(oracle.sigma, 10);
      oracle.c.flat().forEach((value, k) => expect(model.full?.matrix[k]).toBeCloseTo(value, 8));
      oracle.ps.forEach((value, j) => expect(model.sigmaPath[j]).toBeCloseTo(value, 9));
    }
    expect(model.generation).toBe(5);
  });

  const line = compileSpace(searchSpace([parameter('x', float(0, 1)), parameter('y', float(0, 1))]));
  const start = (space: CompiledSpace, deviation: number): Model => {
    const columns = columnsOf(space);
    const d = columns.numeric.length;
    return independentModel(new Float64Array(d).fill(0.5), new Float64Array(d).fill(deviation), evenShares(columns), false);
  };
  const step = (space: CompiledSpace, model: Model, points: readonly Params[]): Model => {
    const columns = columnsOf(space);
    const strategy = strategyOf(columns.numeric.length, points.length);
    const next = advance(model, strategy, columns, historyOf(space, points), [...points.keys()], false);
    if (next === null) throw new Error('singular');
    return next;
  };

  test('members from far away pull no further than a long draw', () => {
    const far = Array.from({ length: 6 }, (_, k) => ({ x: 0.9 + k / 100, y: 0.5 }));
    const next = step(line, start(line, 1e-3), far);
    expect(next.mean[0]).toBeGreaterThan(0.501);
    expect(next.mean[0]).toBeLessThan(0.5 + 1e-3 * strategyOf(2, 6).longest + 1e-9);
  });

  test('members at the mean do not make the covariance singular', () => {
    let model = start(line, 0.1);
    for (let g = 0; g < 20; g++)
      model = step(
        line,
        model,
        Array.from({ length: 6 }, () => ({ x: 0.5, y: 0.5 })),
      );
    expect(model.deviations.every((deviation) => deviation > 0)).toBe(true);
  });

  test('equal losses make the steps grow, up to half of the range', () => {
    const columns = columnsOf(line);
    let model: Model | null = start(line, 0.01);
    const history = historyOf(
      line,
      Array.from({ length: 6 }, () => ({ x: 0.5, y: 0.5 })),
    );
    for (let g = 0; g < 40 && model !== null; g++) {
      model = advance(model, strategyOf(2, 6), columns, history, [...Array(6).keys()], true);
    }
    expect(model === null ? NaN : deviationOf(model, 0)).toBeGreaterThan(0.1);
    expect(model === null ? NaN : deviationOf(model, 0)).toBeLessThanOrEqual(0.5 + 1e-12);
  });

  test('what was inactive keeps its mean and its variance', () => {
    const space = compileSpace(
      searchSpace([
        parameter('x', float(0, 1)),
        parameter('on', choice(false, true)),
        parameter('y', float(0, 1), { when: 'on' }),
      ]),
    );
    let model = start(space, 0.1);
    const before = model.variances[1]! / model.variances[0]!;
    for (let g = 0; g < 10; g++) {
      const points = Array.from({ length: 8 }, (_, k) => ({ x: 0.5 + 0.02 * (k % 2 === 0 ? k : -k), on: false }));
      model = step(space, model, points);
    }
    expect(model.mean[1]).toBe(0.5);
    expect(model.variances[1]).toBeGreaterThan(0.5 * before);
    expect(model.variances[1]).toBeLessThan(2 * before);
  });

  test('an int that is the same in all members keeps its neighbours possible', () => {
    const space = compileSpace(searchSpace([parameter('n', int(0, 9)), parameter('x', float(0, 1))]));
    let model = start(space, 0.25);
    for (let g = 0; g < 60; g++) {
      model = step(
        space,
        model,
        Array.from({ length: 6 }, (_, k) => ({ n: 6, x: 0.5 + 1e-3 * k })),
      );
    }
    const columns = columnsOf(space);
    const rng = createRng(1);
    const unit = new Float64Array(2);
    const counts = new Map<number, number>();
    for (let draw = 0; draw < 4000; draw++) {
      drawFrom(model, columns, rng, unit);
      const n = Math.floor(unit[0]! * 10);
      counts.set(n, (counts.get(n) ?? 0) + 1);
    }
    expect(counts.get(6)! / 4000).toBeGreaterThan(0.8);
    for (const n of [5, 7]) expect(counts.get(n)! / 4000).toBeGreaterThan(0.02);
  });

  test('shares follow the better half; no choice is given up', () => {
    const space = compileSpace(searchSpace([parameter('c', choice('a', 'b', 'c', 'd')), parameter('x', float(0, 1))]));
    let model = start(space, 0.1);
    for (let g = 0; g < 40; g++) {
      const points = Array.from({ length: 8 }, (_, k) => ({ c: k < 4 ? 'b' : 'abcd'.charAt(k - 4), x: 0.5 + k / 100 }));
      model = step(space, model, points);
    }
    const [shares = new Float64Array(0)] = model.shares;
    expect(shares.reduce((total, share) => total + share, 0)).toBeCloseTo(1, 12);
    expect(shares[1]).toBeGreaterThan(0.7);
    for (const share of [shares[0], shares[2], shares[3]]) expect(share).toBeGreaterThan(0.01);
  });
});
