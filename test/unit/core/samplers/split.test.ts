import { describe, expect, test } from 'vitest';
import { History, type Observation, type ObservationState } from '../../../../agent/core/samplers/history.ts';
import { bestOfFronts, dominates } from '../../../../agent/core/samplers/pareto.ts';
import { splitObservations } from '../../../../agent/core/samplers/split.ts';
import { compileSpace } from '../../../../agent/core/space/index.ts';
import type { Objective } from '../../../../agent/protocol/space.ts';
import { float, parameter, searchSpace } from '../space/builders.ts';

const space = compileSpace(searchSpace([parameter('x', float(0, 1))]));
type Row = [state: ObservationState, value: number, resource?: number];

function below(rows: readonly Row[], liar: 'min' | 'mean' | 'max' = 'max', direction: 'min' | 'max' = 'min'): number[] {
  const observations = rows.map(
    ([state, value, resource], number): Observation => ({
      number,
      params: { x: number / 100 },
      state,
      values: [value],
      resource: resource ?? 1,
    }),
  );
  const objectives: Objective[] = [{ metric: 'm', direction, goal: null }];
  return [...splitObservations({ history: new History(space, observations), objectives, liar, fidelity: null }).below];
}

const complete = (...values: number[]): Row[] => values.map((value) => ['complete', value]);

describe('splitObservations', () => {
  test.each<[string, Row[], number[]]>([
    ['nothing', [], []],
    ['the smallest', complete(3, 1, 2), [1]],
    ['a tenth, rounded up, in order of arrival', complete(5, 4, 3, 2, 9, 9, 9, 9, 9, 1, 9), [3, 9]],
    ['the first of equal ones', complete(1, 1, 1), [0]],
    ['NaN and infinity never', complete(NaN, Infinity, NaN), []],
    ['minus infinity is the best', complete(1, -Infinity, 2), [1]],
    [
      'complete before pruned',
      [
        ['pruned', 0, 9],
        ['complete', 5],
      ],
      [1],
    ],
    [
      'pruned by resource, then value',
      [
        ['pruned', 1, 1],
        ['pruned', 7, 9],
        ['pruned', 6, 9],
      ],
      [2],
    ],
    [
      'failed and infeasible never',
      [
        ['failed', 0],
        ['infeasible', 0],
      ],
      [],
    ],
    ['pending are not counted', [...complete(1), ...Array.from({ length: 20 }, (): Row => ['pending', NaN])], [0]],
  ])('%s', (_, rows, expected) => expect(below(rows)).toEqual(expected));

  test('the largest where more is better', () => expect(below(complete(3, 1, 4, 2), 'max', 'max')).toEqual([2]));
  test('at most 25', () => expect(below(complete(...Array.from({ length: 1000 }, (_, k) => k)))).toHaveLength(25));

  test.each<['min' | 'mean' | 'max', number[]]>([
    ['max', [1]],
    ['mean', [1]],
    ['min', [1, 3]],
  ])('a pending trial with the lie "%s"', (liar, expected) => {
    expect(below([...complete(3, 1, 2), ['pending', NaN]], liar)).toEqual(expected);
  });
  test('the mean of equal values is as good as the best', () =>
    expect(below([...complete(1, 1), ['pending', NaN]], 'mean')).toEqual([0, 2]));
});

describe('bestOfFronts', () => {
  // Two fronts: 0, 1, 2, 5 and 3, 4.
  const losses = [
    [0, 4],
    [1, 3],
    [4, 0],
    [2, 4],
    [5, 5],
    [1.2, 2.9],
  ];
  const rows = [10, 11, 12, 13, 14, 15];
  test.each<[number, number[]]>([
    [0, []],
    [2, [10, 12]],
    [4, [10, 11, 12, 15]],
    [5, [10, 11, 12, 13, 15]],
    [9, [10, 11, 12, 13, 14, 15]],
  ])('%d', (count, expected) => expect(bestOfFronts(rows, losses, count).sort((a, b) => a - b)).toEqual(expected));

  test('prefers the less crowded inside a front', () => expect(bestOfFronts(rows, losses, 3)).toContain(15));
  test('an infinite loss in one objective leaves the others to decide', () => {
    expect(
      bestOfFronts(
        [0, 1, 2],
        [
          [2, Infinity],
          [1, Infinity],
          [3, Infinity],
        ],
        1,
      ),
    ).toEqual([1]);
  });
});

test.each<[number[], number[], boolean]>([
  [[1, 1], [1, 2], true],
  [[1, 1], [1, 1], false],
  [[1, 3], [2, 2], false],
])('dominates %j %j', (a, b, expected) => expect(dominates(a, b)).toBe(expected));
