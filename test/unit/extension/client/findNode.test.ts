import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findNode, isNewEnough } from '../../../../extension/client/findNode.ts';

test.each([
  ['v22.13.0', true],
  ['22.12.9', false],
  ['20.19.0', false],
  ['24.0.0', true],
  ['v23.1.0', true],
  ['nonsense', false],
])('Node %s is new enough: %s', (version, expected) => expect(isNewEnough(version)).toBe(expected));

describe.skipIf(process.platform === 'win32')('the Node of the agent', () => {
  let folder = '';
  const fake = (name: string, output: string): string => {
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\necho '${output}'\n`);
    chmodSync(path, 0o755);
    return path;
  };
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'hpo-node-'));
  });
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  test('is the first on PATH that is new enough', async () => {
    const old = dirname(fake('node', 'v18.20.0'));
    const path = [old, '/nowhere', dirname(process.execPath)].join(delimiter);
    expect(await findNode(null, { PATH: path }, '/editor')).toEqual({
      path: join(dirname(process.execPath), 'node'),
      env: {},
      reason: 'PATH',
    });
  });

  test("is VS Code's own where PATH has none", async () => {
    const choice = { path: '/editor', env: { ELECTRON_RUN_AS_NODE: '1' }, reason: "VS Code's own" };
    expect(await findNode(null, { PATH: folder }, '/editor')).toEqual(choice);
    expect(await findNode(null, {}, '/editor')).toEqual(choice);
  });

  test('is the setting, or an error that says what is wrong with it', async () => {
    expect(await findNode(process.execPath, {}, '/editor')).toEqual({
      path: process.execPath,
      env: {},
      reason: 'setting hpo.nodePath',
    });
    await expect(findNode('/nowhere/node', {}, '/editor')).rejects.toThrow('/nowhere/node, which does not run');
    await expect(findNode(fake('older', 'v20.1.0'), {}, '/editor')).rejects.toThrow('which is Node 20.1.0');
  });
});
