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
  ashaPromoteFaults: 'aa07364000fd8f7ff0b5de4bfe0046defdc1520f1caf12d3bf54b70050f26a13',
  ashaStop: '52ea59cc31721493ae807e732075a432b4d05a8bb7947fdb8790ea78a625c7a8',
  batch: '8ab56454213b591e4e939ae4aa7bd16b8c4e92f176af117d50286438ea4e5d4a',
  gpConstraint: 'cbe4f4acf801c35e5d5b9f0d3238d64f2eac65bb0cd7018dcd1143898e2f5d4b',
  medianCommands: '71542e3ef1e65a093c19a7fbec4e8df131b4146ae25c9fa77ccd9b67ea2ec0a4',
  pbt: 'fdfd308cfb7bd21498e1d07e23ec9d270804332faa88a9de52536518801bf3a2',
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
