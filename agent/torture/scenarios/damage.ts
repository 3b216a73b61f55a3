import {
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { HpoError } from '../../protocol/errors.ts';
import type { JournalEntry } from '../../protocol/events.ts';
import { inspect, readJournal } from '../inspect.ts';
import { missingProc, until } from '../machine.ts';
import { trialProgram } from '../program.ts';
import type { Scenario } from '../scenario.ts';
import { World } from '../world.ts';

const trials = 12;
const waitMs = 30_000;

interface Damage {
  readonly name: string;
  /** Does it to a home in which no agent runs. */
  readonly inflict: (world: World, studyId: string) => void;
  /** What the journal holds is untouched, so the study must go on. */
  readonly isHarmless?: boolean;
}

const journal = (world: World, suffix = ''): string => join(world.home, `journal.db${suffix}`);

const damages: readonly Damage[] = [
  { name: 'flipped bytes in the journal', inflict: (world) => flip(world, journal(world)) },
  { name: 'flipped bytes in the WAL', inflict: (world) => flip(world, journal(world, '-wal')) },
  { name: 'the end of the journal cut off', inflict: (world) => cut(world, journal(world)) },
  { name: 'the end of the WAL cut off', inflict: (world) => cut(world, journal(world, '-wal')) },
  { name: 'the WAL missing', inflict: (world) => rmSync(journal(world, '-wal')) },
  { name: 'the journal missing', inflict: (world) => rmSync(journal(world)) },
  { name: 'the journal empty', inflict: (world) => truncateSync(journal(world), 0) },
  {
    name: 'an older journal put in its place',
    inflict: (world) => {
      for (const suffix of ['', '-wal'])
        if (existsSync(journal(world, `.old${suffix}`))) renameSync(journal(world, `.old${suffix}`), journal(world, suffix));
    },
  },
  {
    name: 'the stored code missing',
    inflict: (world) => rmSync(join(world.home, 'snapshots'), { recursive: true }),
    isHarmless: true,
  },
  {
    name: 'the folders of attempts missing',
    inflict: (world, studyId) => rmSync(join(world.home, 'studies', studyId, 'trials'), { recursive: true }),
    isHarmless: true,
  },
  {
    name: 'the output of attempts missing',
    inflict: (world, studyId) => {
      const folder = join(world.home, 'studies', studyId, 'trials');
      for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }))
        if (name.endsWith('out.log')) rmSync(join(folder, name));
    },
    isHarmless: true,
  },
  {
    name: 'the socket and the discovery file missing',
    inflict: (world) => rmSync(join(world.home, 'run'), { recursive: true }),
    isHarmless: true,
  },
];

/**
 * An agent dies in the middle of a study and its files are damaged before the next one comes. That one says so with a clear
 * error, or goes on with everything that was recorded: never with less, and never without a word.
 */
export const damage: readonly Scenario[] = damages.map(({ name, inflict, isHarmless = false }) => ({
  name: `damage: ${name}`,
  kind: 'damaged or missing files',
  missing: () => Promise.resolve(missingProc()),
  async run(context) {
    await using world = new World(context, { program: trialProgram({ steps: 4 }) });
    const { findings } = world;
    const studyId = await world.create({ trials, parallel: 2 });
    const told = async (): Promise<number> => (await world.request('study/view', { studyId })).trials.length;
    await until(async () => (await told()) > 2, waitMs);
    for (const suffix of ['', '-wal']) copyFileSync(journal(world, suffix), journal(world, `.old${suffix}`));
    await until(async () => (await told()) > 5, waitMs);
    await world.killAgents();
    // Whatever still runs ends by itself: the damage is done in peace.
    await until(() => world.processes().length === 0, waitMs);
    const before = readJournal(world);
    for (const suffix of ['', '-wal']) copyFileSync(journal(world, suffix), journal(world, `.copy${suffix}`));
    inflict(world, studyId);
    findings.injected();
    const refusal = await world.connect().then(
      async (client) => {
        await client[Symbol.asyncDispose]();
        return null;
      },
      (error: unknown) => (error instanceof Error ? error : new Error(String(error))),
    );
    if (refusal !== null) {
      const isClear =
        refusal instanceof HpoError && /HPO-6\d{3}|journal/.test(`${refusal.code} ${refusal.message}`) && refusal.next !== '';
      findings.check('durable', isClear, `the damage is not told clearly: ${String(refusal)}`);
      findings.check('durable', !isHarmless, `it does not start, although the journal is whole: ${String(refusal)}`);
      return findings.outcome();
    }
    if (await damageIsTold(world, studyId)) {
      findings.check('durable', !isHarmless, 'it says that the journal is damaged, although that is whole', studyId);
      return findings.outcome();
    }
    findings.check(
      'durable',
      startsWith(readJournal(world), before),
      'events are missing, and the agent goes on without a word',
      studyId,
    );
    await inspect(world, { complete: null, mayStartAgain: true });
    return findings.outcome();
  },
}));

/** Whether the agent, which checks the journal while it goes on, refuses to go on with this one. */
async function damageIsTold(world: World, studyId: string): Promise<boolean> {
  try {
    await world.settled(studyId, waitMs);
    // Whoever asks for something new hears of it, at the latest.
    await world.create({ trials: 1 });
    return false;
  } catch (error) {
    if (error instanceof HpoError && error.code === 'HPO-6005') return true;
    throw error;
  }
}

function startsWith(entries: readonly JournalEntry[], beginning: readonly JournalEntry[]): boolean {
  return isDeepStrictEqual(entries.slice(0, beginning.length), beginning);
}

/** Eight bytes at random places. */
function flip(world: World, path: string): void {
  const bytes = readFileSync(path);
  if (bytes.length === 0) throw new Error(`${path} is empty: there is nothing to damage`);
  for (let i = 0; i < 8; i++) {
    const at = world.rng.int(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 + world.rng.int(255));
  }
  writeFileSync(path, bytes);
}

/** Up to half of it. */
function cut(world: World, path: string): void {
  const { size } = statSync(path);
  if (size === 0) throw new Error(`${path} is empty: there is nothing to cut off`);
  truncateSync(path, size - 1 - world.rng.int(Math.ceil(size / 2)));
}
