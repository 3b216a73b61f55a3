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
    case '/bin/sh': {
      // As the executor reads what a log has lost: a file, where to begin, and how many bytes.
      const [, , path = '', from = '0', count = '0'] = args;
      if (disk.stat(path) === null) return 1;
      stdout.write(disk.readFrom(path, Number(from), Number(count)));
      return 0;
    }
    default:
      stderr.write(`${name}: not found\n`);
      return 127;
  }
}
