import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { HpoError } from '../../../agent/protocol/errors.ts';
import { lastHolder, lockJournal } from '../../../agent/store/lock.ts';
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

test.each<[string, (file: string) => void]>([
  ['is no database', (file) => writeFileSync(file, 'not an SQLite file, but long enough to look at'.repeat(100))],
  ['is a damaged one', (file) => writeFileSync(file, readFileSync(file).fill(7, 100))],
  [
    'is of another program',
    (file) => {
      using db = new DatabaseSync(file);
      db.exec('DROP TABLE holder; CREATE TABLE holder (name TEXT); CREATE TABLE other (id)');
    },
  ],
])('a lock file that %s is made anew, and is held by one', (_, spoil) => {
  using dir = tempDir();
  const path = dir.file('journal.db');
  lockJournal(path)[Symbol.dispose]();
  spoil(`${path}.lock`);
  {
    using _held = lockJournal(path);
    expect(code(() => lockJournal(path))).toBe('HPO-6001');
    expect(lastHolder(path)).toBe(process.pid);
  }
  expect(code(() => lockJournal(path))).toBe('none');
});

// Windows lets nobody write over what is locked.
test.skipIf(process.platform === 'win32')('garbage that is written over a lock that is held lets nobody else in', async () => {
  using dir = tempDir();
  const path = dir.file('journal.db');
  const held = spawn(process.execPath, ['--input-type=module', '-e', holding(path)], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(held.stdout, 'data');
  writeFileSync(`${path}.lock`, 'garbage'.repeat(2000));
  expect(code(() => lockJournal(path))).toBe('HPO-6001');
  held.stdin.end();
  await once(held, 'exit');
  expect(code(() => lockJournal(path))).toBe('none');
});

/** Holds the lock until its input ends. */
function holding(path: string): string {
  const source = new URL('../../../agent/store/lock.ts', import.meta.url).href;
  return `const { lockJournal } = await import('${source}'); const lock = lockJournal(${JSON.stringify(path)}); console.log('held'); process.stdin.resume().on('end', () => lock[Symbol.dispose]());`;
}

test('what is no file, and a folder that is not there, are said', () => {
  using dir = tempDir();
  mkdirSync(dir.file('x.db.lock'));
  expect(() => lockJournal(dir.file('x.db'))).toThrow(/x\.db\.lock is a folder, where a file of the journal belongs/);
  expect(lastHolder(dir.file('x.db'))).toBeNull();
  expect(code(() => lockJournal(dir.file('none/x.db')))).toBe('HPO-6008');
});
