import { copyFileSync, existsSync, renameSync, rmSync, statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { finishRepair } from '../../../agent/store/index.ts';
import { openJournal, type SqliteJournal } from '../../../agent/store/journal.ts';
import { openReadOnly } from '../../../agent/store/read.ts';
import { of, studyCreated, wholeTrial } from './studies.ts';
import { tempDir } from './tempDir.ts';

const onPosix = describe.skipIf(process.platform === 'win32');

const add = (journal: SqliteJournal, studyId: string): void => void journal.append(of(studyId, [studyCreated()]));

function studiesAt(path: string): readonly string[] {
  using reader = openReadOnly(path);
  expect(reader.verifyChain()).toMatchObject({ ok: true });
  expect(reader.verifyPages()).toEqual([]);
  return reader.studies();
}

onPosix('a journal whose file is removed while it is in use', () => {
  test.each<[string, readonly string[]]>([
    ['the file alone', ['']],
    ['with its WAL', ['', '-wal', '-shm']],
    ['with all that is beside it', ['', '-wal', '-shm', '.end', '.lock']],
  ])('%s: is written anew before the next event', (_, suffixes) => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    const kept = dir.file('kept.db');
    {
      using journal = openJournal(path, { checkpointMs: null });
      add(journal, 'a');
      journal.append(of('a', wholeTrial(0)));
      for (const suffix of suffixes) rmSync(`${path}${suffix}`);
      add(journal, 'b');
      expect(journal.failure).toBeNull();
      // As it is now on the disk, beside the agent, and should it be killed.
      expect(statSync(path).mode & 0o077).toBe(0);
      for (const suffix of ['', '-wal']) copyFileSync(`${path}${suffix}`, `${kept}${suffix}`);
      add(journal, 'c');
      expect(journal.verifySome()).toBe(false);
      expect(journal.failure).toBeNull();
    }
    expect(studiesAt(kept)).toEqual(['a', 'b']);
    expect(studiesAt(path)).toEqual(['a', 'b', 'c']);
    expect(existsSync(`${path}.repaired`)).toBe(false);
    using again = openJournal(path);
    expect(again.studies()).toEqual(['a', 'b', 'c']);
  });

  test.each<[string, (journal: SqliteJournal) => unknown]>([
    ['the look of an agent that idles', (journal) => journal.isOurs()],
    ['a checkpoint', (journal) => journal.checkpoint()],
    ['its end', () => undefined],
  ])('%s writes it anew, without any event', (name, look) => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    const journal = openJournal(path, { checkpointMs: null });
    add(journal, 'a');
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${path}${suffix}`);
    look(journal);
    if (name !== 'its end') expect(studiesAt(path)).toEqual(['a']);
    journal[Symbol.dispose]();
    expect(studiesAt(path)).toEqual(['a']);
  });

  test('refuses events while another file is in its place, leaves that alone, and goes on when it is gone', () => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    const other = dir.file('other.db');
    {
      using journal = openJournal(other);
      add(journal, 'other');
    }
    using journal = openJournal(path, { checkpointMs: null });
    add(journal, 'a');
    for (const suffix of ['-wal', '-shm', '']) rmSync(`${path}${suffix}`);
    copyFileSync(other, path);
    for (let i = 0; i < 2; i++) expect(() => add(journal, 'b')).toThrow(expect.objectContaining({ code: 'HPO-6014' }));
    expect(journal.failure?.code).toBe('HPO-6014');
    expect(journal.isOurs()).toBe(true);
    expect(studiesAt(path)).toEqual(['other']);
    renameSync(path, dir.file('away.db'));
    add(journal, 'b');
    expect(journal.failure).toBeNull();
    expect(studiesAt(path)).toEqual(['a', 'b']);
  });

  test('that ends while another file is in its place leaves all that it held to a repair', () => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    {
      using journal = openJournal(path, { checkpointMs: null });
      add(journal, 'a');
      renameSync(path, dir.file('away.db'));
      {
        using other = openJournal(dir.file('other.db'));
        add(other, 'other');
      }
      renameSync(dir.file('other.db'), path);
    }
    expect(() => openJournal(path)).toThrow(expect.objectContaining({ code: 'HPO-6009' }));
    finishRepair(path, dir.file('aside'));
    expect(studiesAt(path)).toEqual(['a']);
    expect(studiesAt(dir.file('aside/journal.db'))).toEqual(['other']);
  });

  test('says so where it cannot be written anew, and takes no event', () => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    const away = `${dir.path}-away`;
    using _cleanup = { [Symbol.dispose]: () => rmSync(away, { recursive: true, force: true }) };
    using journal = openJournal(path, { checkpointMs: null });
    add(journal, 'a');
    renameSync(dir.path, away);
    expect(() => add(journal, 'b')).toThrow(expect.objectContaining({ code: 'HPO-6008' }));
    expect(journal.isOurs()).toBe(true);
    expect(journal.lastSeq()).toBe(1);
    renameSync(away, dir.path);
    add(journal, 'b');
    expect(journal.studies()).toEqual(['a', 'b']);
  });
});

test.each([':memory:', 'file:/no-place?vfs=memdb'])('%s is in no place, and is left alone', (path) => {
  using journal = openJournal(path, { checkpointMs: null, lock: () => ({ [Symbol.dispose]: () => undefined }) });
  add(journal, 'a');
  expect(journal.isOurs()).toBe(true);
  expect(journal.checkpoint()).toBe(true);
  add(journal, 'b');
  expect(journal.studies()).toEqual(['a', 'b']);
  expect(journal.failure).toBeNull();
});
