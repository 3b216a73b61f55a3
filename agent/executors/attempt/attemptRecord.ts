import { constants } from 'node:os';
import { join } from 'node:path';
import type { Files } from '../../system/files.ts';
import type { ProcessIdentity } from '../../system/processes.ts';
import type { System } from '../../system/system.ts';
import { type Ending, lostEnding } from '../executor.ts';
import { outputFileNames } from './outputFile.ts';

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
  | {
      readonly state: 'ended';
      readonly ending: Ending;
      readonly program: ProcessIdentity | null;
      readonly oomKills: number;
      /** Whether the shim was told to end it, by whomever. */
      readonly wasTold: boolean;
    };

/** Reads the records that the shim wrote. A record that a power cut left half-written counts as absent; rejects where the disk cannot be read. */
export async function readAttemptRecord(disk: Files, dir: string): Promise<AttemptRecord> {
  // In this order: what is written later is read first, so that an end in between is not taken for a loss.
  const exit = await readJson(disk, dir, 'exit.json');
  const start = await readJson(disk, dir, 'start.json');
  const oomKills = numberOf(start?.['oom']) ?? 0;
  const program = start === null ? null : identityOf(start, 'pid', 'pidTicks');
  if (exit !== null) {
    // A power cut may take the end of the output and leave the record: what cannot be read any more is lost.
    const isWhole = ((await disk.stat(join(dir, outputFileNames.out), dir))?.size ?? 0) >= (numberOf(exit['output']) ?? 0);
    return { state: 'ended', ending: isWhole ? endingOf(exit) : lostEnding, program, oomKills, wasTold: exit['told'] === true };
  }
  const claim = start ?? (await readJson(disk, dir, 'claim.json'));
  if (claim !== null) return { state: 'started', shim: identityOf(claim, 'shim', 'shimTicks'), program, oomKills };
  // A link is there where the attempt was given up before any shim took it; all else is a shim's, whatever became of it.
  const found = await disk.lstat(join(dir, 'claim.json'));
  return found?.isLink === false ? { state: 'started', shim: null, program, oomKills } : { state: 'absent' };
}

/** Records, in the shim's place, that the attempt vanished: the next agent then says the same. */
export function recordLoss(system: System, dir: string): Promise<void> {
  return recordEnd(system, dir, { code: null, timeout: false });
}

/** What the shim writes of an end, or what is known of it where the shim could not, or did not know. */
export interface EndRecord {
  /** As the shell tells it: 128 + its number for a signal. Null for a loss. */
  readonly code: number | null;
  readonly timeout: boolean;
  readonly outOfMemory?: boolean;
  /** See `Ending`. */
  readonly preempted?: boolean;
  readonly detail?: string;
  /** Bytes of output that there were. */
  readonly output?: number;
}

/** Records an end in the shim's place: the next agent then says the same. */
export function recordEnd({ files, failpoints }: System, dir: string, end: EndRecord): Promise<void> {
  return failpoints.step('attempt.loss', async () => {
    // The same for every agent, so that what one leaves half written the next one takes up.
    const temporary = join(dir, 'exit.json.lost');
    const path = join(dir, 'exit.json');
    try {
      // A program can have made folders of them, which nothing is written over.
      for (const place of [temporary, path]) if ((await files.lstat(place))?.isFolder === true) await files.remove(place);
      await files.writeText(temporary, failpoints.written('attempt.loss', `${JSON.stringify(end)}\n`));
      await files.rename(temporary, path);
    } catch (error) {
      await files.remove(temporary).catch(() => undefined);
      throw error;
    }
  });
}

type Json = Readonly<Record<string, unknown>>;

/** Ours are much shorter; the program can write anything in their place. */
const maxRecordBytes = 65_536;

/** What the program put in a record's place and is no file of the attempt's counts as no record. */
async function readJson(disk: Files, dir: string, name: string): Promise<Json | null> {
  // A record that cannot be read is not one that is missing: its attempt must not be started anew.
  const bytes = await disk.readFrom(join(dir, name), 0, maxRecordBytes, dir);
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(bytes));
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- any object is a record of unknowns
    return typeof value === 'object' && value !== null ? (value as Json) : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}

function endingOf(exit: Json): Ending {
  const code = numberOf(exit['code']);
  const isPreempted = exit['preempted'] === true;
  const detail = typeof exit['detail'] === 'string' ? exit['detail'] : '';
  if (code === null) return { ...lostEnding, isPreempted, detail };
  const signal = signalNames.get(code - 128) ?? null;
  return {
    exitCode: signal === null ? code : null,
    signal,
    isTimeout: exit['timeout'] === true,
    isOutOfMemory: exit['outOfMemory'] === true,
    isLost: false,
    isPreempted,
    detail,
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
