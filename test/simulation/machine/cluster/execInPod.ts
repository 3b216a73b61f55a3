import type { ExecStreams } from '../../../../agent/cluster/cluster.ts';
import type { PodRun } from './podRun.ts';

/** What a command does that is run in a container beside its program, at once; returns its exit code. */
export function runInPod({ disk }: PodRun, command: readonly string[], { stdout, stderr }: ExecStreams): number {
  if (disk === null) return 1;
  const [name = '', ...args] = command;
  switch (name) {
    case 'cat': {
      const [path = ''] = args;
      if (disk.stat(path) === null) {
        stderr.write(`cat: ${path}: No such file or directory\n`);
        return 1;
      }
      stdout.write(disk.readText(path));
      return 0;
    }
    default:
      stderr.write(`${name}: not found\n`);
      return 127;
  }
}
