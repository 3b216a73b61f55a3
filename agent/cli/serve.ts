import { once } from 'node:events';
import { createInterface } from 'node:readline';
import type { Command } from 'commander';
import type { CommandLine } from './commandLine.ts';
import { ServeSession } from './serveSession.ts';

export function serveCommand(program: Command, line: CommandLine): void {
  program
    .command('serve')
    .description('ask and tell by JSON lines on stdin and stdout, for programs in any language; ends with its input')
    .action(() => serve(line));
}

/** One line of answer for each line, at once, and nothing else on stdout. */
async function serve(line: CommandLine): Promise<void> {
  const session = new ServeSession();
  const requests = createInterface({ input: process.stdin, crlfDelay: Infinity });
  requests.on('line', (text) => line.print(session.answer(text)));
  await once(requests, 'close');
}
