import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { discoveredAgent } from '../client/index.ts';
import { HpoError } from '../protocol/errors.ts';
import { lastHolder } from '../store/index.ts';

const goneMs = 10_000;

/**
 * Kills the agent of a home, however stuck it is: the one that says that it is there, and the one that holds the journal.
 * Trials go on, as none of them is the agent's child. Returns the ids of what was killed; throws HPO-5017 where it lives on.
 */
export async function forceStop(home: string): Promise<readonly number[]> {
  const candidates = new Set([discoveredAgent(home)?.pid ?? 0, lastHolder(join(home, 'journal.db')) ?? 0]);
  // An id alone may have been taken over by another process.
  const agents = [...candidates].filter((pid) => pid > 0 && isAgentOf(pid, home));
  for (const pid of agents) process.kill(pid, 'SIGKILL');
  for (const deadline = performance.now() + goneMs; agents.some((pid) => isAgentOf(pid, home)); await delay(20)) {
    if (performance.now() < deadline) continue;
    throw new HpoError(
      'HPO-5017',
      `the agent (process ${agents.join(', ')}) does not end, though it was killed`,
      'it waits for the system, most likely for a disk or a network drive: see what is wrong with that one',
    );
  }
  return agents;
}

/** Whether the process is the agent of this home. A zombie has no arguments any more. */
export function isAgentOf(pid: number, home: string): boolean {
  const words = argumentsOf(pid);
  return words.includes('--home') && words.includes(home) && /\bagent\.cjs\b/.test(words);
}

function argumentsOf(pid: number): string {
  try {
    if (process.platform === 'linux') return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
    if (process.platform === 'win32') {
      const query = `(Get-CimInstance Win32_Process -Filter "ProcessId=${pid}").CommandLine`;
      return execFileSync('powershell', ['-NoProfile', '-Command', query], { encoding: 'utf8' });
    }
    return execFileSync('ps', ['-ww', '-o', 'command=', '-p', String(pid)], { encoding: 'utf8' });
  } catch {
    // There is no such process.
    return '';
  }
}
