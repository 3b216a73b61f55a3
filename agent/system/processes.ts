import type { Owner } from './files.ts';

/** A process that cannot be mistaken for a later one with the same id. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time as the system tells it: clock ticks since boot on Linux, a date elsewhere. */
  readonly ticks: string;
  /** Id of the boot; empty where the system has none. */
  readonly boot: string;
}

/** The processes of this machine. */
export interface Processes {
  /** The agent itself. */
  readonly ownPid: number;
  /** The user as whom it runs; null where users have no numbers. */
  readonly ownUser: Owner | null;
  /** Whether there is a POSIX shell, and signals; Windows has neither. */
  readonly hasShell: boolean;
  /**
   * Starts a program in a session of its own, its output appended to a file. Resolves when it runs, rejects when it cannot
   * be started. It does not keep the agent from ending.
   */
  spawn(options: SpawnOptions): Promise<Child>;
  /** Whether that very process lives; a zombie does not. */
  isAlive(identity: ProcessIdentity): Promise<boolean>;
  /** Sends a signal to the process group that the process leads; to the process alone while it has not made its group yet. False when it is gone. */
  signalGroup(pid: number, signal: NodeJS.Signals): boolean;
  /** Sends a signal to one process; false when it is gone or not ours. */
  send(pid: number, signal: NodeJS.Signals): boolean;
  /**
   * Processes, but for the agent itself, whose environment carries a mark (`HPO_ATTEMPT_KEY`) that the test accepts, wherever
   * they have gone: they keep it when they leave their group, their session and their parent.
   */
  findMarked(isOurs: (mark: string) => boolean): Promise<readonly number[]>;
  /** Kills by the kernel for want of memory since boot; null where the system does not count. */
  oomKills(): number | null;
}

export interface SpawnOptions {
  readonly program: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** File to which stdout and stderr are appended. */
  readonly output: string;
  /** Called once, when the process has exited. */
  readonly onExit: () => void;
}

export interface Child {
  readonly pid: number;
  /** Null while it runs, and for one that a signal ended. */
  readonly exitCode: number | null;
  readonly hasExited: boolean;
}
