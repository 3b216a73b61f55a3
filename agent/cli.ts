/** The command line `hpo`. stdout is the answer, stderr the progress. */
import { Command, CommanderError } from 'commander';
import { addAgentOption } from './cli/agentChoice.ts';
import { agentCommands } from './cli/agentCommands.ts';
import { bestCommand } from './cli/best.ts';
import { bridgeCommand } from './cli/bridge.ts';
import { cleanCommand } from './cli/clean.ts';
import { clusterCommands } from './cli/cluster.ts';
import { CommandLine } from './cli/commandLine.ts';
import { doctorCommand } from './cli/doctor.ts';
import { explainCommand } from './cli/explain.ts';
import { enqueueCommand } from './cli/enqueue.ts';
import { exportCommand } from './cli/exportCommand.ts';
import { imageCommand } from './cli/image.ts';
import { moveCommand } from './cli/move.ts';
import { logsCommand } from './cli/logs.ts';
import { previewCommand } from './cli/preview.ts';
import { replayCommand } from './cli/replay.ts';
import { reportCommand } from './cli/report.ts';
import { retryCommand } from './cli/retry.ts';
import { serveCommand } from './cli/serve.ts';
import { spaceCommand } from './cli/space.ts';
import { statusCommand } from './cli/status.ts';
import { studyCommands } from './cli/studyCommands.ts';
import { tortureCommand } from './cli/torture.ts';
import { trialsCommand } from './cli/trials.ts';
import { tuneCommands } from './cli/tune.ts';
import { version } from './version.ts';

/** In the order of `hpo --help`. */
const commands = [
  tuneCommands,
  previewCommand,
  spaceCommand,
  imageCommand,
  statusCommand,
  trialsCommand,
  logsCommand,
  bestCommand,
  explainCommand,
  exportCommand,
  reportCommand,
  replayCommand,
  serveCommand,
  studyCommands,
  retryCommand,
  enqueueCommand,
  moveCommand,
  cleanCommand,
  clusterCommands,
  doctorCommand,
  agentCommands,
  bridgeCommand,
  tortureCommand,
];

async function main(): Promise<number> {
  const line = new CommandLine(process.stdout, process.stderr, process.env);
  const program = new Command('hpo')
    .description('Tune annotated scripts and put the best values back into the source.')
    .version(version)
    .showHelpAfterError('(run hpo --help for the commands)')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => line.print(text.trimEnd()),
      writeErr: (text) => line.note(text.trimEnd()),
    });
  addAgentOption(program, line);
  for (const add of commands) add(program, line);
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
