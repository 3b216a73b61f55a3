import { plural } from '../../protocol/format.ts';
import type { Objective } from '../../protocol/space.ts';
import { metricNumber, type StudyView } from '../../protocol/view.ts';
import { History } from '../samplers/index.ts';
import { compileSpace, type CompiledSpace } from '../space/index.ts';

/** What the trials that ended say about one objective. Row-major places with one column a parameter, in order of arrival. */
export interface Evidence {
  readonly space: CompiledSpace;
  readonly objective: Objective;
  readonly count: number;
  /** Places in the unit cube, NaN where a parameter is inactive. */
  readonly unit: Float64Array;
  /**
   * Smaller is better. Infinity for a trial that has no value of its own: pruned, failed, infeasible, or with a value that is
   * no finite number. Such a trial is known not to be among the good ones, and no more.
   */
  readonly losses: Float64Array;
  /** Trials with a finite loss. */
  readonly ranked: number;
  /** What was counted and how, in one sentence. */
  readonly summary: string;
}

/** The objective with index `target`; pending trials say nothing yet. */
export function readEvidence(history: History, objectives: readonly Objective[], target = 0): Evidence {
  const objective = objectives[target];
  if (objective === undefined) throw new RangeError(`there are ${objectives.length} objectives, none numbered ${target}`);
  const width = history.space.parameters.length;
  const sign = objective.direction === 'min' ? 1 : -1;
  const unit = new Float64Array(history.size * width);
  const losses = new Float64Array(history.size);
  let count = 0;
  let ranked = 0;
  for (let row = 0; row < history.size; row++) {
    const { state, values } = history.at(row);
    if (state === 'pending') continue;
    const value = state === 'complete' ? (values[target] ?? NaN) : NaN;
    const isRanked = Number.isFinite(value);
    losses[count] = isRanked ? sign * value : Infinity;
    unit.set(history.unit.subarray(row * width, (row + 1) * width), count * width);
    count++;
    if (isRanked) ranked++;
  }
  return {
    space: history.space,
    objective,
    count,
    unit: unit.subarray(0, count * width),
    losses: losses.subarray(0, count),
    ranked,
    summary: summarize(ranked, count - ranked, objective.metric),
  };
}

/** The trials of a view as a history. Cancelled trials and those that the machine failed are left out. */
export function historyOf(view: StudyView): History {
  const { space, objectives } = view.spec;
  const history = new History(compileSpace(space));
  for (const { number, params, state, values, resource, failure } of view.trials) {
    if (state === 'cancelled' || (state === 'failed' && failure?.kind === 'infrastructure')) continue;
    const isPending = state === 'waiting' || state === 'running' || state === 'paused';
    history.upsert({
      number,
      params,
      state: isPending ? 'pending' : state,
      values: objectives.map(({ metric }) => metricNumber(values[metric])),
      resource,
    });
  }
  return history;
}

function summarize(ranked: number, others: number, metric: string): string {
  const base = `${plural(ranked, 'trial')} with a value of ${metric}`;
  return others === 0 ? `${base}.` : `${base}; ${others} without one (pruned, failed or infeasible) count as not good.`;
}
