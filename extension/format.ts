import { formatMetric, plural } from '../agent/protocol/format.ts';
import type { MetricValue, StudySpec } from '../agent/protocol/study.ts';
import { bestTrial, countTrials, stateHere, type StudyView, type TrialView } from '../agent/protocol/view.ts';

export function endedTrials(view: StudyView): number {
  const counts = countTrials(view);
  return counts.complete + counts.pruned + counts.failed + counts.infeasible + counts.cancelled;
}

/** The study's state in words: a study that paused itself is not one that its user paused. */
export function stateText({ state, failure, movedTo }: StudyView): string {
  if (movedTo !== null) return `moved to ${movedTo}`;
  return failure === null ? state : `${state} by itself`;
}

/** `Python 3.11.2: /usr/bin/python3 (project .venv)`; in containers their image, and what describes it. */
export function environmentText({ environment: { interpreter, version, reason }, container, cluster }: StudySpec): string {
  if (container === undefined) return `Python ${version}: ${interpreter} (${reason})`;
  const image = `image ${container.image.name} (${reason})`;
  return cluster === undefined ? `Docker ${image}` : `Kubernetes ${cluster.context}, namespace ${cluster.namespace}; ${image}`;
}

/** `3/20 · best 0.912`; the parts that are not known yet are left out. */
export function progressText(view: StudyView): string {
  const total = view.spec.budget.trials;
  const ended = endedTrials(view);
  const best = bestValue(view);
  return `${total === null ? ended : `${ended}/${total}`}${best === null ? '' : ` · best ${best}`}`;
}

/** `2 waiting` of a study that goes on here; why stands with its trials. Empty where none waits. */
export function waitingText(view: StudyView): string {
  const { waiting } = countTrials(view);
  return waiting === 0 || ['ended', 'moved'].includes(stateHere(view)) ? '' : `${waiting} waiting`;
}

/** The value of the first objective in the best trial; null while there is none. */
export function bestValue(view: StudyView): string | null {
  const best = bestTrial(view);
  const objective = view.spec.objectives[0];
  return best === null || objective === undefined ? null : formatMetric(best.values[objective.metric]);
}

/** The final value of the first objective, else the last one reported; null when nothing was. */
export function currentValue(view: StudyView, trial: TrialView): MetricValue | null {
  const metric = view.spec.objectives[0]?.metric;
  if (metric === undefined) return null;
  return trial.values[metric] ?? trial.curve.findLast((point) => point.values[metric] !== undefined)?.values[metric] ?? null;
}

/** The failures of a study merged by their message, the most frequent first: `12 of 12 trials failed: CUDA out of memory`. */
export function countedFailures(view: StudyView): string {
  const counts = new Map<string, number>();
  for (const { failure } of view.trials)
    if (failure !== null) counts.set(failure.message, (counts.get(failure.message) ?? 0) + 1);
  const [most] = [...counts].sort((a, b) => b[1] - a[1]);
  return most === undefined ? '' : `${most[1]} of ${plural(view.trials.length, 'trial')} failed: ${most[0]}`;
}
