import { spawn as spawnChild } from 'node:child_process';
import { closeSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { execa } from 'execa';
import type { Child, Processes, ProcessIdentity, SpawnOptions } from './processes.ts';

const isLinux = process.platform === 'linux';
const isWindows = process.platform === 'win32';

/** The machine's own processes. */
export const nodeProcesses: Processes = {
  ownPid: process.pid,
  ownUser: process.getuid === undefined || process.getgid === undefined ? null : { uid: process.getuid(), gid: process.getgid() },
  hasShell: !isWindows,
  spawn,
  isAlive,
  signalGroup,
  send,
  findMarked,
  oomKills,
};

async function spawn({ program, args, folder, environment, output, onExit }: SpawnOptions): Promise<Child> {
  const file = openSync(output, 'a');
  try {
    const child = spawnChild(program, args, {
      cwd: folder,
      // A session of its own: the agent's end, and a Ctrl-C at its terminal, do not reach it.
      detached: true,
      windowsHide: true,
      stdio: ['ignore', file, file],
      env: environment,
    });
    const spawned = Promise.withResolvers<void>();
    child.once('spawn', spawned.resolve);
    child.once('error', spawned.reject);
    child.once('exit', onExit);
    child.unref();
    await spawned.promise;
    return {
      pid: child.pid ?? 0,
      get exitCode() {
        return child.exitCode;
      },
      get hasExited() {
        return child.exitCode !== null || child.signalCode !== null;
      },
    };
  } finally {
    closeSync(file);
  }
}

async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  if (!isLinux) return isAliveByPs(identity);
  if (identity.boot !== '' && identity.boot !== bootId()) return false;
  const fields = statFields(identity.pid);
  return fields !== null && fields[0] !== 'Z' && fields[0] !== 'X' && fields[19] === identity.ticks;
}

function signalGroup(pid: number, signal: NodeJS.Signals): boolean {
  if (isWindows) {
    // Windows has trees rather than groups, and no signals: without /F only windows are asked to close.
    void execa('taskkill', ['/PID', String(pid), '/T', ...(signal === 'SIGKILL' ? ['/F'] : [])], { reject: false });
    return true;
  }
  return send(-pid, signal) || send(pid, signal);
}

function send(pid: number, signal: NodeJS.Signals | 0): boolean {
  try {
    process.kill(pid, signal);
    return true;
  } catch {
    return false;
  }
}

/** Linux reads /proc (about 10 µs a process); elsewhere `ps` is asked, which shows the environment of the user's own processes only. */
async function findMarked(isOurs: (mark: string) => boolean): Promise<number[]> {
  if (isWindows) return [];
  if (!isLinux) return findMarkedByPs(isOurs);
  const found: number[] = [];
  for (const name of readdirSync('/proc')) {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) continue;
    const mark = readText(`/proc/${name}/environ`)?.match(/(?:^|\0)HPO_ATTEMPT_KEY=([^\0]*)/)?.[1];
    if (mark !== undefined && isOurs(mark)) found.push(pid);
  }
  return found;
}

/** In any control group. */
function oomKills(): number | null {
  const count = isLinux ? readText('/proc/vmstat')?.match(/^oom_kill (\d+)$/m)?.[1] : undefined;
  return count === undefined ? null : Number(count);
}

/** Fields of /proc/<pid>/stat from the third on: [0] state, [19] start time. */
function statFields(pid: number): string[] | null {
  const text = readText(`/proc/${pid}/stat`);
  return text === null ? null : text.slice(text.lastIndexOf(')') + 2).split(' ');
}

function bootId(): string {
  return readText('/proc/sys/kernel/random/boot_id')?.trim() ?? '';
}

function readText(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Gone in the meantime, or another user's.
    return null;
  }
}

async function isAliveByPs({ pid, ticks }: ProcessIdentity): Promise<boolean> {
  if (!send(pid, 0)) return false;
  if (isWindows) return true;
  const { stdout } = await execa('ps', ['-o', 'lstart=', '-p', String(pid)], { reject: false, env: { LC_ALL: 'C' } });
  return stdout.trim() === ticks.trim();
}

async function findMarkedByPs(isOurs: (mark: string) => boolean): Promise<number[]> {
  const { stdout } = await execa('ps', ['-E', '-ww', '-x', '-o', 'pid=,command='], {
    reject: false,
    maxBuffer: 64 * 1024 * 1024,
  });
  return stdout.split('\n').flatMap((line) => {
    const match = line.match(/^\s*(\d+) .*\bHPO_ATTEMPT_KEY=(\S+)/);
    return match?.[1] !== undefined && match[2] !== undefined && isOurs(match[2]) ? [Number(match[1])] : [];
  });
}
