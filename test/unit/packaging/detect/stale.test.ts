import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { codes, detect, type Files } from './project.ts';

const fixtures = join(import.meta.dirname, '../../../fixtures/environments');

/** The files of a fixture project, whose locks the tools made, and which are up to date. */
function fixture(name: string): Record<string, string> {
  const files: Record<string, string> = {};
  for (const path of readdirSync(join(fixtures, name), { recursive: true, encoding: 'utf8' })) {
    if (statSync(join(fixtures, name, path)).isFile()) files[path] = readFileSync(join(fixtures, name, path), 'utf8');
  }
  return files;
}

const change = (path: string, from: string, to: string) => (files: Files) => {
  const text = String(files[path]);
  if (!text.includes(from)) throw new Error(`${path} has no ${from}`);
  return { ...files, [path]: text.replace(from, to) };
};

type Case = readonly [
  fixture: string,
  what: string,
  edit: (files: Files) => Files,
  codes: readonly string[],
  message?: RegExp,
  script?: string,
];

const cases: readonly Case[] = [
  [
    'uv',
    'another version',
    change('pyproject.toml', 'six>=1.16', 'six>=1.17'),
    ['HPO-2424 error pyproject.toml:5'],
    /asks for six>=1\.17, and the lock was made for six>=1\.16/,
  ],
  [
    'uv',
    'one more',
    change('pyproject.toml', '["six>=1.16"]', '["six>=1.16",\n"idna"]'),
    ['HPO-2424 error pyproject.toml:6'],
    /idna, and the lock was made without it.*run uv lock/,
  ],
  [
    'uv',
    'one less',
    change('pyproject.toml', '"six>=1.16"', ''),
    ['HPO-2424 error pyproject.toml:1'],
    /made for six>=1\.16, which pyproject\.toml asks for no more/,
  ],
  ['uv', 'an extra', change('pyproject.toml', 'six>=', 'six[x]>='), ['HPO-2424 error pyproject.toml:5']],
  ['uv', 'another group', change('pyproject.toml', '["iniconfig"]', '["iniconfig<3"]'), ['HPO-2424 error pyproject.toml:8']],
  [
    'uv',
    'another Python',
    change('pyproject.toml', '>=3.11', '>=3.10'),
    ['HPO-2424 error pyproject.toml:4'],
    /requires-python >=3\.10, and the lock was made for >=3\.11/,
  ],
  [
    'uv',
    'an override',
    change('pyproject.toml', '[dependency-groups]', '[tool.uv]\noverride-dependencies = ["six==1.16"]\n[dependency-groups]'),
    ['HPO-2424 error pyproject.toml:8'],
  ],
  ['uv', 'another way to write the same', change('pyproject.toml', '"six>=1.16"', "'Six >= 1.16.0'"), []],
  ['uv', 'a Python that is the same', change('pyproject.toml', '">=3.11"', '">= 3.11.0"'), []],
  ['uv', 'a version of the project', change('pyproject.toml', '0.1.0', '0.2.0'), []],
  ['uv', 'settings of tools', change('pyproject.toml', '[project]', '[tool.ruff]\nline-length = 100\n[project]'), []],
  [
    'uv',
    'no manifest',
    (files) => Object.fromEntries(Object.entries(files).filter(([path]) => path !== 'pyproject.toml')),
    ['HPO-2424 error uv.lock:1'],
    /no pyproject\.toml beside it/,
  ],
  [
    'uv-workspace',
    'a member',
    change('apps/trainer/pyproject.toml', '"six>=1.16"', '"six>=1.16", "idna"'),
    ['HPO-2424 error apps/trainer/pyproject.toml:5'],
    /idna/,
    'apps/trainer/train.py',
  ],
  [
    'pep723-lock',
    'another version',
    change('train.py', 'six>=1.16', 'six>=1.17'),
    ['HPO-2424 error train.py:6'],
    /run uv lock --script train\.py/,
  ],
  ['pep723-lock', 'another Python', change('train.py', '>=3.11', '>=3.9'), ['HPO-2424 error train.py:4']],
  ['pep723-lock', 'code', change('train.py', 'x = 2.0', 'x = 3.0'), []],
  [
    'poetry',
    'another version',
    change('pyproject.toml', '>=1.16', '>=1.17'),
    ['HPO-2424 error poetry.lock:40'],
    /run poetry lock/,
  ],
  ['poetry', 'a group', change('pyproject.toml', '"^0.4"', '"^0.4.1"'), ['HPO-2424 error poetry.lock:40']],
  ['poetry', 'the name', change('pyproject.toml', 'poetry-fixture', 'another'), []],
  [
    'pdm',
    'another version',
    change('pyproject.toml', 'iniconfig>=2', 'iniconfig>=2.1'),
    ['HPO-2424 error pdm.lock:8'],
    /run pdm lock/,
  ],
  ['pdm', 'the version of the project', change('pyproject.toml', '0.1.0', '0.2.0'), []],
  ['pipenv', 'another version', change('Pipfile', '>=0.4', '>=0.4.6'), ['HPO-2424 error Pipfile.lock:4'], /run pipenv lock/],
  ['pipenv', 'white space', change('Pipfile', '[packages]', '\n[packages]'), []],
  [
    'node',
    'another range',
    change('package.json', '^7.0.0', '^6.0.0'),
    ['HPO-2424 error package.json:6'],
    /is-number@\^6\.0\.0, and the lock was made for is-number@\^7\.0\.0/,
    'train.js',
  ],
  [
    'node',
    'one more',
    change('package.json', '{ "is-number"', '{ "is-odd": "^3.0.0", "is-number"'),
    ['HPO-2424 error package.json:6'],
    /made without it; run npm install/,
    'train.js',
  ],
  [
    'node',
    'one less',
    change('package.json', '{ "is-number": "^7.0.0" }', '{}'),
    ['HPO-2424 error package.json:1'],
    /no more/,
    'train.js',
  ],
  [
    'node-yarn',
    'another range',
    change('package.json', '^7.0.0', '^6.0.0'),
    ['HPO-2424 error package.json:6'],
    /yarn install/,
    'train.js',
  ],
  [
    'node-pnpm',
    'another range',
    change('package.json', '^7.0.0', '^6.0.0'),
    ['HPO-2424 error package.json:6'],
    /pnpm install/,
    'train.js',
  ],
];

const rows = cases.map(([name, what, edit, expected, message = /(?:)/, scriptPath = 'train.py']) => ({
  name,
  what,
  edit,
  expected,
  message,
  scriptPath,
}));
test.each(rows)('$name after a change of $what', async ({ name, edit, expected, message, scriptPath }) => {
  const found = await detect(edit(fixture(name)), { scriptPath });
  expect(codes(found)).toEqual(expected);
  expect(found.diagnostics.map((one) => one.message).join('\n')).toMatch(message);
});

const pixi: Files = {
  'pixi.toml':
    '[workspace]\nchannels = ["conda-forge"]\nplatforms = ["linux-64"]\n[dependencies]\npython = "3.11.*"\nsix = ">=1.16,<2"\n[pypi-dependencies]\nidna = "*"\n',
  'pixi.lock': `version: 7
platforms:
- name: linux-64
environments:
  default:
    channels:
    - url: https://conda.anaconda.org/conda-forge/
    packages:
      linux-64:
      - conda: https://conda.anaconda.org/conda-forge/linux-64/python-3.11.9-hb806964_0_cpython.conda
      - conda: https://conda.anaconda.org/conda-forge/noarch/six-1.17.0-pyhd8ed1ab_0.conda
      - pypi: https://files.pythonhosted.org/packages/76/idna-3.10-py3-none-any.whl
packages:
- pypi: https://files.pythonhosted.org/packages/76/idna-3.10-py3-none-any.whl
  name: idna
  version: '3.10'
`,
};

const others: readonly (readonly [what: string, script: string, files: Files, codes: readonly string[]])[] = [
  ['pixi: nothing', 'train.py', pixi, []],
  ['pixi: one more', 'train.py', change('pixi.toml', 'six =', 'numpy = "*"\nsix =')(pixi), ['HPO-2424 error pixi.toml:6']],
  ['pixi: another version', 'train.py', change('pixi.toml', '>=1.16,<2', '1.16.*')(pixi), ['HPO-2424 error pixi.toml:6']],
  [
    'pixi: one more of PyPI',
    'train.py',
    change('pixi.toml', 'idna =', 'httpx = "*"\nidna =')(pixi),
    ['HPO-2424 error pixi.toml:8'],
  ],
  [
    'pixi: not for Linux',
    'train.py',
    change('pixi.lock', '      linux-64:', '      osx-64:')(pixi),
    ['HPO-2424 error pixi.toml:3'],
  ],
  ['pixi: no manifest', 'train.py', { 'pixi.lock': String(pixi['pixi.lock']) }, ['HPO-2424 error pixi.lock:1']],
  [
    'pnpm: another range for all',
    'a.js',
    {
      'package.json': '{"dependencies": {"is-number": "^6.0.0"}}',
      'pnpm-lock.yaml':
        "lockfileVersion: '9.0'\noverrides:\n  is-number: ^7.0.0\nimporters:\n  .:\n    dependencies:\n      is-number:\n        specifier: ^7.0.0\n        version: 7.0.0\n",
    },
    [],
  ],
  [
    'yarn: a resolution',
    'a.js',
    {
      'package.json': '{"dependencies": {"is-number": "^6.0.0"}, "resolutions": {"**/is-number": "7.0.0"}}',
      'yarn.lock': 'is-number@7.0.0:\n  version "7.0.0"\n',
    },
    [],
  ],
  [
    'npm 6',
    'a.js',
    {
      'package.json': '{"dependencies": {\n"a": "^1.0.0",\n"b": "^2.0.0"}}',
      'package-lock.json': '{"lockfileVersion": 1, "dependencies": {"a": {"version": "1.2.0"}, "b": {"version": "1.9.0"}}}',
    },
    ['HPO-2424 error package.json:3'],
  ],
  [
    'yarn from 2',
    'a.js',
    {
      'package.json': '{"dependencies": {\n"a": "^1.0.0",\n"b": "^2.0.0"}}',
      'yarn.lock': '__metadata:\n  version: 8\n"a@npm:^1.0.0":\n  version: 1.0.0\n"b@npm:^1.0.0":\n  version: 1.0.0\n',
    },
    ['HPO-2424 error package.json:3'],
  ],
  [
    'Julia: one more',
    'train.jl',
    {
      'Project.toml': '[deps]\nA = "u"\nB = "v"\n',
      'Manifest.toml': 'julia_version = "1.11.2"\nmanifest_format = "2.0"\n[[deps.A]]\nuuid = "u"\n',
    },
    ['HPO-2424 error Project.toml:3'],
  ],
  [
    'R: one more',
    'train.R',
    {
      DESCRIPTION: 'Package: x\nImports:\n  jsonlite (>= 1.0),\n  stats\n',
      'renv.lock': '{"R": {"Version": "4.3.1"}, "Packages": {}}',
    },
    ['HPO-2424 error DESCRIPTION:3'],
  ],
  [
    'Cargo: one more',
    'main.rs',
    {
      'Cargo.toml': '[package]\nname = "p"\n[dependencies]\nrand = "0.8"\nserde = "1"\n',
      'Cargo.lock':
        '[[package]]\nname = "p"\nversion = "0.1.0"\ndependencies = [\n "rand",\n]\n[[package]]\nname = "rand"\nversion = "0.8.5"\n',
    },
    ['HPO-2424 error Cargo.toml:5'],
  ],
  [
    'Go: one more',
    'main.go',
    {
      'go.mod': 'module m\n\ngo 1.22\n\nrequire (\n\tgolang.org/x/exp v0.1.0\n\tgolang.org/x/sys v0.2.0\n)\n',
      'go.sum': 'golang.org/x/exp v0.1.0 h1:a=\n',
    },
    ['HPO-2424 error go.mod:7'],
  ],
];

test.each(others)('%s', async (_, scriptPath, files, expected) => {
  expect(codes(await detect(files, { scriptPath }))).toEqual(expected);
});
