import { describe, expect, test } from 'vitest';
import { createRng } from '../../agent/core/math/index.ts';
import {
  History,
  type Observation,
  type ObservationState,
  type Sampler,
  type SamplerContext,
} from '../../agent/core/samplers/index.ts';
import { type CompiledSpace, compileSpace, walkPoints } from '../../agent/core/space/index.ts';
import type { Objective, Params, SearchSpace } from '../../agent/protocol/space.ts';
import { liars } from '../../agent/protocol/study.ts';
import { contextOf, loss } from '../unit/core/samplers/context.ts';
import { choice, float, int, ordinal, parameter, searchSpace } from '../unit/core/space/builders.ts';

export interface SamplerTraits {
  /** Ends with `exhausted` before all points of a continuous space are used up (there is no such end for others). */
  readonly endsEarly: boolean;
}

/** What every sampler has to do, whatever its method. */
export function samplerSuite(sampler: Sampler, traits: SamplerTraits): void {
  // A busy machine takes its time for the models.
  describe(`sampler ${sampler.name}`, { timeout: 60_000 }, () => {
    test.each(Object.entries(spaces))('never leaves the space: %s', (_, raw) => {
      const space = compileSpace(raw);
      for (const { params } of run(sampler, space, 45, (point) => [distance(space, point)]))
        expect(space.isValid(params)).toBe(true);
    });

    test('gives the same proposal for the same seed, history and number, and others for others', () => {
      const space = compileSpace(spaces.mixed);
      const observations = run(sampler, space, 25, (point) => [distance(space, point)]);
      const propose = (seed: number, number: number): unknown =>
        sampler.propose(contextOf(space, { history: new History(space, observations), seed, number }));
      expect(propose(7, 25)).toEqual(propose(7, 25));
      if (sampler.name === 'grid') return;
      expect(propose(8, 25)).not.toEqual(propose(7, 25));
      expect(propose(7, 26)).not.toEqual(propose(7, 25));
    });

    test('keeps no state beside the history, which survives JSON', () => {
      const space = compileSpace(spaces.mixed);
      const observations = run(sampler, space, 30, (point, number) => [
        number === 3 ? NaN : number === 4 ? Infinity : distance(space, point),
      ]);
      const live = new History(space, observations);
      const restored = History.fromJSON(space, JSON.parse(JSON.stringify(live)));
      expect(restored.toJSON()).toEqual(live.toJSON());
      // Other studies in between must not matter.
      sampler.propose(contextOf(compileSpace(spaces.conditions), { number: 3 }));
      expect(sampler.propose(contextOf(space, { history: restored, number: 30 }))).toEqual(
        sampler.propose(contextOf(space, { history: live, number: 30 })),
      );
    });

    test.each([
      ['discrete', spaces.smallDiscrete],
      ['with conditions', spaces.smallConditional],
      ['with where', spaces.smallWhere],
      ['few valid points of many', spaces.fewOfMany],
    ])('a small space is used up without a duplicate: %s', (_, raw) => {
      const space = compileSpace(raw);
      const all = new Set([...walkPoints(space, 200_000)].map((params) => space.key(params)));
      const observations = run(sampler, space, all.size + 5, (point) => [distance(space, point)]);
      expect(new Set(observations.map(({ params }) => space.key(params)))).toEqual(all);
      expect(observations).toHaveLength(all.size);
      expect(sampler.propose(contextOf(space, { history: new History(space, observations), number: 99 }))).toMatchObject({
        type: 'exhausted',
      });
    });

    test('pending trials are not proposed again', () => {
      const space = compileSpace(spaces.smallDiscrete);
      const observations = run(sampler, space, 12, () => [NaN], { state: () => 'pending' });
      expect(new Set(observations.map(({ params }) => space.key(params))).size).toBe(12);
    });

    test.each(liars)('a batch of 16 pending trials has 16 different points, liar %s', (liar) => {
      const space = compileSpace(spaces.mixed);
      const done = run(sampler, space, 20, (point) => [distance(space, point)]);
      const history = new History(space, done);
      for (let number = done.length; number < done.length + 16; number++) {
        const proposal = sampler.propose(contextOf(space, { history, number, liar }));
        if (proposal.type === 'exhausted') break;
        expect(space.isValid(proposal.params)).toBe(true);
        history.upsert({ number, params: proposal.params, state: 'pending', values: [NaN], resource: 0 });
      }
      expect(history.distinct).toBe(history.size);
    });

    test.each<[string, (point: Params, number: number) => number[], (number: number) => ObservationState]>([
      ['all failed', () => [NaN], () => 'failed'],
      ['all infeasible', () => [1], () => 'infeasible'],
      ['all pruned', (_, number) => [number], () => 'pruned'],
      ['all NaN', () => [NaN], () => 'complete'],
      ['all infinite', () => [Infinity], () => 'complete'],
      ['minus infinity', (_, number) => [number % 3 === 0 ? -Infinity : number], () => 'complete'],
      ['constant', () => [1], () => 'complete'],
      ['huge', (_, number) => [number % 2 === 0 ? 1e308 : -1e308], () => 'complete'],
      ['no values', () => [], () => 'complete'],
      ['over 600 orders of magnitude', (_, number) => [10 ** (100 * (number % 7) - 300)], () => 'complete'],
      ['every state', (_, number) => [number], (number) => states[number % states.length] ?? 'complete'],
    ])('goes on when results are: %s', (_, values, state) => {
      const space = compileSpace(spaces.conditions);
      const observations = run(sampler, space, 35, values, { state });
      if (!traits.endsEarly) expect(observations).toHaveLength(35);
      for (const { params } of observations) expect(space.isValid(params)).toBe(true);
    });

    test.each([0, 1, 2, null])('handles several objectives, number %o of them NaN for ever', (missing) => {
      const space = compileSpace(spaces.mixed);
      const objectives: Objective[] = ['a', 'b', 'c'].map((metric, k) => ({
        metric,
        direction: k === 1 ? 'max' : 'min',
        goal: null,
      }));
      const values = (point: Params): number[] =>
        [distance(space, point), Number(point['x'] ?? 0), 1].map((value, k) => (k === missing ? NaN : value));
      for (const { params } of run(sampler, space, 35, values, { objectives })) expect(space.isValid(params)).toBe(true);
    });

    test.each<[string, (number: number) => readonly number[], boolean]>([
      ['each by another degree', (number) => [(number % 5) - 2, 0.1 * number - 1], true],
      ['all', (number) => [1 + number, 3], false],
      ['of very different sizes', (number) => [number % 2 === 0 ? 1e308 : -1e308, number % 3 === 0 ? 5e-324 : -1], true],
      ['by an unknown or infinite amount', (number) => [number % 2 === 0 ? NaN : Infinity, number % 3 === 0 ? NaN : 1], false],
    ])('handles measured constraints that are violated: %s', (_, violations, isSometimesFine) => {
      const space = compileSpace(spaces.conditions);
      const isFine = (number: number): boolean => isSometimesFine && violations(number).every((by) => by <= 0);
      const observations = run(sampler, space, 35, (_point, number) => [Math.cos(number)], {
        state: (number) => (isFine(number) ? 'complete' : 'infeasible'),
        more: (number) => ({ violations: violations(number) }),
      });
      if (!traits.endsEarly) expect(observations).toHaveLength(35);
      for (const { params } of observations) expect(space.isValid(params)).toBe(true);
    });

    test.each<[string, (point: number, level: number) => number]>([
      ['that fall', (point, level) => point + 1 / (1 + level)],
      ['of which some values are missing', (point, level) => (level % 2 === 0 ? NaN : point)],
      ['that diverge', (point, level) => (level === 0 ? point : level === 1 ? Infinity : NaN)],
    ])('handles curves over the levels of a fidelity %s', (_, curveOf) => {
      const space = compileSpace(spaces.mixed);
      const fidelity = { levels: [1, 3, 9, 27] };
      // Every third trial goes on at each level; the last ones still run.
      const reached = (number: number): number => (number % 27 === 0 ? 3 : number % 9 === 0 ? 2 : number % 3 === 0 ? 1 : 0);
      const curve = (point: Params, number: number): number[] =>
        fidelity.levels.slice(0, reached(number) + 1).map((_level, k) => curveOf(distance(space, point), k));
      const observations = run(sampler, space, 40, (point, number) => [curve(point, number).at(-1) ?? NaN], {
        state: (number) => (number > 36 ? 'pending' : reached(number) === 3 ? 'complete' : 'pruned'),
        more: (number, point) => ({ curve: curve(point, number), resource: fidelity.levels[reached(number)] ?? 0 }),
        context: { fidelity },
      });
      if (!traits.endsEarly) expect(observations).toHaveLength(40);
      for (const { params } of observations) expect(space.isValid(params)).toBe(true);
    });

    test('may learn from other studies, whatever they were like', () => {
      const space = compileSpace(spaces.mixed);
      const earlier = Array.from({ length: 30 }, (_, number): Observation => {
        const point = space.sample(createRng(5, number).next);
        const params = point.type === 'ok' && number % 7 !== 0 ? point.params : { x: 99, kind: 'gone', other: 1 };
        const state = states[number % 4] ?? 'complete';
        return { number, params, state, values: number % 5 === 0 ? [NaN] : [1e6 * number], resource: number };
      });
      const learn = (rows: readonly Observation[]): Observation[] => {
        const prior = new History(space, rows);
        return run(sampler, space, 12, (point) => [distance(space, point)], { context: { prior } });
      };
      const observations = learn(earlier);
      expect(learn(earlier)).toEqual(observations);
      for (const { params } of [...observations, ...learn(earlier.slice(0, 1)), ...learn([])])
        expect(space.isValid(params)).toBe(true);
    });

    test('proposes within ten seconds after 100,000 observations, on a busy machine too', () => {
      const history = manyObservations();
      const start = performance.now();
      const proposal = sampler.propose(contextOf(history.space, { history, number: history.size, budgetTrials: 200_000 }));
      expect(performance.now() - start).toBeLessThan(10_000);
      expect(proposal.type === 'exhausted' || history.space.isValid(proposal.params)).toBe(true);
    });

    test.each<[string, SearchSpace]>([
      ['no parameters', searchSpace([])],
      ['one value', searchSpace([parameter('a', float(3, 3)), parameter('b', int(2, 2)), parameter('c', choice('x'))])],
    ])('a space of a single point is proposed once: %s', (_, raw) => {
      expect(run(sampler, compileSpace(raw), 4, () => [1])).toHaveLength(1);
    });

    test.each<[string, SearchSpace]>([
      [
        '100 parameters',
        searchSpace(
          Array.from({ length: 100 }, (_, k) =>
            parameter(`p${k}`, k % 3 === 0 ? choice('a', 'b') : k % 3 === 1 ? int(0, 9) : float(0, 1)),
          ),
        ),
      ],
      [
        '10,000 categories',
        searchSpace([
          parameter('c', choice(...Array.from({ length: 10_000 }, (_, k) => `choice ${k}`))),
          parameter('x', float(0, 1)),
        ]),
      ],
      [
        '600 orders of magnitude',
        searchSpace([
          parameter('x', float(1e-300, 1e300, { log: true })),
          parameter('y', float(-1e308, 1e308)),
          parameter('z', float(0, 5e-324)),
        ]),
      ],
    ])('handles %s', (_name, raw) => {
      const space = compileSpace(raw);
      const observations = run(sampler, space, 30, (_, number) => [Math.sin(number)]);
      expect(observations.length).toBeGreaterThan(0);
      for (const { params } of observations) expect(space.isValid(params)).toBe(true);
    });

    test('says when no point satisfies the conditions', () => {
      const space = compileSpace(searchSpace([parameter('a', int(1, 5))], ['a > 9']));
      expect(sampler.propose(contextOf(space))).toMatchObject({ type: 'exhausted' });
    });

    test.each<[string, Params]>([
      ['of one point', { x: 0.1, rate: 1e-3, decay: 0.9, half: 0.5, n: 3, even: 8, width: 64, kind: null, size: 64 }],
      ['of values of another space', { x: 99, rate: -5, n: 1e9, kind: 'gone', size: 'none', other: 1 }],
    ])('handles duplicates %s in the history', (_, params) => {
      const space = compileSpace(spaces.mixed);
      const observations = Array.from(
        { length: 30 },
        (_value, number): Observation => ({ number, params, state: 'complete', values: [number], resource: 1 }),
      );
      const proposal = sampler.propose(contextOf(space, { history: new History(space, observations), number: 30 }));
      expect(proposal.type === 'point' && space.isValid(proposal.params)).toBe(true);
    });
  });
}

const states: readonly ObservationState[] = ['complete', 'pruned', 'failed', 'infeasible', 'pending'];

const spaces = {
  mixed: searchSpace([
    parameter('x', float(-1, 1)),
    parameter('rate', float(1e-5, 1e-1, { log: true })),
    parameter('decay', float(0.5, 0.999, { revlog: true })),
    parameter('half', float(0, 1, { step: 0.1 })),
    parameter('n', int(1, 9)),
    parameter('even', int(2, 64, { step: 2 })),
    parameter('width', int(1, 4096, { log: true })),
    parameter('kind', choice('a', 'b', null, true, [1, 2])),
    parameter('size', ordinal(32, 64, 128)),
  ]),
  conditions: searchSpace([
    parameter('momentum', float(0, 0.99), { when: 'optimizer == "sgd"' }),
    parameter('nesterov', choice(false, true), { when: 'momentum > 0.5' }),
    parameter('optimizer', choice('adam', 'sgd')),
    parameter('lr', float(1e-5, 1e-1, { log: true })),
  ]),
  where: searchSpace(
    [parameter('heads', int(1, 32)), parameter('width', int(8, 256, { step: 8 })), parameter('x', float(0, 1))],
    ['heads * 8 <= width', 'x < 0.3'],
  ),
  thin: searchSpace([parameter('x', float(0, 1)), parameter('y', float(0, 1))], ['x + y < 0.001']),
  fewOfMany: searchSpace(
    ['a', 'b', 'c'].map((name) => parameter(name, int(1, 50))),
    ['a * b * c == 12'],
  ),
  longInt: searchSpace([parameter('n', int(0, Number.MAX_SAFE_INTEGER))]),
  narrow: searchSpace([parameter('a', int(0, 99)), parameter('b', int(0, 99)), parameter('x', float(0, 1))], ['a + b == 100']),
  smallDiscrete: searchSpace([
    parameter('a', int(1, 3)),
    parameter('b', choice('x', 'y')),
    parameter('c', float(0, 1, { step: 0.5 })),
  ]),
  smallConditional: searchSpace([
    parameter('a', choice('x', 'y')),
    parameter('b', int(1, 9), { when: 'a == "x"' }),
    parameter('c', ordinal(1, 2), { when: 'b > 4' }),
  ]),
  smallWhere: searchSpace([parameter('a', int(1, 6)), parameter('b', int(1, 6))], ['a * b <= 12', 'a != b']),
} satisfies Record<string, SearchSpace>;

interface RunOptions {
  readonly state?: (number: number) => ObservationState;
  readonly objectives?: readonly Objective[];
  /** What else is known of a trial. */
  readonly more?: (number: number, point: Params) => Partial<Observation>;
  readonly context?: Partial<SamplerContext>;
}

/** Observations of a sequential study of at most `nTrials`. */
function run(
  sampler: Sampler,
  space: CompiledSpace,
  nTrials: number,
  values: (point: Params, number: number) => number[],
  options: RunOptions = {},
): Observation[] {
  const history = new History(space);
  for (let number = 0; number < nTrials; number++) {
    const more = { number, objectives: options.objectives ?? [loss], ...options.context };
    const proposal = sampler.propose(contextOf(space, { history, ...more }));
    if (proposal.type === 'exhausted') {
      expect(proposal.reason.length).toBeGreaterThan(0);
      break;
    }
    expect(proposal.reason.length).toBeGreaterThan(0);
    const state = options.state?.(number) ?? 'complete';
    const { params } = proposal;
    history.upsert({ number, params, state, values: values(params, number), resource: 1, ...options.more?.(number, params) });
  }
  return Array.from({ length: history.size }, (_, row) => history.at(row));
}

/** A bowl around a random place of the unit cube; inactive parameters do not count. */
function distance(space: CompiledSpace, params: Params): number {
  const rng = createRng(11);
  let sum = 0;
  for (const u of space.encode(params)) {
    const center = rng.next();
    if (!Number.isNaN(u)) sum += (u - center) ** 2;
  }
  return sum;
}

/** Of all states, in a space with conditions. Made once: all samplers get the same. */
function manyObservations(): History {
  if (many !== null) return many;
  const space = compileSpace(spaces.conditions);
  const { next } = createRng(3);
  many = new History(space);
  for (let number = 0; number < 100_000; number++) {
    const point = space.sample(next);
    if (point.type === 'none') break;
    const state = number > 99_900 ? 'pending' : (states[number % 4] ?? 'complete');
    many.upsert({ number, params: point.params, state, values: [next()], resource: 1 });
  }
  return many;
}

let many: History | null = null;
