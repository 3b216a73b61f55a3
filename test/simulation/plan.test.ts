import { describe, expect, test } from 'vitest';
import { createRng } from '../../agent/core/math/index.ts';
import { planStudy } from '../../agent/core/study/index.ts';
import type { SchedulerName, StudySpec } from '../../agent/protocol/study.ts';
import { fidelity, spec } from '../unit/core/study/harness.ts';
import { noFaults, VirtualStudy } from './virtualStudy.ts';

/** 39 sampled trials and the script's own, from 1 to 27 epochs. */
const studyOf = (
  scheduler: SchedulerName,
  changes: { parallel?: number; trials?: number; hasCheckpoint?: boolean } = {},
): StudySpec =>
  spec({
    fidelity: fidelity(1, 27),
    checkpoint: changes.hasCheckpoint === true ? { dir: 'c' } : null,
    search: { scheduler, parallel: changes.parallel ?? 1 },
    budget: { trials: changes.trials ?? 40 },
  });

function run(seed: number, given: StudySpec, lossOf: (number: number) => number): VirtualStudy {
  const study = new VirtualStudy(seed, given, noFaults, lossOf);
  study.run();
  return study;
}

/** How many trials have trained up to each planned resource. */
function reached(study: VirtualStudy, rungs = planStudy(study.state.view.spec).rungs ?? []): readonly number[] {
  return rungs.map(({ resource }) => study.state.view.trials.filter((trial) => trial.resource >= resource).length);
}

/** The mean over random orders, one study after the other. */
function meanReached(
  given: StudySpec,
  nOrders: number,
  onStudy: (study: VirtualStudy) => void = () => undefined,
): readonly number[] {
  const rungs = planStudy(given).rungs ?? [];
  const mean = rungs.map(() => 0);
  for (let seed = 0; seed < nOrders; seed++) {
    const study = run(seed, given, inRandomOrder(seed));
    onStudy(study);
    reached(study, rungs).forEach((count, i) => {
      mean[i] = (mean[i] ?? 0) + count / nOrders;
    });
  }
  return mean;
}

const planned = (given: StudySpec): readonly number[] => planStudy(given).rungs?.map((rung) => rung.trials) ?? [];
const inRandomOrder = (seed: number) => (number: number) => createRng(seed, number).next();

describe.each(['sha', 'hyperband'] as const)('%s: the plan is what runs, whatever the values are', (scheduler) => {
  test.each([
    [1, 40, false],
    [1, 40, true],
    [4, 40, true],
    [16, 40, false],
    [64, 40, true],
    [4, 1, true],
    [4, 2, true],
    [4, 5, false],
    [4, 150, true],
  ])('%d at once, %d trials, checkpoint %s', (parallel, trials, hasCheckpoint) => {
    const given = studyOf(scheduler, { parallel, trials, hasCheckpoint });
    for (let seed = 0; seed < 4; seed++) {
      const study = run(seed, given, inRandomOrder(seed));
      expect(study.state.view.trials.length).toBe(trials);
      expect(reached(study)).toEqual(planned(given));
      expect(study.state.spent).toBeCloseTo(planStudy(given).totalResource ?? NaN, 9);
    }
  });
});

describe('async-hyperband', () => {
  test.each(['conservative', 'standard', 'aggressive'] as const)(
    '%s by promotion, early values hold: exactly the plan',
    (mode) => {
      const base = studyOf('async-hyperband', { hasCheckpoint: true });
      const given = { ...base, search: { ...base.search, mode } };
      const study = run(1, given, (number) => number);
      expect(reached(study)).toEqual(planned(given));
      expect(study.state.spent).toBe(planStudy(given).totalResource);
    },
  );
});

// What stops trials depends on the order in which they come: the plan is the mean over all orders.
describe.each(['auto', 'asha-stop', 'async-hyperband', 'median'] as const)('%s in random order', (scheduler) => {
  test('as many as planned, on average', { timeout: 60_000 }, () => {
    const given = studyOf(scheduler);
    const plan = planned(given);
    meanReached(given, 80).forEach((count, i) => expect(Math.abs(count - (plan[i] ?? NaN))).toBeLessThan(1.5));
  });
});

describe('pbt', () => {
  test('as many as planned, on average, and forks go on where their parents stood', { timeout: 60_000 }, () => {
    const given = studyOf('pbt', { parallel: 4, trials: 60, hasCheckpoint: true });
    const plan = planned(given);
    const points = planStudy(given).rungs?.map(({ resource }) => resource) ?? [];
    let nForks = 0;
    const mean = meanReached(given, 30, ({ state }) => {
      const { trials } = state.view;
      expect(trials.length).toBe(60);
      for (const { number, parent, attempts } of trials) {
        if (parent === null) continue;
        nForks++;
        expect(parent).toBeLessThan(number);
        // Its first attempt ends at a ready point beyond the first, which its parent had passed.
        expect(points.indexOf(attempts[0]?.target ?? 0)).toBeGreaterThan(0);
        expect(trials[parent]?.resource ?? 0).toBeGreaterThanOrEqual(points[0] ?? NaN);
      }
    });
    expect(nForks / 30).toBeGreaterThan(8);
    // Several at once come in another order than one at a time.
    mean.forEach((count, i) => expect(Math.abs(count - (plan[i] ?? NaN))).toBeLessThan(4));
  });
});
