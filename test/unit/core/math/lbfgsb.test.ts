import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { minimizeBounded } from '../../../../agent/core/math/lbfgsb.ts';
import type { Differentiable } from '../../../../agent/core/math/lineSearch.ts';
import { factorLu, solveLu } from '../../../../agent/core/math/linearSolve.ts';
import { createRng } from '../../../../agent/core/math/rng.ts';
import { readFixture } from './fixture.ts';

const fill = (n: number, value: number): Float64Array => new Float64Array(n).fill(value);

const rosenbrock: Differentiable = (x, gradient) => {
  gradient.fill(0);
  let sum = 0;
  for (let i = 0; i + 1 < x.length; i++) {
    const xi = x[i] ?? 0;
    const a = (x[i + 1] ?? 0) - xi * xi;
    sum += 100 * a * a + (1 - xi) ** 2;
    gradient[i] = (gradient[i] ?? 0) - 400 * xi * a - 2 * (1 - xi);
    gradient[i + 1] = (gradient[i + 1] ?? 0) + 200 * a;
  }
  return sum;
};

/** Calls f and fails outside the box. */
function watched(f: Differentiable, lower: Float64Array, upper: Float64Array): Differentiable {
  return (x, gradient) => {
    x.forEach((value, i) => {
      if (!(value >= (lower[i] ?? NaN) && value <= (upper[i] ?? NaN))) throw new Error(`outside: ${value} at ${i}`);
    });
    return f(x, gradient);
  };
}

const quartic: Differentiable = (x, gradient) => {
  const total = x.reduce((sum, value) => sum + value, 0);
  let value = 0.5 * total * total;
  x.forEach((xi, k) => {
    const d = xi - 0.1 * (k + 1);
    value += (k + 1) ** 2 * d ** 4 + 0.01 * xi * xi;
    gradient[k] = 4 * (k + 1) ** 2 * d ** 3 + total + 0.02 * xi;
  });
  return value;
};

interface Row {
  readonly f: 'rosenbrock' | 'quartic';
  readonly n: number;
  readonly lower: number | null;
  readonly upper: number | null;
  readonly value: number;
  readonly evaluations: number;
}

test.each(readFixture('boxes') as Row[])('$f in $n variables on [$lower, $upper] as SciPy, at its cost', (row) => {
  const [lower, upper] = [fill(row.n, row.lower ?? -Infinity), fill(row.n, row.upper ?? Infinity)];
  const f = watched(row.f === 'rosenbrock' ? rosenbrock : quartic, lower, upper);
  const result = minimizeBounded(f, fill(row.n, -1.2), lower, upper, { maxIterations: 1000 });
  expect(Math.abs(result.value - row.value)).toBeLessThan(2e-8 * Math.max(1, row.value));
  expect(result.evaluations).toBeLessThanOrEqual(1.3 * row.evaluations + 3);
  expect(['gradient', 'value']).toContain(result.reason);
});

test('convex quadratics in a box end where no component of the gradient points inwards', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 12 }),
      fc.integer(),
      fc.double({ min: -3, max: 3, noNaN: true }),
      (n, seed, logScale) => {
        const rng = createRng(seed);
        const b = Array.from({ length: n * n }, () => rng.normal());
        const center = Array.from({ length: n }, () => 2 * rng.normal());
        const lower = Float64Array.from({ length: n }, () => (rng.next() < 0.2 ? -Infinity : -rng.next()));
        const upper = Float64Array.from({ length: n }, (_, i) =>
          rng.next() < 0.2 ? Infinity : rng.next() < 0.1 ? Math.max(-1, lower[i] ?? 0) : rng.next(),
        );
        const scale = 10 ** logScale;
        const f: Differentiable = (x, gradient) => {
          let sum = 0;
          gradient.fill(0);
          for (let k = 0; k < n; k++) {
            let row = 0;
            for (let i = 0; i < n; i++) row += (b[k * n + i] ?? 0) * ((x[i] ?? 0) - (center[i] ?? 0));
            sum += 0.5 * scale * row * row;
            for (let i = 0; i < n; i++) gradient[i] = (gradient[i] ?? 0) + scale * row * (b[k * n + i] ?? 0);
          }
          for (let i = 0; i < n; i++) {
            const d = (x[i] ?? 0) - (center[i] ?? 0);
            sum += 0.05 * scale * d * d;
            gradient[i] = (gradient[i] ?? 0) + 0.1 * scale * d;
          }
          return sum;
        };
        const tolerances = { gradientTolerance: 1e-6 * scale, valueTolerance: 0, maxIterations: 500 };
        const result = minimizeBounded(watched(f, lower, upper), fill(n, 0.3), lower, upper, tolerances);
        const gradient = new Float64Array(n);
        f(result.x, gradient);
        result.x.forEach((value, i) => {
          const g = gradient[i] ?? NaN;
          const isHeld = g > 0 ? value === lower[i] : value === upper[i];
          expect(isHeld || Math.abs(g) <= 1e-5 * scale, `${value} in [${lower[i]}, ${upper[i]}], gradient ${g}`).toBe(true);
        });
      },
    ),
    { numRuns: 300 },
  );
});

describe('values that are of no use', () => {
  const barrier =
    (beyond: number, slope: number): Differentiable =>
    (x, gradient) => {
      const value = x[0] ?? 0;
      gradient[0] = value < 1 ? -1 : slope;
      return value < 1 ? -value : beyond;
    };
  test.each([
    [NaN, NaN],
    [NaN, -1],
    [Infinity, -1],
    [-Infinity, -1],
    [-9, NaN],
    [-9, Infinity],
  ])('%d with a slope of %d beyond a wall: ends at the wall', (beyond, slope) => {
    const result = minimizeBounded(barrier(beyond, slope), fill(1, 0), fill(1, -5), fill(1, 5));
    expect(result.value).toBeLessThan(-0.99);
    expect(result.x[0]).toBeLessThan(1);
  });

  test.each<[string, Differentiable]>([
    ['NaN everywhere', () => NaN],
    [
      'a gradient that is not finite',
      (_, gradient) => {
        gradient[0] = Infinity;
        return 1;
      },
    ],
  ])('%s', (_, f) => {
    const result = minimizeBounded(f, fill(1, 0.5), fill(1, 0), fill(1, 1));
    expect(result).toMatchObject({ reason: 'notFinite', evaluations: 1, iterations: 0 });
    expect([...result.x]).toEqual([0.5]);
  });

  test.each([
    [1e-300, 0.5],
    [1e-3, 0],
    [1e150, 0],
    [1e300, 0],
  ])('a slope of %d', (slope, expected) => {
    const f: Differentiable = (x, gradient) => {
      gradient[0] = slope;
      return slope * (x[0] ?? 0);
    };
    const result = minimizeBounded(f, fill(1, 0.5), fill(1, 0), fill(1, 1), { gradientTolerance: 0, valueTolerance: 0 });
    expect(result.x[0]).toBe(expected);
  });

  test('a gradient of the wrong sign ends the search where it began', () => {
    const f: Differentiable = (x, gradient) => {
      gradient[0] = -1;
      return x[0] ?? 0;
    };
    const result = minimizeBounded(f, fill(1, 0.5), fill(1, 0), fill(1, 1));
    expect(result).toMatchObject({ value: 0.5, reason: 'precision' });
  });
});

test('limits of iterations and evaluations hold, and no variables are no work', () => {
  const [lower, upper] = [fill(10, -Infinity), fill(10, Infinity)];
  expect(minimizeBounded(rosenbrock, fill(10, -1.2), lower, upper, { maxIterations: 3 }).iterations).toBe(3);
  for (const maxEvaluations of [1, 2, 3, 7, 20]) {
    const result = minimizeBounded(rosenbrock, fill(10, -1.2), lower, upper, { maxEvaluations });
    expect(result.evaluations).toBeLessThanOrEqual(maxEvaluations + 1);
    expect(result.reason).toBe('evaluations');
  }
  expect(minimizeBounded(() => 3, fill(0, 0), fill(0, 0), fill(0, 0))).toMatchObject({ value: 3, reason: 'gradient' });
});

test('a start outside the box is put into it, fixed variables stay', () => {
  const lower = Float64Array.from([0, 0.25, 0]);
  const upper = Float64Array.from([2, 0.25, Infinity]);
  const result = minimizeBounded(watched(rosenbrock, lower, upper), Float64Array.from([9, 9, -9]), lower, upper);
  expect(result.x[1]).toBe(0.25);
  expect(result.x[0]).toBeCloseTo(0.5048, 3);
  expect(result.x[2]).toBeCloseTo(0.0625, 4);
});

describe('linear systems', () => {
  test('indefinite matrices are solved', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 12 }), fc.integer(), (n, seed) => {
        const rng = createRng(seed);
        const stride = n + 2;
        const a = Float64Array.from({ length: n * stride }, () => rng.normal());
        const x = Float64Array.from({ length: n }, () => rng.normal());
        const b = Float64Array.from({ length: n }, (_, i) =>
          x.reduce((sum, value, k) => sum + value * (a[i * stride + k] ?? 0), 0),
        );
        const pivots = new Int32Array(n);
        expect(factorLu(a, n, stride, pivots)).toBe(true);
        solveLu(a, n, stride, pivots, b);
        b.forEach((value, i) => expect(value).toBeCloseTo(x[i] ?? NaN, 5));
      }),
    );
  });

  test.each<[string, number[], boolean]>([
    ['a zero on the diagonal', [0, 1, 1, 0], true],
    ['singular', [1, 2, 2, 4], false],
    ['NaN', [NaN, 1, 1, 1], false],
    ['infinite', [Infinity, 1, 1, 1], false],
  ])('%s', (_, entries, expected) => expect(factorLu(Float64Array.from(entries), 2, 2, new Int32Array(2))).toBe(expected));
});
