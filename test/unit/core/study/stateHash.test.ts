import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { describe, expect, test } from 'vitest';
import { createStudy, fold, stateHash, type StudyState } from '../../../../agent/core/study/index.ts';
import { canonicalJson } from '../../../../agent/core/space/index.ts';
import type { JournalEntry } from '../../../../agent/protocol/events.ts';
import { replay } from './harness.ts';

/**
 * Journals that were recorded once, and the hash of the state that they lead to: on any machine, in any time zone and language. Whoever
 * changes what the state holds changes these, and sees it here.
 */
const goldens: Readonly<Record<string, string>> = {
  ashaPromoteFaults: '7c4eca671c71b5c3c6ae701f1e93ab3b768a69ae830a27137d01722d1518d12d',
  ashaStop: '1bd0065c4834cb96fe8cdff2614ab4514a260bbf867c1b5e6d1d4232e2cca9f0',
  batch: 'bc8c514732c8598b702bb36c8e93de44eb0aef15973884a86063e83b699e96aa',
  gpConstraint: 'ff4bfc81daae1668d03467654ac711293de060f4bbb2a1ebffaba390cd56b0a1',
  medianCommands: 'f8e2956d9377659ac9fd45aec47adfcb8ae73db87a4ad211ba4f45074f38dbdc',
  pbt: 'fe4630b6d6398b1b08ba7026a46c0ab08be22dc4e450aff3d52c230945599d71',
};

const root = join(import.meta.dirname, '..', '..', '..', '..');

describe('a recorded journal', () => {
  const files = Object.entries(goldens);
  test.each(files)('%s leads to its hash', (name, hash) => {
    expect(stateHash(replay(journalOf(name)))).toBe(hash);
  });

  test.each(files)('%s folded on, event by event, hashes as folded from the beginning', (name) => {
    const journal = journalOf(name);
    let state: StudyState | null = null;
    const every = Math.ceil(journal.length / 12);
    for (const [i, entry] of journal.entries()) {
      if (state === null) state = createStudy(entry);
      else fold(state, entry);
      if (i % every === 0) expect(stateHash(state)).toBe(stateHash(replay(journal.slice(0, i + 1))));
    }
  });

  test('leads there in another process, time zone and language too', () => {
    const program = `
      import { readFileSync } from 'node:fs';
      import { createStudy, fold, stateHash } from ${JSON.stringify(pathToFileURL(join(root, 'agent/core/study/index.ts')).href)};
      const [first, ...others] = readFileSync(process.argv[1], 'utf8').trimEnd().split('\\n').map((line) => JSON.parse(line));
      const state = createStudy(first);
      for (const entry of others) fold(state, entry);
      console.log(stateHash(state));`;
    const env = { ...process.env, TZ: 'Asia/Kathmandu', LC_ALL: 'tr_TR.UTF-8', LANG: 'tr_TR.UTF-8' };
    const run = spawnSync(process.execPath, ['--input-type=module', '-e', program, pathOf('medianCommands')], {
      env,
      encoding: 'utf8',
    });
    expect(run.stderr).toBe('');
    expect(run.stdout.trim()).toBe(goldens['medianCommands']);
  });

  test('a hash is of all that is known: it changes with every event, and with any value', () => {
    const journal = journalOf('ashaStop');
    const whole = stateHash(replay(journal));
    const last = journal.findLastIndex(({ event }) => event.type === 'metricReported');
    const changed = journal.map((entry, i) =>
      i === last && entry.event.type === 'metricReported'
        ? { ...entry, event: { ...entry.event, values: { loss: 1.0000000000000002 } } }
        : entry,
    );
    expect(stateHash(replay(changed))).not.toBe(whole);
    expect(stateHash(replay(journal.slice(0, -1)))).not.toBe(whole);
  });
});

describe('what is hashed', () => {
  test.each<[unknown, unknown]>([
    [
      { a: 1, b: 2 },
      { b: 2, a: 1 },
    ],
    [-0, 0],
    [{ a: undefined, b: null }, { b: null }],
    [NaN, 0 / 0],
  ])('%j is %j', (a, b) => expect(canonicalJson(a)).toBe(canonicalJson(b)));

  const all: readonly unknown[] = [
    null,
    'null',
    NaN,
    'NaN',
    Infinity,
    -Infinity,
    0,
    '0',
    [],
    {},
    [[]],
    new Map(),
    new Set(),
    new Map([[1, 2]]),
    new Map([
      [1, 2],
      [3, 4],
    ]),
    new Map([
      [3, 4],
      [1, 2],
    ]),
    new Set([1, 2]),
    new Set([2, 1]),
    [1, 2],
    new Float64Array([1, 2]),
    new Uint8Array([1, 2]),
    ['a', 'b'],
    ['a,b'],
    '\ud800',
    '\ud801',
  ];
  test('different things have different texts', () => {
    expect(new Set(all.map(canonicalJson)).size).toBe(all.length);
  });
});

function pathOf(name: string): string {
  return join(root, 'test', 'fixtures', 'journals', `${name}.jsonl`);
}

function journalOf(name: string): readonly JournalEntry[] {
  return readFileSync(pathOf(name), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as JournalEntry); // recorded by record.ts
}
