import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { dataNotes } from '../../../agent/preflight/dataNotes.ts';
import { hideSecrets, type KnownHidden } from '../../../agent/executors/docker/hiddenMounts.ts';
import { hiddenPlaces } from '../../../agent/packaging/hiddenPlaces.ts';
import { nodeFiles as disk } from '../../../agent/system/nodeFiles.ts';
import { ProjectFixture } from './projectFixture.ts';

const secrets = { '.env': 'S', '.aws/credentials': 'S', 'deep/server.pem': 'S' };
const data = { 'a.csv': '1', 'deep/b.txt': '1', ...secrets };

it('mounts nothing over the secrets in data, wherever it is mounted, and nothing over other mounts in it', async () => {
  using project = new ProjectFixture(data);
  const [lake, sea] = [project.root, '/sea'];
  const mounts = [
    { source: lake, target: '/hpo/work/data', isReadOnly: true },
    { source: lake, target: '/lake', isReadOnly: false },
    { source: sea, target: '/lake/deep', isReadOnly: true },
    { source: '/code', target: '/hpo/work/lib', isReadOnly: true },
  ];
  const emptyDir = join(project.base, 'run');
  mkdirSync(emptyDir);
  const known: KnownHidden = new Map();
  const hiding = await hideSecrets(disk, mounts, new Set([lake, sea]), emptyDir, { known, studyId: 's' });
  const [file, folder] = [join(emptyDir, 'empty-file'), join(emptyDir, 'empty-folder')];
  expect(hiding.toSorted((a, b) => (a.target < b.target ? -1 : 1))).toEqual([
    { source: folder, target: '/hpo/work/data/.aws', isReadOnly: true },
    { source: file, target: '/hpo/work/data/.env', isReadOnly: true },
    { source: file, target: '/hpo/work/data/deep/server.pem', isReadOnly: true },
    { source: folder, target: '/lake/.aws', isReadOnly: true },
    { source: file, target: '/lake/.env', isReadOnly: true },
  ]);
  expect([existsSync(file), existsSync(folder)]).toEqual([true, true]);
});

it('tells what is hidden, and what is not frozen', async () => {
  using project = new ProjectFixture({ ...data, 'big.csv': '1' });
  const entries = [{ type: 'link', path: 'big.csv', target: join(project.root, 'big.csv') }] as const;
  const mounts = [{ source: project.root, target: '/lake', readOnly: true }];
  expect(await dataNotes(entries, mounts)).toEqual([
    expect.stringMatching(/^has the name of a secret, and is empty in containers: .*\/\.env/),
    'not frozen, so that trials see what changes there during the study: big.csv',
  ]);
  expect(await dataNotes([], [])).toEqual([]);
});

it('looks through no more names than it says, and hides no more places than an engine takes', async () => {
  const endless = (path: string) =>
    Promise.resolve(Array.from({ length: 1000 }, (_, index) => ({ name: `f${index}`, isFolder: path.length < 100 })));
  expect(await hiddenPlaces('d', endless)).toEqual({ places: [], isComplete: false });
  const keys = () => Promise.resolve(Array.from({ length: 101 }, (_, index) => ({ name: `${index}.pem`, isFolder: false })));
  await expect(hiddenPlaces('d', keys)).rejects.toMatchObject({ code: 'HPO-2455', message: expect.stringContaining('0.pem') });
});
