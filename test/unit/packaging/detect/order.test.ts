import { describe, expect, test } from 'vitest';
import { codes, detect, type Files } from './project.ts';

const uvLock = `version = 1
requires-python = ">=3.11"
[[package]]
name = "demo"
version = "0"
source = { virtual = "." }
[package.metadata]
requires-dist = [{ name = "six" }]
[[package]]
name = "six"
version = "1.17.0"
source = { registry = "https://pypi.org/simple" }
wheels = [{ url = "https://files.pythonhosted.org/six-1.17.0-py3-none-any.whl" }]
`;
const pyproject = '[project]\nname = "demo"\nversion = "0"\nrequires-python = ">=3.11"\ndependencies = ["six"]\n';
const block = '# /// script\n# dependencies = ["six"]\n# ///\nimport six\n';
const pixiLock = `version: 6
environments:
  default:
    channels:
    - url: https://conda.anaconda.org/conda-forge/
    packages:
      linux-64:
      - conda: https://conda.anaconda.org/conda-forge/noarch/six-1.17.0-pyhd8ed1ab_0.conda
packages: []
`;
/** A lock of Poetry or PDM without a hash, which is what their first versions wrote. */
const plainLock = '[[package]]\nname = "six"\nversion = "1.17.0"\n';

/** In the order in which the first hit wins. */
const rows: readonly (readonly [kind: string, file: string, files: Files])[] = [
  ['dockerfile', 'Dockerfile.hpo', { 'Dockerfile.hpo': 'FROM python:3.11\n' }],
  ['dockerfile', 'Dockerfile', { Dockerfile: 'FROM python:3.11\n' }],
  ['devcontainer', '.devcontainer.json', { '.devcontainer.json': '{"image": "python:3.11"}' }],
  ['pep723', 'train.py', { 'train.py': block }],
  ['uv', 'uv.lock', { 'uv.lock': uvLock, 'pyproject.toml': pyproject }],
  ['pixi', 'pixi.lock', { 'pixi.lock': pixiLock, 'pixi.toml': '[dependencies]\nsix = "*"\n' }],
  ['poetry', 'poetry.lock', { 'poetry.lock': plainLock, 'pyproject.toml': pyproject }],
  ['pdm', 'pdm.lock', { 'pdm.lock': plainLock, 'pyproject.toml': pyproject }],
  [
    'pipenv',
    'Pipfile.lock',
    { 'Pipfile.lock': '{"default": {"six": {"version": "==1.17.0"}}}', Pipfile: '[packages]\nsix = "*"\n' },
  ],
  ['conda', 'environment.yml', { 'environment.yml': 'dependencies: [python=3.11, six]\n' }],
  ['requirements', 'requirements.txt', { 'requirements.txt': 'six\n' }],
  ['pyproject', 'pyproject.toml', { 'pyproject.toml': pyproject }],
];

test.each(rows.map(([kind, file], index) => [file, kind, index] as const))(
  '%s is taken before all that come after it, which are told',
  async (file, kind, index) => {
    const later = rows.slice(index);
    const found = await detect(Object.assign({}, ...later.map(([, , files]) => files)));
    expect([found.kind, found.reason.includes(file)]).toEqual([kind, true]);
    const told = found.passedOver.map((one) => one.file);
    for (const [, other] of later.slice(1)) expect(told).toContain(other);
    for (const { reason } of found.passedOver) expect(reason).toMatch(/\w{3}/);
    // They say the same, so the only remark is that there are two locks.
    expect(codes(found).filter((code) => !code.startsWith('HPO-2423 warning'))).toEqual([]);
  },
);

describe('the nearest folder upward wins', () => {
  const cases: readonly (readonly [what: string, files: Files, kind: string, reason: string, told: readonly string[]])[] = [
    [
      'a list beside the script before a lock at the root',
      { 'sub/requirements.txt': 'six\n', 'uv.lock': uvLock, 'pyproject.toml': pyproject },
      'requirements',
      'sub/requirements.txt beside the script',
      ['uv.lock', 'pyproject.toml'],
    ],
    ['the root', { 'requirements.txt': 'six\n' }, 'requirements', 'requirements.txt, the nearest above the script', []],
    [
      'a member of a workspace is locked above',
      {
        'sub/pyproject.toml': pyproject,
        'pyproject.toml': '[tool.uv.workspace]\nmembers = ["sub"]\n',
        'uv.lock': uvLock.replace('virtual = "."', 'editable = "sub"'),
      },
      'uv',
      'uv.lock, the nearest above the script',
      ['sub/pyproject.toml'],
    ],
    [
      'what only configures tools is passed by',
      { 'sub/pyproject.toml': '[tool.ruff]\n', 'requirements.txt': 'six\n' },
      'requirements',
      'requirements.txt, the nearest above the script',
      [],
    ],
    [
      'a sister folder is none of ours',
      { 'other/uv.lock': uvLock, 'requirements.txt': 'six\n' },
      'requirements',
      'requirements.txt, the nearest above the script',
      [],
    ],
  ];
  test.each(cases)('%s', async (_, files, kind, reason, told) => {
    const found = await detect(files, { scriptPath: 'sub/train.py' });
    expect([found.kind, found.reason, found.passedOver.map(({ file }) => file)]).toEqual([kind, reason, told]);
  });
});

test.each<readonly [file: string, content: string]>([
  ['pixi.toml', '[dependencies]\nsix = "*"\n'],
  ['Pipfile', '[packages]\nsix = "*"\n'],
  ['setup.py', 'import os\n'],
])('%s without a lock is told, not read', async (file, content) => {
  const found = await detect({ [file]: content, 'requirements.txt': 'six\n' });
  expect([found.kind, found.passedOver.map((one) => one.file)]).toEqual(['requirements', [file]]);
});
