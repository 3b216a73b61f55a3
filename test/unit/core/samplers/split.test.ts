import { describe, expect, test } from 'vitest';
import { History, type Observation, type ObservationState } from '../../../../agent/core/samplers/history.ts';
import { bestOfFronts } from '../../../../agent/core/samplers/pareto.ts';
import { dominates } from '../../../../agent/protocol/gain.ts';
import { splitObservations } from '../../../../agent/core/samplers/split.ts';
import { compileSpace } from '../../../../agent/core/space/index.ts';
import type { Objective } from '../../../../agent/protocol/space.ts';
import { float, parameter, searchSpace } from '../space/builders.ts';

const space = compileSpace(searchSpace([parameter('x', float(0, 1))]));
type Row = [state: ObservationState, value: number, resource?: number];

function best(rows: readonly Row[], liar: 'min' | 'mean' | 'max' = 'max', direction: 'min' | 'max' = 'min'): number[] {
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
  ])('%s', (_, rows, expected) => expect(best(rows)).toEqual(expected));

  test('the largest where more is better', () => expect(best(complete(3, 1, 4, 2), 'max', 'max')).toEqual([2]));
  test('at most 25', () => expect(best(complete(...Array.from({ length: 1000 }, (_, k) => k)))).toHaveLength(25));

  test.each<['min' | 'mean' | 'max', number[]]>([
    ['max', [1]],
    ['mean', [1]],
    ['min', [1, 3]],
  ])('a pending trial with the lie "%s"', (liar, expected) => {
    expect(best([...complete(3, 1, 2), ['pending', NaN]], liar)).toEqual(expected);
  });
  test('the mean of equal values is as good as the best', () =>
    expect(best([...complete(1, 1), ['pending', NaN]], 'mean')).toEqual([0, 2]));
});

/** Sorted rows of the good side; each trial is told by what differs from a complete one. */
function belowOf(trials: readonly Partial<Observation>[], more: Partial<Parameters<typeof splitObservations>[0]> = {}): number[] {
  const rows = trials.map((trial, number): Observation => {
    return { number, params: { x: number / 100 }, state: 'complete', values: [0], resource: 1, ...trial };
  });
  const objectives: Objective[] = [{ metric: 'm', direction: 'min', goal: null }];
  const history = new History(space, rows);
  return [...splitObservations({ history, objectives, liar: 'max', fidelity: null, ...more }).below];
}

const violating = (...violations: number[]): Partial<Observation> => ({ state: 'infeasible', values: [-9], violations });

describe('violated constraints', () => {
  test.each<[string, Partial<Observation>[], number[]]>([
    ['none is as good as a feasible one', [violating(1e-9), { values: [5] }], [1]],
    ['worse than a pruned one', [violating(1), { state: 'pruned', values: [5] }], [1]],
    ['the least sum', [violating(3), violating(1), violating(2)], [1]],
    // In units of the mean: 1 / 2 + 1 / 1; 3 / 2 + 0; 2 / 2 + 0.
    ['each in its own units', [violating(1, 1e-6), violating(3, -1), violating(2, -1)], [2]],
    ['what holds does not make good for what does not', [violating(2, -100), violating(1, 0)], [1]],
    ['infinite ones last', [violating(Infinity), violating(1e308)], [1]],
    ['an infinite one is better than none known', [violating(NaN), violating(Infinity)], [1]],
    ['a failed one never', [{ state: 'failed', violations: [1] }], []],
    [
      'they fill up what the feasible ones leave',
      [violating(5), violating(4), violating(3), { values: [1] }, ...Array.from({ length: 17 }, () => violating(9))],
      [1, 2, 3],
    ],
  ])('%s', (_, trials, expected) => expect(belowOf(trials)).toEqual(expected));
});

describe('levels of a fidelity', () => {
  const fidelity = { levels: [1, 3, 9] };
  const curve = (...values: number[]): Partial<Observation> => ({
    state: values.length === 3 ? 'complete' : 'pruned',
    values: [values.at(-1) ?? NaN],
    resource: fidelity.levels[values.length - 1] ?? 0,
    curve: values,
  });
  test.each<[string, Partial<Observation>[], number[]]>([
    ['one full training does not stand above all others', [curve(3, 3, 3), curve(1, 1), curve(2, 2)], [1]],
    ['two at one level are enough for one place', [curve(3, 3, 3), curve(4, 4, 2), curve(1, 1), curve(2)], [1]],
    ['a value that was not reported is the last known', [curve(3, 3, 3), curve(4, NaN, 2), curve(0.1), curve(0.2)], [1]],
    [
      'resource tells the level where there is no curve',
      [{ state: 'pruned', values: [3], resource: 4 }, curve(4, 4), curve(1)],
      [0],
    ],
    [
      'one that goes on after a pause keeps what it showed',
      [curve(3, 3), curve(4, 4), { ...curve(1, 1), state: 'pending' }],
      [2],
    ],
    [
      'a pending one that showed nothing does not count',
      [curve(3), { state: 'pending', values: [NaN], resource: 0, curve: [] }],
      [0],
    ],
    [
      'nothing reached a level',
      [
        { state: 'pruned', values: [3], resource: 0.5 },
        { state: 'pruned', values: [2], resource: 0.5 },
      ],
      [1],
    ],
  ])('%s', (_, trials, expected) => expect(belowOf(trials, { fidelity })).toEqual(expected));

  test('without one a value that a pending trial showed is no result', () =>
    expect(belowOf([{ values: [3] }, { state: 'pending', values: [1] }])).toEqual([0]));
});

describe('several objectives', () => {
  const objectives: Objective[] = ['a', 'b'].map((metric) => ({ metric, direction: 'min', goal: null }));
  const values = (...rows: [number, number][]): Partial<Observation>[] => rows.map((pair) => ({ values: pair }));
  const dominated = Array.from({ length: 20 }, (_, k): [number, number] => [11 + k, 11 + k]);
  test.each<[string, Partial<Observation>[], number[]]>([
    ['the front', values([1, 3], [3, 1], [2, 2], ...dominated.slice(0, 18)), [0, 1, 2]],
    ['those that cover most', values([0, 10], [10, 0], [1, 1], [4, 0.5], [0.9, 2], ...dominated.slice(0, 6)), [2, 3]],
    ['NaN is the worst', values([NaN, 1], [5, 1], [1, NaN]), [1]],
    ['one that is NaN for ever leaves the other to decide', values([NaN, 3], [NaN, 1], [NaN, 2]), [1]],
  ])('%s', (_, trials, expected) => expect(belowOf(trials, { objectives })).toEqual(expected));

  test('of many rows the best fronts are found block by block', () => {
    const front = Array.from({ length: 20 }, (_, k): [number, number] => [k, 19 - k]);
    const rows = Array.from({ length: 5000 }, (_, k): [number, number] =>
      k % 250 === 7 ? (front[(k - 7) / 250] ?? [0, 0]) : [30 + (k % 97), 30 + (k % 89)],
    );
    const below = belowOf(values(...rows), { objectives });
    expect(below).toHaveLength(25);
    expect(below.filter((row) => row % 250 === 7)).toHaveLength(20);
  });
});

test('the better a row the more it weighs, one on average', () => {
  const observations = Array.from(
    { length: 30 },
    (_, number): Observation => ({ number, params: { x: 0 }, state: 'complete', values: [number % 7], resource: 1 }),
  );
  const { below, weights } = splitObservations({
    history: new History(space, observations),
    objectives: [{ metric: 'm', direction: 'max', goal: null }],
    liar: 'max',
    fidelity: null,
  });
  expect(below).toEqual([6, 13, 20]);
  expect([...weights]).toEqual([1.5, 1, 0.5]);
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
