import { type Command, Option } from 'commander';
import { exportCsv, exportJson } from '../store/index.ts';
import type { CommandLine } from './commandLine.ts';
import { viewOf } from './findStudy.ts';

interface ExportOptions {
  readonly format: 'json' | 'csv';
  readonly output?: string;
}

export function exportCommand(program: Command, line: CommandLine): void {
  program
    .command('export <study>')
    .description('all trials in one file')
    .addOption(new Option('--format <format>', 'file format').choices(['json', 'csv']).default('json'))
    .option('-o, --output <file>', 'write to a file instead of stdout')
    .action(async (study: string, { format, output }: ExportOptions) => {
      const view = await viewOf(line, study);
      await line.deliver(format === 'csv' ? exportCsv(view) : exportJson(view), output);
    });
}
