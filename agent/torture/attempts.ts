import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { isRunning } from './machine.ts';
import type { World } from './world.ts';

/** Attempts whose program runs, by the records that their shims wrote. */
export interface RunningAttempt {
  readonly trial: number;
  readonly attempt: number;
  readonly folder: string;
  readonly shim: number;
  readonly program: number;
}

export function runningAttempts(world: World, studyId: string): readonly RunningAttempt[] {
  const folder = join(world.home, 'studies', studyId, 'trials');
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((trial) => /^\d+$/.test(trial))
    .flatMap((trial) =>
      readdirSync(join(folder, trial))
        .filter((name) => name.startsWith('attempt-'))
        .flatMap((name) => running(join(folder, trial, name), Number(trial), Number(name.slice('attempt-'.length)))),
    );
}

function running(folder: string, trial: number, attempt: number): readonly RunningAttempt[] {
  if (existsSync(join(folder, 'exit.json'))) return [];
  try {
    // The shim's own record, whole or not there.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const record = JSON.parse(readFileSync(join(folder, 'start.json'), 'utf8')) as { shim: number; pid: number };
    return isRunning(record.pid) ? [{ trial, attempt, folder, shim: record.shim, program: record.pid }] : [];
  } catch {
    // It has not begun.
    return [];
  }
}
