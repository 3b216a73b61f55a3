import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it, vi } from 'vitest';
import { findOutside } from '../../../agent/packaging/outsidePaths.ts';
import { selectFiles } from '../../../agent/packaging/selectFiles.ts';
import { ProjectFixture } from './projectFixture.ts';

afterAll(() => vi.unstubAllEnvs());

/** `BASE` stands for the folder that the project is in. */
const rows: readonly (readonly [name: string, path: string, annotation: string | null])[] = [
  ['a folder outside', 'BASE/lake', '# @hpo.data BASE/lake -> BASE/lake ro'],
  ['a file outside', 'BASE/lake/a.csv', '# @hpo.data BASE/lake/a.csv -> BASE/lake/a.csv ro'],
  ['with a slash behind', 'BASE/lake/', '# @hpo.data BASE/lake -> BASE/lake ro'],
  ['with a blank', 'BASE/big lake', '# @hpo.data "BASE/big lake" -> "BASE/big lake" ro'],
  ['above the project', '../lake', '# @hpo.data ../lake -> ../lake ro'],
  ['in the home folder', '~/corpus', '# @hpo.data ~/corpus -> ~/corpus ro'],
  ['a link out of the project', 'linked', '# @hpo.data ./linked -> linked ro'],
  ['ignored, and no results', 'models/base.bin', '# @hpo.data ./models/base.bin -> models/base.bin ro'],
  ['beside the file that names it', 'x.npy', '# @hpo.data ./sub/x.npy -> sub/x.npy ro'],
  ['by its full path within the project', 'BASE/project/models', '# @hpo.data ./models -> models ro'],
  ['stored', 'conf.yaml', null],
  ['a folder of what is stored', 'lib', null],
  ['stored, by its full path', 'BASE/project/lib/a.py', null],
  ['linked data', 'data/x', null],
  ['not there', 'BASE/sea', null],
  ['results', 'runs', null],
  ['a secret', '.env', null],
  ['what tools make', '.venv/bin', null],
  ['of the system', '/usr/bin', null],
  ['a part of a path', '/mnt', null],
  ['the project', '.', null],
  ['mounted already', 'BASE/mounted/x', null],
  ['mounted by the name of its target', '/data/train', null],
  ['kept out of containers', 'BASE/forbidden', null],
];

it.each(rows)('%s: %s', async (_, path, annotation) => {
  using project = new ProjectFixture(
    {
      'sub/train.py': '',
      'conf.yaml': '',
      'lib/a.py': '',
      '.env': 'x',
      '.gitignore': 'data/\nruns/\nmodels/\n*.npy\n.venv\nlinked\n',
      'data/x/a': '',
      'runs/a': '',
      'models/base.bin': '',
      'sub/x.npy': '',
      '.venv/bin/python': '',
    },
    { git: true },
  );
  for (const folder of ['lake', 'big lake', 'mounted/x', 'forbidden', 'home/corpus'])
    mkdirSync(join(project.base, folder), { recursive: true });
  writeFileSync(join(project.base, 'lake', 'a.csv'), '');
  symlinkSync(join(project.base, 'lake'), join(project.root, 'linked'));
  vi.stubEnv('HOME', join(project.base, 'home'));
  const inBase = (text: string): string => text.replaceAll('BASE', project.base);
  const data = [
    { from: join(project.base, 'mounted'), to: join(project.base, 'mounted') },
    { from: join(project.base, 'lake'), to: '/data' },
  ];
  const { entries } = await selectFiles({ root: project.root, mustHave: ['sub/train.py'], isContained: true });
  const found = await findOutside({
    root: project.root,
    named: [{ file: 'sub/train.py', line: 3, path: inBase(path) }],
    entries,
    data,
    isAllowed: (source) => Promise.resolve(!source.endsWith('forbidden')),
  });
  expect(found).toEqual(
    annotation === null ? [] : [{ file: 'sub/train.py', line: 3, path: inBase(path), annotation: inBase(annotation) }],
  );
});

it('an outer folder stands for what is in it; ordered by place', async () => {
  using project = new ProjectFixture({ 'train.py': '' });
  for (const folder of ['lake/x', 'sea']) mkdirSync(join(project.base, folder), { recursive: true });
  const { entries } = await selectFiles({ root: project.root, mustHave: ['train.py'] });
  const named = ['lake/x', 'sea', 'lake'].map((name, index) => ({
    file: 'train.py',
    line: 9 - index,
    path: join(project.base, name),
  }));
  const found = await findOutside({ root: project.root, named, entries, data: [], isAllowed: () => Promise.resolve(true) });
  expect(found.map(({ line, path }) => [line, path])).toEqual([
    [7, join(project.base, 'lake')],
    [8, join(project.base, 'sea')],
  ]);
});
