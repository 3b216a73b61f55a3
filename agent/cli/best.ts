import type { Command } from 'commander';
import { HpoError } from '../protocol/errors.ts';
import { formatValue } from '../protocol/format.ts';
import { bestGainSentence } from '../protocol/gain.ts';
import { bestTrial } from '../protocol/view.ts';
import { applyChange, bestChange } from './bestChange.ts';
import type { CommandLine } from './commandLine.ts';
import { viewOf } from './findStudy.ts';
import { formatTable, printable } from './printable.ts';

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
    line.print(change.patch === '' ? '\nThe source holds these values already.' : `\n${printable(change.patch)}`);
  }
  if (change.missing.length > 0) {
    line.note(
      `not in the source any more: ${change.missing.join(', ')} (the code moved on, or the value is passed in another way)`,
    );
  }
  if (options.apply === true && change.files.length > 0) {
    await applyChange(view.spec, change);
    line.note(`written: ${change.files.map(({ path }) => printable(path)).join(', ')}`);
  }
}
