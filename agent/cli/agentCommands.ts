import type { Command } from 'commander';
import type { CommandLine } from './commandLine.ts';
import { forceStop } from './forceStop.ts';

export function agentCommands(program: Command, line: CommandLine): void {
  const agent = program.command('agent').description('the background process that owns the studies');
  agent
    .command('status')
    .description('whether it runs, and where')
    .option('--json', 'print JSON')
    .action(async (options: { readonly json?: boolean }) => {
      const client = await line.runningAgent();
      if (client === null) {
        line.exitCode = 3;
        if (options.json === true) line.printJson(null);
        else line.print('no agent is running; the next command that needs one starts it');
        return;
      }
      const status = await client.request('agent/status', {});
      if (options.json === true) line.printJson(status);
      else
        line.print(
          `agent ${status.version}, pid ${status.pid}, ${status.studies} studies\nsocket ${status.socket}\nhome   ${status.home}`,
        );
    });
  agent
    .command('stop')
    .description('end it; running trials go on and the next agent takes them over')
    .option('--force', 'kill it, where it does not answer')
    .action(async (options: { readonly force?: boolean }) => {
      if (options.force === true) {
        const killed = await forceStop(line.home);
        line.print(killed.length === 0 ? 'no agent is running' : `killed process ${killed.join(', ')}; running trials go on`);
        return;
      }
      const client = await line.runningAgent();
      if (client === null) {
        line.print('no agent is running');
        return;
      }
      await client.request('agent/stop', {});
      await client.closed;
      line.print('stopped; running trials go on');
    });
}
