import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { LimitedMemory } from '../../../../agent/core/math/limitedMemory.ts';
import { createRng, type Rng } from '../../../../agent/core/math/rng.ts';

type Matrix = readonly (readonly number[])[];

const dot = (a: readonly number[], b: readonly number[]): number => a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
const times = (a: Matrix, x: readonly number[]): number[] => a.map((row) => dot(row, x));
const vector = (n: number, rng: Rng): number[] => Array.from({ length: n }, () => rng.normal());

/** B by its definition: θI, then one BFGS update a pair (J. Nocedal, S. J. Wright, equation 6.19). */
function denseModel(n: number, pairs: readonly (readonly [readonly number[], readonly number[]])[]): Matrix {
  const [s = [], y = []] = pairs.at(-1) ?? [];
  const theta = dot(y, y) / dot(s, y);
  let b: Matrix = Array.from({ length: n }, (_, i) => Array.from({ length: n }, (__, j) => (i === j ? theta : 0)));
  for (const [step, change] of pairs) {
    const bs = times(b, step);
    const curvature = dot(step, bs);
    const along = dot(step, change);
    b = b.map((row, i) =>
      row.map((value, j) => value - ((bs[i] ?? 0) * (bs[j] ?? 0)) / curvature + ((change[i] ?? 0) * (change[j] ?? 0)) / along),
    );
  }
  return b;
}

/** Pairs of a random convex quadratic, and the model that holds the last `capacity` of them. */
function setUp(n: number, nPairs: number, capacity: number, rng: Rng) {
  const root = Array.from({ length: n }, () => vector(n, rng));
  const hessian = root.map((row, i) => root.map((other, j) => dot(row, other) + (i === j ? 0.5 : 0)));
  const pairs = Array.from({ length: nPairs }, () => {
    const s = vector(n, rng);
    return [s, times(hessian, s)] as const;
  });
  const memory = new LimitedMemory(n, capacity);
  for (const [s, y] of pairs) memory.add(Float64Array.from(s), Float64Array.from(y));
  return { memory, b: denseModel(n, pairs.slice(-capacity)) };
}

test('without bounds the minimum is where B d = −g, of the pairs that fit into the memory', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 9 }), fc.integer(), (n, nPairs, seed) => {
      const rng = createRng(seed);
      const { memory, b } = setUp(n, nPairs, 4, rng);
      const g = vector(n, rng);
      const target = new Float64Array(n);
      const unbounded = [new Float64Array(n).fill(-Infinity), new Float64Array(n).fill(Infinity)] as const;
      expect(memory.minimum(new Float64Array(n), Float64Array.from(g), ...unbounded, target)).toBe(true);
      const scale = Math.max(...g.map(Math.abs));
      times(b, [...target]).forEach((value, i) => expect(Math.abs(value + (g[i] ?? 0))).toBeLessThan(1e-6 * scale));
    }),
  );
});

test('in a box it is the minimum of the face that the first minimum along the projected gradient reaches', () => {
  const step = 1e-3;
  let checked = 0;
  for (let seed = 0; seed < 150; seed++) {
    const rng = createRng(seed, 2);
    const n = 2 + rng.int(4);
    const { memory, b } = setUp(n, 1 + rng.int(4), 4, rng);
    const x = Array.from({ length: n }, () => rng.next());
    const g = vector(n, rng).map((value) => 3 * value);
    const model = (at: readonly number[]): number => {
      const d = at.map((value, i) => value - (x[i] ?? 0));
      return dot(g, d) + 0.5 * dot(d, times(b, d));
    };
    const path = (time: number): number[] => x.map((value, i) => Math.min(1, Math.max(0, value - time * (g[i] ?? 0))));
    let time = 0;
    for (let next = step; next < 2 && model(path(next)) <= model(path(time)); next += step) time = next;
    const atBound = (at: number): boolean[] => path(at).map((value) => value === 0 || value === 1);
    const isAtBound = atBound(time - step);
    // The search is as fine as its step: a bound that is met within one may count or not.
    if (atBound(time + step).some((isHeld, i) => isHeld !== isAtBound[i])) continue;
    const cauchy = path(time);

    const target = new Float64Array(n);
    const box = [new Float64Array(n), new Float64Array(n).fill(1)] as const;
    expect(memory.minimum(Float64Array.from(x), Float64Array.from(g), ...box, target)).toBe(true);
    const free = [...target].flatMap((value, i) => (value > 0 && value < 1 ? [i] : []));
    isAtBound.forEach((isHeld, i) => {
      if (isHeld) expect(target[i], `seed ${seed}: variable ${i}`).toBe(cauchy[i]);
    });
    // Where the face's own minimum is outside of the box the point was put back into it: no more to compare.
    if (free.length !== isAtBound.filter((isHeld) => !isHeld).length) continue;
    checked++;
    const slope = times(
      b,
      [...target].map((value, i) => value - (x[i] ?? 0)),
    );
    for (const i of free) expect(Math.abs((slope[i] ?? 0) + (g[i] ?? 0)), `seed ${seed}`).toBeLessThan(1e-6);
  }
  expect(checked).toBeGreaterThan(30);
});

test('a step without curvature is not taken in', () => {
  const memory = new LimitedMemory(2, 3);
  for (const change of [
    [0, 0],
    [-1, 0],
    [NaN, 1],
    [Infinity, 1],
  ])
    memory.add(Float64Array.of(1, 0), Float64Array.from(change));
  expect(memory.isEmpty).toBe(true);
  memory.add(Float64Array.of(1, 0), Float64Array.of(2, 0));
  expect(memory.isEmpty).toBe(false);
  memory.clear();
  expect(memory.isEmpty).toBe(true);
});
