import { createInterface } from 'node:readline/promises';
import type { Command } from 'commander';
import { HpoError } from '../protocol/errors.ts';
import { printable } from '../protocol/printable.ts';
import type { StudyCommand } from '../protocol/requests.ts';
import type { CommandLine } from './commandLine.ts';
import { findByFullId, findStudyId } from './findStudy.ts';
import { parallelOf } from './tuneOptions.ts';

export function studyCommands(program: Command, line: CommandLine): void {
  const add = (name: 'pause' | 'resume' | 'stop', description: string, done: string): void => {
    program
      .command(`${name} <study...>`)
      .description(description)
      .action(async (studies: string[]) => {
        for (const study of studies) await send(line, study, { type: name }, done);
      });
  };
  add('pause', 'start no new trials; those with a checkpoint are stopped and go on later', 'paused');
  add('resume', 'go on with a paused study', 'resumed');
  add('stop', 'end the study and its running trials; results stay', 'stopping');
  program
    .command('scale <study> <parallel>')
    .description('change how many trials run at once; auto: as many as the cluster has room for')
    .action((study: string, parallel: string) =>
      send(
        line,
        study,
        { type: 'scale', parallel: parallelOf('scale', parallel) },
        parallel === 'auto' ? 'follows the room of its cluster' : `runs ${parallel} at once`,
      ),
    );
  program
    .command('delete <study...>')
    .description('delete studies, by their full names, with their results and logs')
    .option('-y, --yes', 'do not ask')
    .action(async (studies: string[], options: { readonly yes?: boolean }) => {
      const client = await line.agent();
      const known = (await client.request('study/list', {})).studies;
      // Nothing is deleted where one of them is not to be found.
      const ids = new Set(studies.map((study) => findByFullId(known, study).studyId));
      for (const studyId of ids) {
        if (options.yes !== true) await confirm(`Delete ${studyId} with all its results?`);
        await client.request('study/command', { studyId, command: { type: 'delete' } });
        line.print(`${studyId} deleted`);
      }
    });
}

async function send(line: CommandLine, study: string, command: StudyCommand, done: string): Promise<void> {
  const client = await line.agent();
  const studyId = await findStudyId(client, study);
  await client.request('study/command', { studyId, command });
  line.print(`${studyId} ${done}`);
}

async function confirm(question: string): Promise<void> {
  if (!process.stdin.isTTY) throw new HpoError('HPO-4023', 'deleting needs a yes', 'add --yes', { exitCode: 2 });
  const prompt = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await prompt.question(`${printable(question)} [y/N] `);
  prompt.close();
  if (!/^y(es)?$/i.test(answer.trim())) throw new HpoError('HPO-4024', 'nothing was deleted', 'answer y to delete');
}
