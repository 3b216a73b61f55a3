import { LimitedMemory } from './limitedMemory.ts';
import { type Differentiable, LineSearch } from './lineSearch.ts';

export interface MinimizeOptions {
  /** Default 200. */
  readonly maxIterations?: number;
  /** Default 20 an iteration, at most 1,000. */
  readonly maxEvaluations?: number;
  /** Steps that the model of the curvature remembers; default 10. */
  readonly memory?: number;
  /** Stops when no component of the projected gradient is larger; default 1e-5. */
  readonly gradientTolerance?: number;
  /** Stops when an iteration gains less than this part of max(|f|, 1); default 2e-9. */
  readonly valueTolerance?: number;
}

export interface Minimum {
  /** Inside the box. */
  readonly x: Float64Array;
  /** f(x): finite, and never above f(x0), unless nothing but non-finite values was seen at x0. */
  readonly value: number;
  readonly iterations: number;
  readonly evaluations: number;
  /** `precision`: no lower value was found along a descent, as happens at the limit of rounding or where the gradient is wrong. */
  readonly reason: 'gradient' | 'value' | 'iterations' | 'evaluations' | 'precision' | 'notFinite';
}

/**
 * A local minimum of f in the box [lower, upper] (−∞ and ∞ allowed, lower = upper fixes a variable), from x0, which is put
 * into the box first. f is never called outside the box and may return NaN or ±∞ anywhere but at x0: such points are stepped
 * back from. L-BFGS-B: Byrd, Lu, Nocedal, Zhu 1995, with the projection of Morales, Nocedal 2011 and a strong Wolfe line search.
 *
 * f must not keep the arrays it is given.
 */
export function minimizeBounded(
  f: Differentiable,
  x0: Float64Array,
  lower: Float64Array,
  upper: Float64Array,
  options: MinimizeOptions = {},
): Minimum {
  const { maxIterations = 200, maxEvaluations = Math.min(1000, 20 * maxIterations) } = options;
  const { memory = 10, gradientTolerance = 1e-5, valueTolerance = 2e-9 } = options;
  const n = x0.length;
  const x = new Float64Array(n);
  for (let i = 0; i < n; i++) x[i] = Math.min(upper[i] ?? NaN, Math.max(lower[i] ?? NaN, x0[i] ?? NaN));
  const gradient = new Float64Array(n);
  const target = new Float64Array(n);
  const change = new Float64Array(n);
  const model = new LimitedMemory(n, memory);
  const search = new LineSearch(f, lower, upper);

  let value = f(x, gradient);
  let iterations = 0;
  const end = (reason: Minimum['reason']): Minimum => ({ x, value, iterations, evaluations: 1 + search.evaluations, reason });
  if (!Number.isFinite(value) || !gradient.every(Number.isFinite)) return end('notFinite');

  for (;;) {
    const slopeSize = projectedSize(x, gradient, lower, upper);
    if (slopeSize <= gradientTolerance) return end('gradient');
    if (iterations >= maxIterations) return end('iterations');
    if (1 + search.evaluations >= maxEvaluations) return end('evaluations');
    iterations++;

    const isModelled = model.minimum(x, gradient, lower, upper, target) && descent(x, gradient, target) < 0;
    if (!isModelled) {
      model.clear();
      // Projected steepest descent by at most 1 in any variable.
      const length = Math.min(1, 1 / slopeSize);
      for (let i = 0; i < n; i++)
        target[i] = Math.min(upper[i] ?? 0, Math.max(lower[i] ?? 0, (x[i] ?? 0) - length * (gradient[i] ?? 0)));
    }
    const limit = maxEvaluations - 1 - search.evaluations;
    if (!search.run(x, value, gradient, target, limit)) {
      if (1 + search.evaluations >= maxEvaluations) return end('evaluations');
      if (!isModelled) return end('precision');
      model.clear();
      continue;
    }
    const gain = value - search.value;
    const size = Math.max(1, Math.abs(value), Math.abs(search.value));
    for (let i = 0; i < n; i++) {
      target[i] = (search.x[i] ?? 0) - (x[i] ?? 0);
      change[i] = (search.gradient[i] ?? 0) - (gradient[i] ?? 0);
    }
    x.set(search.x);
    gradient.set(search.gradient);
    value = search.value;
    if (gain <= valueTolerance * size) return end('value');
    model.add(target, change);
  }
}

/** ‖P(x − g) − x‖∞ */
function projectedSize(x: Float64Array, g: Float64Array, lower: Float64Array, upper: Float64Array): number {
  let size = 0;
  for (let i = 0; i < x.length; i++) {
    const gi = g[i] ?? 0;
    const xi = x[i] ?? 0;
    const room = gi < 0 ? (upper[i] ?? 0) - xi : xi - (lower[i] ?? 0);
    size = Math.max(size, Math.min(Math.abs(gi), room));
  }
  return size;
}

/** gᵀ(target − x) */
function descent(x: Float64Array, g: Float64Array, target: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += (g[i] ?? 0) * ((target[i] ?? 0) - (x[i] ?? 0));
  return sum;
}
