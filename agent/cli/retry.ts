import type { Command } from 'commander';
import { HpoError } from '../protocol/errors.ts';
import { plural } from '../protocol/format.ts';
import type { CommandLine } from './commandLine.ts';
import { viewOf } from './findStudy.ts';
import { wholeNumber } from './tuneOptions.ts';

export function retryCommand(program: Command, line: CommandLine): void {
  program
    .command('retry <study> [trial...]')
    .description('try failed or cancelled trials again; a study that has ended goes on for them')
    .option('--failed', 'all trials that failed')
    .action((study: string, trials: string[], options: { readonly failed?: boolean }) =>
      retry(line, study, trials, options.failed === true),
    );
}

async function retry(line: CommandLine, study: string, trials: readonly string[], isAllFailed: boolean): Promise<void> {
  if (isAllFailed === trials.length > 0) {
    throw new HpoError(
      'HPO-4033',
      'say which trials are to be tried again',
      `hpo retry ${study} 3 5, or: hpo retry ${study} --failed`,
      {
        exitCode: 2,
      },
    );
  }
  const named = trials.map((text) => wholeNumber('retry', text, 0));
  const view = await viewOf(line, study);
  const { studyId } = view;
  const numbers = isAllFailed ? view.trials.filter(({ state }) => state === 'failed').map(({ number }) => number) : named;
  if (numbers.length === 0)
    throw new HpoError('HPO-4034', `no trial of ${studyId} has failed`, `see them with: hpo trials ${studyId}`);
  const client = await line.agent();
  // All at once: the study, which goes on with the first, is to know of all before it decides what is next.
  const sent = numbers.map((number) => client.request('study/command', { studyId, command: { type: 'retry', number } }));
  const results = await Promise.allSettled(sent);
  const refused = results.filter((result) => result.status === 'rejected');
  const nDone = numbers.length - refused.length;
  if (nDone > 0) line.print(`${studyId} tries ${plural(nDone, 'trial')} again`);
  for (const { reason } of refused) line.exitCode = line.fail(reason);
}
