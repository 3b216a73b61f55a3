import { describe, expect, test } from 'vitest';
import { codes, detect, type Files } from './project.ts';

const lockOf = (...entries: readonly string[]) => ({
  'uv.lock': `version = 1\n${entries.map((entry) => `[[package]]\n${entry}\n`).join('')}`,
  'pyproject.toml': '[project]\nname = "demo"\nversion = "0"\ndependencies = []\n',
});
const wheel = (name: string, version: string) =>
  `name = "${name}"\nversion = "${version}"\nsource = { registry = "https://pypi.org/simple" }\nsdist = { url = "https://f/${name}.tar.gz" }\nwheels = [{ url = "https://f/${name}.whl" }]`;
const sdist = (name: string) =>
  `name = "${name}"\nversion = "1"\nsource = { registry = "https://pypi.org/simple" }\nsdist = { url = "https://f/${name}.tar.gz" }`;
const list = (text: string): Files => ({ 'requirements.txt': text });
const conda = (...specs: readonly string[]): Files => ({ 'environment.yml': JSON.stringify({ dependencies: specs }) });

describe('CUDA', () => {
  test.each<readonly [what: string, files: Files, cuda: string | null]>([
    ['the runtime in a lock', lockOf(wheel('torch', '2.5.1'), wheel('nvidia-cuda-runtime-cu12', '12.4.127')), '12.4'],
    ['the runtime of 13', lockOf(wheel('nvidia-cuda-runtime', '13.0.48')), '13.0'],
    ['a local version', lockOf(wheel('torch', '2.5.1+cu118')), '11.8'],
    ['a local version without CUDA', lockOf(wheel('torch', '2.5.1+cpu')), null],
    ['a pinned local version', list('torch==2.4.0+cu121\n'), '12.1'],
    ['an index', list('--extra-index-url https://download.pytorch.org/whl/cu126\ntorch\n'), '12.6'],
    ['an index without CUDA', list('--index-url https://download.pytorch.org/whl/cpu\ntorch\n'), null],
    ['torch as PyPI has it', list('torch==2.6.0\n'), '12.4'],
    ['torch before its wheels brought CUDA', list('torch==1.13.1\n'), null],
    ['cupy', list('cupy-cuda11x\n'), '11.8'],
    ['jax', list('jax[cuda12]>=0.4\n'), '12.4'],
    ['tensorflow', list('tensorflow[and-cuda]==2.17\n'), '12.4'],
    ['tensorflow alone', list('tensorflow==2.17\n'), null],
    ['conda', conda('python=3.11', 'cudatoolkit=11.8'), '11.8'],
    ["conda's cuda-version", conda('cuda-version>=12.2,<13'), '12.2'],
    ['pytorch-cuda', conda('pytorch', 'pytorch-cuda=12.1'), '12.1'],
    ['what is for Windows alone', list('cupy-cuda12x; sys_platform == "win32"\n'), null],
    ['nothing of the kind', list('six\n'), null],
  ])('%s', async (_, files, cuda) => {
    expect((await detect(files)).cuda).toBe(cuda);
  });
});

describe('what has to be compiled', () => {
  test.each<readonly [what: string, files: Files, needsCompiler: boolean, system: readonly string[]]>([
    ['wheels', lockOf(wheel('six', '1')), false, []],
    ['sources alone in a lock', lockOf(sdist('x')), true, []],
    ['a repository in a lock', lockOf('name = "x"\nversion = "1"\nsource = { git = "https://h/x?rev=1#abc" }'), true, ['git']],
    ['a repository in a list', list('git+https://github.com/a/b.git@main#egg=b\n'), true, ['git']],
    ['a repository by name', list('b @ git+https://github.com/a/b.git\n'), true, ['git']],
    ['a wheel by its address', list('b @ https://h/b-1-py3-none-any.whl\n'), false, []],
    ['an archive by its address', list('https://h/b-1.tar.gz\n'), true, []],
    ['known to be compiled', list('flash-attn\n'), true, []],
    ['a compiled package with its library', list('psycopg2\n'), true, ['libpq-dev']],
    ['what only needs a library', list('opencv-python>=4\n'), false, ['libgl1', 'libglib2.0-0']],
    ['the same of conda, which brings it', conda('opencv-python'), false, []],
    [
      'sources in a lock of Poetry',
      {
        'poetry.lock': '[[package]]\nname = "x"\nversion = "1"\nfiles = [{file = "x-1.tar.gz"}]\n',
        'pyproject.toml': '[tool.poetry]\n',
      },
      true,
      [],
    ],
    [
      'sources in a lock of PDM',
      { 'pdm.lock': '[[package]]\nname = "x"\nversion = "1"\nfiles = [{file = "x-1.tar.gz"}]\n', 'pyproject.toml': '' },
      true,
      [],
    ],
    [
      'a repository in a lock of Pipenv',
      { 'Pipfile.lock': '{"default": {"x": {"git": "https://h/x", "ref": "a"}}}', Pipfile: '' },
      true,
      ['git'],
    ],
  ])('%s', async (_, files, needsCompiler, system) => {
    const found = await detect(files);
    expect([found.needsCompiler, found.systemPackages]).toEqual([needsCompiler, system]);
  });

  test('packages that @hpo.image names come on top', async () => {
    const imageSetting = { annotated: { packages: 'ffmpeg, libgl1' }, requested: null };
    expect((await detect(list('opencv-python\n'), { imageSetting })).systemPackages).toEqual([
      'ffmpeg',
      'libgl1',
      'libglib2.0-0',
    ]);
  });
});

describe('the version of Python', () => {
  const project = (range: string): Files => ({
    'pyproject.toml': `[project]\nname = "a"\nrequires-python = "${range}"\ndependencies = []\n`,
  });
  test.each<readonly [what: string, files: Files, version: string]>([
    ['nothing says it', list('six\n'), ''],
    ['a range', project('>=3.9'), '3.12'],
    ['a range with an end', project('>=3.8,<3.11'), '3.10'],
    ['a range above the usual', project('>=3.13'), '3.13'],
    ['one series', project('==3.10.*'), '3.10'],
    ['a pin', { ...project('>=3.9'), '.python-version': '# why\ncpython-3.11.4\n' }, '3.11.4'],
    ['a pin above', { ...list('six\n'), '.python-version': '3.10' }, '3.10'],
    ['Poetry', { 'pyproject.toml': '[tool.poetry.dependencies]\npython = "~3.10"\nsix = "^1.16"\n' }, '3.10'],
    [
      'Pipenv',
      {
        'Pipfile.lock': '{"_meta": {"requires": {"python_full_version": "3.10.2"}}}',
        Pipfile: '[requires]\npython_full_version = "3.10.2"\n',
      },
      '3.10.2',
    ],
    ['conda', conda('python=3.10'), '3.10'],
    ["conda's range", conda('python>=3.9,<3.11'), '3.10'],
    ['a Dockerfile', { Dockerfile: 'FROM --platform=linux/amd64 docker.io/library/python:3.9-slim AS x\n' }, '3.9'],
  ])('%s', async (_, files, version) => {
    expect((await detect(files)).languageVersion).toBe(version);
  });
});

describe('whether it will be the same tomorrow', () => {
  test.each<readonly [what: string, files: Files, isReproducible: boolean]>([
    ['a list with ranges', list('six>=1\n'), false],
    ['pins, whose own needs are open', list('pandas==2.2.0\n'), false],
    ['pins with hashes', list('six==1.17.0 \\\n    --hash=sha256:00\n'), true],
    [
      'pins by a tool',
      list('# This file was autogenerated by uv via the following command:\n#    uv pip compile\nsix==1.17.0\n'),
      true,
    ],
    ['conda with ranges', conda('numpy=1.26'), false],
    ['conda with builds', conda('numpy=1.26.4=py311h64a7726_0'), true],
  ])('%s', async (_, files, isReproducible) => {
    expect((await detect(files)).isReproducible).toBe(isReproducible);
  });
});

describe('what an environment depends on', () => {
  const cases: readonly (readonly [what: string, files: Files, manifests: readonly string[], codes?: readonly string[]])[] = [
    [
      'lists that are included, once each, and what they name',
      {
        'requirements.txt': '-r a/one.txt\n--constraint=c.txt\n./libs/x\nvendor/y-1-py3-none-any.whl\n-e file:libs/z\n',
        'a/one.txt': '-r ../requirements.txt\n-rtwo.txt\n',
        'a/two.txt': 'six\n',
        'c.txt': 'six<2\n',
        'libs/x/pyproject.toml': '',
        'libs/x/x.py': '',
        'libs/z/setup.py': '',
        'vendor/y-1-py3-none-any.whl': 'PK',
        'train.py': '',
        'other.txt': '',
      },
      [
        'a/one.txt',
        'a/two.txt',
        'c.txt',
        'libs/x/pyproject.toml',
        'libs/z/setup.py',
        'requirements.txt',
        'vendor/y-1-py3-none-any.whl',
      ],
    ],
    ['a list that is not there', list('six\n-r no.txt\n'), ['requirements.txt'], ['HPO-2429 error requirements.txt:2']],
    [
      'a list by its address',
      list('six\n-r https://example.com/r.txt\n'),
      ['requirements.txt'],
      ['HPO-2429 error requirements.txt:2'],
    ],
    [
      'a list without anything in it',
      { ...list('six\n-r req/empty.txt\n'), 'req/empty.txt': '' },
      ['req/empty.txt', 'requirements.txt'],
      [],
    ],
    [
      'UTF-16',
      { 'requirements.txt': Buffer.from('\uFEFFsix==1.16.0\n', 'utf16le') },
      ['requirements.txt'],
      ['HPO-2420 error requirements.txt:1'],
    ],
    ['a folder without a package', list('./libs/x\n'), ['requirements.txt'], ['HPO-2429 error requirements.txt:1']],
    ['a folder out of the project', list('six\n-e ../x\n'), ['requirements.txt'], ['HPO-2429 error requirements.txt:2']],
    [
      'an included list out of the project',
      list('-r ../../etc/passwd\n'),
      ['requirements.txt'],
      ['HPO-2429 error requirements.txt:1'],
    ],
    [
      'a path dependency of uv',
      {
        'pyproject.toml':
          '[project]\nname = "a"\nversion = "1"\ndependencies = ["own"]\n[tool.uv.sources]\nown = { path = "libs/own" }\n',
        'uv.lock':
          'version = 1\n[[package]]\nname = "a"\nversion = "1"\nsource = { virtual = "." }\n[package.metadata]\nrequires-dist = [{ name = "own", directory = "libs/own" }]\n[[package]]\nname = "own"\nversion = "1"\nsource = { directory = "libs/own" }\n',
        'libs/own/pyproject.toml': '[project]\nname = "own"\nversion = "1"\n',
      },
      ['libs/own/pyproject.toml', 'pyproject.toml', 'uv.lock'],
    ],
    [
      'the pip part of conda',
      { 'environment.yml': 'dependencies:\n- pip:\n  - -r r.txt\n  - ./own\n', 'r.txt': 'six\n', 'own/setup.cfg': '' },
      ['environment.yml', 'own/setup.cfg', 'r.txt'],
    ],
  ];
  test.each(cases.map(([what, files, manifests, expected = []]) => ({ what, files, manifests, expected })))(
    '$what',
    async ({ files, manifests, expected }) => {
      const found = await detect(files);
      expect([found.manifests.map(({ path }) => path).sort(), codes(found)]).toEqual([manifests, expected]);
    },
  );

  test('of a script its block alone, so that code changes nothing', async () => {
    const block = '# /// script\n# dependencies = ["six"]\n# ///';
    const [one, other] = await Promise.all(
      ['x = 1\n', 'x = 2\n'].map((code) => detect({ 'train.py': `#!/usr/bin/env python3\n${block}\n${code}` })),
    );
    expect(one?.manifests).toEqual(other?.manifests);
    expect(Buffer.from(one?.manifests[0]?.content ?? []).toString()).toBe(block);
  });
});

describe('credentials never become a part of an image', () => {
  test.each<readonly [what: string, script: string, files: Files, codes: readonly string[]]>([
    ['in an index', 'train.py', list('six\n--index-url https://me:hunter2@host/simple\n'), ['HPO-2426 error requirements.txt:2']],
    [
      'a token alone',
      'train.py',
      list('six\n--extra-index-url https://aB3dE5fG7hJ9kL2mN4pQ@host/simple\n'),
      ['HPO-2426 error requirements.txt:2'],
    ],
    [
      'a token alone, of one file',
      'train.py',
      list('six @ https://aB3dE5fG7hJ9kL2mN4pQ:@host/six.whl\n'),
      ['HPO-2426 error requirements.txt:1'],
    ],
    ['a variable alone', 'train.py', list('--index-url https://${TOKEN}@host/simple\nsix\n'), []],
    ['an organisation as the user', 'train.py', list('own @ git+https://my-company@dev.azure.com/own/_git/own\n'), []],
    ['in a variable', 'train.py', list('--index-url https://me:${TOKEN}@host/simple\nsix\n'), []],
    ['a user alone', 'train.py', list('own @ git+ssh://git@host/own.git\n'), []],
    [
      'in .npmrc',
      'a.js',
      { 'package.json': '{}', '.npmrc': 'registry=https://h/\n//h/:_authToken=npm_abc\n' },
      ['HPO-2426 error .npmrc:2'],
    ],
    ['a variable in .npmrc', 'a.js', { 'package.json': '{}', '.npmrc': '//h/:_authToken=${NPM_TOKEN}\n' }, []],
    [
      'in a lock',
      'a.js',
      { 'package.json': '{}', 'yarn.lock': 'a@1:\n  version "1"\n  resolved "https://u:p@h/a.tgz"\n' },
      ['HPO-2426 error yarn.lock:3'],
    ],
  ])('%s', async (_, scriptPath, files, expected) => {
    const found = await detect(files, { scriptPath });
    expect(codes(found)).toEqual(expected);
    expect(found.manifests.some(({ path }) => path === found.diagnostics[0]?.file)).toBe(false);
    expect(JSON.stringify(found.diagnostics)).not.toMatch(/hunter2|npm_abc|u:p@|aB3dE5/);
  });
});
