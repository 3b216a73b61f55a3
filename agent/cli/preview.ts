import type { Command } from 'commander';
import type { CommandLine } from './commandLine.ts';
import { diagnosticLines, preflightText, startFacts } from './preflightText.ts';
import { addTuneOptions, toRequest, type TuneOptions } from './tuneOptions.ts';

export function previewCommand(program: Command, line: CommandLine): void {
  addTuneOptions(program.command('preview <script>').description('what would run, before anything starts')).action(
    (script: string, options: TuneOptions) => preview(line, script, options),
  );
}

async function preview(line: CommandLine, script: string, options: TuneOptions): Promise<void> {
  const result = await (await line.agent()).request('study/preflight', toRequest(script, options, process.env));
  if (options.json === true) line.printJson({ ...result.plan, ...(result.container === null ? {} : startFacts(result)) });
  else line.print(preflightText(result, options.env, (text) => line.style('bold', text)));
  for (const text of diagnosticLines(result.diagnostics)) line.note(text);
  if (result.diagnostics.some(({ severity }) => severity === 'error')) line.exitCode = 1;
}
