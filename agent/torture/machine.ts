import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** The processes and ports of this machine, from /proc. */

/** Why scenarios cannot look at processes here, or null. */
export function missingProc(): string | null {
  return process.platform === 'linux' ? null : `needs Linux (looks at processes in /proc), this is ${process.platform}`;
}

/** Processes whose environment has the variable with this very value, but for this one; zombies are none. */
export function processesWith(variable: string, value: string): number[] {
  return readdirSync('/proc').flatMap((name) => {
    const pid = Number(name);
    if (!Number.isInteger(pid) || pid === process.pid) return [];
    const environment = read(`/proc/${name}/environ`);
    return environment.split('\0').includes(`${variable}=${value}`) && isRunning(pid) ? [pid] : [];
  });
}

/** False for a zombie, and for nothing at all. */
export function isRunning(pid: number): boolean {
  const state = stateOf(pid);
  return state !== '' && state !== 'Z' && state !== 'X';
}

/** `R`, `S`, `T` (stopped), `Z` …; empty when there is no such process. */
export function stateOf(pid: number): string {
  const text = read(`/proc/${pid}/stat`);
  return text.slice(text.lastIndexOf(')') + 2)[0] ?? '';
}

/** Its arguments, the program first. */
export function argumentsOf(pid: number): readonly string[] {
  return read(`/proc/${pid}/cmdline`).split('\0').slice(0, -1);
}

/** TCP ports on which the process listens, or that it has bound. */
export function openPorts(pid: number): readonly string[] {
  let links: string[];
  try {
    links = readdirSync(`/proc/${pid}/fd`).map((fd) => link(`/proc/${pid}/fd/${fd}`));
  } catch {
    return [];
  }
  const inodes = new Set(links.flatMap((text) => /^socket:\[(\d+)\]$/.exec(text)?.[1] ?? []));
  return ['tcp', 'tcp6', 'udp', 'udp6'].flatMap((table) =>
    read(`/proc/${pid}/net/${table}`)
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter((fields) => inodes.has(fields[9] ?? ''))
      .map((fields) => `${table} ${fields[1] ?? ''}`),
  );
}

/** Sends a signal; false where the process is gone. */
export function signal(pid: number, name: NodeJS.Signals): boolean {
  try {
    return process.kill(pid, name);
  } catch {
    return false;
  }
}

/** Asks until the answer is true, at most for `timeoutMs`; whether it became so. */
export async function until(isSo: () => boolean | Promise<boolean>, timeoutMs: number, everyMs = 20): Promise<boolean> {
  for (const deadline = performance.now() + timeoutMs; performance.now() < deadline; await delay(everyMs)) {
    if (await isSo()) return true;
  }
  return await isSo();
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Gone meanwhile, or another user's.
    return '';
  }
}

function link(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}
