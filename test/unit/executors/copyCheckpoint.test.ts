import { mkdirSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { copyCheckpoint } from '../../../agent/executors/attempt/copyCheckpoint.ts';
import { nodeSystem } from '../../../agent/system/node.ts';

let dir = '';
let from = '';
let to = '';

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'hpo-copy-'));
  from = join(dir, '0', 'checkpoint');
  to = join(dir, '1', 'checkpoint');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function write(folder: string, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(folder, path, '..'), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}

test('copies files, folders and links, and leaves nothing beside them', async () => {
  write(from, { 'model.pt': 'weights', 'opt/state': '7' });
  symlinkSync('model.pt', join(from, 'latest'));
  await copyCheckpoint(nodeSystem(), from, to);
  expect(readdirSync(join(dir, '1'))).toEqual(['checkpoint']);
  expect(readFileSync(join(to, 'model.pt'), 'utf8')).toBe('weights');
  expect(readFileSync(join(to, 'opt/state'), 'utf8')).toBe('7');
  expect(readlinkSync(join(to, 'latest'))).toBe('model.pt');
});

test('a checkpoint that is there stays', async () => {
  write(from, { step: '3' });
  write(to, { step: '9' });
  await copyCheckpoint(nodeSystem(), from, to);
  expect(readFileSync(join(to, 'step'), 'utf8')).toBe('9');
});

test('what an agent that was killed left half copied is done again', async () => {
  write(from, { step: '3' });
  write(`${to}.new`, { half: '' });
  await copyCheckpoint(nodeSystem(), from, to);
  expect(readdirSync(to)).toEqual(['step']);
  expect(readdirSync(join(dir, '1'))).toEqual(['checkpoint']);
});

test.each([['missing'], ['empty']])('of a %s checkpoint there is an empty one', async (kind) => {
  if (kind === 'empty') mkdirSync(from, { recursive: true });
  await copyCheckpoint(nodeSystem(), from, to);
  expect(readdirSync(to)).toEqual([]);
});

test('one that is being written is waited for', async () => {
  write(from, { a: '0', b: '0' });
  // Both files change together, and what is copied has them from one change.
  let n = 0;
  const writer = setInterval(() => {
    n++;
    if (n < 6) write(from, { a: String(n), b: `${n}` });
  }, 60);
  await copyCheckpoint(nodeSystem(), from, to);
  clearInterval(writer);
  expect(readFileSync(join(to, 'a'), 'utf8')).toBe(readFileSync(join(to, 'b'), 'utf8'));
});
