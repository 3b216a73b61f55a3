import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { constants } from 'node:os';
import type { Ending } from '../executor.ts';

/** A process that cannot be mistaken for a later one with the same id. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Start time as the system tells it: clock ticks since boot on Linux, a date elsewhere. */
  readonly ticks: string;
  /** Id of the boot; empty where the system has none. */
  readonly boot: string;
}

/** What an attempt's folder says. */
export type AttemptRecord =
  /** No shim has taken it. */
  | { readonly state: 'absent' }
  /** A shim has taken it; `program` is null for the moment until the program runs. */
  | {
      readonly state: 'started';
      readonly shim: ProcessIdentity | null;
      readonly program: ProcessIdentity | null;
      readonly oomKills: number;
    }
  | { readonly state: 'ended'; readonly ending: Ending; readonly program: ProcessIdentity | null; readonly oomKills: number };

/** Reads the records that the shim wrote. A record that a power cut left half-written counts as absent. */
export async function readAttemptRecord(dir: string): Promise<AttemptRecord> {
  // In this order: what is written later is read first, so that an end in between is not taken for a loss.
  const exit = await readJson(join(dir, 'exit.json'));
  const start = await readJson(join(dir, 'start.json'));
  const oomKills = numberOf(start?.['oom']) ?? 0;
  const program = start === null ? null : identityOf(start, 'pid', 'pidTicks');
  if (exit !== null) return { state: 'ended', ending: endingOf(exit), program, oomKills };
  const claim = start ?? (await readJson(join(dir, 'claim.json')));
  if (claim !== null) return { state: 'started', shim: identityOf(claim, 'shim', 'shimTicks'), program, oomKills };
  const isClaimed = (await stat(join(dir, 'claim.json')).catch(() => null)) !== null;
  return isClaimed ? { state: 'started', shim: null, program, oomKills } : { state: 'absent' };
}

export const lostEnding: Ending = { exitCode: null, signal: null, isTimeout: false, isOutOfMemory: false, isLost: true };

/** Records, in the shim's place, that the attempt vanished: the next agent then says the same. */
export async function recordLoss(dir: string): Promise<void> {
  const temporary = join(dir, `exit.json.${process.pid}`);
  await writeFile(temporary, '{"code":null,"timeout":false}\n');
  await rename(temporary, join(dir, 'exit.json'));
}

type Json = Readonly<Record<string, unknown>>;

async function readJson(path: string): Promise<Json | null> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any object is a record of unknowns
    return typeof value === 'object' && value !== null ? (value as Json) : null;
  } catch {
    return null;
  }
}

function endingOf(exit: Json): Ending {
  const code = numberOf(exit['code']);
  if (code === null) return lostEnding;
  const signal = signalNames.get(code - 128) ?? null;
  return {
    exitCode: signal === null ? code : null,
    signal,
    isTimeout: exit['timeout'] === true,
    isOutOfMemory: false,
    isLost: false,
  };
}

const signalNames: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.signals)
    .filter(([name]) => name !== 'SIGIOT' && name !== 'SIGPOLL' && name !== 'SIGUNUSED')
    .map(([name, number]) => [number, name]),
);

function identityOf(record: Json, pid: string, ticks: string): ProcessIdentity | null {
  const id = numberOf(record[pid]);
  const since = record[ticks];
  const boot = record['boot'];
  return id === null || typeof since !== 'string' ? null : { pid: id, ticks: since, boot: typeof boot === 'string' ? boot : '' };
}

function numberOf(value: unknown): number | null {
  return typeof value === 'number' && Number.isFinite(value) ? value : null;
}
