import { describe, expect, test } from 'vitest';
import { createRng } from '../../agent/core/math/index.ts';
import type { Params } from '../../agent/protocol/space.ts';
import { type SamplerName, schedulerNames, type StudySpec } from '../../agent/protocol/study.ts';
import { fidelity, parameter, proposeAgain, spec } from '../unit/core/study/harness.ts';
import { type Faults, noFaults, VirtualStudy } from './virtualStudy.ts';

const nSeeds = 150;
const workers = [1, 2, 4, 8] as const;
/** `pbt` is refused in batches. */
const schedulers = schedulerNames.filter((name) => name !== 'pbt');

describe('in batches the decisions are the same', () => {
  test(`for 1, 2, 4 and 8 workers with other durations, faults and crashes each: ${nSeeds} studies`, () => {
    const seen = { states: new Set<string>(), schedulers: new Set<string>(), attempts: 0, trials: 0, promoted: 0, smaller: 0 };
    for (let seed = 0; seed < nSeeds; seed++) {
      const given = someSpec(seed);
      const runs = workers.map((parallel) =>
        run(1_000 * seed + parallel, withWorkers(given, parallel), someFaults(seed, parallel)),
      );
      const [first, ...others] = runs.map(decisions);
      for (const [i, other] of others.entries()) expect(other, `seed ${seed}, ${workers[i + 1]} workers`).toEqual(first);
      for (const { state, journal } of runs) {
        seen.schedulers.add(state.scheduler.name);
        for (const trial of state.view.trials) {
          seen.states.add(trial.state);
          seen.trials++;
          seen.attempts += trial.attempts.length;
        }
        let nStarts = 0;
        for (const { event } of journal) {
          if (event.type === 'trialCreated' || event.type === 'trialPromoted') nStarts++;
          if (event.type === 'batchEnded') nStarts = 0;
          if (nStarts > (given.search.batch ?? 0)) expect.unreachable(`seed ${seed}: ${nStarts} starts in a batch`);
          if (event.type === 'trialPromoted') seen.promoted++;
          if (event.type === 'batchEnded' && event.trials.length < (given.search.batch ?? 0)) seen.smaller++;
        }
      }
    }
    // What never happens is not tested.
    expect([...seen.states].sort()).toEqual(['complete', 'failed', 'infeasible', 'pruned']);
    expect([...seen.schedulers].sort()).toEqual(schedulers.filter((name) => name !== 'auto').toSorted());
    expect(seen.attempts).toBeGreaterThan(seen.trials * 1.2);
    expect(seen.promoted).toBeGreaterThan(100);
    expect(seen.smaller).toBeGreaterThan(100);
  });

  test('also with the Gaussian process, whose points come late', () => {
    for (let seed = 0; seed < 6; seed++) {
      const given = { ...someSpec(seed, ['gp', 'auto']), budget: { trials: 14, wallTimeMs: null, resource: null } };
      const runs = [1, 4].map((parallel) =>
        run(seed * 10 + parallel, withWorkers(given, parallel), { ...someFaults(seed, parallel), delayed: 0.5 }),
      );
      expect(decisions(runs[1])).toEqual(decisions(runs[0]));
      for (const { journal } of runs) proposeAgain(journal);
    }
  });

  test('a budget of resource ends the study after the same start, whoever ends first, however late a trial hears of its stop', () => {
    const seen = { nStudies: 0, nStopped: 0, nBeyond: 0, schedulers: new Set<string>() };
    for (let seed = 0; seed < 70; seed++) {
      const some = someSpec(seed);
      if (some.fidelity === null) continue;
      const resource = 40 + (seed % 50) * 3;
      const given = { ...some, budget: { trials: null, wallTimeMs: null, resource } };
      const runs = workers.map((parallel) =>
        run(seed * 10 + parallel, withWorkers(given, parallel), parallel === 1 ? noFaults : punctual(seed, parallel)),
      );
      const [first, ...others] = runs.map((study) => ({ ...decisions(study), spent: study.state.spent }));
      for (const [i, other] of others.entries()) expect(other, `seed ${seed}, ${workers[i + 1]} workers`).toEqual(first);
      seen.nStudies++;
      for (const study of runs) {
        seen.schedulers.add(study.state.scheduler.name);
        for (const { number, state, curve } of study.state.view.trials) {
          if (state !== 'pruned') continue;
          seen.nStopped++;
          // A report beyond the one that decided.
          if ((curve.at(-1)?.step ?? 0) > (study.state.history.of(number)?.resource ?? 0)) seen.nBeyond++;
        }
      }
    }
    expect(seen.nStudies).toBeGreaterThan(50);
    expect([...seen.schedulers].sort()).toEqual(schedulers.filter((name) => name !== 'auto').toSorted());
    expect(seen.nStopped).toBeGreaterThan(500);
    expect(seen.nBeyond).toBeGreaterThan(100);
  });

  test('a budget of time cuts the last batch short: all before it is the same', () => {
    let nCut = 0;
    for (let seed = 0; seed < 60; seed++) {
      const given = { ...someSpec(seed), budget: { trials: 30, wallTimeMs: 1_500, resource: null } };
      const [one, two] = [1, 8].map((parallel) => told(run(seed * 10 + parallel, withWorkers(given, parallel), noFaults)));
      const n = Math.min(one?.length ?? 0, two?.length ?? 0);
      expect(one?.slice(0, n)).toEqual(two?.slice(0, n));
      if (one?.length !== two?.length) nCut++;
    }
    expect(nCut).toBeGreaterThan(20);
  });
});

test('without batches they are not, so that the tests above can fail', () => {
  let nDiffer = 0;
  for (let seed = 0; seed < 40; seed++) {
    const { batch: _, ...search } = someSpec(seed).search;
    const given = { ...someSpec(seed), search };
    const [one, four] = [1, 4].map((parallel) => decisions(run(seed, withWorkers(given, parallel), noFaults)));
    if (JSON.stringify(one) !== JSON.stringify(four)) nDiffer++;
  }
  expect(nDiffer).toBeGreaterThan(25);
});

function run(seed: number, given: StudySpec, faults: Faults): VirtualStudy {
  const study = new VirtualStudy(seed, given, faults, someLoss);
  study.run();
  return study;
}

/** All that is decided: points and reasons, targets, ends, what counts, in which order it was told, the best, the end. */
function decisions(study: VirtualStudy | undefined) {
  const view = study?.state.view;
  return {
    trials: view?.trials.map(({ number, params, origin, reason, target, state, values }) => ({
      number,
      params,
      origin,
      reason,
      target,
      state,
      values,
    })),
    told: study?.journal.flatMap(({ event }) => (event.type === 'batchEnded' ? [event.trials] : [])),
    starts: study?.journal.flatMap(({ event }) =>
      event.type === 'trialCreated' || event.type === 'trialPromoted' ? [[event.type, event.number, event.target]] : [],
    ),
    best: view?.incumbent,
    end: [view?.endReason, view?.message],
  };
}

/** The points of each whole batch. */
function told({ journal, state }: VirtualStudy) {
  const end = journal.findIndex(({ event }) => event.type === 'studyStopRequested');
  return journal
    .slice(0, end)
    .flatMap(({ event }) =>
      event.type === 'batchEnded' ? [event.trials.map((number) => ({ params: state.view.trials[number]?.params, number }))] : [],
    );
}

function withWorkers(given: StudySpec, parallel: number): StudySpec {
  return { ...given, search: { ...given.search, parallel } };
}

/** A function of the point and the step alone; some points fail, some diverge, some break the constraint. */
function someLoss(_: number, { lr, drop }: Params, step: number): number | null {
  const [x, y] = [Math.log10(Number(lr)) + 2, Number(drop)];
  if (y > 0.97 && step > 1) return null;
  if (y < 0.02) return NaN;
  return Math.round((x ** 2 + (y - 0.3) ** 2 + Math.sin(50 * x) / 5 + 1 / step) * 1e6) / 1e6;
}

function someSpec(seed: number, samplers: readonly [SamplerName, ...SamplerName[]] = light): StudySpec {
  const rng = createRng(seed, 1);
  const pick = <T>(...values: readonly [T, ...T[]]): T => values[rng.int(values.length)] ?? values[0];
  const hasFidelity = rng.next() < 0.9;
  return spec({
    space: {
      parameters: [
        parameter('lr', { type: 'float', low: 1e-4, high: 1, log: true, revlog: false, step: null }, 0.01),
        parameter('drop', { type: 'float', low: 0, high: 1, log: false, revlog: false, step: pick(null, 0.05) }, 0.5),
      ],
      where: [],
    },
    fidelity: hasFidelity ? fidelity(1, pick(3, 9, 27), pick(2, 3)) : null,
    checkpoint: pick(null, { dir: 'c' }),
    objectives: [{ metric: 'loss', direction: 'min', goal: pick(null, null, 0.06) }],
    constraints: pick<readonly string[]>([], ['loss < 2']),
    retry: { error: 0, memory: 1, timeout: 0, lost: 1_000, preempted: null },
    search: {
      sampler: pick(...samplers),
      scheduler: hasFidelity ? (schedulers[seed % schedulers.length] ?? 'auto') : 'auto',
      seed,
      batch: pick(1, 2, 3, 4, 7),
      liar: pick('min', 'mean', 'max', 'fantasy'),
    },
    budget: { trials: 8 + rng.int(25) },
  });
}

const light = ['random', 'qmc', 'tpe', 'evolution', 'cmaes'] as const;

/** Nothing is lost or done again, but reports come late and together, decisions are late, and agents die. */
function punctual(seed: number, parallel: number): Faults {
  return { ...someFaults(seed, parallel), lost: 0, preempted: 0, grouped: 0.7 };
}

function someFaults(seed: number, parallel: number): Faults {
  const rng = createRng(seed, parallel, 2);
  const sometimes = (probability: number) => (rng.next() < 0.7 ? probability : 0);
  return {
    ...noFaults,
    lost: sometimes(0.25),
    preempted: sometimes(0.3),
    repeated: sometimes(0.2),
    crash: sometimes(0.03),
    delayed: sometimes(0.4),
    grouped: sometimes(0.5),
  };
}
