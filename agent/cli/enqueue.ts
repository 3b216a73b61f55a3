import type { Command } from 'commander';
import type { CommandLine } from './commandLine.ts';
import { findStudyId } from './findStudy.ts';
import { pointOfWords } from './points.ts';

export function enqueueCommand(program: Command, line: CommandLine): void {
  program
    .command('enqueue <study> <name=value...>')
    .description('try a point as soon as a slot is free; what is left out keeps the script’s own value')
    .action(async (study: string, words: string[]) => {
      const params = pointOfWords(words);
      const client = await line.agent();
      const studyId = await findStudyId(client, study);
      await client.request('study/command', { studyId, command: { type: 'enqueue', params } });
      line.print(`${studyId} will try ${words.join(' ')}`);
    });
}
