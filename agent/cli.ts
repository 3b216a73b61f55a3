/** The command line `hpo`. stdout is the answer, stderr the progress. */
import { Command, CommanderError } from 'commander';
import { agentCommands } from './cli/agentCommands.ts';
import { CommandLine } from './cli/commandLine.ts';
import { inspectCommands } from './cli/inspectCommands.ts';
import { studyCommands } from './cli/studyCommands.ts';
import { tuneCommands } from './cli/tuneCommands.ts';
import { version } from './version.ts';

async function main(): Promise<number> {
  const line = new CommandLine(process.stdout, process.stderr, process.env);
  const program = new Command('hpo')
    .description('Tune annotated scripts and put the best values back into the source.')
    .version(version)
    .showHelpAfterError('(run hpo --help for the commands)')
    .exitOverride();
  for (const add of [tuneCommands, inspectCommands, studyCommands, agentCommands]) add(program, line);
  try {
    await program.parseAsync();
    return line.exitCode;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return line.fail(error);
  } finally {
    await line.close();
  }
}

void main().then((exitCode) => {
  process.exitCode = exitCode;
});
