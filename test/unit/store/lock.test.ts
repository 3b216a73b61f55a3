import { existsSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { HpoError } from '../../../agent/protocol/errors.ts';
import { lockJournal } from '../../../agent/store/lock.ts';
import { tempDir } from './tempDir.ts';

const code = (act: () => Disposable): string => {
  try {
    act()[Symbol.dispose]();
    return 'none';
  } catch (error) {
    return error instanceof HpoError ? error.code : String(error);
  }
};

test('is held by one at a time, and free again after it', () => {
  using dir = tempDir();
  const path = dir.file('journal.db');
  {
    using _held = lockJournal(path);
    expect(code(() => lockJournal(path))).toBe('HPO-6001');
    expect(() => lockJournal(path)).toThrow(`in use by process ${process.pid}`);
  }
  expect(code(() => lockJournal(path))).toBe('none');
  expect(existsSync(path)).toBe(false);
});

test('is one per journal', () => {
  using dir = tempDir();
  using _a = lockJournal(dir.file('a.db'));
  using _b = lockJournal(dir.file('b.db'));
  expect(code(() => lockJournal(dir.file('c.db')))).toBe('none');
});

test('a lock file that is none, and a folder that is not there, are said', () => {
  using dir = tempDir();
  writeFileSync(dir.file('x.db.lock'), 'not an SQLite file, but long enough to look at'.repeat(100));
  expect(code(() => lockJournal(dir.file('x.db')))).toBe('HPO-6004');
  expect(code(() => lockJournal(dir.file('none/x.db')))).toBe('HPO-6008');
});
