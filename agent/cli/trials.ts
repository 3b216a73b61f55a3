import type { Command } from 'commander';
import { droppedOf, droppedText } from '../protocol/dropped.ts';
import { formatDuration, formatMetric, formatParams, plural } from '../protocol/format.ts';
import { printable } from '../protocol/printable.ts';
import type { Failure } from '../protocol/study.ts';
import type { TrialView } from '../protocol/view.ts';
import { shownState, waitOf, waitText } from '../protocol/waits.ts';
import { trialLine } from '../store/index.ts';
import type { CommandLine } from './commandLine.ts';
import { viewOf } from './findStudy.ts';
import { formatTable } from './table.ts';

/** Trials with values that were left out which are named one by one. */
const maxDroppedTrials = 20;

export function trialsCommand(program: Command, line: CommandLine): void {
  program
    .command('trials <study>')
    .description('the trials of a study')
    .option('--json', 'one line per trial')
    .action((study: string, options: { readonly json?: boolean }) => trials(line, study, options.json === true));
}

async function trials(line: CommandLine, study: string, isJson: boolean): Promise<void> {
  const view = await viewOf(line, study, { withoutCurves: true });
  if (isJson) {
    for (const trial of view.trials) line.printJson(trialLine(view, trial));
    return;
  }
  const metrics = view.spec.objectives.map(({ metric }) => metric);
  const rows = view.trials.map((trial) => {
    const failure = shownFailure(trial);
    const wait = waitOf(trial);
    return [
      String(trial.number),
      shownState(trial),
      ...metrics.map((metric) => formatMetric(trial.values[metric])),
      String(trial.resource),
      trial.startedAt === null || trial.endedAt === null ? '' : formatDuration(trial.endedAt - trial.startedAt),
      printable(
        wait !== null
          ? `${formatParams(trial.params)}  ${waitText(wait)}`
          : failure === null
            ? formatParams(trial.params)
            : `${failure.code} ${failure.message}`,
      ),
    ];
  });
  line.print(formatTable([['#', 'state', ...metrics, view.spec.fidelity?.name ?? 'steps', 'time', 'params'], ...rows]));
  const dropped = droppedOf(view);
  if (dropped === null) return;
  line.note(`${printable(droppedText(dropped.all, view.spec.limits))}, of ${plural(dropped.trials, 'trial')}:`);
  for (const trial of view.trials.filter((one) => one.dropped !== null).slice(0, maxDroppedTrials))
    if (trial.dropped !== null) line.note(`  trial ${trial.number}: ${printable(droppedText(trial.dropped, view.spec.limits))}`);
}

/** Of a trial that waits to be tried again too. */
function shownFailure({ state, failure, attempts }: TrialView): Failure | null {
  return state === 'waiting' ? (attempts.at(-1)?.failure ?? null) : failure;
}
