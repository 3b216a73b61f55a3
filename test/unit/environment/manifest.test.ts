import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { findManifest, foldersUp } from '../../../agent/packaging/environment/manifest.ts';

const folder = mkdtempSync(join(tmpdir(), 'hpo-manifest-'));
afterAll(() => rmSync(folder, { recursive: true }));
let nProjects = 0;

/** Writes the files and finds the manifest of `examples/train.py`. */
async function find(files: Readonly<Record<string, string>>) {
  const root = join(folder, String(nProjects++));
  for (const [path, content] of Object.entries({ 'examples/train.py': 'print(1)\n', ...files })) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
  return await findManifest(join(root, 'examples/train.py'), root);
}

const inline =
  '"""Doc"""\n# /// script\n# requires-python = ">=3.9"\n# dependencies = [\n#   "numpy",\n#\n#   "six>=1",\n# ]\n# ///\nimport numpy\n';
const lock = `version = 1
requires-python = ">=3.10"
[[package]]
name = "demo"
version = "0.1.0"
source = { virtual = "." }
dependencies = [{ name = "numpy" }, { name = "uvicorn", extra = ["standard"] }, { name = "colorama", marker = "sys_platform == 'win32'" }, { name = "torch" }]
[[package]]
name = "numpy"
version = "2.1.0"
source = { registry = "https://example.com/simple" }
[[package]]
name = "uvicorn"
version = "0.30.0"
[[package]]
name = "colorama"
version = "0.4.6"
[[package]]
name = "click"
version = "8.1.7"
[[package]]
name = "torch"
version = "2.1.0"
[[package]]
name = "torch"
version = "2.1.0+cpu"
`;

const cases: readonly (readonly [what: string, files: Record<string, string>, expected: string | null])[] = [
  ['none', {}, null],
  [
    'requirements beside the script',
    { 'examples/requirements.txt': 'six\n# note\nnumpy>=1 # why\n-e .\n' },
    'examples/requirements.txt: six, numpy>=1',
  ],
  ['requirements at the root', { 'requirements.txt': 'six\n' }, 'requirements.txt: six'],
  ['the nearest folder', { 'requirements.txt': 'a\n', 'examples/requirements.txt': 'b\n' }, 'examples/requirements.txt: b'],
  [
    'included files and continued lines',
    {
      'requirements.txt': '-r base.txt\n-c limits.txt\nb\\\n>=1\n',
      'base.txt': 'a\n-r requirements.txt\n',
      'limits.txt': 'c==1\n',
    },
    'requirements.txt: a, b>=1',
  ],
  [
    'a block in the script wins',
    { 'examples/train.py': inline, 'requirements.txt': 'x\n' },
    'examples/train.py: numpy, six>=1 (python>=3.9)',
  ],
  [
    'a block with Windows line ends',
    { 'examples/train.py': inline.replaceAll('\n', '\r\n') },
    'examples/train.py: numpy, six>=1 (python>=3.9)',
  ],
  [
    'pyproject',
    {
      'pyproject.toml': '[project]\nname = "x"\nrequires-python = ">=3.8"\ndependencies = ["six>=1 ; python_version > \'3\'"]\n',
    },
    "pyproject.toml: six>=1 ; python_version > '3' (python>=3.8)",
  ],
  ['pyproject for tools only', { 'pyproject.toml': '[tool.ruff]\nline-length = 100\n' }, null],
  [
    'uv.lock before pyproject',
    { 'uv.lock': lock, 'pyproject.toml': '[project]\ndependencies = ["numpy"]\n' },
    "uv.lock: numpy==2.1.0, uvicorn[standard]==0.30.0, colorama==0.4.6 ; sys_platform == 'win32', torch (python>=3.10)",
  ],
];

describe('the manifest of a script', () => {
  test.each(cases)('%s', async (_what, files, expected) => {
    const manifest = await find(files);
    const python = manifest === null || manifest.requiresPython === '' ? '' : ` (python${manifest.requiresPython})`;
    expect(
      manifest && `${manifest.path}: ${manifest.requirements.map((requirement) => requirement.text).join(', ')}${python}`,
    ).toBe(expected);
  });

  test('locked versions of everything else are constraints', async () => {
    const manifest = await find({ 'uv.lock': lock });
    expect(manifest?.install).toMatchObject({
      constraints: ['numpy==2.1.0', 'uvicorn==0.30.0', 'colorama==0.4.6', 'click==8.1.7'],
    });
  });

  test('an included file is part of the content', async () => {
    const contents = await Promise.all(
      ['a\n', 'b\n'].map(async (base) => (await find({ 'requirements.txt': '-r base.txt\n', 'base.txt': base }))?.content),
    );
    expect(contents[0]).not.toBe(contents[1]);
  });

  test('a file that cannot be read says where', async () => {
    await expect(find({ 'pyproject.toml': '[project]\nname = \n' })).rejects.toMatchObject({
      code: 'HPO-2006',
      message: expect.stringMatching(/pyproject\.toml cannot be read: line 2, column/) as unknown,
    });
  });
});

test('folders upward end at the root', () => {
  expect(foldersUp('/p/a/b', '/p')).toEqual(['/p/a/b', '/p/a', '/p']);
  expect(foldersUp('/p', '/p')).toEqual(['/p']);
  expect(foldersUp('/q/a', '/p')).toEqual(['/q/a']);
  expect(foldersUp('/p/..k/a', '/p')).toEqual(['/p/..k/a', '/p/..k', '/p']);
});
