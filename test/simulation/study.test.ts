import { describe, expect, test } from 'vitest';
import { createRng } from '../../agent/core/math/index.ts';
import { planStudy } from '../../agent/core/study/index.ts';
import { schedulerNames, type StudySpec } from '../../agent/protocol/study.ts';
import { fidelity, proposeAgain, spec } from '../unit/core/study/harness.ts';
import { someFaults, someLoss, someSpec } from './someStudies.ts';
import { type Faults, noFaults, VirtualStudy } from './virtualStudy.ts';

const nSeeds = 2_000;
/** Of studies that showed a fault: 4744 ran trials that had ended, 11376 promoted a trial that its user had stopped. */
const keptSeeds = [4744, 11376];

describe('whatever happens in whatever order', () => {
  test(`${nSeeds} studies with faults, crashes and commands keep every invariant`, () => {
    const seen = {
      events: 0,
      reasons: new Set<string>(),
      states: new Set<string>(),
      schedulers: new Set<string>(),
      origins: new Set<string>(),
      forks: 0,
      late: 0,
      retried: 0,
      alone: 0,
      pausedForFailures: 0,
      pausedForMachine: 0,
      nPreempted: 0,
    };
    for (const seed of [...keptSeeds, ...Array(nSeeds).keys()]) {
      const study = new VirtualStudy(seed, someSpec(seed), someFaults(seed), someLoss);
      study.run();
      seen.events += study.journal.length;
      seen.reasons.add(study.state.view.endReason ?? '');
      seen.schedulers.add(study.state.scheduler.name);
      for (const { state, parent, origin } of study.state.view.trials) {
        seen.states.add(state);
        seen.origins.add(origin);
        if (parent !== null) seen.forks++;
      }
      for (const { event } of study.journal) {
        if (event.type === 'trialRetried') seen.retried++;
        if (event.type === 'attemptEnded' && event.failure?.kind === 'preempted') seen.nPreempted++;
        if (event.type === 'attemptEnded' && event.failure?.message.includes('no other trial of the study runs') === true)
          seen.alone++;
        if (event.type !== 'studyPaused' || event.failure === undefined) continue;
        if (event.failure.kind === 'infrastructure') seen.pausedForMachine++;
        else seen.pausedForFailures++;
      }
      seen.late += study.journal.filter(({ event }) => event.type === 'trialCreated' && event.basedOn !== undefined).length;
    }
    // What never happens is not tested.
    expect(seen.retried).toBeGreaterThan(1_000);
    expect(seen.alone).toBeGreaterThan(200);
    expect(seen.pausedForFailures).toBeGreaterThan(3);
    expect(seen.pausedForMachine).toBeGreaterThan(50);
    expect(seen.nPreempted).toBeGreaterThan(1_000);
    expect([...seen.reasons].sort()).toEqual(['budget', 'exhausted', 'failed', 'goal', 'stopped']);
    expect([...seen.states].sort()).toEqual(['cancelled', 'complete', 'failed', 'infeasible', 'pruned']);
    expect([...seen.schedulers].sort()).toEqual(schedulerNames.filter((name) => name !== 'auto').toSorted());
    expect(seen.forks).toBeGreaterThan(20);
    expect(seen.late).toBeGreaterThan(1_000);
    expect([...seen.origins].sort()).toEqual(['default', 'sampler', 'user']);
    expect(seen.events).toBeGreaterThan(nSeeds * 20);
  });

  test('every point that a sampler chose follows again from the journal, also one that came late', () => {
    let late = 0;
    for (let seed = 0; seed < 60; seed++) {
      const faults = { ...someFaults(seed), delayed: 0.5 };
      const study = new VirtualStudy(seed, { ...someSpec(seed), budget: spec().budget }, faults, someLoss);
      study.run();
      late += proposeAgain(study.journal).late;
    }
    expect(late).toBeGreaterThan(50);
  });

  test('the same seed is the same history, to the event', () => {
    for (const seed of [1, 20, 300]) {
      const [one, two] = [0, 1].map(() => new VirtualStudy(seed, someSpec(seed), someFaults(seed), someLoss));
      one?.run();
      two?.run();
      expect(one?.journal).toEqual(two?.journal);
    }
  });

  test('one at a time, the same seed and results give the same points, though every fault strikes', () => {
    const study = (faults: Partial<Faults>) => {
      const found = new VirtualStudy(
        5,
        spec({ search: { sampler: 'tpe' }, budget: { trials: 20 } }),
        { ...noFaults, ...faults },
        someLoss,
      );
      found.run();
      return found.state.view.trials.map((trial) => trial.params);
    };
    expect(study({ preempted: 0.5, repeated: 0.3, crash: 0.2 })).toEqual(study({}));
  });
});

describe('the plan is what runs', () => {
  const base = { fidelity: fidelity(1, 27), budget: { trials: 40 } } as const;
  const reached = (study: VirtualStudy) => {
    const rungs = planStudy(study.state.view.spec).rungs ?? [];
    return rungs.map(({ resource }) => study.state.view.trials.filter((trial) => trial.resource >= resource).length);
  };
  const planned = (given: StudySpec) => planStudy(given).rungs?.map((rung) => rung.trials) ?? [];
  const run = (seed: number, given: StudySpec, lossOf: (number: number) => number) => {
    const study = new VirtualStudy(seed, given, noFaults, lossOf);
    study.run();
    return study;
  };

  test.each([1, 4, 16])('none, %d at once', (parallel) => {
    const given = spec({ ...base, search: { scheduler: 'none', parallel } });
    const study = run(1, given, (number) => number);
    expect(reached(study)).toEqual(planned(given));
    expect(study.state.spent).toBe(planStudy(given).totalResource);
  });

  test.each([null, { dir: 'c' }])(
    'promotion where early values hold, checkpoint %j: exactly, in trials and in resource',
    (checkpoint) => {
      const given = spec({ ...base, checkpoint, search: { scheduler: 'asha-promote' } });
      const study = run(1, given, (number) => number);
      expect(reached(study)).toEqual(planned(given));
      expect(study.state.spent).toBe(planStudy(given).totalResource);
    },
  );

  test.each([4, 16])('promotion where early values hold, %d at once: but for who overtakes whom', (parallel) => {
    const given = spec({ ...base, search: { scheduler: 'asha-promote', parallel } });
    for (let seed = 0; seed < 20; seed++) {
      const plan = planned(given);
      reached(run(seed, given, (number) => number)).forEach((count, i) => {
        expect(count).toBeGreaterThanOrEqual(plan[i] ?? NaN);
        expect(count).toBeLessThanOrEqual((plan[i] ?? NaN) + 3);
      });
    }
  });

  test('promotion in random order: never fewer, and a bounded number more', () => {
    const given = spec({ ...base, checkpoint: { dir: 'c' }, search: { scheduler: 'asha-promote', parallel: 4 } });
    const plan = planned(given);
    const sums = plan.map(() => 0);
    for (let seed = 0; seed < 100; seed++) {
      const found = reached(run(seed, given, (number) => createRng(seed, number).next()));
      found.forEach((count, i) => {
        expect(count).toBeGreaterThanOrEqual(plan[i] ?? Infinity);
        sums[i] = (sums[i] ?? 0) + count / 100;
      });
    }
    // 13 of 39 are promotable in the end; about √39 more were so for a while (Li et al. 2020, section 4).
    expect(sums[1]).toBeLessThan((plan[1] ?? 0) + Math.sqrt(40) + 1);
  });

  test('stopping in random order: as many as expected, on average', () => {
    const given = spec({ ...base, search: { scheduler: 'asha-stop', parallel: 1 } });
    const [, second = NaN] = planned(given);
    let mean = 0;
    for (let seed = 0; seed < 200; seed++) mean += survivors(run(seed, given, (number) => createRng(seed, number).next())) / 200;
    expect(Math.abs(mean - second)).toBeLessThan(1);
  });

  /** Trials that passed the first rung, the baseline included. */
  function survivors(study: VirtualStudy): number {
    return study.state.view.trials.filter((trial) => trial.state === 'complete' || trial.resource >= 3).length;
  }
});
