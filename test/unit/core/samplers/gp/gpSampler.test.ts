import { expect, test } from 'vitest';
import { gpSampler } from '../../../../../agent/core/samplers/gp/gpSampler.ts';
import { History, type Observation, type SamplerContext } from '../../../../../agent/core/samplers/index.ts';
import { type CompiledSpace, compileSpace } from '../../../../../agent/core/space/index.ts';
import type { Params } from '../../../../../agent/protocol/space.ts';
import { choice, float, int, parameter, searchSpace } from '../../../core/space/builders.ts';
import { contextOf } from '../context.ts';

type Outcome = Pick<Observation, 'state' | 'values' | 'violations'>;

const square = compileSpace(searchSpace([parameter('x', float(0, 1)), parameter('y', float(0, 1))]));
const complete = (...values: number[]): Outcome => ({ state: 'complete', values });
const at = (params: Params, name: string): number => Number(params[name]);

/** A sequential study. */
function study(
  space: CompiledSpace,
  nTrials: number,
  outcome: (params: Params) => Outcome,
  more: Partial<SamplerContext> = {},
): { readonly history: History; readonly reasons: readonly string[] } {
  const history = new History(space);
  const reasons: string[] = [];
  for (let number = 0; number < nTrials; number++) {
    const proposal = gpSampler.propose(contextOf(space, { history, number, ...more }));
    if (proposal.type === 'exhausted') break;
    reasons.push(proposal.reason);
    history.upsert({ number, params: proposal.params, resource: 1, ...outcome(proposal.params) });
  }
  return { history, reasons };
}

const rowsOf = (history: History): Observation[] => Array.from({ length: history.size }, (_, row) => history.at(row));

test('finds the middle of a bowl in 20 trials, and says what it expects', () => {
  const { history, reasons } = study(square, 20, (p) => complete((at(p, 'x') - 0.3) ** 2 + (at(p, 'y') - 0.8) ** 2));
  expect(Math.min(...rowsOf(history).map(({ values }) => values[0] ?? NaN))).toBeLessThan(1e-3);
  expect(reasons.at(-1)).toMatch(/^Largest expected improvement: the model expects loss -?[\d.e-]+ \(.+ to .+\)\.$/);
});

test.each([1, 2, 3])('refines what it found in the second half of its budget (seed %i)', (seed) => {
  const bowl = (p: Params): Outcome => complete(10 * (at(p, 'x') - 0.3) ** 2 + 10 * (at(p, 'y') - 0.8) ** 2);
  const { history } = study(square, 60, bowl, { seed, budgetTrials: 60 });
  expect(Math.min(...rowsOf(history).map(({ values }) => values[0] ?? NaN))).toBeLessThan(1e-6);
});

test('finds the best of many combinations of categories and integers', () => {
  const letters = ['a', 'b', 'c', 'd', 'e'];
  const space = compileSpace(
    searchSpace([parameter('c', choice(...letters)), parameter('d', choice(...letters)), parameter('n', int(1, 40))]),
  );
  const { history } = study(space, 40, (p) =>
    complete(Number(p['c'] !== 'd') + Number(p['d'] !== 'b') + ((at(p, 'n') - 25) / 20) ** 2),
  );
  expect(Math.min(...rowsOf(history).map(({ values }) => values[0] ?? NaN))).toBeLessThan(0.05);
});

test('looks for the best branch of a space with conditions', () => {
  const space = compileSpace(
    searchSpace([
      parameter('kind', choice('flat', 'deep')),
      parameter('depth', float(0, 1), { when: 'kind == "deep"' }),
      parameter('rate', float(0, 1)),
    ]),
  );
  const { history } = study(space, 30, (p) =>
    complete((p['kind'] === 'deep' ? (at(p, 'depth') - 0.7) ** 2 : 0.1) + (at(p, 'rate') - 0.2) ** 2),
  );
  expect(Math.min(...rowsOf(history).map(({ values }) => values[0] ?? NaN))).toBeLessThan(0.01);
});

test('avoids where trials fail, and goes up to the edge of what is allowed', () => {
  const failing = study(square, 30, (p) =>
    at(p, 'x') > 0.5 ? { state: 'failed', values: [NaN] } : complete((at(p, 'x') - 0.45) ** 2 + (at(p, 'y') - 0.8) ** 2),
  );
  const late = rowsOf(failing.history).slice(5, 20);
  expect(late.filter(({ state }) => state === 'failed').length).toBeLessThanOrEqual(4);
  expect(Math.min(...late.map(({ values }) => values[0] ?? NaN).filter((value) => value >= 0))).toBeLessThan(0.01);
  const measured = study(square, 25, (p) => {
    const violation = at(p, 'x') + at(p, 'y') - 1;
    return { state: violation > 0 ? 'infeasible' : 'complete', values: [-at(p, 'x') - 2 * at(p, 'y')], violations: [violation] };
  });
  const feasible = rowsOf(measured.history).filter(({ state }) => state === 'complete');
  expect(Math.min(...feasible.map(({ values }) => values[0] ?? NaN))).toBeLessThan(-1.9);
});

test('with two objectives the front spreads between both ends', () => {
  const objectives = ['a', 'b'].map((metric) => ({ metric, direction: 'min' as const, goal: null }));
  const { history } = study(square, 30, (p) => complete(at(p, 'x') ** 2 + at(p, 'y'), (at(p, 'x') - 1) ** 2 + at(p, 'y')), {
    objectives,
  });
  const good = rowsOf(history).filter(({ params }) => at(params, 'y') < 0.02);
  const xs = good.map(({ params }) => at(params, 'x')).sort((a, b) => a - b);
  expect(xs.length).toBeGreaterThan(8);
  expect(xs.slice(1).every((x, k) => x - (xs[k] ?? 0) < 0.4)).toBe(true);
});

test('begins where an earlier study was best, and leaves it where this one differs', () => {
  const bowl = (shift: number) => (p: Params) => complete((at(p, 'x') - 0.3 - shift) ** 2 + (at(p, 'y') - 0.4 - shift) ** 2);
  const earlier = study(square, 25, bowl(0)).history;
  const [first] = rowsOf(study(square, 1, bowl(0), { prior: earlier }).history);
  expect(first?.values[0]).toBeLessThan(0.02);
  const other = study(square, 20, bowl(0.4), { prior: earlier }).history;
  expect(Math.min(...rowsOf(other).map(({ values }) => values[0] ?? NaN))).toBeLessThan(0.01);
});

test('what it remembers changes nothing: a history read again gives the same proposals', () => {
  const { history } = study(square, 45, (p) => complete(Math.sin(9 * at(p, 'x')) + at(p, 'y')));
  const again = new History(square, rowsOf(history));
  expect(gpSampler.propose(contextOf(square, { history: again, number: 45 }))).toEqual(
    gpSampler.propose(contextOf(square, { history, number: 45 })),
  );
});

test.each(['min', 'mean', 'max', 'fantasy'] as const)('pending trials are kept away from: liar %s', (liar) => {
  const { history } = study(square, 15, (p) => complete((at(p, 'x') - 0.3) ** 2 + (at(p, 'y') - 0.8) ** 2));
  const points: Params[] = [];
  for (let number = 15; number < 21; number++) {
    const proposal = gpSampler.propose(contextOf(square, { history, number, liar }));
    if (proposal.type === 'exhausted') throw new Error(proposal.reason);
    points.push(proposal.params);
    history.upsert({ number, params: proposal.params, state: 'pending', values: [NaN], resource: 0 });
  }
  const distances = points.flatMap((a, k) =>
    points.slice(k + 1).map((b) => Math.hypot(at(a, 'x') - at(b, 'x'), at(a, 'y') - at(b, 'y'))),
  );
  expect(Math.min(...distances)).toBeGreaterThan(1e-4);
});
