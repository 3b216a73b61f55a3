import type { Params } from '../protocol/space.ts';
import type { Failure, MetricValues, TrialState } from '../protocol/study.ts';
import { type StudyView, type TrialView, bestTrial, countTrials, trialId } from '../protocol/view.ts';
import { shownState } from '../protocol/waits.ts';

/** A trial as the command line prints it, one a line: scripts rely on these names. Times are milliseconds since the epoch. */
export interface TrialLine {
  /** Unique over all studies. */
  readonly trialId: string;
  /** From 0. */
  readonly number: number;
  readonly state: TrialState;
  readonly params: Params;
  readonly values: MetricValues;
  /** Highest resource reached; 0 without a fidelity or a report. */
  readonly resource: number;
  /** How often it was started. */
  readonly attempts: number;
  readonly startedAt: number | null;
  readonly endedAt: number | null;
  /** Each attempt, the first one first: when it ran and how it ended. */
  readonly history: readonly AttemptLine[];
}

export interface AttemptLine {
  /** From 1. */
  readonly attempt: number;
  /** Null where it has not begun. */
  readonly startedAt: number | null;
  /** Null while it is asked for or runs. */
  readonly endedAt: number | null;
  readonly exitCode: number | null;
  /** Why it was told to end; null where it was not. */
  readonly stopReason: string | null;
  /** Why it did not deliver; null while it runs, and where it ended as it should. */
  readonly failure: Failure | null;
}

export function trialLine(view: StudyView, trial: TrialView): TrialLine {
  return {
    trialId: trialId(view.studyId, trial.number),
    number: trial.number,
    state: shownState(trial),
    params: trial.params,
    values: trial.values,
    resource: trial.resource,
    attempts: trial.attempts.length,
    startedAt: trial.startedAt,
    endedAt: trial.endedAt,
    history: trial.attempts.map(({ attempt, startedAt, endedAt, exitCode, stopReason, failure }) => {
      return { attempt, startedAt, endedAt, exitCode, stopReason, failure };
    }),
  };
}

/** The whole study as one JSON document: what it is, how it stands, and each trial's line with its curve and its reasons. */
export function exportJson(view: StudyView): string {
  const document = {
    studyId: view.studyId,
    name: view.spec.name,
    state: view.state,
    endReason: view.endReason,
    createdAt: view.createdAt,
    endedAt: view.endedAt,
    counts: countTrials(view),
    best: bestTrial(view),
    spec: view.spec,
    trials: view.trials.map((trial) => ({
      ...trialLine(view, trial),
      origin: trial.origin,
      reason: trial.reason,
      failure: trial.failure,
      curve: trial.curve,
      // Of very many reports the curve has some; the journal has all.
      reports: trial.thinning?.reports ?? trial.curve.length,
      dropped: trial.dropped,
    })),
  };
  return `${JSON.stringify(document, null, 2)}\n`;
}

/**
 * The trials as a table (RFC 4180: CRLF, quotes where needed): one column per parameter (`params.lr`) and metric
 * (`values.loss`), empty where a trial has none; times in ISO 8601, lists as JSON; `failures` tells of each attempt that failed
 * why, by its number. Text that a spreadsheet would run as a formula gets an apostrophe in front.
 */
export function exportCsv(view: StudyView): string {
  const params = columnNames(
    view.spec.space.parameters.map(({ name }) => name),
    view.trials.map((trial) => trial.params),
  );
  const metrics = columnNames(
    view.spec.objectives.map(({ metric }) => metric),
    view.trials.map((trial) => trial.values),
  );
  const header = [
    'trialId',
    'number',
    'state',
    ...params.map((name) => `params.${name}`),
    ...metrics.map((name) => `values.${name}`),
    'resource',
    'attempts',
    'startedAt',
    'endedAt',
    'failures',
  ];
  const rows = view.trials.map((trial) => {
    const line = trialLine(view, trial);
    return [
      text(line.trialId),
      String(line.number),
      line.state,
      ...params.map((name) => paramCell(line.params[name])),
      ...metrics.map((name) => String(line.values[name] ?? '')),
      String(line.resource),
      String(line.attempts),
      time(line.startedAt),
      time(line.endedAt),
      line.history.flatMap(({ attempt, failure }) => (failure === null ? [] : [failureText(attempt, failure)])).join('; '),
    ];
  });
  return [header.map(text), ...rows].map((cells) => `${cells.map(quote).join(',')}\r\n`).join('');
}

/** The names of the spec in its order, then those that only trials have, in order of appearance. */
function columnNames(first: readonly string[], records: readonly Readonly<Record<string, unknown>>[]): readonly string[] {
  return [...new Set([...first, ...records.flatMap((record) => Object.keys(record))])];
}

function paramCell(value: unknown): string {
  if (value === undefined) return '';
  if (typeof value === 'string') return text(value);
  return JSON.stringify(value);
}

function text(value: string): string {
  return /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
}

function failureText(attempt: number, { kind, code, message }: Failure): string {
  return `${attempt}: ${kind} ${code} ${message}`;
}

function time(at: number | null): string {
  return at === null ? '' : new Date(at).toISOString();
}

function quote(cell: string): string {
  return /[",\r\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell;
}
