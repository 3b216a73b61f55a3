import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { detectEnvironment } from '../../../../agent/packaging/detect/index.ts';
import { codes, detect, projectOf } from './project.ts';

/** Every file that is read, with the script that leads to it. */
const places: readonly (readonly [script: string, files: readonly string[]])[] = [
  ['train.py', ['train.py', 'train.py.lock']],
  ['train.py', ['Dockerfile', '.devcontainer/devcontainer.json', '.dockerignore']],
  ['train.py', ['.devcontainer.json']],
  ['train.py', ['uv.lock', 'pyproject.toml', 'uv.toml', '.python-version']],
  ['train.py', ['pixi.lock', 'pixi.toml']],
  ['train.py', ['pixi.lock', 'pyproject.toml']],
  ['train.py', ['poetry.lock', 'pdm.lock', 'pyproject.toml']],
  ['train.py', ['Pipfile.lock', 'Pipfile']],
  ['train.py', ['environment.yml', 'requirements.txt']],
  ['train.py', ['requirements.txt', 'requirements-dev.txt', 'pyproject.toml']],
  ['train.js', ['package.json', 'package-lock.json', 'yarn.lock', 'pnpm-lock.yaml', '.npmrc', '.nvmrc', '.node-version']],
  ['train.R', ['renv.lock', 'DESCRIPTION']],
  ['train.jl', ['Project.toml', 'Manifest.toml']],
  ['main.rs', ['Cargo.toml', 'Cargo.lock']],
  ['main.go', ['go.mod', 'go.sum', 'Makefile', 'CMakeLists.txt']],
];

/** Words that the readers look for, so that garbage gets beyond their first line. */
const words = [
  'name',
  'version',
  'package',
  'packages',
  'dependencies',
  'project',
  'tool',
  'uv',
  'poetry',
  'source',
  'sources',
  'metadata',
  'files',
  'requires-dist',
  'requires-python',
  'python',
  'environments',
  'default',
  'linux-64',
  'conda',
  'pip',
  'image',
  'build',
  'dockerfile',
  'importers',
  'deps',
  'engines',
  'node',
  'R',
  'Packages',
  '__proto__',
  'constructor',
  'toString',
  'path',
  'git',
  'url',
  '_meta',
  'dynamic',
];
const leaf = fc.oneof(
  fc.constantFrom(
    ...words,
    '.',
    '..',
    '../..',
    './x',
    '*',
    '^1',
    '>=3.9',
    '==1.*',
    '/',
    'file:///',
    'file:%',
    '-r x',
    '-e .',
    '\0',
    '[',
    '(',
    '~=',
    '${X}',
  ),
  fc.string({ maxLength: 12 }),
  fc.integer(),
  fc.boolean(),
  fc.constant(null),
);
const { tree } = fc.letrec<{ tree: unknown }>((tie) => ({
  tree: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('tree'), { maxLength: 4 }),
    fc.dictionary(fc.constantFrom(...words), tie('tree'), { maxKeys: 5 }),
  ),
}));

/** TOML, as far as these trees go. */
function toml(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  return Object.entries(value)
    .map(([name, item]) => `${JSON.stringify(name)} = ${inline(item)}`)
    .join('\n');
}

function inline(value: unknown): string {
  if (value === null) return '""';
  if (Array.isArray(value)) return `[${value.map(inline).join(', ')}]`;
  if (typeof value === 'object')
    return `{${Object.entries(value)
      .map(([name, item]) => `${JSON.stringify(name)} = ${inline(item)}`)
      .join(', ')}}`;
  return JSON.stringify(value);
}

const content = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 60 }).map((text) => Buffer.from(text)),
  fc.uint8Array({ maxLength: 60 }),
  fc.array(leaf, { maxLength: 6 }).map((lines) => Buffer.from(lines.join('\n'))),
  tree.map((value) => Buffer.from(JSON.stringify(value) ?? '')),
  tree.map((value) => Buffer.from(toml(value))),
  fc
    .array(leaf, { maxLength: 5 })
    .map((lines) => Buffer.from(`# /// script\n${lines.map((line) => `# ${String(line)}`).join('\n')}\n# ///\n`)),
  fc.array(leaf, { maxLength: 5 }).map((lines) => Buffer.from(`FROM ${lines.join('\nCOPY ')} x`)),
);

describe('whatever the files of a project hold', () => {
  test.each(places)('%s with %j is answered, and every remark is in its file', async (script, files) => {
    const contents = fc.tuple(...files.map(() => fc.option(content, { nil: null, freq: 8 })));
    await fc.assert(
      fc.asyncProperty(contents, async (texts) => {
        const project = Object.fromEntries(
          files.flatMap((file, index) => (texts[index] === null ? [] : [[file, texts[index] ?? '']])),
        );
        const found = await detect(project, { scriptPath: script });
        for (const { code, file, line, column, message } of found.diagnostics) {
          expect(code).toMatch(/^HPO-242\d$/);
          expect([file.startsWith('/'), file.includes('..')]).toEqual([false, false]);
          expect([line >= 1, column >= 1, message.length > 20]).toEqual([true, true, true]);
        }
        for (const { path } of found.manifests) expect(path).not.toMatch(/^(?:\.\.|\/)/);
      }),
      { numRuns: 15 },
    );
  });
});

describe('what is read', () => {
  test('no link that leads out of the project, no folder in the place of a file', async () => {
    const outside = projectOf({ 'secret.txt': 'six\n', 'uv.lock': 'version = 1\n' });
    const root = projectOf({ 'train.py': 'x = 1\n', 'requirements.txt': 'six\n-r linked.txt\n' });
    symlinkSync(join(outside, 'uv.lock'), join(root, 'uv.lock'));
    symlinkSync(join(outside, 'secret.txt'), join(root, 'linked.txt'));
    symlinkSync(outside, join(root, '.devcontainer'));
    mkdirSync(join(root, 'Dockerfile'));
    const found = await detectEnvironment({
      root,
      scriptPath: 'train.py',
      command: null,
      imageSetting: { annotated: null, requested: null },
      interpreter: null,
    });
    expect([found.kind, codes(found), found.manifests.map(({ path }) => path)]).toEqual([
      'requirements',
      ['HPO-2429 error requirements.txt:2'],
      ['requirements.txt'],
    ]);
  });

  test('links within the project', async () => {
    const root = projectOf({ 'train.py': 'x = 1\n', 'env/list.txt': 'six\n' });
    symlinkSync('env/list.txt', join(root, 'requirements.txt'));
    writeFileSync(join(root, '.python-version'), '3.11\n');
    const options = {
      root,
      scriptPath: 'train.py',
      command: null,
      imageSetting: { annotated: null, requested: null },
      interpreter: null,
    };
    expect((await detectEnvironment(options)).manifests.map(({ path }) => path)).toEqual(['requirements.txt', '.python-version']);
  });
});
