import type { ParamValue } from '../agent/protocol/space.ts';
import type { TrialState } from '../agent/protocol/study.ts';
import type { StudyView, TrialView } from '../agent/protocol/view.ts';
import { shownState, waitingFor, waitOf, waitsOf } from '../agent/protocol/waits.ts';
import { formatDuration, formatNumber, formatValue, noValue } from '../agent/protocol/format.ts';
import { trialValue } from './insight.ts';

export interface Column {
  /** Stable over updates: sorting is kept by it. */
  readonly key: string;
  readonly title: string;
  readonly isNumeric: boolean;
  /** Width in CSS pixels. */
  readonly width: number;
  /** What rows are ordered by; null always goes last. */
  readonly order: (trial: TrialView) => number | string | null;
  readonly text: (trial: TrialView, now: number) => string;
}

export interface Sort {
  readonly key: string;
  readonly isDescending: boolean;
}

export const trialStates = [
  'running',
  'waiting',
  'paused',
  'complete',
  'pruned',
  'failed',
  'infeasible',
  'cancelled',
] as const satisfies readonly TrialState[];

/** Columns of a study's table: number, state, objectives, resource, the params that vary, duration. */
export function columnsOf(view: StudyView): Column[] {
  const columns: Column[] = [
    { key: 'number', title: 'Trial', isNumeric: true, width: 60, order: (t) => t.number, text: (t) => String(t.number) },
    {
      key: 'state',
      title: 'State',
      isNumeric: false,
      // What trials wait for is longer than any state.
      width: waitsOf(view).length === 0 ? 104 : 172,
      order: (t) => trialStates.indexOf(shownState(t)),
      text: (t) => {
        const wait = waitOf(t);
        return wait === null ? t.state : waitingFor(wait);
      },
    },
  ];
  for (const { metric } of view.spec.objectives) {
    columns.push({
      key: `value:${metric}`,
      title: metric,
      isNumeric: true,
      width: widthOf(metric, 92),
      order: (t) => finite(trialValue(t, metric)?.value),
      text: (t) => {
        const value = trialValue(t, metric);
        return value === null ? noValue : `${value.isFinal ? '' : '… '}${formatNumber(value.value)}`;
      },
    });
  }
  if (view.spec.fidelity !== null) {
    const { name, max } = view.spec.fidelity;
    columns.push({
      key: 'resource',
      title: name,
      isNumeric: true,
      width: widthOf(name, 78),
      order: (t) => t.resource,
      text: (t) => `${formatNumber(t.resource)} / ${formatNumber(t.target ?? max)}`,
    });
  }
  for (const name of varyingParams(view)) {
    columns.push({
      key: `param:${name}`,
      title: name,
      isNumeric: isNumericParam(view, name),
      width: widthOf(name, 80),
      order: (t) => orderOfParam(t.params[name]),
      text: (t) => formatValue(t.params[name]),
    });
  }
  columns.push({
    key: 'duration',
    title: 'Duration',
    isNumeric: true,
    width: 88,
    order: (t) => durationMs(t, Number.MAX_SAFE_INTEGER),
    text: (t, now) => {
      const ms = durationMs(t, now);
      return ms === null ? noValue : formatDuration(ms);
    },
  });
  return columns;
}

/** Time that the trial's attempts ran, to `now` for the one that runs; null before the first start. A pause costs noValue. */
export function durationMs(trial: TrialView, now: number): number | null {
  if (trial.startedAt === null) return null;
  return trial.attempts.reduce(
    (sum, { startedAt, endedAt }) => sum + (startedAt === null ? 0 : Math.max(0, (endedAt ?? now) - startedAt)),
    0,
  );
}

/** Parameters in the order of the script whose value differs between trials; all of them while there are fewer than two trials. */
export function varyingParams(view: StudyView): string[] {
  const names = view.spec.space.parameters.map((p) => p.name);
  const [first, ...others] = view.trials;
  if (first === undefined || others.length === 0) return names;
  return names.filter((name) => {
    const value = first.params[name];
    return others.some((trial) => !isSame(trial.params[name], value));
  });
}

export function isSame(a: ParamValue | undefined, b: ParamValue | undefined): boolean {
  return a === b || (typeof a === 'object' && typeof b === 'object' && JSON.stringify(a) === JSON.stringify(b));
}

/** Trials that pass the filter (an empty one lets all pass), in the order asked for; equal ones by number. */
export function visibleTrials(
  view: StudyView,
  states: readonly TrialState[],
  sort: Sort,
  columns: readonly Column[],
): TrialView[] {
  const column = columns.find((c) => c.key === sort.key) ?? columns[0];
  const trials = states.length === 0 ? view.trials.slice() : view.trials.filter((trial) => states.includes(shownState(trial)));
  if (column === undefined) return trials;
  const sign = sort.isDescending ? -1 : 1;
  const keyed = trials.map((trial) => ({ trial, key: column.order(trial) }));
  keyed.sort((a, b) => {
    if (a.key === null || b.key === null) return a.key === b.key ? a.trial.number - b.trial.number : a.key === null ? 1 : -1;
    const order =
      typeof a.key === 'number' && typeof b.key === 'number' ? a.key - b.key : String(a.key).localeCompare(String(b.key));
    return order === 0 ? a.trial.number - b.trial.number : sign * order;
  });
  return keyed.map((item) => item.trial);
}

/** How a click on a column's header changes the order: the better values of an objective come first. */
export function nextSort(view: StudyView, sort: Sort, key: string): Sort {
  if (sort.key === key) return { key, isDescending: !sort.isDescending };
  const objective = view.spec.objectives.find((o) => key === `value:${o.metric}`);
  return { key, isDescending: objective?.direction === 'max' };
}

function isNumericParam(view: StudyView, name: string): boolean {
  const type = view.spec.space.parameters.find((p) => p.name === name)?.distribution;
  return (
    type?.type === 'float' ||
    type?.type === 'int' ||
    (type?.type === 'ordinal' && type.choices.every((c) => typeof c === 'number'))
  );
}

function orderOfParam(value: ParamValue | undefined): number | string | null {
  if (value === undefined) return null;
  return typeof value === 'number' ? value : typeof value === 'string' ? value : JSON.stringify(value);
}

const finite = (value: number | undefined) => (value === undefined || Number.isNaN(value) ? null : value);
/** About 8 px a character of the bold header; long names are cut with an ellipsis. */
const widthOf = (title: string, least: number) => Math.max(least, Math.min(180, title.length * 8 + 18));
