import { type Disk, type FileNode } from './disk.ts';
import type { Kernel, Process } from './kernel.ts';
import type { Timeline } from './timeline.ts';

/** Time and disk as a program has them: the machine's, or what its container shows of them. */
export type ProgramTime = Pick<Timeline, 'now' | 'after'>;
export type ProgramDisk = Pick<Disk, 'stat' | 'readText' | 'writeText' | 'create' | 'append' | 'rename' | 'truncate'>;

/** What a program does: yields the milliseconds that it works or sleeps, returns its exit code. It can be killed at each yield. */
export type Program = (self: ProgramProcess) => Generator<number, number, undefined>;

/** A program as it sees itself. */
export interface ProgramProcess {
  readonly process: Process;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  readonly disk: ProgramDisk;
  /** Throws ENOSPC when the disk is full, having written a part. */
  print(text: string): void;
  /** Bytes in its output so far. */
  written(): number;
  ignoreTerm(): void;
  /** Leaves a process behind that has left the group, for so many milliseconds. */
  escape(ms: number, ignoresTerm: boolean): void;
  raise(signal: string): void;
}

export interface ProgramStart {
  readonly program: Program;
  readonly args: readonly string[];
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly folder: string;
  /** File for stdout and stderr, and its path. */
  readonly output: FileNode;
  readonly outputPath: string;
  readonly mark: string;
  /** The group of whoever starts it, which it leaves a moment later. */
  readonly parentGroup: number;
}

/** How long a program is in its parent's group, in ms. */
const setsidMs = 0.5;

export function runProgram(kernel: Kernel, timeline: ProgramTime, disk: ProgramDisk, start: ProgramStart): Process {
  const process = kernel.spawn('program', start.parentGroup, start.mark);
  timeline.after(setsidMs, () => {
    process.group = process.pid;
  });
  const self: ProgramProcess = {
    process,
    args: start.args,
    environment: start.environment,
    folder: start.folder,
    disk,
    print: (text) => disk.append(start.output, text, start.outputPath),
    written: () => start.output.size,
    ignoreTerm: () => {
      process.ignoresTerm = true;
    },
    escape: (ms, ignoresTerm) => {
      const child = kernel.spawn('escaped', null, start.mark);
      child.ignoresTerm = ignoresTerm;
      timeline.after(ms, () => kernel.end(child, 0));
    },
    raise: (signal) => void kernel.send(process.pid, signal),
  };
  const work = start.program(self);
  const goOn = (): void => {
    if (!process.isAlive) return;
    try {
      const { done, value } = work.next();
      if (!process.isAlive) return;
      if (done === true) kernel.end(process, value);
      else timeline.after(value, goOn);
    } catch {
      // As an uncaught exception of a script.
      kernel.end(process, 1);
    }
  };
  timeline.after(2 * setsidMs, goOn);
  return process;
}
