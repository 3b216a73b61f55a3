import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { beforeAll, describe, expect, test } from 'vitest';
import { createJournalAudit } from '../../../agent/audit/journalAudit.ts';
import type { JournalEntry } from '../../../agent/protocol/events.ts';
import {
  besideJournal,
  compareDerived,
  finishRepair,
  notedEnd,
  openJournal,
  openReadOnly,
  repairedFile,
  repairJournal,
} from '../../../agent/store/index.ts';
import { make, of, params, studyCreated, studySpec, wholeTrial } from './studies.ts';
import { tempDir } from './tempDir.ts';

const created = studyCreated(studySpec({ budget: { trials: null, wallTimeMs: null, resource: null } }));

/** Trial n of study `studyId`, its point its own. */
const trialOf = (studyId: string, number: number) =>
  of(
    studyId,
    wholeTrial(number).map((event) =>
      event.type === 'trialCreated' ? { ...event, params: { ...params, lr: 1e-4 * (number + 1) } } : event,
    ),
  );

/** Study a runs alone for 20 trials, then a and b take turns for 20, then b alone; a journal of one file. */
let whole: Buffer;
let entries: readonly JournalEntry[];

beforeAll(() => {
  using dir = tempDir();
  {
    using journal = openJournal(dir.file('journal.db'));
    journal.append(of('a', [created]));
    for (let n = 0; n < 20; n++) journal.append(trialOf('a', n));
    journal.append(of('b', [created]));
    for (let n = 0; n < 20; n++) {
      journal.append(trialOf('a', 20 + n));
      const [first, ...rest] = trialOf('b', n);
      if (first?.event.type !== 'trialCreated') throw new Error('no trial');
      journal.append([{ ...first, event: { ...first.event, basedOn: journal.lastSeq() } }, ...rest]);
    }
    for (let n = 20; n < 30; n++) journal.append(trialOf('b', n));
    entries = [...journal.read(null, 0)];
  }
  whole = readFileSync(dir.file('journal.db'));
});

const at = (seq: number): JournalEntry => {
  const entry = entries[seq - 1];
  if (entry === undefined) throw new RangeError(`no event ${seq}`);
  return entry;
};

function sql(file: string, text: string): void {
  const db = new DatabaseSync(file);
  db.exec(text);
  db.close();
}

/** Noise in the page that holds the event. */
function spoilPage(file: string, seq: number): void {
  const bytes = readFileSync(file);
  const size = bytes.readUInt16BE(16);
  const place = bytes.indexOf(JSON.stringify(at(seq).event));
  expect(place).toBeGreaterThan(0);
  const page = Math.floor(place / size);
  bytes.fill(0xa5, page * size, (page + 1) * size);
  writeFileSync(file, bytes);
}

/** What a repaired journal holds: legal, chained, its tables its own, and going on. */
function checkRepaired(file: string): readonly JournalEntry[] {
  let kept: readonly JournalEntry[];
  {
    using reader = openReadOnly(file);
    kept = [...reader.read(null, 0)];
    expect(reader.verifyChain()).toEqual({ ok: true, events: kept.length });
  }
  expect(compareDerived(file)).toEqual([]);
  const audit = createJournalAudit();
  expect(kept.flatMap((entry) => audit.see(entry))).toEqual([]);
  using journal = openJournal(file);
  const [first] = journal.studies();
  if (first !== undefined) journal.append(of(first, [{ type: 'studyScaled', at: 1, parallel: 3 }]));
  expect(journal.verifyChain().ok).toBe(true);
  return kept;
}

const eventsOf = (kept: readonly JournalEntry[], studyId: string) =>
  kept.flatMap((entry) => (entry.studyId === studyId ? [entry.event] : []));
const writtenOf = (studyId: string, before = Infinity) =>
  entries.flatMap((entry) => (entry.studyId === studyId && entry.seq < before ? [entry.event] : []));
/** `basedOn` counts the events of the new journal. */
const withoutBase = (events: readonly object[]) => events.map((event) => ({ ...event, basedOn: undefined }));

describe('a damaged journal is put in order, and what is lost is said', () => {
  test.each<[string, (file: string) => void, { faults: readonly object[]; a: number; b: number }]>([
    [
      'one value changed',
      (file) => sql(file, `UPDATE hpo_event SET body = replace(body, '"loss":', '"l0s5":') WHERE seq = 15`),
      { faults: [{ from: 15, to: 15, studyId: 'a', why: 'not what was written' }], a: 15, b: Infinity },
    ],
    [
      'one bit of an event changed: it is put right',
      (file) => sql(file, `UPDATE hpo_event SET body = replace(body, '"loss":', '"moss":') WHERE seq = 15`),
      { faults: [], a: Infinity, b: Infinity },
    ],
    [
      'one byte of an event changed: it is put right',
      (file) => sql(file, `UPDATE hpo_event SET body = replace(body, '"loss":', '"lXss":') WHERE seq = 15`),
      { faults: [], a: Infinity, b: Infinity },
    ],
    [
      'a byte that is no text any more: it is put right',
      (file) =>
        sql(file, `UPDATE hpo_event SET body = CAST(x'fb' || substr(CAST(body AS BLOB), 2) AS TEXT) WHERE seq IN (15, 16, 300)`),
      { faults: [], a: Infinity, b: Infinity },
    ],
    [
      'one byte of whose and what an event is changed: it is put right',
      (file) =>
        sql(
          file,
          `UPDATE hpo_event SET studyId = 'c' WHERE seq = 15; UPDATE hpo_event SET type = 'T' || substr(type, 2) WHERE seq = 17`,
        ),
      { faults: [], a: Infinity, b: Infinity },
    ],
    [
      'no JSON any more',
      (file) => sql(file, 'UPDATE hpo_event SET body = substr(body, 1, 20) WHERE seq = 300'),
      { faults: [{ from: 300, to: 300 }], a: 0, b: 0 },
    ],
    [
      'its hash changed: nothing is lost',
      (file) => sql(file, `UPDATE hpo_event SET hash = zeroblob(32) WHERE seq = 15`),
      { faults: [], a: Infinity, b: Infinity },
    ],
    [
      'what it says of the one before changed: nothing is lost',
      (file) => sql(file, `UPDATE hpo_event SET prevHash = zeroblob(32) WHERE seq = 15`),
      { faults: [], a: Infinity, b: Infinity },
    ],
    [
      'the note of the end changed: nothing is lost',
      (file) => sql(file, `UPDATE hpo_meta SET value = 'x' WHERE key = 'head'`),
      { faults: [], a: Infinity, b: Infinity },
    ],
    [
      'an event is missing, before b began',
      (file) => sql(file, 'DELETE FROM hpo_event WHERE seq = 100'),
      { faults: [{ from: 100, to: 100, studyId: null, why: 'missing' }], a: 100, b: Infinity },
    ],
    [
      'an event is missing, both were there',
      (file) => sql(file, 'DELETE FROM hpo_event WHERE seq = 250'),
      { faults: [{ from: 250, to: 250, studyId: null }], a: 250, b: 250 },
    ],
    [
      'the last events are missing',
      (file) => sql(file, 'DELETE FROM hpo_event WHERE seq > 600'),
      { faults: [{ from: 601, studyId: null, why: 'missing at the end' }], a: 601, b: 601 },
    ],
    [
      'the derived tables are gone',
      (file) => sql(file, 'PRAGMA foreign_keys = OFF; DELETE FROM hpo_study; DELETE FROM trials'),
      { faults: [], a: Infinity, b: Infinity },
    ],
    [
      'another study in its name',
      (file) => sql(file, `UPDATE hpo_event SET studyId = 'other' WHERE seq = 15`),
      { faults: [{ from: 15, to: 15, studyId: null }], a: 15, b: Infinity },
    ],
  ])('%s', (_, damage, expected) => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(file, whole);
    damage(file);
    const before = readFileSync(file);
    const repaired = repairJournal(file, dir.file('aside'));
    expect(repaired.faults).toMatchObject(expected.faults);
    expect(repaired.faults).toHaveLength(expected.faults.length);
    // Behind what was kept, why a study does not go on by itself.
    const after = checkRepaired(file);
    const kept = after.slice(0, repaired.kept);
    const waiting = [...repaired.courses].filter(([, { fate }]) => fate === 'waits').map(([studyId]) => studyId);
    expect(after.slice(repaired.kept).flatMap(({ studyId, event }) => (event.type === 'studyPaused' ? studyId : []))).toEqual(
      waiting,
    );
    // 0: as far as the study of event 300 goes.
    const aBefore = expected.a === 0 ? (at(300).studyId === 'a' ? 300 : Infinity) : expected.a;
    const bBefore = expected.b === 0 ? (at(300).studyId === 'b' ? 300 : Infinity) : expected.b;
    expect(withoutBase(eventsOf(kept, 'a'))).toEqual(withoutBase(writtenOf('a', aBefore)));
    expect(withoutBase(eventsOf(kept, 'b'))).toEqual(withoutBase(writtenOf('b', bBefore)));
    // Nothing is deleted.
    expect(readFileSync(dir.file('aside/journal.db')).equals(before)).toBe(true);
    const nCut = [...repaired.cut.values()].reduce((sum, { events }) => sum + events, 0);
    const nLost = repaired.faults.reduce((sum, { from, to }) => sum + to - from + 1, 0);
    expect(repaired.kept + nCut + nLost).toBe(entries.length);
    expect(repaired.lastSeq).toBe(entries.length);
  });

  test('a page of noise: the other study, and all before it, are kept', () => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(file, whole);
    spoilPage(file, 120);
    const repaired = repairJournal(file, dir.file('aside'));
    expect(repaired.faults).toMatchObject([{ studyId: null, why: expect.stringMatching(/cannot be read/) }]);
    const [{ from, to } = { from: NaN, to: NaN }] = repaired.faults;
    expect(from).toBeLessThanOrEqual(120);
    expect(to).toBeGreaterThanOrEqual(120);
    const kept = checkRepaired(file);
    expect(withoutBase(eventsOf(kept, 'a'))).toEqual(withoutBase(writtenOf('a', from)));
    expect(withoutBase(eventsOf(kept, 'b'))).toEqual(withoutBase(writtenOf('b')));
  });

  test('any damage of the first page, which says where all else is: everything is kept', () => {
    const spoilt: readonly (readonly [string, (bytes: Buffer) => void])[] = [
      // The magic, the size of a page, the format, the number of pages, the schema's version, the encoding, the tree of the schema.
      ...[3, 17, 18, 31, 47, 59, 100, 104, 108].map(
        (place) => [`byte ${place}`, (bytes: Buffer) => (bytes[place] = (bytes[place] ?? 0) ^ 4)] as const,
      ),
      ['its schema', (bytes) => bytes.fill(0xa5, 2_000, 4_000)],
      ['all of it', (bytes) => bytes.fill(0, 0, 4_096)],
    ];
    for (const [what, spoil] of spoilt) {
      using dir = tempDir();
      const file = dir.file('journal.db');
      const bytes = Buffer.from(whole);
      spoil(bytes);
      writeFileSync(file, bytes);
      const { kept, faults } = repairJournal(file, dir.file('aside'));
      expect({ what, kept, faults }).toEqual({ what, kept: entries.length, faults: [] });
      using reader = openReadOnly(file);
      expect([...reader.read(null, 0)]).toEqual(entries);
    }
  });

  test('what a proposal knew is counted anew', () => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(file, whole);
    sql(file, `UPDATE hpo_event SET body = '{}' WHERE seq = 50`);
    repairJournal(file, dir.file('aside'));
    for (const { event, seq } of checkRepaired(file)) {
      if (event.type === 'trialCreated' && event.basedOn !== undefined) expect(event.basedOn).toBeLessThan(seq);
    }
  });

  test.each([
    [0.95, 500],
    [0.6, 100],
    [0.3, 0],
  ])('cut to %d of its size: what is left goes on', (share, least) => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(file, whole);
    truncateSync(file, Math.floor(whole.length * share));
    const repaired = repairJournal(file, dir.file('aside'));
    expect(repaired.faults.length).toBeGreaterThan(0);
    const kept = checkRepaired(file);
    expect(kept.length).toBeGreaterThanOrEqual(least);
    const firstLost = Math.min(...repaired.faults.map(({ from }) => from));
    expect(kept.slice(0, firstLost - 1)).toEqual(entries.slice(0, firstLost - 1));
  });

  test('with a WAL: what only the WAL holds is kept, and moved aside with the rest', () => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    {
      using journal = openJournal(file, { checkpointMs: null });
      journal.append(of('a', [created]));
      journal.checkpoint();
      journal.append(trialOf('a', 0));
      for (const suffix of ['', '-wal']) writeFileSync(dir.file(`copy.db${suffix}`), readFileSync(`${file}${suffix}`));
    }
    const repaired = repairJournal(dir.file('copy.db'), dir.file('aside'));
    expect(repaired).toMatchObject({ kept: 11, faults: [] });
    expect(readdirSync(dir.file('aside')).sort()).toEqual(['copy.db', 'copy.db-shm', 'copy.db-wal']);
    expect(checkRepaired(dir.file('copy.db'))).toHaveLength(11);
  });

  test('the note of the end goes aside with the damaged journal: the new one may be shorter', () => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(file, whole);
    {
      using _journal = openJournal(file);
    }
    expect(notedEnd(file)).toBe(entries.length);
    sql(file, 'DELETE FROM hpo_event WHERE seq > 600');
    expect(() => openJournal(file)).toThrow(expect.objectContaining({ code: 'HPO-6005' }));
    const { kept } = repairJournal(file, dir.file('aside'));
    expect(readdirSync(dir.file('aside'))).toContain('journal.db.end');
    expect(kept).toBe(600);
    expect(checkRepaired(file).length).toBeLessThan(entries.length);
  });

  test('an interrupted repair is not taken for a journal, and is brought to its end', () => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(file, whole);
    sql(file, 'DELETE FROM hpo_event WHERE seq = 100');
    repairJournal(file, dir.file('aside'));
    renameSync(file, repairedFile(file));
    expect(() => openJournal(file)).toThrow(expect.objectContaining({ code: 'HPO-6009' }));
    expect(existsSync(file)).toBe(false);
    finishRepair(file, dir.file('aside2'));
    expect(checkRepaired(file).length).toBeGreaterThan(99);
  });

  test.each(besideJournal)(
    'interrupted before journal.db%s is moved: the journal goes last, and no agent begins a new one',
    (suffix) => {
      using dir = tempDir();
      const file = dir.file('journal.db');
      writeFileSync(file, whole);
      sql(file, 'DELETE FROM hpo_event WHERE seq = 100');
      for (const name of ['-shm', '-wal', '.end']) writeFileSync(`${file}${name}`, '');
      // It cannot be moved: a folder is in its place.
      mkdirSync(dir.file(`aside/journal.db${suffix}/x`), { recursive: true });
      expect(() => repairJournal(file, dir.file('aside'))).toThrow(/EISDIR|ENOTEMPTY|EEXIST|EPERM/);
      expect(besideJournal.filter((name) => !existsSync(`${file}${name}`))).toEqual(
        besideJournal.slice(0, besideJournal.indexOf(suffix)),
      );
      expect(existsSync(file)).toBe(true);
      expect(() => openJournal(file)).toThrow(expect.objectContaining({ code: 'HPO-6009' }));
      expect(finishRepair(file, dir.file('aside2'))).toBe(true);
      expect(existsSync(repairedFile(file))).toBe(false);
      expect(checkRepaired(file).length).toBeGreaterThan(99);
    },
  );

  test.each<[string, (repaired: string) => void]>([
    ['no SQLite file', (repaired) => writeFileSync(repaired, 'x\n')],
    ['empty', (repaired) => writeFileSync(repaired, '')],
    ['cut', (repaired) => writeFileSync(repaired, whole.subarray(0, whole.length / 2))],
    [
      'a journal of which an event was changed',
      (repaired) => {
        writeFileSync(repaired, whole);
        sql(repaired, `UPDATE hpo_event SET body = '{}' WHERE seq = 50`);
      },
    ],
    [
      'a journal that lacks its end',
      (repaired) => {
        writeFileSync(repaired, whole);
        sql(repaired, 'DELETE FROM hpo_event WHERE seq > 600');
      },
    ],
  ])('what lies in the place of a repaired journal and is none is not put in place of a whole one: %s', (_, write) => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(file, whole);
    write(repairedFile(file));
    expect(finishRepair(file, dir.file('aside'))).toBe(false);
    expect(readFileSync(file).equals(whole)).toBe(true);
    expect(readdirSync(dir.file('aside'))).toEqual(['journal.db.repaired']);
    expect(checkRepaired(file)).toHaveLength(entries.length);
  });

  test('where there can be no folder for the damaged files, nothing is changed', () => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(file, whole);
    sql(file, 'DELETE FROM hpo_event WHERE seq = 100');
    writeFileSync(dir.file('aside'), 'a file');
    const names = () => readdirSync(dir.path).sort();
    const before = names();
    for (const aside of ['aside', 'aside/now']) {
      expect(() => repairJournal(file, dir.file(aside))).toThrow(
        expect.objectContaining({ code: 'HPO-6012', message: expect.stringMatching(/Nothing was changed/) }),
      );
      expect(names()).toEqual(before);
    }
  });

  test('a WAL without its journal is refused and kept', () => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(`${file}-wal`, 'all that is left');
    expect(() => openJournal(file)).toThrow(
      expect.objectContaining({ code: 'HPO-6005', message: expect.stringMatching(/missing or empty/) }),
    );
    expect(readFileSync(`${file}-wal`, 'utf8')).toBe('all that is left');
    expect(existsSync(file)).toBe(false);
  });
});

describe('derived tables are compared with the events', () => {
  test.each<[string, string, readonly object[]]>([
    ['as they should be', '', []],
    [
      'a value is another',
      'UPDATE trial_values SET value = value + 1 WHERE trial_id = 3',
      [{ table: 'trial_values', missing: 1 }],
    ],
    [
      'a trial is gone',
      'DELETE FROM hpo_trial WHERE trial_id = 3',
      [{ table: 'hpo_trial', missing: 1, extra: 0 }, { table: 'trials' }],
    ],
    [
      'a state is another',
      "UPDATE hpo_study SET state = 'ended' WHERE studyId = 'a'",
      [{ table: 'hpo_study', missing: 1, extra: 1 }],
    ],
    ['a table is gone', 'DROP TABLE trial_params', [{ table: 'trial_params' }]],
    [
      "a note of Optuna's dashboard",
      `INSERT INTO study_user_attributes (study_id, "key", value_json) VALUES (1, 'dashboard:note', '"x"')`,
      [],
    ],
    [
      "a study of somebody's own",
      `INSERT INTO studies VALUES (77, 'mine'); INSERT INTO trials (trial_id, number, study_id, state) VALUES (7777, 0, 77, 'RUNNING')`,
      [],
    ],
  ])('%s', (_, change, expected) => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(file, whole);
    sql(file, change);
    const found = compareDerived(file).filter(
      ({ table }) =>
        change === '' || !table.startsWith('trial_') || expected.some((row) => 'table' in row && row.table === table),
    );
    expect(found).toMatchObject(expected);
    if (expected.length === 0) return;
    using journal = openJournal(file);
    journal.rebuild();
    expect(compareDerived(file)).toEqual([]);
  });
});

describe('reading changes nothing', () => {
  const listing = (path: string) =>
    readdirSync(path)
      .sort()
      .map((name) => [name, statSync(`${path}/${name}`).mtimeMs, readFileSync(`${path}/${name}`).toString('base64')]);

  test('of a journal that was closed: no file is made beside it, also in a folder that nobody may write to', () => {
    using dir = tempDir();
    writeFileSync(dir.file('journal.db'), whole);
    for (const mode of [0o700, 0o500]) {
      chmodSync(dir.path, mode);
      const before = listing(dir.path);
      {
        using reader = openReadOnly(dir.file('journal.db'));
        expect(reader.verifyChain()).toEqual({ ok: true, events: entries.length });
        expect(reader.isOutdated()).toBe(false);
      }
      expect(compareDerived(dir.file('journal.db'))).toEqual([]);
      expect(listing(dir.path)).toEqual(before);
    }
    chmodSync(dir.path, 0o700);
  });

  test('of one whose agent was killed: the journal and its WAL stay as they are, and all is read', () => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    {
      using journal = openJournal(file, { checkpointMs: null });
      journal.append(of('a', [created, make.trial(0)]));
      for (const suffix of ['', '-wal']) writeFileSync(dir.file(`copy.db${suffix}`), readFileSync(`${file}${suffix}`));
    }
    for (const suffix of ['', '.lock', '-wal', '-shm']) rmSync(`${file}${suffix}`, { force: true });
    const before = listing(dir.path).filter(([name]) => !String(name).endsWith('-shm'));
    {
      using reader = openReadOnly(dir.file('copy.db'));
      expect([...reader.read(null, 0)]).toHaveLength(2);
    }
    expect(listing(dir.path).filter(([name]) => !String(name).endsWith('-shm'))).toEqual(before);
  });

  test('of an empty file: SQLite would delete its WAL', () => {
    using dir = tempDir();
    const file = dir.file('journal.db');
    writeFileSync(file, '');
    writeFileSync(`${file}-wal`, 'all that is left');
    const before = listing(dir.path);
    expect(() => openReadOnly(file)).toThrow(expect.objectContaining({ code: 'HPO-6005' }));
    expect(() => repairJournal(file, dir.file('aside'))).toThrow(expect.objectContaining({ code: 'HPO-6005' }));
    expect(
      listing(dir.path).filter(([name]) => String(name).startsWith('journal.db') && !String(name).includes('repair')),
    ).toEqual(before);
  });

  test('a writer that comes meanwhile is noticed', () => {
    using dir = tempDir();
    writeFileSync(dir.file('journal.db'), whole);
    using reader = openReadOnly(dir.file('journal.db'));
    using _journal = openJournal(dir.file('journal.db'));
    expect(reader.isOutdated()).toBe(true);
  });
});
