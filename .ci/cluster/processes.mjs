// Processes of a test cluster: each is known by its id and by what its command line says, so that none of anybody else's is ended.
import { spawn } from 'node:child_process';
import { openSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';

/** Starts it in a session of its own, with its output behind that of its last start. */
export function launch(program, args, { cwd, logFile }) {
  const log = openSync(logFile, 'a');
  const child = spawn(program, args, { cwd, stdio: ['ignore', log, log], detached: true });
  child.once('error', () => undefined);
  if (child.pid === undefined) throw new Error(`there is no ${program} on PATH`);
  child.unref();
  return child;
}

/** Asks it to end, and kills it where it has not in time; `SIGKILL` and `SIGSTOP` do what they say. */
export async function end(pid, folder, signal = 'SIGTERM') {
  for (const [name, ms] of [
    [signal, 15_000],
    ['SIGKILL', 10_000],
  ]) {
    if (!isOf(pid, folder)) return;
    process.kill(pid, name);
    for (const deadline = performance.now() + ms; isOf(pid, folder) && performance.now() < deadline; ) await delay(30);
  }
}

/** Whether it runs, and works in the folder or names it. */
export function isOf(pid, folder) {
  return commandLine(pid).some((part) => part.includes(folder));
}

/** Ids of all that name the folder. */
export function processesOf(folder) {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter((pid) => pid !== process.pid && isOf(pid, folder));
}

/** Empty for a process that is gone, or that has ended and not been waited for. */
function commandLine(pid) {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8')
      .split('\0')
      .filter((part) => part !== '');
  } catch {
    return [];
  }
}

/** Waits until `isDone`, which may reject meanwhile; throws with what it said last, and at once where `canBe` no more. */
export async function until(what, isDone, canBe = () => true, ms = 90_000) {
  const deadline = performance.now() + ms;
  let reason = '';
  for (;;) {
    try {
      if (await isDone()) return;
    } catch (error) {
      reason = `: ${error.message}`;
    }
    if (!canBe()) throw new Error(`${what} has ended${reason}`);
    if (performance.now() > deadline) throw new Error(`${what} does not answer after ${ms / 1000} s${reason}`);
    await delay(100);
  }
}
