import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { detectEnvironment } from '../../../agent/packaging/detect/index.ts';
import { listInstalled } from '../../../agent/packaging/environment/probe.ts';

const folder = mkdtempSync(join(tmpdir(), 'hpo-inventory-'));
const python = join(folder, 'venv/bin/python');

/** Installed as pip leaves them: a folder of metadata, with the place it came from when that was no index. */
const installed: readonly (readonly [name: string, version: string, directUrl?: unknown])[] = [
  ['Six', '1.17.0'],
  ['pip', '24.0'],
  ['own-tool', '0.1', { url: 'file:///home/me/own-tool', dir_info: { editable: true } }],
  ['copied', '0.2', { url: 'file:///home/me/copied', dir_info: {} }],
  ['from-git', '1.0', { url: 'https://example.com/a/b.git', vcs_info: { vcs: 'git', commit_id: 'abc123' } }],
  ['from-url', '2.0', { url: 'https://example.com/from_url-2.0-py3-none-any.whl', archive_info: {} }],
];

beforeAll(() => {
  execFileSync('python3', ['-m', 'venv', '--without-pip', join(folder, 'venv')]);
  const script = 'import sysconfig; print(sysconfig.get_path("purelib"))';
  const site = execFileSync(python, ['-c', script], { encoding: 'utf8' }).trim();
  for (const [name, version, directUrl] of installed) {
    const info = join(site, `${name.replaceAll('-', '_')}-${version}.dist-info`);
    mkdirSync(info);
    writeFileSync(join(info, 'METADATA'), `Metadata-Version: 2.1\nName: ${name}\nVersion: ${version}\n`);
    if (directUrl !== undefined) writeFileSync(join(info, 'direct_url.json'), JSON.stringify(directUrl));
  }
  mkdirSync(join(folder, 'project'));
  writeFileSync(join(folder, 'project/train.py'), 'x = 1\n');
  // Must not be imported in the place of Python's own.
  writeFileSync(join(folder, 'project/json.py'), 'raise SystemExit(1)\n');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('an interpreter tells all that it has', async () => {
  const answer = await listInstalled(python, join(folder, 'project'));
  expect('packages' in answer ? answer.packages.map(({ name }) => name) : answer).toEqual([
    'copied',
    'from-git',
    'from-url',
    'own-tool',
    'pip',
    'Six',
  ]);
});

test('its list is frozen, told not to be reproducible, and what no index has is named', async () => {
  const found = await detectEnvironment({
    root: join(folder, 'project'),
    scriptPath: 'train.py',
    command: null,
    imageSetting: { annotated: null, requested: null },
    interpreter: python,
  });
  expect([found.kind, found.isReproducible]).toEqual(['interpreter', false]);
  expect(found.requirements).toEqual([
    'Six==1.17.0',
    'from-git @ git+https://example.com/a/b.git@abc123',
    'from-url @ https://example.com/from_url-2.0-py3-none-any.whl',
  ]);
  expect(found.languageVersion).toMatch(/^3\.\d+$/);
  expect(found.diagnostics.map(({ code, severity }) => `${code} ${severity}`)).toEqual(['HPO-2428 info', 'HPO-2428 warning']);
  expect(found.diagnostics[0]?.message).toMatch(/not reproducible/);
  expect(found.diagnostics[1]?.message).toMatch(/copied, own-tool; the image lacks them/);
});

test('one that does not start is an error with what to do', async () => {
  const found = await detectEnvironment({
    root: join(folder, 'project'),
    scriptPath: 'train.py',
    command: null,
    imageSetting: { annotated: null, requested: null },
    interpreter: join(folder, 'no/python'),
  });
  expect(found.diagnostics.map(({ code, severity }) => `${code} ${severity}`)).toEqual(['HPO-2425 error']);
});
