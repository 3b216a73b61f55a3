import type { Params } from '../../protocol/space.ts';
import type { StudySpec } from '../../protocol/study.ts';
import type { SchedulerConfig } from '../schedulers/index.ts';
import type { CompiledSpace } from '../space/index.ts';

export interface Baseline {
  readonly number: 0;
  readonly params: Params;
}

/**
 * Trial 0 has the script's own values, with which the best is compared. Null when a parameter has none, when they lie
 * outside of the space, or when a budget of resource does not reach for the full training that the comparison needs.
 */
export function baselineOf(spec: StudySpec, space: CompiledSpace): Baseline | null {
  const params = space.defaults();
  const { resource } = spec.budget;
  if (params === null || (spec.fidelity !== null && resource !== null && resource < spec.fidelity.max)) return null;
  return { number: 0, params };
}

export function schedulerConfig(spec: StudySpec, hasBaseline: boolean): SchedulerConfig {
  return {
    fidelity: spec.fidelity,
    directions: spec.objectives.map((objective) => objective.direction),
    parallel: spec.search.batch ?? spec.search.parallel,
    seed: spec.search.seed,
    mode: spec.search.mode ?? 'standard',
    hasCheckpoint: spec.checkpoint !== null,
    baseline: hasBaseline ? 0 : null,
    maxTrials: spec.budget.trials,
    isBatched: spec.search.batch !== undefined,
  };
}
