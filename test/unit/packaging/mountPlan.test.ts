import {
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { SnapshotStore } from '../../../agent/packaging/snapshot.ts';
import { ProjectFixture, tree } from './projectFixture.ts';

const files = {
  'train.py': 'lr = 0.1\n',
  '.gitignore': 'data/\nruns/\n*.npy\nlib/logs/\n',
  'run.sh': '#!/bin/sh\n',
  'lib/a.py': 'a',
  'lib/up': '-> ../data',
  'alias.py': '-> lib/a.py',
  'data/x.csv': '1',
  'input/y.npy': '2',
  'runs/old': '',
  'lib/logs/old': '',
};
const options = (project: ProjectFixture) => ({ root: project.root, mustHave: ['train.py'] });

/** Modes and kinds of all that is stored, by path. */
function shape(dir: string): Record<string, string> {
  const shapes: Record<string, string> = {};
  const visit = (path: string): void => {
    const stats = lstatSync(join(dir, path));
    const kind = stats.isSymbolicLink() ? `-> ${readlinkSync(join(dir, path))}` : stats.isDirectory() ? 'folder' : 'file';
    shapes[path] = stats.isSymbolicLink() ? kind : `${kind} ${(stats.mode & 0o777).toString(8)}`;
  };
  visit('.');
  for (const path of tree(dir)) visit(path);
  for (const folder of ['data', 'input', 'lib', 'lib/logs', 'runs']) visit(folder);
  return shapes;
}

const expected = {
  '.': 'folder 755',
  '.gitignore': 'file 444',
  'alias.py': '-> lib/a.py',
  data: 'folder 755',
  input: 'folder 755',
  'input/y.npy': 'file 444',
  lib: 'folder 755',
  'lib/a.py': 'file 444',
  'lib/logs': 'folder 755',
  'lib/up': '-> ../data',
  'run.sh': 'file 555',
  runs: 'folder 755',
  'train.py': 'file 444',
};

function makeProject(): ProjectFixture {
  const project = new ProjectFixture(files);
  chmodSync(join(project.root, 'run.sh'), 0o755);
  return project;
}

/** As versions before this one left it: no links, no places for mounts, modes by the umask. */
function makeOld(dir: string): void {
  const manifest = join(dir, 'manifest.json');
  chmodSync(manifest, 0o644);
  writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"version":2', '"version":1'));
  for (const path of ['alias.py', 'lib/up', 'data', 'input/y.npy']) rmSync(join(dir, 'files', path), { recursive: true });
  chmodSync(join(dir, 'files', 'train.py'), 0o400);
  for (const folder of ['lib', '.']) chmodSync(join(dir, 'files', folder), 0o700);
}

it.each([
  { name: 'stored with a strict umask', umask: 0o077, isOld: false },
  { name: 'stored with a loose umask', umask: 0, isOld: false },
  { name: 'stored by an earlier version', umask: 0o022, isOld: true },
])('what is stored can be mounted: $name', async ({ umask, isOld }) => {
  using project = makeProject();
  const before = process.umask(umask);
  try {
    const { hash } = await new SnapshotStore(project.storeDir).take(options(project));
    const dir = join(project.storeDir, hash);
    if (isOld) makeOld(dir);
    const store = new SnapshotStore(project.storeDir);
    const [plan, again] = await Promise.all([store.mountPlan(hash), store.mountPlan(hash)]);
    expect(again).toEqual(plan);
    expect(shape(plan.filesDir)).toEqual(expected);
    expect(plan).toEqual({
      filesDir: join(dir, 'files'),
      topLevel: [
        { name: '.gitignore', isFolder: false },
        { name: 'input', isFolder: true },
        { name: 'lib', isFolder: true },
        { name: 'run.sh', isFolder: false },
        { name: 'train.py', isFolder: false },
      ],
      symlinks: [expect.objectContaining({ path: 'alias.py', target: 'lib/a.py' })],
      links: [
        { path: 'data', target: realpathSync(join(project.root, 'data')), isFolder: true },
        { path: 'input/y.npy', target: realpathSync(join(project.root, 'input/y.npy')), isFolder: false },
      ],
      folders: ['lib/logs', 'runs'],
      executables: ['run.sh'],
    });
    await store.verify(hash);
    await store.materialize(hash, join(project.base, 'work'), []);
    expect(readlinkSync(join(project.base, 'work', 'data'))).toBe(join(project.root, 'data'));
    expect(JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8'))).toMatchObject({ version: 2 });
  } finally {
    process.umask(before);
  }
});

it('the place of linked data follows what is there now; data that is gone is said', async () => {
  using project = makeProject();
  const store = new SnapshotStore(project.storeDir);
  const { hash } = await store.take(options(project));
  rmSync(join(project.root, 'data'), { recursive: true });
  writeFileSync(join(project.root, 'data'), 'one file now');
  const { filesDir, links } = await store.mountPlan(hash);
  expect(links[0]).toMatchObject({ path: 'data', isFolder: false });
  expect(statSync(join(filesDir, 'data')).isFile()).toBe(true);

  rmSync(join(project.root, 'data'));
  mkdirSync(join(project.base, 'lake'));
  symlinkSync(join(project.base, 'lake'), join(project.root, 'data'));
  expect((await store.mountPlan(hash)).links[0]).toEqual({
    path: 'data',
    target: join(project.base, 'lake'),
    isFolder: true,
  });
  expect(statSync(join(filesDir, 'data')).isDirectory()).toBe(true);

  rmSync(join(project.root, 'data'));
  await expect(store.mountPlan(hash)).rejects.toMatchObject({
    code: 'HPO-2441',
    message: expect.stringContaining('data is linked to'),
  });
});

it('a stored link that was changed is noticed', async () => {
  using project = makeProject();
  const store = new SnapshotStore(project.storeDir);
  const { hash } = await store.take(options(project));
  const link = join(project.storeDir, hash, 'files', 'alias.py');
  rmSync(link);
  symlinkSync('/etc/passwd', link);
  await expect(store.verify(hash)).rejects.toMatchObject({ code: 'HPO-2205', message: expect.stringContaining('alias.py') });
});
