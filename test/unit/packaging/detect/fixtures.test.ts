import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { detectEnvironment } from '../../../../agent/packaging/detect/index.ts';
import { codes } from './project.ts';

const fixtures = join(import.meta.dirname, '../../../fixtures/environments');

interface Expected {
  readonly kind: string;
  readonly version?: string;
  readonly manifests: readonly string[];
  readonly script?: string;
  readonly isReproducible?: boolean;
  readonly codes?: readonly string[];
  readonly annotated?: Readonly<Record<string, string>>;
}

/** What is found in each project of the table of environments. */
const expected: Readonly<Record<string, Expected>> = {
  image: { kind: 'image', manifests: [], annotated: { image: 'hpo-test-fixture:six' } },
  'dockerfile-hpo': { kind: 'dockerfile', version: '3.11', manifests: ['Dockerfile.hpo', 'requirements.txt'] },
  dockerfile: { kind: 'dockerfile', version: '3.11', manifests: ['Dockerfile', 'requirements.txt'] },
  'devcontainer-image': { kind: 'devcontainer', manifests: ['.devcontainer/devcontainer.json'] },
  'devcontainer-dockerfile': {
    kind: 'devcontainer',
    version: '3.11',
    manifests: ['.devcontainer/devcontainer.json', '.devcontainer/Dockerfile', 'requirements.txt'],
  },
  pep723: { kind: 'pep723', version: '3.11', manifests: ['train.py', '.python-version'] },
  'pep723-lock': {
    kind: 'pep723',
    version: '3.11',
    manifests: ['train.py', 'train.py.lock', '.python-version'],
    isReproducible: true,
  },
  uv: { kind: 'uv', version: '3.11', manifests: ['uv.lock', 'pyproject.toml', '.python-version'], isReproducible: true },
  'uv-workspace': {
    kind: 'uv',
    version: '3.11',
    script: 'apps/trainer/train.py',
    manifests: ['uv.lock', 'pyproject.toml', 'apps/trainer/pyproject.toml', '.python-version'],
    isReproducible: true,
  },
  poetry: {
    kind: 'poetry',
    version: '3.11',
    manifests: ['poetry.lock', 'pyproject.toml', '.python-version'],
    isReproducible: true,
  },
  pdm: { kind: 'pdm', version: '3.11', manifests: ['pdm.lock', 'pyproject.toml', '.python-version'], isReproducible: true },
  pipenv: { kind: 'pipenv', version: '3.11', manifests: ['Pipfile.lock', 'Pipfile'], isReproducible: true },
  // Its channel and its lock are made when it is built.
  pixi: { kind: 'interpreter', manifests: [], codes: ['HPO-2425 error train.py:1', 'HPO-2425 warning pixi.toml:1'] },
  conda: {
    kind: 'conda',
    version: '3.11',
    manifests: ['environment.yml', 'channel/noarch/repodata.json'],
  },
  requirements: {
    kind: 'requirements',
    version: '3.11',
    manifests: ['requirements.txt', 'shared/base.txt', 'constraints.txt', '.python-version'],
  },
  pyproject: { kind: 'pyproject', version: '3.11', manifests: ['pyproject.toml', '.python-version'] },
  interpreter: { kind: 'interpreter', manifests: [], codes: ['HPO-2425 error train.py:1'] },
  node: {
    kind: 'node',
    version: '24',
    script: 'train.js',
    manifests: ['package.json', 'package-lock.json'],
    isReproducible: true,
  },
  'node-yarn': {
    kind: 'node',
    version: '24',
    script: 'train.js',
    manifests: ['package.json', 'yarn.lock'],
    isReproducible: true,
  },
  'node-pnpm': {
    kind: 'node',
    version: '24',
    script: 'train.js',
    manifests: ['package.json', 'pnpm-lock.yaml'],
    isReproducible: true,
  },
  renv: {
    kind: 'renv',
    version: '4.2.2',
    script: 'train.R',
    manifests: ['renv.lock', 'cran/src/contrib/PACKAGES'],
    isReproducible: true,
  },
  julia: { kind: 'julia', script: 'train.jl', manifests: ['Project.toml'] },
  'command-cpp': { kind: 'command', script: 'train.cpp', manifests: ['Makefile'], isReproducible: true },
  'command-shell': { kind: 'command', script: 'hpo.yml', manifests: [], isReproducible: true },
};

test.each(
  readdirSync(fixtures, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name),
)('%s', async (name) => {
  const row = expected[name];
  if (row === undefined) throw new Error(`nothing is expected of the fixture ${name}`);
  const root = mkdtempSync(join(tmpdir(), 'hpo-fixture-'));
  try {
    cpSync(join(fixtures, name), root, { recursive: true });
    // Folders of packages that are made when a project is built.
    if (name === 'conda') cpSync(write(root, 'repodata.json'), join(root, 'channel/noarch/repodata.json'));
    if (name === 'renv') cpSync(write(root, 'PACKAGES'), join(root, 'cran/src/contrib/PACKAGES'));
    const scriptPath = row.script ?? 'train.py';
    const found = await detectEnvironment({
      root,
      scriptPath,
      command: commandOf(root),
      imageSetting: { annotated: row.annotated ?? null, requested: null },
      interpreter: '/nowhere/python',
    });
    expect({
      kind: found.kind,
      version: found.languageVersion,
      manifests: found.manifests.map(({ path }) => path).filter((path) => path !== 'repodata.json' && path !== 'PACKAGES'),
      isReproducible: found.isReproducible,
      codes: codes(found),
    }).toEqual({
      kind: row.kind,
      version: row.version ?? '',
      manifests: row.manifests,
      isReproducible: row.isReproducible ?? false,
      codes: row.codes ?? [],
    });
  } finally {
    rmSync(root, { recursive: true });
  }
});

function write(root: string, name: string): string {
  writeFileSync(join(root, name), '');
  return join(root, name);
}

function commandOf(root: string): string[] | null {
  if (!readdirSync(root).includes('hpo.yml')) return null;
  const { command } = parseYaml(readFileSync(join(root, 'hpo.yml'), 'utf8')) as { command: string[] };
  return command;
}
