import type { Command } from 'commander';
import { bridge } from '../client/index.ts';
import type { CommandLine } from './commandLine.ts';

/** An agent in a pod may be folding its journal. */
const waitMs = 50_000;

/** For programs alone: in the pod of a cluster's agent, and where the editor talks to that one by way of the command line. */
export function bridgeCommand(program: Command, line: CommandLine): void {
  program
    .command('bridge', { hidden: true })
    .description('carry stdin and stdout to the agent’s socket')
    .action(async () => {
      if (line.remoteAgent === null) await bridge(line.home, process.stdin, process.stdout, waitMs);
      else await line.remoteAgent.carry(process.stdin, process.stdout);
    });
}
