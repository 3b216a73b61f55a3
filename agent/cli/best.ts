import type { Command } from 'commander';
import { HpoError } from '../protocol/errors.ts';
import { formatMetric, formatParams, formatValue } from '../protocol/format.ts';
import { bestGainSentence, paretoFront } from '../protocol/gain.ts';
import { bestTrial, type StudyView } from '../protocol/view.ts';
import { printable } from '../protocol/printable.ts';
import { applyChange, type BestChange, bestChange } from './bestChange.ts';
import type { CommandLine } from './commandLine.ts';
import { viewOf } from './findStudy.ts';
import { formatTable } from './table.ts';

interface BestOptions {
  readonly json?: boolean;
  readonly apply?: boolean;
}

export function bestCommand(program: Command, line: CommandLine): void {
  program
    .command('best <study>')
    .description('the best values; --apply writes them into the source after showing the diff')
    .option('--json', 'print JSON')
    .option('--apply', 'write into the source')
    .action((study: string, options: BestOptions) => best(line, study, options));
}

async function best(line: CommandLine, study: string, options: BestOptions): Promise<void> {
  const view = await viewOf(line, study);
  if (view.spec.objectives.length > 1) {
    showFront(line, view, options);
    return;
  }
  const found = bestTrial(view);
  if (found === null)
    throw new HpoError('HPO-4021', `no trial of ${view.studyId} is complete yet`, `watch it: hpo status ${view.studyId}`);
  const change = await bestChange(view.spec, found);
  if (options.json === true) {
    line.printJson(found);
  } else {
    line.print(
      formatTable(Object.entries(found.params).map(([name, value]) => [printable(name), printable(formatValue(value))])),
    );
    line.note(printable(bestGainSentence(view)));
    if (change.patch !== '') line.print(`\n${printable(change.patch)}`);
    else if (change.left.length === 0) line.print('\nThe source holds these values already.');
  }
  for (const text of leftLines(change)) line.note(text);
  if (options.apply !== true) return;
  if (change.files.length > 0) {
    await applyChange(view.spec, change);
    line.note(`written: ${change.files.map(({ path }) => printable(path)).join(', ')}`);
  } else if (change.left.length > 0) {
    line.exitCode = 1;
    line.note('nothing was written');
  }
}

/** What a change leaves out, and why. */
export function leftLines(change: BestChange): string[] {
  return change.left.map(({ name, why }) => printable(`not written: ${name}: ${why}`));
}

function showFront(line: CommandLine, view: StudyView, options: BestOptions): void {
  const front = new Set(paretoFront(view));
  const trials = view.trials.filter(({ number }) => front.has(number));
  if (trials.length === 0)
    throw new HpoError('HPO-4021', `no trial of ${view.studyId} is complete yet`, `watch it: hpo status ${view.studyId}`);
  if (options.json === true) for (const { number, params, values } of trials) line.printJson({ number, params, values });
  else line.print(frontText(view));
  if (options.apply === true) {
    throw new HpoError(
      'HPO-4026',
      `${view.studyId} has ${view.spec.objectives.length} objectives and so no single best trial`,
      'choose one of the trials above and copy its values by hand',
    );
  }
}

/** The trials of a study with several objectives that no other trial beats. */
export function frontText(view: StudyView): string {
  const front = new Set(paretoFront(view));
  const metrics = view.spec.objectives.map(({ metric }) => metric);
  const rows = view.trials
    .filter(({ number }) => front.has(number))
    .map(({ number, values, params }) => [
      String(number),
      ...metrics.map((metric) => formatMetric(values[metric])),
      printable(formatParams(params)),
    ]);
  const aims = view.spec.objectives.map(({ metric, direction }) => `${printable(metric)} ${direction}`).join(', ');
  const head = `Several objectives (${aims}): there is no single best. Trials that no other one beats:`;
  return `${head}\n${formatTable([['#', ...metrics.map(printable), 'params'], ...rows])}`;
}
