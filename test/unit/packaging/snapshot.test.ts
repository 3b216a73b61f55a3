import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { assert, asyncProperty, dictionary, string } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allowMark } from '../../../agent/packaging/secrets/index.ts';
import { SnapshotStore } from '../../../agent/packaging/snapshot.ts';
import { ProjectFixture, text, tree } from './projectFixture.ts';
import { drawn } from './secrets/drawn.ts';

const script = { 'train.py': 'lr = 0.1\n' };
const options = (project: ProjectFixture, more: object = {}) => ({ root: project.root, mustHave: ['train.py'], ...more });

/** Without what stands there for links. */
const storedFiles = (project: ProjectFixture, { hash, linked }: { hash: string; linked: readonly string[] }): string[] => {
  const dir = join(project.storeDir, hash, 'files');
  return tree(dir).filter((path) => !lstatSync(join(dir, path)).isSymbolicLink() && !linked.includes(path));
};

describe.each([{ git: true }, { git: false }])('what a snapshot holds (git: $git)', ({ git }) => {
  const cases: {
    name: string;
    files: Record<string, string>;
    stored?: string[];
    linked?: string[];
    excluded?: string[];
    more?: object;
  }[] = [
    { name: 'code, nested and hidden', files: { 'lib/a.py': 'a', '.config.yaml': 'x' }, stored: ['.config.yaml', 'lib/a.py'] },
    {
      name: 'secrets stay out, whatever asks for them',
      files: {
        '.env': 'S',
        '.env.local': 'S',
        'conf/.netrc': 'S',
        'keys/ID_RSA': 'S',
        'a.pem': 'S',
        '.aws/credentials': 'S',
        '.kube/config': 'S',
        '.hpoignore': '!.env\n!*.pem\n',
      },
      stored: ['.hpoignore'],
      excluded: ['.aws', '.env', '.env.local', '.kube', 'a.pem', 'conf/.netrc', 'keys/ID_RSA'],
    },
    {
      name: 'an annotation does not re-include one',
      files: { 'conf/.env': 'S', 'conf/a': '' },
      stored: ['conf/a'],
      excluded: ['conf/.env'],
      more: { include: ['conf'] },
    },
    {
      name: 'a package with a name of secrets: its sources, and nothing else of it',
      files: { 'secrets/__init__.py': '', 'secrets/deep/a.py': '', 'secrets/db.txt': 'S', 'gcloud/i.ts': '', credentials: 'S' },
      stored: ['gcloud/i.ts', 'secrets/__init__.py', 'secrets/deep/a.py'],
      excluded: ['credentials', 'secrets'],
    },
    {
      name: 'what tools make stays out',
      files: { 'node_modules/x/i.js': '', '.venv/bin/python': '', 'lib/__pycache__/a.pyc': '', 'lib/a.py': '' },
      stored: ['lib/a.py'],
      excluded: ['.venv', 'lib/__pycache__', 'node_modules'],
    },
    {
      name: '.hpoignore leaves out',
      files: { '.hpoignore': 'notes/\n*.md\n', 'notes/a.txt': '', 'b.md': '' },
      stored: ['.hpoignore'],
      excluded: ['b.md', 'notes'],
    },
    { name: '.hpoignore does not leave out what is needed', files: { '.hpoignore': '*.py\n' }, stored: ['.hpoignore'] },
    {
      name: '@hpo.include wins over .hpoignore',
      files: { '.hpoignore': '*.yaml\n', 'a.yaml': '', 'b.yaml': '' },
      stored: ['.hpoignore', 'a.yaml'],
      excluded: ['b.yaml'],
      more: { include: ['a.yaml'] },
    },
    {
      name: '.dockerignore: data is linked, not copied; its patterns are anchored',
      files: { '.dockerignore': '# c\nraw\n**/*.csv\n', 'raw/a': '', 'sub/raw/a': '', 'sub/t.csv': '', 'input/t.csv': '' },
      stored: ['.dockerignore', 'sub/raw/a', 'sub/t.csv'],
      linked: ['input/t.csv', 'raw'],
    },
    {
      name: 'ignored by git: data is linked, the rest could be results',
      files: {
        '.gitignore': 'data/\n*.npy\nmodels/\n',
        'data/x/a.txt': 'a',
        'b.npy': '',
        'inputs/b.npy': '',
        'inputs/about.md': '',
        'models/a': '',
      },
      stored: ['.gitignore', 'inputs/about.md'],
      linked: ['data', 'inputs/b.npy'],
      excluded: ['b.npy', 'models'],
    },
    {
      name: 'ignored by git, but included: copied',
      files: { '.gitignore': 'conf/\nlocal.yaml\n', 'conf/sub/a': '', 'conf/.env': '', 'local.yaml': '' },
      stored: ['.gitignore', 'conf/sub/a', 'local.yaml'],
      excluded: ['conf/.env'],
      more: { include: ['conf', 'local.yaml'] },
    },
    {
      name: 'other data in data that is linked by itself',
      files: { '.gitignore': 'data/\n', 'data/a': '', 'data/old/b': '', 'more/c': '' },
      stored: ['.gitignore'],
      linked: ['data/a', 'data/old', 'data/sub', 'more'],
      more: {
        data: [
          { from: 'more', to: 'data/sub' },
          { from: 'more', to: 'data/old' },
        ],
      },
    },
    {
      name: 'ignored output: an empty folder',
      files: { '.gitignore': 'runs/\n', 'runs/1/log': '' },
      stored: ['.gitignore'],
      excluded: ['runs'],
    },
    {
      name: 'an ignored virtual environment of any name',
      files: { '.gitignore': 'myenv/\n', 'myenv/pyvenv.cfg': '' },
      stored: ['.gitignore'],
      excluded: ['myenv'],
    },
    {
      name: 'a needed file in an ignored folder',
      files: { '.gitignore': 'd/\n', 'd/m.py': '', 'd/x.bin': '', 'd/e/y': '' },
      stored: ['.gitignore', 'd/m.py'],
      excluded: ['d'],
      more: { mustHave: ['train.py', 'd/m.py'] },
    },
    {
      name: 'a needed file in ignored data',
      files: { '.gitignore': 'data/\n', 'data/m.py': '', 'data/x.bin': '', 'data/e/y': '' },
      stored: ['.gitignore', 'data/m.py'],
      linked: ['data/e', 'data/x.bin'],
      more: { mustHave: ['train.py', 'data/m.py'] },
    },
    {
      name: 'a file above 1 MB that git does not hold is copied, above 16 MB left out, in a folder for data linked',
      files: {
        'model.bin': 'x'.repeat(1024 * 1024 + 1),
        'huge.bin': 'x'.repeat(16 * 1024 * 1024 + 1),
        'raw/a.bin': 'x'.repeat(1024 * 1024 + 1),
      },
      stored: ['model.bin'],
      linked: ['raw/a.bin'],
      excluded: ['huge.bin'],
    },
    {
      name: '@hpo.data is linked as a whole',
      files: { 'img/1.png': '', 'img/2.png': '' },
      linked: ['img'],
      more: { data: [{ from: './img', to: '/data' }] },
    },
    { name: 'links within the project stay links', files: { 'lib/a.py': '', 'b.py': '-> lib/a.py' }, stored: ['lib/a.py'] },
    {
      name: 'links out of it are refused',
      files: { b: '-> /etc/passwd', c: '-> nowhere', d: '-> ../../x' },
      excluded: ['b', 'c', 'd'],
    },
    { name: 'a link to a secret is refused', files: { '.env': 'S', b: '-> .env' }, excluded: ['.env', 'b'] },
    {
      name: 'odd names',
      files: { 'a b.py': '', 'q"\'.py': '', 'n\nl.py': '', 'ü€🎉.py': '', '-x.py': '', '$(id).py': '' },
      stored: ['$(id).py', '-x.py', 'a b.py', 'n\nl.py', 'q"\'.py', 'ü€🎉.py'],
    },
  ];
  it.each(cases)('$name', async ({ files, stored = [], linked = [], excluded = [], more = {} }) => {
    using project = new ProjectFixture({ ...script, ...files }, { git });
    const info = await new SnapshotStore(project.storeDir).take(options(project, more));
    expect(storedFiles(project, info)).toEqual([...stored, 'train.py'].sort());
    expect(info.files).toBe(stored.length + 1);
    expect(info.linked).toEqual(linked);
    expect(info.excluded.map(({ path }) => path)).toEqual(excluded);
    expect(await new SnapshotStore(project.storeDir).survey(options(project, more))).toMatchObject({
      files: info.files,
      bytes: info.bytes,
      linked: info.linked,
      excluded: info.excluded,
      large: null,
    });
  });
});

describe('git', () => {
  it('takes what is staged, changed and new, not what is deleted', async () => {
    using project = new ProjectFixture({ ...script, 'old.py': '', 'kept.py': '1' }, { git: true });
    project.git('add', '.');
    project.git('commit', '-qm', 'x');
    project.write({ 'kept.py': '2', 'new.py': '' });
    rmSync(join(project.root, 'old.py'));
    const store = new SnapshotStore(project.storeDir);
    const { hash } = await store.take(options(project));
    expect(tree(join(project.storeDir, hash, 'files'))).toEqual(['kept.py', 'new.py', 'train.py']);
    expect(await store.readText(hash, 'kept.py')).toBe('2');
  });

  it('freezes large code and settings, and looks for secrets in them', async () => {
    const long = 'x = 1\n'.repeat(200_000);
    const files = {
      'vocabulary.py': long,
      'data/words.py': long,
      'settings.json': long,
      notes: long,
      'table.csv': long,
      frozen: `\0${long}`,
    };
    using project = new ProjectFixture({ ...script, ...files }, { git: true });
    project.git('add', '.');
    const store = new SnapshotStore(project.storeDir);
    const { hash, linked } = await store.take(options(project));
    expect(linked).toEqual(['frozen', 'table.csv']);
    project.git('rm', '-q', '--cached', 'data/words.py');
    expect(await store.take(options(project))).toMatchObject({ hash, linked });
    expect(await store.readText(hash, 'vocabulary.py')).toBe(long);
    project.write({ 'vocabulary.py': `${long}TOKEN = "ghp_${drawn('large', 36)}"\n` });
    await expect(store.take(options(project))).rejects.toMatchObject({
      code: 'HPO-2440',
      message: expect.stringContaining('vocabulary.py:200001 '),
    });
  });

  it('takes a link to a repository for a link: nothing outside gets in, and nothing twice', async () => {
    using project = new ProjectFixture({ ...script, self: '-> .', 's/loop': '-> ..', ext: '-> ../other' }, { git: true });
    using other = new ProjectFixture({ 'own.py': 'theirs' }, { git: true });
    rmSync(join(project.root, 'ext'));
    symlinkSync(other.root, join(project.root, 'ext'));
    const info = await new SnapshotStore(project.storeDir).take(options(project));
    expect(tree(join(project.storeDir, info.hash, 'files'))).toEqual(['s/loop', 'self', 'train.py']);
    expect(info.files).toBe(1);
    expect(info.excluded).toEqual([
      { path: 'ext', reason: `a link out of the project, to ${other.root}: name data outside with @hpo.data` },
    ]);
  });

  it('links large files that it tracks', async () => {
    using project = new ProjectFixture({ ...script, 'model.bin': 'x'.repeat(1024 * 1024 + 1) }, { git: true });
    project.git('add', '.');
    expect((await new SnapshotStore(project.storeDir).take(options(project))).linked).toEqual(['model.bin']);
  });

  it('keeps the results that a user already has from being written over by a trial', async () => {
    const mine = {
      'saved_models/final.pt': 'mine',
      'best_model.pkl': 'mine',
      'history.csv': 'mine',
      'big.ckpt': 'm'.repeat(1024 * 1024 + 1),
    };
    using project = new ProjectFixture(
      { ...script, ...mine, '.gitignore': 'saved_models/\nbest_model.pkl\nhistory.csv\ndata/\n', 'data/train.csv': '1' },
      { git: true },
    );
    const store = new SnapshotStore(project.storeDir);
    const { hash, linked, excluded } = await store.take(options(project));
    expect(linked).toEqual(['data']);
    expect(excluded).toContainEqual({
      path: 'history.csv',
      reason: 'ignored by git; name it by @hpo.data to have it',
    });
    const work = join(project.base, 'work');
    await store.materialize(hash, work, []);
    for (const path of Object.keys(mine)) writeFileSync(join(work, path), 'a trial');
    for (const [path, content] of Object.entries(mine)) expect(text(project.root, path)).toBe(content);
    expect(text(work, 'data/train.csv')).toBe('1');
  });

  it('goes into nested repositories and submodules', async () => {
    using project = new ProjectFixture(
      { ...script, 'inner/.gitignore': 'data\n', 'inner/a.py': '', 'inner/data/x': '' },
      { git: true },
    );
    project.git('-C', 'inner', 'init', '-q');
    const { hash, linked } = await new SnapshotStore(project.storeDir).take(options(project));
    expect(tree(join(project.storeDir, hash, 'files'))).toEqual(['inner/.gitignore', 'inner/a.py', 'train.py']);
    expect(linked).toEqual(['inner/data']);
  });

  it('never runs what a repository configures', async () => {
    using project = new ProjectFixture(script, { git: true });
    const trap = join(project.base, 'trap');
    writeFileSync(trap, `#!/bin/sh\ntouch "${trap}.sprung"\n`, { mode: 0o755 });
    project.git('config', 'core.fsmonitor', trap);
    project.git('status');
    expect(existsSync(`${trap}.sprung`), 'the trap works').toBe(true);
    rmSync(`${trap}.sprung`);
    await new SnapshotStore(project.storeDir).take(options(project));
    expect(existsSync(`${trap}.sprung`)).toBe(false);
  });

  it('takes a subfolder of a repository as a root', async () => {
    using project = new ProjectFixture({ 'a/train.py': '', 'b/x.py': '' }, { git: true });
    const { hash } = await new SnapshotStore(project.storeDir).take({ root: join(project.root, 'a'), mustHave: ['train.py'] });
    expect(tree(join(project.storeDir, hash, 'files'))).toEqual(['train.py']);
  });
});

describe('the store', () => {
  it('stores equal projects once, and another version beside', async () => {
    using project = new ProjectFixture({ ...script, 'a/b.py': 'b' });
    const store = new SnapshotStore(project.storeDir);
    const [first, again] = await Promise.all([store.take(options(project)), store.take(options(project))]);
    expect(again).toEqual(first);
    project.write({ 'a/b.py': 'c' });
    const second = await store.take(options(project));
    expect(second.hash).not.toBe(first.hash);
    expect(await store.readText(first.hash, 'a/b.py')).toBe('b');
    expect(await store.readText(second.hash, 'a/b.py')).toBe('c');
    project.write({ 'a/b.py': 'b' });
    chmodSync(join(project.root, 'a/b.py'), 0o755);
    const third = await store.take(options(project));
    expect(new Set([first.hash, second.hash, third.hash]).size).toBe(3);
    expect(existsSync(join(project.storeDir, first.hash, 'manifest.json'))).toBe(true);
    expect(tree(project.storeDir).filter((path) => path.startsWith('.'))).toEqual([]);
  });

  it('keeps its files read-only, and notices when one was changed all the same', async () => {
    using project = new ProjectFixture(script);
    const store = new SnapshotStore(project.storeDir);
    const { hash } = await store.take(options(project));
    const file = join(project.storeDir, hash, 'files', 'train.py');
    expect(statSync(file).mode & 0o777).toBe(0o444);
    await store.verify(hash);
    chmodSync(file, 0o644);
    writeFileSync(file, 'lr = 9\n');
    await expect(store.verify(hash)).rejects.toMatchObject({ code: 'HPO-2205', message: expect.stringContaining('train.py') });
    await expect(store.readText('0'.repeat(64), 'train.py')).rejects.toMatchObject({ code: 'HPO-2205' });
    await expect(store.readText('../..', 'train.py')).rejects.toThrow('not the hash');
    await expect(store.readText(hash, '../manifest.json')).rejects.toMatchObject({ code: 'HPO-2202' });
  });

  it('makes the work folder of an attempt', async () => {
    using project = new ProjectFixture({
      ...script,
      '.gitignore': 'data\nruns/\n',
      'data/x.csv': '1',
      'runs/old': '',
      'run.sh': '#!/bin/sh\n',
      'lib/a.py': 'a',
      'alias.py': '-> lib/a.py',
      'lib/up': '-> ../data',
    });
    chmodSync(join(project.root, 'run.sh'), 0o755);
    const store = new SnapshotStore(project.storeDir);
    const { hash } = await store.take(options(project));
    project.write({ 'lib/a.py': 'edited while the study runs' });
    const work = join(project.base, 'w', 'work');
    for (const value of ['0.5', '0.7']) {
      await store.materialize(hash, work, [{ path: 'train.py', content: `lr = ${value}\n` }]);
      expect(tree(work)).toEqual(['.gitignore', 'alias.py', 'data', 'lib/a.py', 'lib/up', 'run.sh', 'train.py']);
      expect(text(work, 'train.py')).toBe(`lr = ${value}\n`);
      writeFileSync(join(work, 'lib/a.py'), 'a trial may write here');
    }
    expect(await store.readText(hash, 'lib/a.py')).toBe('a');
    expect(readlinkSync(join(work, 'data'))).toBe(join(project.root, 'data'));
    expect(text(work, 'lib/up/x.csv')).toBe('1');
    expect(text(work, 'alias.py')).toBe('a trial may write here');
    expect(statSync(join(work, 'run.sh')).mode & 0o100).toBe(0o100);
    expect(lstatSync(join(work, 'runs')).isDirectory()).toBe(true);
    await expect(store.materialize(hash, work, [{ path: 'data/x.csv', content: 'mine' }])).rejects.toThrow(RangeError);
    await expect(store.materialize(hash, work, [{ path: '../x', content: 'mine' }])).rejects.toThrow(RangeError);
  });

  it('removes what no study refers to, but nothing that was taken just now', async () => {
    using project = new ProjectFixture(script);
    const store = new SnapshotStore(project.storeDir);
    const hashes: string[] = [];
    for (const value of ['1', '2', '3', '4']) {
      project.write({ 'train.py': value });
      hashes.push((await store.take(options(project))).hash);
    }
    const [used = '', old = '', again = '', young = ''] = hashes;
    const anHourAgo = new Date(Date.now() - 3_600_000);
    for (const hash of [used, old, again]) utimesSync(join(project.storeDir, hash), anHourAgo, anHourAgo);
    project.write({ 'train.py': '3' });
    await store.take(options(project));
    mkdirSync(join(project.storeDir, '.removing-x'));
    mkdirSync(join(project.storeDir, '.taking-x'));
    await Promise.all([store.prune(new Set([used])), store.prune(new Set([used]))]);
    expect(readdirSync(project.storeDir).sort()).toEqual(['.taking-x', used, again, young].sort());
    await store.verify(used);
    await expect(store.verify(old)).rejects.toMatchObject({ code: 'HPO-2205' });
    project.write({ 'train.py': '2' });
    expect((await store.take(options(project))).hash).toBe(old);
    await store.verify(old);
  });

  it('removes at once what a deleted study had, unless it was taken again since, and says what would go', async () => {
    using project = new ProjectFixture(script);
    const store = new SnapshotStore(project.storeDir);
    const hashes: string[] = [];
    for (const value of ['1', '22', '333']) {
      project.write({ 'train.py': value });
      hashes.push((await store.take(options(project))).hash);
    }
    const [deleted = '', again = '', shared = ''] = hashes;
    expect(await store.unused(new Set())).toEqual([]);
    const began = (hash: string): number => statSync(join(project.storeDir, hash)).mtimeMs;
    const released = new Map([
      [deleted, began(deleted)],
      [again, began(again) - 1],
      [shared, began(shared)],
    ]);
    await store.prune(new Set([shared]), released);
    expect(readdirSync(project.storeDir).sort()).toEqual([again, shared].sort());
    const anHourAgo = new Date(Date.now() - 3_600_000);
    for (const hash of [again, shared]) utimesSync(join(project.storeDir, hash), anHourAgo, anHourAgo);
    const unused = await store.unused(new Set([shared]));
    expect(unused).toEqual([{ hash: again, bytes: expect.any(Number) }]);
    // One of the files has two bytes where another project's had one.
    expect((await store.unused(new Set([again])))[0]?.bytes).toBe((unused[0]?.bytes ?? 0) + 1);
  });

  it('links data from outside where the annotation says so', async () => {
    using project = new ProjectFixture(script);
    mkdirSync(join(project.base, 'lake'));
    writeFileSync(join(project.base, 'lake', 'a'), '1');
    const store = new SnapshotStore(project.storeDir);
    const { hash, linked } = await store.take(options(project, { data: [{ from: '../lake', to: 'input' }] }));
    expect(linked).toEqual(['input']);
    await store.materialize(hash, join(project.base, 'work'), []);
    expect(text(project.base, 'work', 'input', 'a')).toBe('1');
  });
});

describe('what is refused', () => {
  const cases: { name: string; files?: Record<string, string>; more: object; code: string; says: string }[] = [
    { name: 'a script that is not there', more: { mustHave: ['gone.py'] }, code: 'HPO-2202', says: 'gone.py' },
    { name: 'a script outside the root', more: { mustHave: ['../x.py'] }, code: 'HPO-2204', says: '../x.py' },
    {
      name: 'a script that is a link out of the root',
      files: { 'l.py': '-> /etc/hostname' },
      more: { mustHave: ['l.py'] },
      code: 'HPO-2204',
      says: '/etc/hostname',
    },
    {
      name: 'a needed file with the name of a secret',
      files: { '.env.py': '' },
      more: { mustHave: ['.env.py'] },
      code: 'HPO-2203',
      says: '.env.py',
    },
    { name: 'an include of a secret', files: { '.env': '' }, more: { include: ['.env'] }, code: 'HPO-2203', says: '.env' },
    { name: 'an include that is not there', more: { include: ['conf/m.yaml'] }, code: 'HPO-2202', says: 'conf/m.yaml' },
    { name: 'data that is not there', more: { data: [{ from: 'lake', to: '/d' }] }, code: 'HPO-2202', says: 'lake' },
  ];
  it.each(cases)('$name', async ({ files = {}, more, code, says }) => {
    using project = new ProjectFixture({ ...script, ...files });
    await expect(new SnapshotStore(project.storeDir).take(options(project, more))).rejects.toMatchObject({
      code,
      message: expect.stringContaining(says),
    });
    expect(existsSync(project.storeDir)).toBe(false);
  });

  it('too many bytes: says which folder, and how to leave it out or link it', async () => {
    using project = new ProjectFixture(script);
    const chunk = 'x'.repeat(1000 * 1024);
    project.write(Object.fromEntries(Array.from({ length: 104 }, (_, index) => [`raw/part-${index}.txt`, chunk])));
    const store = new SnapshotStore(project.storeDir);
    await expect(store.take(options(project))).rejects.toMatchObject({
      code: 'HPO-2201',
      message: expect.stringMatching(/102 MB \(at most 100 MB\): raw\/ 102 MB/),
      next: 'if the script reads it, link it: # @hpo.data raw -> raw; if not, add the line "raw/" to .hpoignore; or store it all the same: --allow-large',
    });
    const survey = await store.survey(options(project));
    expect(survey).toMatchObject({ files: 105, large: { code: 'HPO-2201' } });
    expect(existsSync(project.storeDir)).toBe(false);
    const agreed = await store.take(options(project, { allowLarge: true }));
    expect(agreed).toMatchObject({ files: 105, bytes: survey.bytes });
    await store.verify(agreed.hash);
    expect((await store.take(options(project, { data: [{ from: 'raw', to: 'raw' }] }))).linked).toEqual(['raw']);
  });

  it('far too many bytes, whatever the user agrees to', async () => {
    using project = new ProjectFixture(script);
    mkdirSync(join(project.root, 'part'));
    // Sparse: 150 files of 15 MB that take no room.
    for (let index = 0; index < 150; index++) {
      writeFileSync(join(project.root, 'part', `${index}`), '');
      truncateSync(join(project.root, 'part', `${index}`), 15 * 1024 * 1024);
    }
    await expect(
      new SnapshotStore(project.storeDir).survey({
        root: project.root,
        mustHave: ['train.py'],
        include: ['part'],
        allowLarge: true,
      }),
    ).rejects.toMatchObject({ code: 'HPO-2201', message: expect.stringContaining('(at most 2048 MB): part/ 2250 MB') });
  });

  it('too many files', async () => {
    using project = new ProjectFixture(script);
    mkdirSync(join(project.root, 'img'));
    for (let index = 0; index <= 10_000; index++) writeFileSync(join(project.root, 'img', `${index}`), '');
    await expect(new SnapshotStore(project.storeDir).survey(options(project))).rejects.toMatchObject({
      code: 'HPO-2201',
      message: expect.stringContaining('img/ 10,001 files'),
    });
  });
});

it('any names and contents come back as they were', async () => {
  const name = string({ minLength: 1, maxLength: 8, unit: 'grapheme' }).filter(
    (value) => !/[/\0\\]|^\.|^~|~$|[\ud800-\udfff]/u.test(value) && value.trim() !== '',
  );
  await assert(
    asyncProperty(dictionary(name, string({ unit: 'binary' }), { maxKeys: 4, noNullPrototype: true }), async (files) => {
      using project = new ProjectFixture(
        {
          ...script,
          ...Object.fromEntries(
            Object.entries(files).map(([path, content]) => [`d/${path}`, content.startsWith('-> ') ? '' : content]),
          ),
        },
        { git: false },
      );
      const store = new SnapshotStore(project.storeDir);
      const { hash } = await store.take(options(project));
      await store.materialize(hash, join(project.base, 'work'), []);
      const paths = tree(project.root);
      expect(tree(join(project.base, 'work'))).toEqual(paths);
      for (const path of paths) expect(text(project.base, 'work', path)).toBe(text(project.root, path));
    }),
    { numRuns: 60 },
  );
});

describe('secrets in what would be stored', () => {
  const secret = drawn('a token in the project', 36);

  it('stop it, with file and line; nothing is stored, and nothing of the secret is said', async () => {
    using project = new ProjectFixture({
      ...script,
      'lib/hub.py': `import os\n\nTOKEN = "ghp_${secret}"\n`,
      'conf.yaml': `db:\n  password: ${drawn('a password', 16)}\n`,
      '.env': `TOKEN=ghp_${secret}`,
    });
    const store = new SnapshotStore(project.storeDir);
    const error: unknown = await store.take(options(project)).then(
      () => null,
      (reason: unknown) => reason,
    );
    expect(error).toMatchObject({
      code: 'HPO-2440',
      message:
        'what looks like a secret is not stored:\nconf.yaml:2 a password, key or token: password = … (16 characters)\nlib/hub.py:3 a token of GitHub: ghp_… (40 characters)',
      next: expect.stringContaining(allowMark),
    });
    for (let from = 0; from + 6 <= secret.length; from++) expect(String(error)).not.toContain(secret.slice(from, from + 6));
    expect(existsSync(project.storeDir)).toBe(false);
  });

  it.each([
    { name: 'the file is ignored', change: { '.hpoignore': 'lib/hub.py\n' }, stored: ['.hpoignore', 'train.py'] },
    { name: 'the file has another name', change: { 'lib/hub.py': '' }, stored: ['lib/hub.py', 'train.py'] },
    {
      name: 'the user says that it is none',
      change: { 'lib/hub.py': `TOKEN = "ghp_${secret}"  # ${allowMark}\n` },
      stored: ['lib/hub.py', 'train.py'],
    },
  ])('and no longer when $name', async ({ change, stored }) => {
    using project = new ProjectFixture({ ...script, 'lib/hub.py': `TOKEN = "ghp_${secret}"\n` });
    const store = new SnapshotStore(project.storeDir);
    await expect(store.take(options(project))).rejects.toMatchObject({ code: 'HPO-2440' });
    project.write(change);
    const { hash } = await store.take(options(project));
    expect(tree(join(project.storeDir, hash, 'files'))).toEqual(stored);
  });

  it('do not matter in what is linked or left out', async () => {
    using project = new ProjectFixture({
      ...script,
      '.gitignore': 'data/\nnotes.txt\n',
      'data/a.csv': `ghp_${secret}`,
      'notes.txt': `ghp_${secret}`,
      'node_modules/x/a.js': `ghp_${secret}`,
    });
    expect((await new SnapshotStore(project.storeDir).take(options(project))).files).toBe(2);
  });
});

describe('the state of the agent', () => {
  it.each([
    { name: 'in the project, with git', home: 'state', git: true, ignore: '' },
    { name: 'in the project, without git', home: 'state', git: false, ignore: '' },
    { name: 'in the project, ignored by git', home: 'out/state', git: true, ignore: 'out/\n' },
    { name: 'in data of the project', home: 'data/state', git: true, ignore: 'data/\n' },
    { name: 'the project itself', home: '.', git: true, ignore: '' },
  ])('is never stored: $name', async ({ home, git, ignore }) => {
    using project = new ProjectFixture({ ...script, '.gitignore': ignore }, { git });
    project.write({
      [join(home, 'journal.db')]: 'all studies',
      [join(home, 'journal.db-wal')]: 'all studies',
      [join(home, 'studies/1/trials/0/attempt-1/out.log')]: 'printed',
      [join(home, 'agent.log')]: 'log',
    });
    const store = new SnapshotStore(join(project.root, home, 'snapshots'));
    const first = await store.take(options(project));
    const plan = await store.mountPlan(first.hash);
    expect(tree(plan.filesDir).filter((path) => !/^(?:\.gitignore|train\.py)$/.test(path))).toEqual([]);
    expect(plan.links).toEqual([]);
    expect(first.excluded.map(({ reason }) => reason).join()).toContain('hpo');
    // What the first one wrote changes nothing.
    expect((await store.take(options(project))).hash).toBe(first.hash);
  });
});

describe('links that leave the project', () => {
  it('bring nothing into a container unless @hpo.data names them; as processes, trials follow them as before', async () => {
    using project = new ProjectFixture(
      { ...script, '.gitignore': 'data\ninput\n', data: '-> ../lake', input: '-> lib', 'lib/a.csv': '' },
      { git: true },
    );
    mkdirSync(join(project.base, 'lake'));
    writeFileSync(join(project.base, 'lake', 'x'), '1');
    symlinkSync('../lake', join(project.root, 'stray'));
    const store = new SnapshotStore(project.storeDir);
    const local = await store.take(options(project));
    expect(local.linked).toEqual(['data', 'input']);
    const contained = await store.take(options(project, { isContained: true }));
    expect(contained.linked).toEqual(['input']);
    const reason = `a link out of the project, to ${join(project.base, 'lake')}: name data outside with @hpo.data`;
    expect(contained.excluded).toEqual([
      { path: 'data', reason },
      { path: 'stray', reason },
    ]);
    const named = await store.take(options(project, { isContained: true, data: [{ from: 'data', to: 'data' }] }));
    expect((await store.mountPlan(named.hash)).links).toEqual([
      { path: 'data', target: join(project.base, 'lake'), isFolder: true },
      { path: 'input', target: join(project.root, 'lib'), isFolder: true },
    ]);
  });
});

it('a project that changes while it is stored is stored as it is at one moment', async () => {
  using project = new ProjectFixture({
    ...script,
    ...Object.fromEntries(Array.from({ length: 40 }, (_, index) => [`lib/${index}.py`, 'x = 1\n'])),
  });
  const store = new SnapshotStore(project.storeDir);
  const changes = new AbortController();
  const changing = (async () => {
    for (let version = 0; !changes.signal.aborted && version < 40; version++) {
      writeFileSync(join(project.root, 'lib/7.py'), `x = ${version}\n`);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  })();
  const info = await store.take(options(project)).catch((error: unknown) => error);
  changes.abort();
  await changing;
  if (info instanceof Error) expect(info).toMatchObject({ code: 'HPO-2206' });
  for (const name of readdirSync(project.storeDir)) await store.verify(name);
  expect(await store.take(options(project))).toMatchObject({ files: 41 });
});
