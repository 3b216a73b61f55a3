import { describe, expect, test } from 'vitest';
import { parseProject } from '../../../agent/core/annotations/index.ts';
import { buildAttempt, tunedFiles } from '../../../agent/driver/buildAttempt.ts';
import type { Params } from '../../../agent/protocol/space.ts';
import type { StudySpec } from '../../../agent/protocol/study.ts';
import { study } from './world.ts';

const key = { studyId: 's', trial: 3, attempt: 2 };

/** A spec from annotated files; the first is the script. */
function specOf(files: Readonly<Record<string, string>>, changes: Partial<StudySpec> = {}): StudySpec {
  const parts = Object.entries(files).map(([path, text]) => ({ path, text }));
  const { spec, diagnostics } = parseProject(parts, parts[0]?.path ?? '');
  expect(diagnostics).toEqual([]);
  const { space, fidelity } = spec;
  return { ...study(), script: parts[0]?.path ?? '', space, fidelity, command: ['python', '-u', '{script}'], ...changes };
}

function build(files: Readonly<Record<string, string>>, params: Params, target: number | null = null) {
  const spec = specOf(files);
  const texts = new Map(tunedFiles(spec).map((file) => [file, files[file] ?? '']));
  const start = buildAttempt(spec, { key, params, target, seed: 11, parent: null }, texts);
  return { ...start, spliced: Object.fromEntries(start.files.map(({ path, content }) => [path, content])) };
}

const objective = '# @hpo.objective loss min\n';

describe('where a value goes', () => {
  const cases: readonly {
    readonly name: string;
    readonly files: Readonly<Record<string, string>>;
    readonly params: Params;
    readonly target?: number;
    readonly spliced?: Readonly<Record<string, string>>;
    readonly command?: readonly string[];
    readonly environment?: Readonly<Record<string, string>>;
  }[] = [
    {
      name: 'into the literal, in its own style, the comment kept',
      files: { 'a.py': `${objective}lr = 1e-3  # @hpo float(1e-5, 1e-1, log)\nname = 'x'  # @hpo choice('x', "it's")\n` },
      params: { lr: 0.05, name: "it's" },
      spliced: {
        'a.py': `${objective}lr = 5e-2  # @hpo float(1e-5, 1e-1, log)\nname = 'it\\'s'  # @hpo choice('x', "it's")\n`,
      },
    },
    {
      name: 'two literals of one line',
      files: { 'a.py': `${objective}fit(depth=6, eta=0.3)  # @hpo depth: int(2, 12)  eta: float(0.01, 1, log)\n` },
      params: { depth: 12, eta: 0.25 },
      spliced: { 'a.py': `${objective}fit(depth=12, eta=0.25)  # @hpo depth: int(2, 12)  eta: float(0.01, 1, log)\n` },
    },
    {
      name: 'nowhere while its condition is false: the script keeps its own literal',
      files: {
        'a.py': `${objective}opt = "adam"  # @hpo choice("adam", "sgd")\nmomentum = 0.9  # @hpo float(0.5, 0.99) when opt == "sgd"\n`,
      },
      params: { opt: 'adam' },
      spliced: {
        'a.py': `${objective}opt = "adam"  # @hpo choice("adam", "sgd")\nmomentum = 0.9  # @hpo float(0.5, 0.99) when opt == "sgd"\n`,
      },
    },
    {
      name: 'into arguments and variables, as a shell user would type them',
      files: {
        'a.py': `${objective}lr = 0.1  # @hpo float(0, 1) via arg(--lr)\nfast = True  # @hpo bool via env(FAST)\nkind = "a b"  # @hpo choice("a b", "c") via arg(--kind)\n`,
      },
      params: { lr: 0.5, fast: false, kind: 'a b' },
      command: ['python', '-u', 'a.py', '--lr', '0.5', '--kind', 'a b'],
      environment: { FAST: 'false' },
      spliced: {},
    },
    {
      name: 'into one word with its flag where it begins with a dash',
      files: {
        'a.py': `${objective}b = 0.1  # @hpo float(-1, 1) via arg(--b)\nc = 0.1  # @hpo float(-1, 1) via arg(-c)\nd = "a"  # @hpo choice("a", "-x") via arg(--d)\n`,
      },
      params: { b: -7.97e-8, c: -0.5, d: '-x' },
      command: ['python', '-u', 'a.py', '--b=-7.97e-8', '-c', '-0.5', '--d=-x'],
    },
    {
      name: "into arguments of a Python script, in Python's words",
      files: {
        'a.py': `${objective}f = True  # @hpo bool via arg(--f)\ng = False  # @hpo bool via arg(--g)\nn = None  # @hpo choice(None, 1) via arg(--n)\n`,
      },
      params: { f: true, g: false, n: null },
      command: ['python', '-u', 'a.py', '--f', 'True', '--g', 'False', '--n', 'None'],
    },
    {
      name: 'into a script whose name looks like an option',
      files: { '-a.py': `${objective}x = 1  # @hpo int(1, 9) via arg(--x)\n` },
      params: { x: 3 },
      command: ['python', '-u', './-a.py', '--x', '3'],
    },
    {
      name: 'into the fidelity',
      files: { 'a.py': `${objective}x = 0.5  # @hpo float(0, 1)\nepochs = 81  # @hpo fidelity(1, 81, eta=3)\n` },
      params: { x: 0.5 },
      target: 9,
      environment: { HPO_RESOURCE: '9' },
      spliced: { 'a.py': `${objective}x = 0.5  # @hpo float(0, 1)\nepochs = 9  # @hpo fidelity(1, 81, eta=3)\n` },
    },
    ...(
      [
        ['conf.yaml', 'opt:\n  lr: 0.1 # rate\n  on: yes\n', 'opt:\n  lr: 0.25 # rate\n  on: yes\n'],
        ['conf.toml', '[opt]\nlr = 0.1 # rate\n', '[opt]\nlr = 0.25 # rate\n'],
        ['conf.json', '{"opt": {"lr": 0.1, "x": [1]}}\n', '{"opt": {"lr": 0.25, "x": [1]}}\n'],
      ] as const
    ).map(([file, before, after]) => ({
      name: `into a key of ${file}`,
      files: { 'a.py': `${objective}lr = 0.1  # @hpo float(0, 1) via key(${file}:opt.lr)\n`, [file]: before },
      params: { lr: 0.25 },
      spliced: { [file]: after },
    })),
  ];
  test.each(cases)('$name', ({ files, params, target = null, spliced, command, environment }) => {
    const start = build(files, params, target);
    if (spliced !== undefined) expect(start.spliced).toEqual(spliced);
    if (command !== undefined) expect(start.command).toEqual(command);
    expect(start.environment).toEqual({ HPO_PARAMS: JSON.stringify(params), HPO_SEED: '11', ...environment });
    for (const [file, text] of Object.entries(start.spliced))
      expect(text.split('\n')).toHaveLength(files[file]?.split('\n').length ?? 0);
  });

  test('an annotated literal and a key of one file', () => {
    const files = {
      'a.py': `${objective}lr = 0.1  # @hpo float(0, 1) via key(conf.yaml:lr)\n# @hpo.include conf.yaml\n`,
      'conf.yaml': 'width: 16  # @hpo int(4, 640)\nlr: 0.1\n',
    };
    expect(build(files, { lr: 0.5, width: 128 }).spliced).toEqual({ 'conf.yaml': 'width: 128  # @hpo int(4, 640)\nlr: 0.5\n' });
  });
});

test('a program that is not Python gets the words of JSON', () => {
  const spec = specOf(
    { 'a.py': `${objective}f = True  # @hpo bool via arg(--f)\n` },
    { script: 'hpo.yml', command: ['sh', 'run.sh'] },
  );
  const start = buildAttempt(spec, { key, params: { f: false }, target: null, seed: 1, parent: null }, new Map());
  expect(start.command).toEqual(['sh', 'run.sh', '--f', 'false']);
});

describe('what cannot be', () => {
  test('a key that is missing is named', () => {
    const files = {
      'a.py': `${objective}lr = 0.1  # @hpo float(0, 1) via key(conf.yaml:opt.rate)\n`,
      'conf.yaml': 'opt:\n  lr: 1\n',
    };
    expect(() => build(files, { lr: 0.5 })).toThrow(
      expect.objectContaining({ code: 'HPO-2105', message: expect.stringContaining('opt.rate') }),
    );
  });

  test('stored code that is not what was annotated is refused, not guessed at', () => {
    const spec = specOf({ 'a.py': `${objective}lr = 0.1  # @hpo float(0, 1)\n` });
    const attempt = { key, params: { lr: 0.5 }, target: null, seed: 1, parent: null };
    expect(() => buildAttempt(spec, attempt, new Map([['a.py', 'something else altogether, and longer than that\n']]))).toThrow(
      expect.objectContaining({ next: expect.stringContaining('start the study again') }),
    );
    expect(() => buildAttempt(spec, attempt, new Map())).toThrow(/no stored text of a\.py/);
  });
});
