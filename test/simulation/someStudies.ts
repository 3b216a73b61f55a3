import { createRng } from '../../agent/core/math/index.ts';
import type { Params } from '../../agent/protocol/space.ts';
import { schedulerNames, type StudySpec } from '../../agent/protocol/study.ts';
import { fidelity, spec } from '../unit/core/study/harness.ts';
import { type Faults } from './virtualStudy.ts';

/** A function of the point and the step. */
export function someLoss(number: number, params: Params, step: number): number {
  const lr = Number(params['lr'] ?? number);
  return Math.round((Math.log10(lr) + 2) ** 2 * 10) / 10 + 1 / step;
}

/** Any study: schedulers, fidelities, budgets, batches; all from the seed. */
export function someSpec(seed: number): StudySpec {
  const rng = createRng(seed, 1);
  const pick = <T>(...values: readonly [T, ...T[]]): T => values[rng.int(values.length)] ?? values[0];
  const hasFidelity = rng.next() < 0.8;
  const max = pick(1, 3, 9, 10, 27);
  const scheduler = hasFidelity ? pick(...schedulerNames) : 'auto';
  const isFlags = rng.next() < 0.1;
  const flags = { parameters: ['a', 'b'].map((name) => ({ ...flag, name })), where: [] };
  return spec({
    fidelity: hasFidelity ? fidelity(pick(1, 2, 0.5), max, pick(2, 3, 4)) : null,
    checkpoint: scheduler === 'pbt' ? { dir: 'c' } : pick(null, { dir: 'c' }),
    objectives: [{ metric: 'loss', direction: 'min', goal: pick(null, null, null, 0.3) }],
    constraints: pick<readonly string[]>([], [], ['loss < 5']),
    ...(isFlags ? { space: flags } : {}),
    search: {
      scheduler,
      seed,
      parallel: 1 + rng.int(6),
      ...(scheduler !== 'pbt' && seed % 4 === 0 ? { batch: 1 + rng.int(6) } : {}),
      ...(isFlags ? {} : { points: pick<readonly Params[]>([], [], [{ lr: 0.1 }, { lr: 0.01 }, { lr: 0.3 }]) }),
    },
    budget: {
      trials: pick(1, 2, 5, 12, 20),
      wallTimeMs: pick(null, null, null, 500, 5_000),
      resource: pick(null, null, null, 2, 50, 200),
    },
  });
}

const flag = {
  distribution: { type: 'categorical', choices: [false, true] },
  default: true,
  when: null,
  sink: { type: 'literal' },
  site: { file: 'train.py', line: 1, column: 1 },
  literal: null,
} as const;

/** Any mixture of faults. */
export function someFaults(seed: number): Faults {
  const rng = createRng(seed, 2);
  const sometimes = (probability: number) => (rng.next() < 0.5 ? probability : 0);
  return {
    lost: sometimes(0.2),
    preempted: sometimes(0.2),
    failed: sometimes(rng.next() < 0.3 ? 1 : 0.2),
    nan: sometimes(0.1),
    endsEarly: sometimes(0.2),
    outOfMemory: sometimes(0.15),
    storm: sometimes(0.01),
    outage: sometimes(0.005),
    repeated: sometimes(0.2),
    crash: sometimes(0.05),
    command: sometimes(0.05),
    delayed: sometimes(0.5),
    grouped: sometimes(0.4),
  };
}
