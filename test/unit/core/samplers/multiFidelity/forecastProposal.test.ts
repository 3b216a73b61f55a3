import { describe, expect, test } from 'vitest';
import { History } from '../../../../../agent/core/samplers/index.ts';
import { gpSampler } from '../../../../../agent/core/samplers/gp/gpSampler.ts';
import { compileSpace } from '../../../../../agent/core/space/index.ts';
import { createRng } from '../../../../../agent/core/math/index.ts';
import { parameter } from '../../study/harness.ts';
import { contextOf } from '../context.ts';

const unit = { type: 'float', low: 0, high: 1, log: false, revlog: false, step: null } as const;
const space = compileSpace({ parameters: [parameter('x', unit), parameter('y', unit)], where: [] });
const fidelity = { levels: [1, 3, 9] };

/** Ends best at (0.7, 0.3); half of it shows at the first level. */
const lossAt = (x: number, y: number, level: number): number => ((x - 0.7) ** 2 + (y - 0.3) ** 2 + 0.1) * (1 + 1 / level);

/** `nTrials` random points that were all stopped at the first level, but for one in five that trained to the end. */
function history(nTrials: number): History {
  const rng = createRng(4, 4);
  const rows = Array.from({ length: nTrials }, (_, number) => {
    const params = { x: rng.next(), y: rng.next() };
    const isWhole = number % 5 === 0;
    const curve = (isWhole ? fidelity.levels : [1]).map((level) => lossAt(params.x, params.y, level));
    return {
      number,
      params,
      state: isWhole ? ('complete' as const) : ('pruned' as const),
      values: [curve.at(-1) ?? NaN],
      resource: 1,
      curve,
    };
  });
  return new History(space, rows);
}

describe('the sampler gp with a fidelity', () => {
  test('learns from trials that were stopped at the first level', () => {
    const proposals = [40, 41, 42, 43].map((number) =>
      gpSampler.propose(contextOf(space, { history: history(40), fidelity, number })),
    );
    for (const proposal of proposals) {
      if (proposal.type !== 'point') throw new Error(proposal.reason);
      const { x, y } = proposal.params as { x: number; y: number };
      expect(Math.hypot(x - 0.7, y - 0.3)).toBeLessThan(0.2);
      expect(proposal.reason).toMatch(/40 trials have shown a part/);
    }
  });

  test('with thousands of trials a proposal has a bounded cost', () => {
    const many = history(5_000);
    gpSampler.propose(contextOf(space, { history: many, fidelity, number: 5_000 }));
    // The time limit of the test is the check: without the bound it takes minutes.
    expect(gpSampler.propose(contextOf(space, { history: many, fidelity, number: 5_001 })).type).toBe('point');
  });

  test('draws well-spread points until twenty trials have shown something', () => {
    const early = gpSampler.propose(contextOf(space, { history: history(19), fidelity, number: 19 }));
    expect(early.reason).toMatch(/too few results/);
  });

  test('earlier studies speak until the study has results of its own', () => {
    const prior = new History(
      space,
      [...Array(30).keys()].map((row) => ({ ...history(30).at(row), curve: [] })),
    );
    const early = gpSampler.propose(contextOf(space, { history: history(10), fidelity, number: 10, prior }));
    expect(early.reason).not.toMatch(/too few results|have shown a part/);
    const late = gpSampler.propose(contextOf(space, { history: history(40), fidelity, number: 40, prior }));
    expect(late.reason).toMatch(/40 trials have shown a part/);
  });

  test('the same history gives the same proposal', () => {
    const propose = (): unknown => gpSampler.propose(contextOf(space, { history: history(60), fidelity, number: 60 }));
    expect(propose()).toEqual(propose());
  });
});
