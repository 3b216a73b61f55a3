import { accessSync, constants, mkdirSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { execa } from 'execa';
import { howToInstall, shownCommand, type ToolCommand, type ToolName } from '../clusters/tools.ts';
import { HpoError } from '../protocol/errors.ts';
import { agree } from './clusterConfirm.ts';
import type { CommandLine } from './commandLine.ts';

/** Where the kubeconfig of a cluster lies that a tool made: beside the user's own, which is left as it is. */
export function kubeconfigOf(home: string, name: string): string {
  return join(home, 'kubeconfigs', `${name}.yml`);
}

/** @throws HpoError HPO-2491 before anything is asked or done */
export function requireTool(tool: ToolName): void {
  const folders = (process.env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  const names = process.platform === 'win32' ? [`${tool}.exe`, `${tool}.cmd`] : [tool];
  const isThere = folders.some((folder) => names.some((name) => isProgram(join(folder, name))));
  if (!isThere) throw new HpoError('HPO-2491', `${tool} is not on PATH`, howToInstall[tool], { exitCode: 4 });
}

/**
 * Shows the very commands, asks, and runs one after the other: the user's own programs, with their own login and settings. `onBegin` is
 * called once there is a yes: from then on something may be there.
 */
export async function runTool(
  line: CommandLine,
  commands: readonly ToolCommand[],
  isAgreed: boolean,
  onBegin: () => void = () => {},
): Promise<void> {
  for (const command of commands) line.note(`  ${line.style('bold', shownCommand(command), line.stderr)}`);
  await agree(`Run ${commands.length === 1 ? 'this' : `these ${commands.length}`}?`, isAgreed);
  onBegin();
  for (const { program, args, variables, input } of commands) {
    mkdirSync(dirname(kubeconfigOf(line.home, '')), { recursive: true, mode: 0o700 });
    const { exitCode, failed, signal } = await execa(program, args, {
      env: variables,
      stdin: input === '' ? 'inherit' : 'pipe',
      ...(input === '' ? {} : { input }),
      // stdout has the answer alone.
      stdout: process.stderr,
      stderr: 'inherit',
      reject: false,
    });
    if (failed) {
      throw new HpoError(
        'HPO-2492',
        `${program} ended with ${exitCode ?? signal ?? 'a fault'}`,
        `see what it says above; what it has made by then is removed by: hpo cluster destroy`,
      );
    }
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
