import type { Command } from 'commander';
import { clusterAgentCommands } from './clusterAgent.ts';
import { cleanClusterCommand } from './clusterClean.ts';
import { connectCommands } from './clusterConnect.ts';
import { createCommand } from './clusterCreate.ts';
import { destroyCommand } from './clusterDestroy.ts';
import { clusterStatusCommand } from './clusterStatus.ts';
import { testCommand } from './clusterTest.ts';
import type { CommandLine } from './commandLine.ts';

/** `hpo cluster …`: what trials on Kubernetes need. */
export function clusterCommands(program: Command, line: CommandLine): void {
  const cluster = program.command('cluster').description('the Kubernetes clusters on which trials run');
  createCommand(cluster, line);
  connectCommands(cluster, line);
  testCommand(cluster, line);
  clusterStatusCommand(cluster, line);
  cleanClusterCommand(cluster, line);
  clusterAgentCommands(cluster, line);
  destroyCommand(cluster, line);
}
