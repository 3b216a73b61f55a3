import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { readText } from '../../../agent/packaging/readText.ts';

const folder = mkdtempSync(join(tmpdir(), 'hpo-text-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);

it('reads small files, also through a link', async () => {
  writeFileSync(path('a'), 'numpy\n');
  symlinkSync('a', path('link'));
  expect([await readText(path('a')), await readText(path('link'))]).toEqual(['numpy\n', 'numpy\n']);
});

it.skipIf(process.platform === 'win32')('finds nothing where there is no file, or one without end', async () => {
  symlinkSync('/dev/zero', path('zero'));
  symlinkSync('nothing', path('dangling'));
  execFileSync('mkfifo', [path('pipe')]);
  writeFileSync(path('large'), Buffer.alloc(3 << 20, 'x'));
  for (const name of ['zero', 'dangling', 'pipe', 'large', 'none', '.']) expect(await readText(path(name))).toBe('');
});
