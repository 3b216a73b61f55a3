import { describe, expect, test } from 'vitest';
import { nPromotable, rungLevels } from '../../../../agent/core/schedulers/rungs.ts';

describe('rung levels', () => {
  test.each([
    ['powers', 1, 81, 3, [1, 3, 9, 27, 81]],
    ['powers, from 2', 2, 16, 2, [2, 4, 8, 16]],
    ['max is no power', 1, 100, 3, [1, 3, 9, 27, 81, 100]],
    ['min is no power', 5, 50, 3, [5, 15, 45, 50]],
    ['a factor that is not whole gives whole epochs', 1, 20, 2.5, [1, 3, 6, 16, 20]],
    ['a fractional range stays fractional', 0.5, 4, 2, [0.5, 1, 2, 4]],
    ['0.1·3^k ends once', 0.1, 2.7, 3, [0.1, 0.30000000000000004, 0.9, 2.7]],
    ['one value', 9, 9, 3, [9]],
    ['reversed', 10, 5, 3, [5]],
    ['factor larger than the range', 1, 5, 10, [1, 5]],
    ['from zero there is no geometric series', 0, 10, 3, [10]],
  ])('%s', (_name, min, max, reductionFactor, levels) => {
    const found = rungLevels({ min, max, reductionFactor });
    expect(found.length).toBe(levels.length);
    found.forEach((level, i) => expect(level).toBeCloseTo(levels[i] ?? NaN, 12));
  });

  test('a factor of 1 or barely more ends', () => {
    for (const reductionFactor of [1, 1 + 1e-12, 0, -3, NaN]) {
      const levels = rungLevels({ min: 1, max: 1000, reductionFactor });
      expect(levels.at(-1)).toBe(1000);
      expect(new Set(levels).size).toBe(levels.length);
    }
  });

  test.each([
    [8, 3, 2],
    [9, 3, 3],
    [2, 3, 0],
    [9, 3.0000000000000004, 3],
    [5, 2.5, 2],
  ])('of %d at η = %d, %d go on', (n, eta, expected) => {
    expect(nPromotable(n, eta)).toBe(expected);
  });
});
