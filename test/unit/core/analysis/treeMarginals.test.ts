import { describe, expect, test } from 'vitest';
import { growForest, type Tree } from '../../../../agent/core/analysis/forest.ts';
import { TreeMarginals } from '../../../../agent/core/analysis/treeMarginals.ts';
import { float, parameter, searchSpace } from '../space/builders.ts';
import { evidenceOf, numberOf, randomTrials } from './build.ts';

/** x ≤ 0.25 → 1; else y ≤ 0.5 → 2, else 6. */
const small: Tree = {
  axis: Int32Array.from([0, -1, 1, -1, -1]),
  threshold: Float64Array.from([0.25, 0, 0.5, 0, 0]),
  left: Int32Array.from([1, -1, 3, -1, -1]),
  right: Int32Array.from([2, -1, 4, -1, -1]),
  value: Float64Array.from([0, 1, 0, 2, 6]),
};

test('by hand', () => {
  const marginals = new TreeMarginals(small, 3);
  expect(marginals.mean).toBeCloseTo(0.25 + 0.75 * 4, 12);
  expect(marginals.variance).toBeCloseTo(0.25 + 0.375 * (4 + 36) - 3.25 ** 2, 12);
  expect([...marginals.curve(0)]).toEqual([1, 4]);
  expect([...marginals.curve(1)]).toEqual([0.25 + 1.5, 0.25 + 4.5]);
  expect([...marginals.curve(2)]).toEqual([3.25]);
  expect(marginals.mainVariance(0)).toBeCloseTo(0.25 * 2.25 ** 2 + 0.75 * 0.75 ** 2, 12);
  expect(marginals.mainVariance(1)).toBeCloseTo(1.5 ** 2, 12);
  expect(marginals.mainVariance(2)).toBe(0);
  // Nothing but x and y matters.
  expect(marginals.pairVariance(0, 1)).toBeCloseTo(marginals.variance, 12);
  expect(marginals.pairVariance(0, 2)).toBeCloseTo(marginals.mainVariance(0), 12);
  expect([0.2, 0.25, 0.26].map((place) => marginals.cellOf(0, place))).toEqual([0, 0, 1]);
});

function predict(tree: Tree, point: readonly number[]): number {
  let node = 0;
  while ((tree.axis[node] ?? -1) >= 0) {
    const isLeft = (point[tree.axis[node] ?? 0] ?? 0) <= (tree.threshold[node] ?? 0);
    node = (isLeft ? tree.left[node] : tree.right[node]) ?? 0;
  }
  return tree.value[node] ?? NaN;
}

describe('a grown tree of three variables', () => {
  const space = searchSpace([parameter('x', float(0, 1)), parameter('y', float(0, 1)), parameter('z', float(0, 1))]);
  const trials = randomTrials(
    space,
    40,
    9,
    (params) => numberOf(params, 'x') * numberOf(params, 'y') + 0.3 * numberOf(params, 'z'),
  );
  const evidence = evidenceOf(space, trials);
  const rows = Array.from({ length: 40 }, (_, row) => row);
  const forest = growForest(evidence, rows, evidence.losses, 3);
  const [tree = small] = forest.trees;
  const marginals = new TreeMarginals(tree, 3);
  /** Middles of the cells of an axis with their widths: a sum over them is an integral over the tree. */
  const cells = [0, 1, 2].map((axis) => {
    const cuts = [...new Set(Array.from(tree.threshold).filter((_, node) => tree.axis[node] === axis))].sort((a, b) => a - b);
    return [0, ...cuts].map((from, k) => ({ middle: (from + (cuts[k] ?? 1)) / 2, width: (cuts[k] ?? 1) - from }));
  });
  const integrate = (f: (point: number[], measure: number) => void): void => {
    for (const x of cells[0] ?? [])
      for (const y of cells[1] ?? [])
        for (const z of cells[2] ?? []) f([x.middle, y.middle, z.middle], x.width * y.width * z.width);
  };

  test('mean and variance are those of the sum over all cells', () => {
    let mean = 0;
    let square = 0;
    integrate((point, measure) => {
      mean += measure * predict(tree, point);
      square += measure * predict(tree, point) ** 2;
    });
    expect(marginals.mean).toBeCloseTo(mean, 12);
    expect(marginals.variance).toBeCloseTo(square - mean * mean, 12);
  });

  test.each([0, 1, 2])('the curve of axis %d too', (axis) => {
    const sums = new Float64Array(cells[axis]?.length ?? 0);
    integrate((point, measure) => {
      const cell = marginals.cellOf(axis, point[axis] ?? 0);
      sums[cell] = (sums[cell] ?? 0) + (measure / (cells[axis]?.[cell]?.width ?? 1)) * predict(tree, point);
    });
    marginals.curve(axis).forEach((value, cell) => expect(value).toBeCloseTo(sums[cell] ?? NaN, 12));
  });

  test('no part of the variance is negative or more than all of it', () => {
    const main = [0, 1, 2].map((axis) => marginals.mainVariance(axis));
    for (const [a, b] of [
      [0, 1],
      [0, 2],
      [1, 2],
    ] as const) {
      const pair = marginals.pairVariance(a, b);
      expect(pair).toBeGreaterThanOrEqual((main[a] ?? 0) + (main[b] ?? 0) - 1e-12);
      expect(pair).toBeLessThanOrEqual(marginals.variance + 1e-12);
    }
  });

  test('every trial of the sample is met exactly by most trees', () => {
    const misses = trials.map(({ params, outcome }) => {
      const point = ['x', 'y', 'z'].map((name) => numberOf(params, name));
      return forest.trees.filter((one) => Math.abs(predict(one, point) - Number(outcome)) > 1e-12).length;
    });
    // A bootstrap sample leaves out a trial with probability 1/e.
    for (const missed of misses) expect(missed).toBeLessThan(40);
  });
});
