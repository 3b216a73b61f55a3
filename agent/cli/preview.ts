import type { Command } from 'commander';
import type { CommandLine } from './commandLine.ts';
import { diagnosticLines, preflightText, startFacts } from './preflightText.ts';
import { checkEngine } from './sameEngine.ts';
import { addTuneOptions, toRequest, type TuneOptions } from './tuneOptions.ts';

export function previewCommand(program: Command, line: CommandLine): void {
  addTuneOptions(program.command('preview <script>').description('what would run, before anything starts')).action(
    (script: string, options: TuneOptions) => preview(line, script, options),
  );
}

async function preview(line: CommandLine, script: string, options: TuneOptions): Promise<void> {
  const client = await line.agent();
  if (options.on === 'docker' && line.remoteAgent === null) await checkEngine(line, client);
  const result = await client.request('study/preflight', toRequest(script, options, process.env));
  if (options.json === true) line.printJson({ ...result.plan, ...(result.container === null ? {} : startFacts(result)) });
  else line.print(preflightText(result, options.env, (text) => line.style('bold', text)));
  for (const text of diagnosticLines(result.diagnostics)) line.note(text);
  if (result.diagnostics.some(({ severity }) => severity === 'error')) line.exitCode = 1;
}
