import type { Command } from 'commander';
import { attemptText, retriesText } from '../protocol/attempts.ts';
import { droppedOf, droppedText } from '../protocol/dropped.ts';
import { HpoError } from '../protocol/errors.ts';
import { formatDuration, formatMetric, formatParams, plural } from '../protocol/format.ts';
import { printable } from '../protocol/printable.ts';
import type { Failure } from '../protocol/study.ts';
import type { StudyView, TrialView } from '../protocol/view.ts';
import { shownState, waitOf, waitText } from '../protocol/waits.ts';
import { trialLine } from '../store/index.ts';
import type { CommandLine } from './commandLine.ts';
import { viewOf } from './findStudy.ts';
import { localTime } from './localTime.ts';
import { trialNumber } from './numbers.ts';
import { formatTable } from './table.ts';

/** Trials with values that were left out which are named one by one. */
const maxDroppedTrials = 20;

export function trialsCommand(program: Command, line: CommandLine): void {
  program
    .command('trials <study>')
    .description('the trials of a study')
    .option('--trial <number>', 'only this one, with each of its attempts')
    .option('--json', 'one line per trial')
    .action((study: string, options: TrialsOptions) => trials(line, study, options));
}

interface TrialsOptions {
  readonly trial?: string;
  readonly json?: boolean;
}

async function trials(line: CommandLine, study: string, options: TrialsOptions): Promise<void> {
  const view = await viewOf(line, study, { withoutCurves: true });
  const only = options.trial === undefined ? null : trialAt(view, options.trial);
  const shown = only === null ? view.trials : [only];
  if (options.json === true) {
    for (const trial of shown) line.printJson(trialLine(view, trial));
    return;
  }
  line.print(trialsTable(view, shown));
  if (only !== null) line.print(`\n${attemptsTable(view, only, Date.now())}`);
  noteDropped(line, view, shown);
  if (only !== null && only.attempts.length > 1)
    line.note(`what one of them printed: hpo logs ${view.studyId} ${only.number} --attempt 1`);
}

function trialAt(view: StudyView, text: string): TrialView {
  const number = trialNumber(text, view.studyId);
  const found = view.trials[number];
  if (found !== undefined) return found;
  throw new HpoError('HPO-4005', `study ${view.studyId} has no trial ${number}`, `list them with: hpo trials ${view.studyId}`, {
    exitCode: 3,
  });
}

/** When each attempt of a trial began and ended, and how. */
export function attemptsTable(view: StudyView, { attempts }: TrialView, now: number): string {
  const time = (at: number | null): string => (at === null ? '' : localTime(at));
  const rows = attempts.map((attempt) => {
    const { startedAt, endedAt, failure } = attempt;
    return [
      String(attempt.attempt),
      time(startedAt),
      time(endedAt),
      failure?.code ?? '',
      printable(attemptText(attempt, view.spec, now)),
    ];
  });
  return formatTable([['attempt', 'started', 'ended', 'failure', 'how'], ...rows]);
}

function trialsTable(view: StudyView, shown: readonly TrialView[]): string {
  const metrics = view.spec.objectives.map(({ metric }) => metric);
  const rows = shown.map((trial) => {
    const failure = shownFailure(trial);
    const wait = waitOf(trial);
    return [
      String(trial.number),
      shownState(trial),
      ...metrics.map((metric) => formatMetric(trial.values[metric])),
      String(trial.resource),
      trial.startedAt === null || trial.endedAt === null ? '' : formatDuration(trial.endedAt - trial.startedAt),
      printable(
        [
          failure === null || wait !== null ? formatParams(trial.params) : `${failure.code} ${failure.message}`,
          wait === null ? '' : waitText(wait),
          retriesText(trial),
        ]
          .filter((part) => part !== '')
          .join('  '),
      ),
    ];
  });
  return formatTable([['#', 'state', ...metrics, view.spec.fidelity?.name ?? 'steps', 'time', 'params'], ...rows]);
}

function noteDropped(line: CommandLine, view: StudyView, shown: readonly TrialView[]): void {
  const dropped = droppedOf({ ...view, trials: [...shown] });
  if (dropped === null) return;
  line.note(`${printable(droppedText(dropped.all, view.spec.limits))}, of ${plural(dropped.trials, 'trial')}:`);
  for (const trial of shown.filter((one) => one.dropped !== null).slice(0, maxDroppedTrials))
    if (trial.dropped !== null) line.note(`  trial ${trial.number}: ${printable(droppedText(trial.dropped, view.spec.limits))}`);
}

/** Of a trial that waits to be tried again too. */
function shownFailure({ state, failure, attempts }: TrialView): Failure | null {
  return state === 'waiting' ? (attempts.at(-1)?.failure ?? null) : failure;
}
