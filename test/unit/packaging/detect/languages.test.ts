import { describe, expect, test } from 'vitest';
import { condaPackage } from '../../../../agent/packaging/detect/conda.ts';
import { matchesConda } from '../../../../agent/packaging/detect/condaVersion.ts';
import { isImageName } from '../../../../agent/packaging/detect/image.ts';
import { programsOf } from '../../../../agent/packaging/detect/language.ts';
import { areSameRanges, canMeet, fromCaret } from '../../../../agent/packaging/detect/pythonVersion.ts';
import { juliaCompat, nodePin } from '../../../../agent/packaging/detect/semverRange.ts';
import { codes, detect, type Files } from './project.ts';

const nowhere = { file: 'f', text: '', span: null };

test.each<
  readonly [
    script: string | null,
    command: readonly string[] | null,
    language: string,
    packages: readonly string[],
    isCompiled: boolean,
  ]
>([
  ['train.py', null, 'python', [], false],
  ['train.mjs', null, 'node', [], false],
  ['train.R', null, 'r', [], false],
  ['train.jl', null, 'julia', [], false],
  ['train.lua', null, 'other', [], false],
  ['train.py', ['python3.12', '{script}'], 'python', [], false],
  ['train.py', ['/usr/bin/env', 'OMP=1', 'torchrun', '--nproc=2', '{script}'], 'python', [], false],
  ['train.py', ['uv', 'run', '{script}'], 'python', [], false],
  ['train.js', ['node', '--max-old-space-size=4096', '{script}'], 'node', [], false],
  ['train.R', ['Rscript', '{script}'], 'r', [], false],
  ['train.jl', ['julia', '--project', '{script}'], 'julia', [], false],
  ['main.cpp', ['sh', '-c', 'g++ -O2 {script} -o a && ./a'], 'other', ['g++'], true],
  ['main.rs', ['cargo', 'run', '--release'], 'other', ['cargo'], true],
  ['hpo.yml', ['bash', '-c', 'make -s; time ./solver'], 'other', ['make'], true],
  ['hpo.yml', ['bash', '-c', 'X=1 python3 train.py | tee log'], 'python', [], false],
  ['hpo.yml', ['bash', 'run.sh'], 'other', [], false],
  ['hpo.yml', ['perl', 'train.pl'], 'other', ['perl'], false],
  [null, ['./solver'], 'other', [], false],
])('%s by %j', (script, command, language, packages, isCompiled) => {
  const found = programsOf(script, command);
  expect([found.language, found.packages, found.isCompiled]).toEqual([language, packages, isCompiled]);
});

describe('a program without packages of its own', () => {
  type Expected = readonly [
    kind: string,
    reason: string,
    manifests: readonly string[],
    needsCompiler: boolean,
    system: readonly string[],
  ];
  test.each<readonly [what: string, script: string, command: readonly string[], files: Files, expected: Expected]>([
    ['a shell', 'hpo.yml', ['sh', '-c', 'echo 1'], {}, ['command', 'the command runs sh', [], false, []]],
    ['Node alone', 'a.js', ['node', '{script}'], {}, ['command', 'the command runs node', [], false, []]],
    [
      'Rust',
      'src/main.rs',
      ['cargo', 'run'],
      { 'Cargo.toml': '[package]\nname = "p"\n', 'rust-toolchain.toml': '', Makefile: '', 'src/lib.rs': '' },
      ['command', 'the command runs cargo, built by Cargo.toml', ['Cargo.toml', 'rust-toolchain.toml'], true, ['cargo', 'rustc']],
    ],
    [
      'make, although there is a CMakeLists.txt',
      'a.c',
      ['sh', '-c', 'make && ./a'],
      { Makefile: 'a: a.c\n', 'CMakeLists.txt': '', 'a.h': '' },
      ['command', 'the command runs sh, built by Makefile', ['Makefile'], true, ['gcc', 'make']],
    ],
    [
      'Go',
      'main.go',
      ['go', 'run', '.'],
      { 'go.mod': 'module m\n\ngo 1.22\n' },
      ['command', 'the command runs go, built by go.mod', ['go.mod'], true, ['golang-go']],
    ],
    [
      'a Dockerfile all the same',
      'a.c',
      ['make'],
      { Dockerfile: 'FROM gcc\n' },
      ['dockerfile', 'Dockerfile beside the script', ['Dockerfile'], false, []],
    ],
  ])('%s', async (_, scriptPath, command, files, expected) => {
    const found = await detect(files, { scriptPath, command });
    expect([
      found.kind,
      found.reason,
      found.manifests.map(({ path }) => path),
      found.needsCompiler,
      found.systemPackages,
    ]).toEqual(expected);
    expect(codes(found)).toEqual([]);
  });

  test('a description that only its own tool can read is a warning where nothing else says anything', async () => {
    const found = await detect({ DESCRIPTION: 'Imports: jsonlite\n' }, { scriptPath: 'a.R', command: ['Rscript', '{script}'] });
    expect([found.kind, codes(found)]).toEqual(['command', ['HPO-2425 warning DESCRIPTION:1']]);
    expect(found.diagnostics[0]?.message).toMatch(/it has no renv\.lock: run renv::snapshot\(\)/);
  });

  test('R and plain programs get packages of conda', async () => {
    const files = { 'environment.yml': 'dependencies: [r-base=4.3, gxx]\n' };
    expect((await detect(files, { scriptPath: 'a.R' })).kind).toBe('conda');
    expect((await detect(files, { scriptPath: 'a.cpp', command: ['make'] })).kind).toBe('conda');
  });

  test('the script that a command of an hpo.yml names is the one that is looked at', async () => {
    const files = {
      'hpo.yml': '',
      'src/train.py': '# /// script\n# dependencies = ["six"]\n# ///\n',
      'requirements.txt': 'idna\n',
    };
    const found = await detect(files, { scriptPath: 'hpo.yml', command: ['python3', '-u', './src/train.py', '--lr=0.1'] });
    expect([found.kind, found.requirements]).toEqual(['pep723', ['six']]);
  });

  test('Python that a shell starts has its own rows', async () => {
    const found = await detect({ 'requirements.txt': 'six\n' }, { scriptPath: 'hpo.yml', command: ['sh', '-c', 'python3 a.py'] });
    expect([found.kind, found.language]).toEqual(['requirements', 'python']);
  });
});

test.each([
  ['^3.11', '>=3.11,<4'],
  ['^0.2.3', '>=0.2.3,<0.3'],
  ['^0.0.3', '>=0.0.3,<0.0.4'],
  ['~3.11', '>=3.11,<3.12'],
  ['~1', '>=1,<2'],
  ['>=3.9,<4.0', '>=3.9,<4.0'],
  ['>=3.9 <4.0', '>=3.9,<4.0'],
  ['3.11.*', '==3.11.*'],
  ['1.2.3', '==1.2.3'],
  ['*', ''],
  ['>=3.9 || ^2.7', null],
  ['no version', null],
])("Poetry's %s is %s", (constraint, expected) => {
  expect(fromCaret(constraint)).toBe(expected);
});

test.each<readonly [left: string, right: string, meet: boolean, same: boolean]>([
  ['>=3.11', '>=3.11.0', true, true],
  ['~=3.11', '>=3.11,<4', true, true],
  ['==3.11.*', '>=3.11,<3.12', true, true],
  ['>=3.9', '>=3.10', true, false],
  ['<3.11', '>=3.11', false, false],
  ['==3.11.77', '>=3.11', true, false],
  ['!=3.10.0,>=3.9', '>=3.9', true, false],
])('%s and %s', (left, right, meet, same) => {
  expect([canMeet([left, right]), areSameRanges(left, right)]).toEqual([meet, same]);
});

test.each<readonly [version: string, specification: string, answer: boolean | null]>([
  ['1.26.4', '1.26.*', true],
  ['1.26.4', '=1.26', true],
  ['1.26.4', '1.26', false],
  ['1.26.4', '==1.26.4', true],
  ['1.26.4', '>=1.26,<2', true],
  ['1.26.4', '>=1.20,<1.26', false],
  ['1.26.4', '1.25|1.26.*', true],
  ['1.26.4', '1.2*', false],
  ['1.26.4', '*', true],
  ['1.1.1w', '>=1.1', null],
])('conda: %s by %s', (version, specification, answer) => {
  expect(matchesConda(version, specification)).toBe(answer);
});

test.each<readonly [spec: string, name: string | null, version: string | null, specifiers: string]>([
  ['numpy', 'numpy', null, ''],
  ['numpy=1.26', 'numpy', '1.26', '==1.26.*'],
  ['numpy==1.26.4', 'numpy', '1.26.4', '==1.26.4'],
  ['numpy=1.26.4=py311_0', 'numpy', '1.26.4', '==1.26.4.*'],
  ['conda-forge::numpy >=1.26, <2', 'numpy', null, '>=1.26,<2'],
  ['python=3.11.*', 'python', '3.11', '==3.11.*'],
  ['', null, null, ''],
])('a package of conda: %s', (spec, name, version, specifiers) => {
  const found = condaPackage(spec, 'environment.yml', spec);
  expect([found?.name ?? null, found?.version ?? null, found?.specifiers ?? '']).toEqual([name, version, specifiers]);
});

test.each<readonly [name: string, isName: boolean]>([
  ['python', true],
  ['python:3.12-slim', true],
  ['localhost:5000/own/image_name', true],
  ['ghcr.io/a/b/c:v1', true],
  [`python@sha256:${'0'.repeat(64)}`, true],
  [`sha256:${'0'.repeat(64)}`, true],
  ['Python', false],
  ['a:', false],
  ['a b', false],
  ['-v', false],
  ['--privileged', false],
  ['a//b', false],
  ['../a', false],
  ['a@sha256:00', false],
])('%s as the name of an image', (name, isName) => {
  expect(isImageName(name)).toBe(isName);
});

test.each<readonly [text: string, pin: string | null]>([
  ['20', '20'],
  ['v20.11.1', '20.11.1'],
  ['lts/iron', '20'],
  ['lts/*', null],
  ['node', null],
])('.nvmrc with %s', (text, pin) => {
  expect(nodePin(text, nowhere)?.pin ?? null).toBe(pin);
});

test.each<readonly [compat: string, range: string | null]>([
  ['1.6', '>=1.6.0 <2.0.0-0'],
  ['~1.6.2', '>=1.6.2 <1.7.0-0'],
  ['1.6, 2', '>=1.6.0 <2.0.0-0||>=2.0.0 <3.0.0-0'],
  ['1.6 - 1.9', '>=1.6.0 <1.10.0-0'],
  ['', null],
])("Julia's compat %s", (compat, range) => {
  expect(juliaCompat(compat, nowhere)?.range ?? null).toBe(range);
});
