import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { connectCluster, isInCluster } from '../../../../extension/client/clusterBridge.ts';

let home = '';
beforeEach(() => (home = mkdtempSync(join(tmpdir(), 'hpo-bridge-'))));
afterEach(() => rmSync(home, { recursive: true, force: true }));

const used = { inUse: 'a', profiles: [{ name: 'a', usesAgent: true }, { name: 'b' }] };

describe('which agent keeps the studies', () => {
  test.each<[string, unknown, boolean]>([
    ['nothing was connected', undefined, false],
    ['the cluster in use has it', used, true],
    ['another cluster is in use', { ...used, inUse: 'b' }, false],
    ['none is in use', { ...used, inUse: null }, false],
    ['the list is damaged', 'not JSON {', false],
  ])('by the setting auto, where %s', (_name, clusters, isThere) => {
    if (clusters !== undefined)
      writeFileSync(join(home, 'clusters.json'), typeof clusters === 'string' ? clusters : JSON.stringify(clusters));
    expect(isInCluster('auto', home)).toBe(isThere);
    expect(isInCluster('local', home)).toBe(false);
    expect(isInCluster('cluster', home)).toBe(true);
  });
});

describe('the command line as a way to the cluster', () => {
  const connect = async (program: string): Promise<unknown> => {
    const cliMain = join(home, 'cli.cjs');
    writeFileSync(cliMain, program);
    return await connectCluster({ home, cliMain, node: { path: process.execPath, env: {} }, version: '0.1.0' });
  };

  test('says what the command line says', async () => {
    const program = `console.error('error HPO-2510: there is no agent\\n  next: install it'); process.exitCode = 3;`;
    await expect(connect(program)).rejects.toMatchObject({ code: 'HPO-2510', message: 'there is no agent', next: 'install it' });
  });

  test('says that nothing answers where it says nothing', async () => {
    await expect(connect('')).rejects.toMatchObject({ code: 'HPO-2509' });
  });

  test('is asked for the cluster’s agent of this home', async () => {
    const program = `console.error('error HPO-2510: ' + process.argv.slice(2).join(' ') + ' ' + process.env.HPO_HOME + '\\n  next: x');`;
    await expect(connect(program)).rejects.toMatchObject({ message: `bridge --agent cluster ${home}` });
  });
});
