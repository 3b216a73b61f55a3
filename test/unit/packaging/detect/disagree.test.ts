import { describe, expect, test } from 'vitest';
import { codes, detect, type Files } from './project.ts';

/** A lock of uv for exactly these, all of which the project asks for by name. */
function uv(packages: Readonly<Record<string, string>>, requiresPython = '>=3.11'): Record<string, string> {
  const names = Object.keys(packages);
  const wanted = names.map((name) => `{ name = "${name}" }`).join(', ');
  const entries = Object.entries(packages).map(
    ([name, version]) =>
      `[[package]]\nname = "${name}"\nversion = "${version}"\nsource = { registry = "https://pypi.org/simple" }\nwheels = [{ url = "https://files.pythonhosted.org/a-1-py3-none-any.whl" }]\n`,
  );
  return {
    'uv.lock': `version = 1\nrequires-python = "${requiresPython}"\n[[package]]\nname = "demo"\nversion = "0"\nsource = { virtual = "." }\n[package.metadata]\nrequires-dist = [${wanted}]\n${entries.join('')}`,
    'pyproject.toml': `[project]\nname = "demo"\nversion = "0"\nrequires-python = "${requiresPython}"\ndependencies = [${names.map((name) => `"${name}"`).join(', ')}]\n`,
  };
}

const poetry = (name: string, version: string): Files => ({
  'poetry.lock': `[[package]]\nname = "${name}"\nversion = "${version}"\nfiles = [{file = "${name}-${version}-py3-none-any.whl", hash = "sha256:0"}]\n`,
});
const requiring = (python: string) => `[project]\nname = "demo"\nversion = "0"\nrequires-python = "${python}"\n`;

type Case = readonly [what: string, files: Files, codes: readonly string[], message?: RegExp];
const asRow = ([what, files, expected, message = /(?:)/]: Case) => ({ what, files, expected, message });

describe('about a package', () => {
  const cases: readonly Case[] = [
    [
      'a pin and a lock',
      { ...uv({ numpy: '2.1.0' }), 'requirements.txt': '# six\nnumpy==1.26.4\n' },
      ['HPO-2421 error requirements.txt:2'],
      /requirements\.txt has numpy 1\.26\.4, and uv\.lock:\d+ has numpy 2\.1\.0; make them agree.*manifest=uv\.lock/,
    ],
    [
      'a range and a lock',
      { ...uv({ numpy: '2.1.0' }), 'requirements.txt': 'NumPy>=1,<2\n' },
      ['HPO-2421 error requirements.txt:1'],
    ],
    ['a range that fits', { ...uv({ numpy: '2.1.0' }), 'requirements.txt': 'numpy>=2,<3\n' }, []],
    ['a build of the same version', { ...uv({ torch: '2.5.1+cu124' }), 'requirements.txt': 'torch==2.5.1\n' }, []],
    [
      'what the lock lacks',
      { ...uv({ numpy: '2.1.0' }), 'requirements.txt': 'numpy\npandas\n' },
      ['HPO-2421 error requirements.txt:2'],
      /asks for pandas, which uv\.lock does not have/,
    ],
    ['what installs packages', { ...uv({ six: '1.17.0' }), 'requirements.txt': 'pip\nsetuptools>=60\nsix\n' }, []],
    [
      'what the lock lacks, for another platform',
      { ...uv({ six: '1.17.0' }), 'requirements.txt': 'colorama; sys_platform == "win32"\n' },
      [],
    ],
    [
      'in a file that is included',
      { ...uv({ numpy: '2.1.0' }), 'requirements.txt': '-r base.txt\n', 'base.txt': '\nnumpy<2\n' },
      ['HPO-2421 error base.txt:2'],
    ],
    [
      'two lists',
      { 'requirements.txt': 'six==1.16.0\n', 'requirements-gpu.txt': 'cupy\nsix==1.15.0\n' },
      ['HPO-2421 error requirements-gpu.txt:2'],
      /requirements-gpu\.txt has six 1\.15\.0, and requirements\.txt:1 has six 1\.16\.0; .*manifest=requirements\.txt/,
    ],
    ['two lists that agree', { 'requirements.txt': 'six==1.16.0\n', 'requirements-gpu.txt': 'cupy\nsix\n' }, []],
    ['a list and one for developers', { 'requirements.txt': 'six==1.16.0\n', 'requirements-dev.txt': 'six==1.15.0\n' }, []],
    ['in a list for developers', { ...uv({ numpy: '2.1.0' }), 'requirements-dev.txt': 'numpy<2\n' }, []],
    [
      'two locks',
      { ...uv({ six: '1.17.0' }), ...poetry('six', '1.16.0') },
      ['HPO-2421 error poetry.lock:2'],
      /poetry\.lock has six 1\.16\.0/,
    ],
    [
      'two locks that agree',
      { ...uv({ six: '1.17.0' }), ...poetry('six', '1.17.0') },
      ['HPO-2423 warning poetry.lock:1'],
      /two tools/,
    ],
    [
      'a list and what the project says',
      { 'requirements.txt': 'numpy==1.26.4\n', 'pyproject.toml': `${requiring('>=3.9')}dependencies = ["numpy>=2"]\n` },
      ['HPO-2421 error pyproject.toml:5'],
    ],
    [
      'a list that the project takes',
      {
        'requirements.txt': 'numpy==1.26.4\n',
        'pyproject.toml':
          '[project]\nname = "a"\ndynamic = ["dependencies"]\n[tool.setuptools.dynamic]\ndependencies = {file = "requirements.txt"}\n',
      },
      [],
    ],
    [
      'conda and a list',
      { 'environment.yml': 'dependencies:\n- numpy=1.26\n', 'requirements.txt': 'numpy==2.0.0\n' },
      ['HPO-2421 error requirements.txt:1'],
    ],
    [
      'conda and a list that fits',
      { 'environment.yml': 'dependencies:\n- numpy=1.26\n', 'requirements.txt': 'numpy==1.26.4\n' },
      [],
    ],
    [
      'conda that includes the list',
      {
        'environment.yml': 'dependencies:\n- numpy=2.0\n- pip:\n  - -r requirements.txt\n',
        'requirements.txt': 'numpy==1.26.4\n',
      },
      [],
    ],
    [
      'a Dockerfile says nothing about packages',
      { Dockerfile: 'FROM python:3.11\n', ...uv({ numpy: '2.1.0' }), 'requirements.txt': 'numpy<2\n' },
      [],
    ],
    [
      'a block of the script is its own',
      { 'train.py': '# /// script\n# dependencies = ["numpy<2"]\n# ///\n', ...uv({ numpy: '2.1.0' }) },
      [],
    ],
  ];
  test.each(cases.map(asRow))('$what', async ({ files, expected, message }) => {
    const found = await detect(files);
    expect(codes(found)).toEqual(expected);
    expect(found.diagnostics.map((one) => one.message).join('\n')).toMatch(message);
  });

  test('is settled by naming one of them', async () => {
    const files = { ...uv({ numpy: '2.1.0' }), 'requirements.txt': 'numpy<2\n' };
    const found = await detect(files, { imageSetting: { annotated: { manifest: 'uv.lock' }, requested: null } });
    expect([found.kind, codes(found)]).toEqual(['uv', []]);
    expect(found.passedOver.map(({ file }) => file)).toContain('requirements.txt');
  });

  test('several lists and none of the usual name: one has to be named', async () => {
    const files = { 'requirements-cpu.txt': 'torch\n', 'requirements-gpu.txt': 'torch\n' };
    expect(codes(await detect(files))).toEqual(['HPO-2423 error requirements-cpu.txt:1']);
    const named = await detect(files, { imageSetting: { annotated: { manifest: 'requirements-gpu.txt' }, requested: null } });
    expect([named.manifests.map(({ path }) => path), codes(named)]).toEqual([['requirements-gpu.txt'], []]);
  });
});

describe('about the version of the language', () => {
  const cases: readonly Case[] = [
    [
      'a pin and the project',
      { '.python-version': '3.9\n', 'pyproject.toml': `${requiring('>=3.11')}dependencies = []\n` },
      ['HPO-2422 error pyproject.toml:4'],
      /\.python-version:1 says Python 3\.9, and pyproject\.toml says >=3\.11/,
    ],
    ['a pin and a lock', { '.python-version': '3.13\n', ...uv({ six: '1.17.0' }, '>=3.11,<3.13') }, ['HPO-2422 error uv.lock:2']],
    [
      'a pin of a release and of its series',
      { '.python-version': '3.11.4\n', 'pyproject.toml': `${requiring('==3.11.*')}dependencies = []\n` },
      [],
    ],
    [
      'a series and a later release',
      { '.python-version': '3.11\n', 'pyproject.toml': `${requiring('>=3.11.7')}dependencies = []\n` },
      [],
    ],
    [
      'conda and the project',
      { 'environment.yml': 'dependencies:\n- python=3.10\n', 'pyproject.toml': `${requiring('>=3.11')}dependencies = []\n` },
      ['HPO-2422 error pyproject.toml:4'],
    ],
    [
      'the block and a pin',
      { '.python-version': '3.10\n', 'train.py': '# /// script\n# requires-python = ">=3.12"\n# ///\n' },
      ['HPO-2422 error train.py:2'],
    ],
    [
      'another implementation',
      { '.python-version': 'pypy3.10\n', 'pyproject.toml': `${requiring('>=3.11')}dependencies = []\n` },
      ['HPO-2425 warning .python-version:1'],
      /says "pypy3\.10", which is no version of CPython/,
    ],
    [
      'an environment of pyenv',
      { '.python-version': 'my-venv\n', 'requirements.txt': 'six\n' },
      ['HPO-2425 warning .python-version:1'],
    ],
    [
      'the pin of Heroku and the project',
      { 'runtime.txt': 'python-3.9.18\n', 'pyproject.toml': `${requiring('>=3.11')}dependencies = []\n` },
      ['HPO-2422 error pyproject.toml:4'],
    ],
  ];
  test.each(cases.map(asRow))('$what', async ({ files, expected, message }) => {
    const found = await detect(files);
    expect(codes(found)).toEqual(expected);
    expect(found.diagnostics.map((one) => one.message).join('\n')).toMatch(message);
  });

  const others: readonly (readonly [what: string, script: string, files: Files, codes: readonly string[]])[] = [
    [
      '.nvmrc and engines',
      'a.js',
      { '.nvmrc': 'v18.2.0\n', 'package.json': '{"engines": {\n"node": ">=20"}}' },
      ['HPO-2422 error package.json:2'],
    ],
    ['.nvmrc that fits', 'a.js', { '.nvmrc': 'lts/iron\n', 'package.json': '{"engines": {"node": "^20.1 || 22"}}' }, []],
    [
      '.nvmrc and .node-version',
      'a.js',
      { '.nvmrc': '20\n', '.node-version': '22\n', 'package.json': '{}' },
      ['HPO-2422 error .node-version:1'],
    ],
    [
      'Julia',
      'a.jl',
      {
        'Project.toml': '[deps]\n[compat]\njulia = "1.6"\n',
        'Manifest.toml': 'julia_version = "1.5.3"\nmanifest_format = "2.0"\n',
      },
      ['HPO-2422 error Project.toml:3'],
    ],
    [
      'Julia that fits',
      'a.jl',
      {
        'Project.toml': '[deps]\n[compat]\njulia = "1.6, 1.9"\n',
        'Manifest.toml': 'julia_version = "1.11.2"\nmanifest_format = "2.0"\n',
      },
      [],
    ],
  ];
  test.each(others)('%s', async (_, scriptPath, files, expected) => {
    expect(codes(await detect(files, { scriptPath }))).toEqual(expected);
  });
});

describe('two locks of Node', () => {
  const own = (more = '') => ({ 'package.json': `{"dependencies": {"is-number": "^7.0.0"}${more}}` });
  const npm = {
    'package-lock.json':
      '{"lockfileVersion": 3, "packages": {"": {"dependencies": {"is-number": "^7.0.0"}}, "node_modules/is-number": {"version": "7.0.0"}}}',
  };
  const yarn = (version: string) => ({ 'yarn.lock': `is-number@^7.0.0:\n  version "${version}"\n` });
  const cases: readonly Case[] = [
    ['agree', { ...own(), ...npm, ...yarn('7.0.0') }, ['HPO-2423 warning yarn.lock:1']],
    [
      'disagree',
      { ...own(), ...npm, ...yarn('7.0.1') },
      ['HPO-2421 error yarn.lock:1'],
      /yarn\.lock has is-number 7\.0\.1, and package-lock\.json has 7\.0\.0/,
    ],
    ['and the tool is named', { ...own(', "packageManager": "yarn@1.22.22"'), ...npm, ...yarn('7.0.1') }, []],
  ];
  test.each(cases.map(asRow))('$what', async ({ files, expected, message }) => {
    const found = await detect(files, { scriptPath: 'a.js' });
    expect(codes(found)).toEqual(expected);
    expect(found.diagnostics.map((one) => one.message).join('\n')).toMatch(message);
    expect(found.passedOver).toHaveLength(1);
  });
});
