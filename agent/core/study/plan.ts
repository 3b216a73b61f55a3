import type { StudyPlan } from '../../protocol/requests.ts';
import type { StudySpec } from '../../protocol/study.ts';
import { gridSteps } from '../samplers/grid.ts';
import { createSampler } from '../samplers/index.ts';
import { createScheduler, planBrackets, planResource, planRungs } from '../schedulers/index.ts';
import { compileSpace, type CompiledSpace } from '../space/index.ts';
import { baselineOf, schedulerConfig } from './baseline.ts';

/**
 * What a study will run, computed without running it: `auto` resolved, trials per rung, resource in all. What the trials'
 * own results change (a promotion more, a script that stops early, a goal) is not foreseen; see `planRungs`.
 *
 * @throws HpoError for a spec that cannot be run.
 */
export function planStudy(spec: StudySpec): StudyPlan {
  const space = compileSpace(spec.space);
  const hasBaseline = baselineOf(spec, space) !== null;
  const trials = plannedTrials(spec, space, hasBaseline);
  const config = { ...schedulerConfig(spec, hasBaseline), maxTrials: trials };
  const scheduler = createScheduler(spec.search.scheduler, config).name;
  const rungs = planRungs(spec.search.scheduler, config);
  const brackets = planBrackets(spec.search.scheduler, config) ?? [];
  const full = spec.fidelity === null || trials === null ? null : spec.fidelity.max * trials;
  const total = planResource(spec.search.scheduler, config);
  return {
    sampler: createSampler(spec.search.sampler).name,
    scheduler,
    trials,
    parallel: spec.search.parallel,
    batch: spec.search.batch ?? null,
    rungs,
    brackets: brackets.reduce((sum, { count }) => sum + count, 0) > 1 ? brackets : null,
    totalResource: total === null || spec.budget.resource === null ? total : Math.min(total, spec.budget.resource),
    fullResource: full,
  };
}

/** The budget, or less where the space or its grid has fewer points; null without an end. */
function plannedTrials({ search, budget }: StudySpec, space: CompiledSpace, hasBaseline: boolean): number | null {
  const limit = budget.trials ?? 10_000;
  const nPoints = space.count(limit);
  if (nPoints !== null) return Math.min(nPoints, limit);
  if (search.sampler !== 'grid') return budget.trials;
  const nGrid = gridSteps(space, budget.trials).reduce((product, steps) => product * steps, 1);
  // The script's own values are rarely on the grid.
  return Math.min(nGrid + (hasBaseline ? 1 : 0), budget.trials ?? Infinity);
}
