import { expect, test } from 'vitest';
import { createRng, hypervolume } from '../../../../agent/core/math/index.ts';
import { createSampler, History, type Observation, type SamplerContext } from '../../../../agent/core/samplers/index.ts';
import { type CompiledSpace, compileSpace } from '../../../../agent/core/space/index.ts';
import type { Objective, Params } from '../../../../agent/protocol/space.ts';
import { type Liar, liars, type SamplerName } from '../../../../agent/protocol/study.ts';
import { choice, float, int, parameter, searchSpace } from '../space/builders.ts';

const bowlSpace = compileSpace(searchSpace(Array.from({ length: 4 }, (_, k) => parameter(`x${k}`, float(0, 1)))));
const objective = (metric: string): Objective => ({ metric, direction: 'min', goal: null });

type Result = Pick<Observation, 'state' | 'values'> & Partial<Observation>;

interface Study extends Partial<SamplerContext> {
  readonly sampler?: SamplerName;
  readonly nTrials: number;
  readonly run: (params: Params) => Result;
}

function study({ sampler = 'tpe', nTrials, run, ...more }: Study): History {
  const context = contextOf(more);
  for (let number = 0; number < nTrials; number++) {
    const proposal = createSampler(sampler).propose({ ...context, number });
    if (proposal.type === 'exhausted') break;
    context.history.upsert({ number, params: proposal.params, resource: 1, ...run(proposal.params) });
  }
  return context.history;
}

function contextOf(more: Partial<SamplerContext> = {}): SamplerContext {
  const space = more.space ?? bowlSpace;
  return {
    space,
    objectives: [objective('loss')],
    history: new History(space),
    seed: 1,
    number: 0,
    budgetTrials: null,
    parallel: 1,
    liar: 'max',
    fidelity: null,
    prior: null,
    trialMs: null,
    ...more,
  };
}

const rows = (history: History): Observation[] => Array.from({ length: history.size }, (_, row) => history.at(row));
const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;
const seeds = Array.from({ length: 8 }, (_, k) => k + 1);

/** A bowl around the same place of every axis. */
const bowl = (params: Params, center: number): number =>
  Object.values(params).reduce<number>((sum, x) => sum + (Number(x) - center) ** 2, 0);

/** Least loss of a study, on average over seeds. */
function meanBest(nTrials: number, prior: History | null, sampler: SamplerName = 'tpe'): number {
  const best = (seed: number): number =>
    Math.min(
      ...rows(
        study({ sampler, nTrials, seed, prior, run: (params) => ({ state: 'complete', values: [bowl(params, 0.3)] }) }),
      ).map(({ values }) => values[0] ?? NaN),
    );
  return mean(seeds.map(best));
}

/** What random search found elsewhere: the values are of another size, and the best lies around `center`. */
function earlierStudy(center: number): History {
  const run = (params: Params): Result => ({ state: 'complete', values: [1000 + 50 * bowl(params, center)] });
  return study({ sampler: 'random', nTrials: 60, seed: 77, run });
}

test('a good prior saves trials, and a misleading one is overcome', () => {
  const prior = earlierStudy(0.3);
  expect(meanBest(10, prior)).toBeLessThan(0.6 * meanBest(10, null));
  const misled = meanBest(60, earlierStudy(0.9));
  expect(misled).toBeLessThan(0.5 * meanBest(60, null, 'random'));
  // It costs some trials, not all.
  expect(misled).toBeLessThan(meanBest(40, null));
});

test('several objectives: covers more volume than random points', () => {
  const run = (params: Params): Result => {
    const [f = 0, ...rest] = Object.values(params).map(Number);
    const g = 1 + (9 * rest.reduce((sum, x) => sum + x, 0)) / rest.length;
    // ZDT1: E. Zitzler, K. Deb, L. Thiele, Evolutionary Computation 8 (2000).
    return { state: 'complete', values: [f, g * (1 - Math.sqrt(f / g))] };
  };
  const objectives = [objective('a'), objective('b')];
  const volume = (sampler: SamplerName): number =>
    mean(
      seeds.map((seed) => {
        const points = rows(study({ sampler, nTrials: 50, seed, objectives, run })).flatMap(({ values }) => values);
        return hypervolume(Float64Array.from(points), Float64Array.of(1.1, 6));
      }),
    );
  // The front's own volume is 6.1.
  expect(6.1 - volume('tpe')).toBeLessThan(0.6 * (6.1 - volume('random')));
});

test('leaves an infeasible region by the degree of the violation', () => {
  const nFeasible = (isMeasured: boolean): number =>
    mean(
      seeds.map((seed) => {
        const run = (params: Params): Result => {
          const violations = Object.values(params).map((x) => Number(x) - 0.25);
          if (violations.every((by) => by <= 0)) return { state: 'complete', values: [bowl(params, 1)], violations };
          return { state: 'infeasible', values: [bowl(params, 1)], ...(isMeasured ? { violations } : {}) };
        };
        return rows(study({ nTrials: 60, seed, run })).filter(({ state }) => state === 'complete').length;
      }),
    );
  // One random point in 256 is feasible.
  expect(nFeasible(true)).toBeGreaterThan(8);
  expect(nFeasible(true)).toBeGreaterThan(3 * nFeasible(false));
});

const mixed = compileSpace(
  searchSpace([parameter('x', float(0, 1)), parameter('n', int(1, 6)), parameter('c', choice('a', 'b', 'c'))]),
);

test.each<[Liar, (spread: Record<Liar, number>) => boolean]>([
  ['min', (spread) => spread.min < spread.max],
  ['fantasy', (spread) => spread.fantasy > spread.min],
])('32 proposals at once, liar "%s"', (_, isSo) => {
  const done = study({ space: bowlSpace, nTrials: 40, run: (params) => ({ state: 'complete', values: [bowl(params, 0.3)] }) });
  const spreads = liars.map((liar): [Liar, number] => {
    const history = History.fromJSON(bowlSpace, done.toJSON());
    for (let number = 40; number < 72; number++) {
      const proposal = createSampler('tpe').propose(contextOf({ history, number, liar, parallel: 32 }));
      if (proposal.type === 'point')
        history.upsert({ number, params: proposal.params, state: 'pending', values: [NaN], resource: 0 });
    }
    expect(history.distinct).toBe(72);
    return [liar, spreadOf(rows(history).slice(40))];
  });
  expect(isSo(Object.fromEntries(spreads) as Record<Liar, number>)).toBe(true);
});

/** Mean variance over the axes. */
function spreadOf(observations: readonly Observation[]): number {
  const points = observations.map(({ params }) => Object.values(params).map(Number));
  const axes = points[0]?.map((_, k) => points.map((point) => point[k] ?? NaN)) ?? [];
  return mean(axes.map((axis) => mean(axis.map((x) => (x - mean(axis)) ** 2))));
}

test.each([
  ['one objective', [objective('a')]],
  ['two objectives', [objective('a'), objective('b')]],
])('a history that grew between proposals gives the same as one that is read at once: %s', (_, objectives) => {
  const history = new History(mixed);
  const { next } = createRng(4);
  for (let number = 0; number < 700; number++) {
    const point = mixed.sample(next);
    if (point.type === 'none') continue;
    const trial = { number, params: point.params, values: [next(), next()], resource: 1 };
    history.upsert({ ...trial, state: 'pending' });
    if (number % 50 === 49) createSampler('tpe').propose(contextOf({ space: mixed, history, objectives, number }));
    // Most end; earlier ones change as well.
    if (number % 9 !== 0) history.upsert({ ...trial, state: number % 11 === 0 ? 'failed' : 'complete' });
    if (number % 30 === 0) history.upsert({ ...trial, number: Math.floor(number / 2), state: 'complete' });
  }
  const propose = (space: CompiledSpace, known: History): unknown =>
    createSampler('tpe').propose(contextOf({ space, history: known, objectives, number: 700 }));
  expect(propose(mixed, history)).toEqual(propose(mixed, History.fromJSON(mixed, history.toJSON())));
});
