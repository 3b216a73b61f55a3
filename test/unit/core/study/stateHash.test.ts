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
  ashaPromoteFaults: '21381b0b9b1d8e5531fe14ae6ee539da3fdb4d58f54a94b300875bfa885da607',
  ashaStop: 'ebbe68fdf65bb3676ab7a1176b6cd6fcd07ad176fa9d830df87d01a2efbf10a6',
  batch: '3e81fcdf88a60535796dfea4fce2d46b61c53e954ea4b8a0a529f5ac0d57fb34',
  gpConstraint: '387c1c250b669415d716756a912806effb2ca52b2d64a33b5ee9f55c5bec7f8a',
  medianCommands: '20e9433a26ac5b11e5f05cadda90f1eaf987823ce4d8cb45f49946a074a1792c',
  pbt: '6dbd4878e9676c87e3cab7abe38435676ae404313b95bafb456faebf4869093f',
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
