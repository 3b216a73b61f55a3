import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync, readdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { codeObjects } from '../../../agent/executors/kubernetes/codeObjects.ts';
import { codeLayer } from '../../../agent/packaging/codeLayer.ts';
import { howCodeTravels } from '../../../agent/packaging/codeTravel.ts';
import type { MountPlan } from '../../../agent/packaging/mountPlan.ts';
import type { SnapshotEntry } from '../../../agent/packaging/selectFiles.ts';
import { SnapshotStore } from '../../../agent/packaging/snapshot.ts';
import { nodeSystem } from '../../../agent/system/node.ts';
import { noFailpoints } from '../../../agent/system/failpoints.ts';
import { ProjectFixture } from './projectFixture.ts';

const files = nodeSystem(noFailpoints).files;

function makeProject(): ProjectFixture {
  const project = new ProjectFixture(
    {
      'train.py': 'print(1)\n',
      'run.sh': '#!/bin/sh\n',
      'lib/a.py': 'a = "ä"\n',
      "lib/it's a name.py": 'b = 2\n',
      'lib/deep/er/c.py': '',
      'lib/logs/': '',
      'runs/': '',
      'alias.py': '-> lib/a.py',
      'lib/deep/alias.py': '-> ../a.py',
      'data/x.npy': 'x'.repeat(10),
    },
    { git: true },
  );
  chmodSync(join(project.root, 'run.sh'), 0o755);
  writeFileSync(join(project.root, 'lib/program'), Buffer.of(0x7f, 0x45, 0xff, 0x00, 0xfe));
  chmodSync(join(project.root, 'lib/program'), 0o755);
  return project;
}

async function planOf(project: ProjectFixture, large = false): Promise<{ readonly plan: MountPlan; readonly expected: unknown }> {
  if (large) writeFileSync(join(project.root, 'lib/weights.py'), `w = "${'1234567890'.repeat(150_000)}"\n`);
  const store = new SnapshotStore(project.storeDir);
  const { hash } = await store.take({
    root: project.root,
    mustHave: ['train.py'],
    data: [{ from: 'data', to: 'data' }],
    isContained: true,
  });
  const plan = await store.mountPlan(hash);
  expect(plan.links.map(({ path }) => path)).toEqual(['data']);
  await store.materialize(hash, join(project.base, 'expected'), []);
  return { plan, expected: shape(join(project.base, 'expected'), ['data']) };
}

/** What a folder holds: content, kind, and whether it is a program. */
function shape(dir: string, without: readonly string[] = []): unknown {
  const found: Record<string, string> = {};
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(dir, folder), { withFileTypes: true })) {
      const path = join(folder, entry.name);
      const place = join(dir, path);
      if (without.includes(path)) continue;
      if (entry.isSymbolicLink()) found[path] = `-> ${readlinkSync(place)}`;
      else if (entry.isDirectory()) {
        found[`${path}/`] = '';
        visit(path);
      } else {
        const hash = createHash('sha256').update(readFileSync(place)).digest('hex').slice(0, 8);
        found[path] = `${(statSync(place).mode & 0o100) === 0 ? '' : 'program '}${hash}`;
      }
    }
  };
  visit('.');
  return Object.fromEntries(Object.entries(found).sort(([a], [b]) => (a < b ? -1 : 1)));
}

async function bytesOf(tar: () => AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of tar()) chunks.push(chunk);
  return Buffer.concat(chunks);
}

describe('code on its way to a cluster', () => {
  it('is the same from its objects as in a folder of this machine', async () => {
    using project = makeProject();
    const { plan, expected } = await planOf(project);
    const { parts, setup } = await codeObjects(files, plan);
    const [input, work] = [join(project.base, 'in'), join(project.base, 'work')];
    mkdirSync(work);
    for (const { entries, items } of parts) {
      for (const { key, path, isExecutable } of items) {
        const place = join(input, path);
        mkdirSync(dirname(place), { recursive: true });
        const entry = entries[key] ?? expect.fail(`${path} has no content`);
        const content = 'text' in entry ? entry.text : Buffer.from(entry.base64, 'base64');
        writeFileSync(place, content, { mode: isExecutable ? 0o555 : 0o444 });
      }
    }
    const binary = parts.flatMap(({ entries }) => Object.values(entries).filter((entry) => 'base64' in entry));
    expect(binary).toEqual([{ base64: Buffer.of(0x7f, 0x45, 0xff, 0x00, 0xfe).toString('base64') }]);
    execFileSync('cp', ['-RL', `${input}/.`, work]);
    execFileSync('sh', ['-c', setup], { cwd: work });
    expect(shape(work)).toEqual(expected);
    expect(await codeObjects(files, plan)).toEqual({ parts, setup });
  });

  it('is the same from its layer, where large files are beside it', async () => {
    using project = makeProject();
    const { plan, expected } = await planOf(project, true);
    const tar = await bytesOf(codeLayer(plan));
    const [root, work] = [join(project.base, 'root'), join(project.base, 'work')];
    mkdirSync(root);
    mkdirSync(work);
    execFileSync('tar', ['-xf', '-', '-C', root, '--no-same-owner'], { input: tar });
    const weights = join(root, 'hpo/code/lib/weights.py');
    expect(readlinkSync(weights)).toBe('/hpo/large/lib/weights.py');
    execFileSync('cp', ['-RP', `${root}/hpo/code/.`, work]);
    execFileSync('cp', ['--remove-destination', join(root, 'hpo/large/lib/weights.py'), join(work, 'lib/weights.py')]);
    expect(shape(work)).toEqual(expected);
    expect(statSync(join(root, 'hpo/code/train.py')).mode & 0o777).toBe(0o444);
    // Whoever stored it, whenever.
    using copy = makeProject();
    const again = await planOf(copy, true);
    expect((await bytesOf(codeLayer(again.plan))).equals(tar)).toBe(true);
  });

  it('fills objects as far as the API server takes them', async () => {
    using project = new ProjectFixture({ 'train.py': '' });
    const many = Array.from({ length: 30 }, (_, i) => `m${i}.py`);
    project.write(Object.fromEntries(many.map((name) => [name, `# ${'x'.repeat(99_000)}\n`])));
    const store = new SnapshotStore(project.storeDir);
    const { hash } = await store.take({ root: project.root, mustHave: ['train.py'], allowLarge: true });
    const { parts } = await codeObjects(files, await store.mountPlan(hash));
    expect(parts.flatMap(({ items }) => items)).toHaveLength(31);
    const sizes = parts.map(({ entries }) =>
      Object.values(entries).reduce((sum, entry) => sum + ('text' in entry ? entry.text : entry.base64).length, 0),
    );
    expect(Math.max(...sizes)).toBeLessThanOrEqual(900_000);
    expect(parts).toHaveLength(4);
  });

  const file = (bytes: number): SnapshotEntry => ({ type: 'file', path: 'model.bin', bytes, isExecutable: false });
  const cases: readonly (readonly [string, readonly SnapshotEntry[], 'objects' | RegExp])[] = [
    ['nothing', [], 'objects'],
    ['a little', [file(10), { type: 'folder', path: 'out' }], 'objects'],
    ['what is linked, however large', [file(10), { type: 'link', path: 'data', target: '/data' }], 'objects'],
    ['one file that just fits', [file(900_000)], 'objects'],
    ['one that does not', [file(1_900_000)], /model\.bin has 1\.9 MB.*holds 0\.9 MB/],
    ['much', Array.from({ length: 12 }, () => file(800_000)), /9\.6 MB, and 8\.0 MB/],
    [
      'many links',
      Array.from({ length: 1_001 }, () => ({ type: 'symlink', path: 'a', target: 'b' }) as const),
      /1001 empty folders and links, and 1000/,
    ],
    ['long names', Array.from({ length: 900 }, () => ({ ...file(1), path: 'p'.repeat(300) })), /paths .* 0\.3 MB/],
    ['many', Array.from({ length: 1_001 }, () => file(1)), /1001 files, and 1000/],
  ];
  it.each(cases)('%s', (_, entries, way) => {
    expect(howCodeTravels(entries, true)).toBe(way === 'objects' ? 'objects' : 'image');
    if (way === 'objects') expect(howCodeTravels(entries, false)).toBe('objects');
    else {
      const travel = (): unknown => howCodeTravels(entries, false);
      expect(travel).toThrow(expect.objectContaining({ code: 'HPO-2480', message: expect.stringMatching(way) }));
      expect(travel).toThrow(expect.objectContaining({ next: expect.stringContaining('hpo cluster connect --registry') }));
    }
  });
});
