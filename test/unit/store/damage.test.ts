import { readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { beforeAll, describe, expect, test } from 'vitest';
import { HpoError } from '../../../agent/protocol/errors.ts';
import { openJournal } from '../../../agent/store/journal.ts';
import { openReadOnly } from '../../../agent/store/read.ts';
import { make, of, studyCreated, wholeTrial } from './studies.ts';
import { tempDir } from './tempDir.ts';

/** A whole journal of 40 trials, as bytes. */
let whole: Buffer;

beforeAll(() => {
  using dir = tempDir();
  {
    using journal = openJournal(dir.file('journal.db'));
    journal.append(of('a', [studyCreated()]));
    for (let number = 0; number < 40; number++) journal.append(of('a', wholeTrial(number)));
  }
  whole = readFileSync(dir.file('journal.db'));
});

const errorOf = (act: () => unknown): HpoError => {
  try {
    act();
  } catch (error) {
    if (error instanceof HpoError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

describe('a file that is not right', () => {
  test.each<[string, (file: string) => void, string, RegExp]>([
    ['text', (file) => writeFileSync(file, 'lr = 0.1\n'.repeat(200)), 'HPO-6004', /not an SQLite file/],
    ['the database of another program', (file) => otherDatabase(file), 'HPO-6004', /has the tables songs/],
    [
      'cut in the middle',
      (file) => writeFileSync(file, whole.subarray(0, whole.length >> 1)),
      'HPO-6005',
      /events 1 to \d+ can still be read/,
    ],
    [
      'cut inside a page',
      (file) => writeFileSync(file, whole.subarray(0, whole.length - 5000)),
      'HPO-6005',
      /events 1 to \d+ can still be read/,
    ],
    ['overwritten in the middle', (file) => writeFileSync(file, overwritten()), 'HPO-6005', /events 1 to \d+ can still be read/],
    ['of a newer version', (file) => newer(file), 'HPO-6006', /newer version/],
  ])('%s: a clear error, and not a byte is changed', (_, make_, code, message) => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    make_(file);
    const before = readFileSync(file);
    const error = errorOf(() => openJournal(file));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
    expect(error.next).not.toBe('');
    expect(readFileSync(file).equals(before)).toBe(true);
    // The lock is free again: the next opening says the same and not that it is in use.
    expect(errorOf(() => openJournal(file)).code).toBe(code);
  });

  test('what is before the damage can be read', () => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(file, whole);
    truncateSync(file, Math.floor(whole.length * 0.6));
    using reader = openReadOnly(file);
    const seqs: number[] = [];
    const error = errorOf(() => {
      for (const { seq } of reader.read(null, 0)) seqs.push(seq);
    });
    expect(error.code).toBe('HPO-6005');
    expect(seqs.length).toBeGreaterThan(10);
    expect(seqs).toEqual(seqs.map((__, index) => index + 1));
    expect(reader.verifyChain()).toMatchObject({ ok: false, intact: seqs.length });
  });

  test('an event that is no JSON any more ends the reading there', () => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(file, whole);
    const db = new DatabaseSync(file);
    db.exec(`UPDATE hpo_event SET body = substr(body, 1, 20) WHERE seq = 137`);
    db.close();
    using reader = openReadOnly(file);
    const seqs: number[] = [];
    const error = errorOf(() => {
      for (const { seq } of reader.read(null, 0)) seqs.push(seq);
    });
    expect(error).toMatchObject({ code: 'HPO-6005', message: expect.stringMatching(/no event after 136 can be read/) });
    expect(seqs).toHaveLength(136);
  });

  test('a list of studies that cannot be read is said', () => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(file, whole);
    {
      const db = new DatabaseSync(file);
      const page = db.prepare("SELECT rootpage FROM sqlite_master WHERE name = 'hpo_study'").get()?.['rootpage'];
      const { page_size: size } = db.prepare('PRAGMA page_size').get() ?? {};
      db.close();
      const bytes = readFileSync(file);
      bytes.fill(0xa5, (Number(page) - 1) * Number(size), Number(page) * Number(size));
      writeFileSync(file, bytes);
    }
    using reader = openReadOnly(file);
    expect(errorOf(() => reader.studies())).toMatchObject({
      code: 'HPO-6005',
      message: expect.stringMatching(/the list of its studies cannot be read/),
    });
  });

  test('one flipped bit in any event is found', () => {
    using dir = tempDir();
    // Bodies only: elsewhere a flipped bit damages the tree, which SQLite itself sees.
    const at = whole.indexOf('"type":"metricReported"', whole.length >> 2) + 30;
    const flipped = Buffer.from(whole);
    flipped[at] = (flipped[at] ?? 0) ^ 1;
    writeFileSync(dir.file('journal.db'), flipped);
    using reader = openReadOnly(dir.file('journal.db'));
    expect(reader.verifyChain()).toMatchObject({ ok: false, why: expect.stringMatching(/is not what was written/) });
  });

  test('a missing journal is not found (exit code 3), and reading makes none', () => {
    using dir = tempDir();
    expect(errorOf(() => openReadOnly(dir.file('none.db')))).toMatchObject({ code: 'HPO-6008', exitCode: 3 });
    expect(errorOf(() => openJournal(dir.file('no/such/folder/journal.db')))).toMatchObject({ code: 'HPO-6008' });
  });
});

test('a reader beside the writer sees what is committed and cannot write', () => {
  using dir = tempDir();
  using journal = openJournal(dir.file('journal.db'));
  journal.append(of('a', [studyCreated(), make.trial(0)]));
  using reader = openReadOnly(journal.path);
  journal.append(of('b', [studyCreated()]));
  expect(reader.studies()).toEqual(['a', 'b']);
  expect([...reader.read('a', 0)]).toEqual([...journal.read('a', 0)]);
  expect(reader.verifyChain()).toEqual({ ok: true, events: 3 });
});

function otherDatabase(file: string): void {
  const db = new DatabaseSync(file);
  db.exec('CREATE TABLE songs (title TEXT)');
  db.close();
}

function newer(file: string): void {
  writeFileSync(file, whole);
  const db = new DatabaseSync(file);
  db.exec(
    `UPDATE hpo_meta SET value = '99' WHERE key = 'schemaVersion'; PRAGMA journal_mode = DELETE; PRAGMA journal_mode = WAL`,
  );
  db.close();
}

/** The page of the last event is noise. */
function overwritten(): Buffer {
  const copy = Buffer.from(whole);
  const page = Math.floor(copy.lastIndexOf('"type":"trialEnded"') / 4096);
  copy.fill(0xa5, page * 4096, (page + 1) * 4096);
  return copy;
}
