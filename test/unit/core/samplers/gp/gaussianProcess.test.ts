import { describe, expect, test } from 'vitest';
import { createRng } from '../../../../../agent/core/math/index.ts';
import {
  type Acquisition,
  logExpectedImprovement,
  logProbabilityBelow,
  product,
} from '../../../../../agent/core/samplers/gp/acquisition.ts';
import { fitHyperparameters } from '../../../../../agent/core/samplers/gp/fit.ts';
import { logHypervolumeImprovement } from '../../../../../agent/core/samplers/gp/hypervolumeImprovement.ts';
import { type Column, layoutOf } from '../../../../../agent/core/samplers/gp/kernel.ts';
import { type Data, Likelihood } from '../../../../../agent/core/samplers/gp/likelihood.ts';
import { GpModel } from '../../../../../agent/core/samplers/gp/model.ts';

const columns: readonly Column[] = [
  { kind: 'number', isOptional: false, isWarped: true },
  { kind: 'number', isOptional: true, isWarped: true },
  { kind: 'category', isOptional: false, isWarped: false },
  { kind: 'category', isOptional: true, isWarped: false },
  { kind: 'fixed', isOptional: false, isWarped: false },
  { kind: 'number', isOptional: false, isWarped: false },
];
const layout = layoutOf(columns);
const width = columns.length;

function randomData(n: number, seed: number): Data {
  const rng = createRng(seed);
  const x = new Float64Array(n * width);
  const y = new Float64Array(n);
  for (let i = 0; i < n; i++) {
    columns.forEach((column, d) => {
      const isMissing = column.isOptional && rng.next() < 0.4;
      x[i * width + d] = isMissing ? NaN : column.kind === 'category' ? (rng.int(3) + 0.5) / 3 : rng.next();
    });
    y[i] = Math.sin(5 * (x[i * width] ?? 0)) + Number((x[i * width + 2] ?? 0) > 0.5) + 0.1 * rng.normal();
  }
  return { layout, n, x, y, noise: new Float64Array(n).fill(1) };
}

function randomTheta(seed: number): Float64Array {
  const rng = createRng(seed, 1);
  const theta = Float64Array.from({ length: layout.size }, () => 0.5 * rng.normal());
  theta[1] = -4;
  return theta;
}

/** k(x, x') written down once more, plainly. */
function covariance(theta: Float64Array, a: Float64Array, b: Float64Array): number {
  const place = (index: number | undefined): number => Math.exp(theta[index ?? -1] ?? 0);
  const matern = (square: number): number => {
    const r = Math.sqrt(5 * square);
    return (1 + r + (r * r) / 3) * Math.exp(-r);
  };
  let joint = 0;
  let additive = 0;
  let count = 0;
  columns.forEach(({ kind }, d) => {
    if (kind === 'fixed') return;
    const [u, v] = [a[d] ?? NaN, b[d] ?? NaN];
    count++;
    if (Number.isNaN(u) && Number.isNaN(v)) {
      additive++;
      return;
    }
    const warp = layout.warp[d] ?? -1;
    const position = (value: number): number => {
      if (Number.isNaN(value)) return 0.5;
      return warp < 0 ? value : 1 - (1 - (0.001 + 0.998 * value) ** place(warp)) ** place(warp + 1);
    };
    const difference = kind === 'category' ? Number(u !== v) : position(u) - position(v);
    const gap = Number.isNaN(u) === Number.isNaN(v) ? 0 : place(layout.gap[d]) ** -2;
    const square = (difference / place(layout.length[d])) ** 2 + gap;
    joint += square;
    additive += matern(square);
  });
  const share = 1 / (1 + Math.exp(-(theta[2] ?? 0)));
  return Math.exp(theta[0] ?? 0) * ((1 - share) * matern(joint) + (share * additive) / count);
}

describe('Gaussian process', () => {
  test.each([1, 2, 3])('the gradient of the likelihood is that of finite differences, seed %i', (seed) => {
    const likelihood = new Likelihood(randomData(20, seed));
    const theta = randomTheta(seed);
    const gradient = new Float64Array(theta.length);
    const ignored = new Float64Array(theta.length);
    likelihood.evaluate(theta, gradient);
    theta.forEach((_, k) => {
      const at = (shift: number): number => likelihood.evaluate(theta.with(k, (theta[k] ?? 0) + shift), ignored);
      expect(gradient[k]).toBeCloseTo((at(1e-5) - at(-1e-5)) / 2e-5, 4);
    });
  });

  test('the likelihood of two points is that of a normal distribution in the plane', () => {
    const data = randomData(2, 4);
    const theta = randomTheta(4);
    const rows = [data.x.subarray(0, width), data.x.subarray(width)];
    const [s, c] = [Math.exp(theta[0] ?? 0) * (1 + 1e-8) + Math.exp(-4), covariance(theta, rows[0]!, rows[1]!)];
    const [a, b] = [data.y[0] ?? 0, data.y[1] ?? 0];
    // The mean has the prior N(0, 1): the most probable one is (a + b) / (2 + s + c).
    const mean = (a + b) / (2 + s + c);
    const [u, v] = [a - mean, b - mean];
    const determinant = s * s - c * c;
    const expected = (s * (u * u + v * v) - 2 * c * u * v) / determinant / 2 + Math.log(determinant) / 2 + (mean * mean) / 2;
    expect(new Likelihood(data).evaluate(theta, new Float64Array(layout.size))).toBeCloseTo(expected, 10);
  });

  test('between and at observations it predicts what the normal equations say', () => {
    const data = randomData(2, 5);
    const theta = randomTheta(5);
    const model = new GpModel(data, theta);
    const rows = [data.x.slice(0, width), data.x.slice(width)];
    const s = Math.exp(theta[0] ?? 0);
    const noisy = s * (1 + 1e-8) + Math.exp(-4);
    const c = covariance(theta, rows[0]!, rows[1]!);
    const mean = ((data.y[0] ?? 0) + (data.y[1] ?? 0)) / (2 + noisy + c);
    const [u, v] = [(data.y[0] ?? 0) - mean, (data.y[1] ?? 0) - mean];
    const point = Float64Array.from([0.3, NaN, 0.5, 0.5, 0.5, 0.9]);
    for (const x of [point, ...rows]) {
      const [p, q] = [covariance(theta, x, rows[0]!), covariance(theta, x, rows[1]!)];
      const solve = (e: number, f: number): [number, number] => {
        const determinant = noisy * noisy - c * c;
        return [(noisy * e - c * f) / determinant, (noisy * f - c * e) / determinant];
      };
      const [alpha, beta] = solve(u, v);
      const [left, right] = solve(p, q);
      const out = { mean: 0, variance: 0 };
      model.predict(x, out);
      expect(out.mean).toBeCloseTo(mean + p * alpha + q * beta, 10);
      expect(out.variance).toBeCloseTo(s - p * left - q * right, 10);
    }
  });

  test('whatever the lengths and gaps of conditional columns, covariances stay positive definite', () => {
    const data = randomData(40, 6);
    for (let seed = 0; seed < 20; seed++) {
      const rng = createRng(seed, 2);
      const theta = Float64Array.from({ length: layout.size }, () => 2 * rng.normal());
      theta[1] = Math.log(1e-6);
      expect(() => new GpModel(data, theta)).not.toThrow();
    }
  });

  test('finds which columns matter', () => {
    const rng = createRng(7);
    const plain: Column[] = Array.from({ length: 3 }, () => ({ kind: 'number', isOptional: false, isWarped: false }));
    const n = 40;
    const x = Float64Array.from({ length: 3 * n }, () => rng.next());
    const y = Float64Array.from({ length: n }, (_, i) => Math.sin(6 * (x[3 * i + 1] ?? 0)));
    const theta = fitHyperparameters({ layout: layoutOf(plain), n, x, y, noise: new Float64Array(n).fill(1) });
    expect(theta[4]).toBeLessThan((theta[3] ?? 0) - 1);
    expect(theta[4]).toBeLessThan((theta[5] ?? 0) - 1);
  });

  test('fantasies agree with the observations and vary where there is none', () => {
    const model = new GpModel(randomData(15, 8), randomTheta(8));
    const point = Float64Array.from([0.5, 0.5, 0.5, NaN, 0.5, 0.5]);
    const own = { mean: 0, variance: 0 };
    model.predict(point, own);
    const draws = model.fantasize([point], 2000, createRng(1)).map(({ data }) => data.y[data.n - 1] ?? NaN);
    const mean = draws.reduce((sum, y) => sum + y, 0) / draws.length;
    const variance = draws.reduce((sum, y) => sum + (y - mean) ** 2, 0) / draws.length;
    const deviation = Math.sqrt(own.variance + model.noiseVariance);
    expect(Math.abs(mean - own.mean)).toBeLessThan((4 * deviation) / Math.sqrt(2000));
    expect(Math.sqrt(variance) / deviation).toBeCloseTo(1, 1);
  });
});

describe('acquisition', () => {
  const first = new GpModel(randomData(20, 9), randomTheta(9));
  const second = new GpModel(randomData(20, 10), randomTheta(10));
  const front: [number, number][] = [
    [-0.5, 0.8],
    [0, 0.3],
    [0.6, -0.2],
  ];
  const kinds: [string, Acquisition][] = [
    ['expected improvement', logExpectedImprovement([first], [-0.2])],
    ['its mean over models', logExpectedImprovement([first, second], [-0.2, -3])],
    ['expected improvement, hardly any', logExpectedImprovement([first], [-60])],
    ['probability', logProbabilityBelow(first, 0)],
    ['hypervolume', logHypervolumeImprovement([first, second], front, [1, 1.2])],
    ['a product', product([logExpectedImprovement([first], [0]), logProbabilityBelow(second, 0.3)])],
  ];

  test.each(kinds)('the gradient is that of finite differences: %s', (_, acquisition) => {
    const gradient = new Float64Array(width);
    for (const point of [
      [0.3, 0.6, 0.5, NaN, 0.5, 0.2],
      [0.8, NaN, 1 / 6, 0.5, 0.5, 0.7],
    ]) {
      const x = Float64Array.from(point);
      expect(acquisition.valueAndGradient(x, gradient)).toBeCloseTo(acquisition.value(x), 10);
      for (const d of [0, 1, 5]) {
        if (Number.isNaN(x[d])) continue;
        const at = (shift: number): number => acquisition.value(x.with(d, (x[d] ?? 0) + shift));
        const expected = (at(1e-6) - at(-1e-6)) / 2e-6;
        expect(Math.abs((gradient[d] ?? 0) - expected)).toBeLessThan(1e-4 * Math.max(1, Math.abs(expected)));
      }
    }
  });

  test('expected gains are those of random draws', () => {
    const rng = createRng(3);
    const point = Float64Array.from([0.4, 0.2, 0.5, 0.5, 0.5, 0.6]);
    const [one, two] = [first, second].map((model) => {
      const out = { mean: 0, variance: 0 };
      model.predict(point, out);
      return out;
    });
    let improvement = 0;
    let volume = 0;
    const nDraws = 200_000;
    for (let draw = 0; draw < nDraws; draw++) {
      const a = one!.mean + Math.sqrt(one!.variance) * rng.normal();
      const b = two!.mean + Math.sqrt(two!.variance) * rng.normal();
      improvement += Math.max(0, 0.5 - a) / nDraws;
      volume += gain(front, [1, 1.2], a, b) / nDraws;
    }
    expect(Math.exp(logExpectedImprovement([first], [0.5]).value(point)) / improvement).toBeCloseTo(1, 1);
    expect(Math.exp(logHypervolumeImprovement([first, second], front, [1, 1.2]).value(point)) / volume).toBeCloseTo(1, 1);
  });
});

/** What (a, b) adds to the volume between the front, which is sorted, and the reference. */
function gain(front: readonly [number, number][], reference: [number, number], a: number, b: number): number {
  let sum = 0;
  let height = reference[1];
  for (let k = 0; k <= front.length; k++) {
    const from = k === 0 ? -Infinity : front[k - 1]![0];
    const to = k === front.length ? reference[0] : front[k]![0];
    sum += Math.max(0, to - Math.max(from, a)) * Math.max(0, height - b);
    height = front[k]?.[1] ?? height;
  }
  return sum;
}
