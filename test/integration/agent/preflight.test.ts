import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { Hpo } from '../../support/hpo.ts';
import { drawn } from '../../unit/packaging/secrets/drawn.ts';

interface Trial {
  readonly number: number;
  readonly state: string;
  readonly params: Record<string, number>;
  readonly values: Record<string, number>;
}

interface Case {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  /** What is tuned; the first file if absent. */
  readonly tune?: string;
  /** The loss that the program has to report for the params; tells that values arrived. */
  readonly loss: (params: Record<string, number>) => number;
}

const shell = '#!/bin/sh\n# $1 is --x, $2 the value\necho "loss=$(awk "BEGIN { print $2 + 1 }")"\n';
const objective = '# @hpo.objective loss min\n';

const cases: readonly Case[] = [
  {
    name: 'a shell program without annotation, described by an hpo.yml',
    files: { 'hpo.yml': 'command: sh run.sh\nparameters:\n  x: int(1, 9)\nobjective: loss min\n', 'run.sh': shell },
    loss: ({ x = NaN }) => x + 1,
  },
  {
    name: 'a Python program without annotation, its values in arguments, variables and a file',
    files: {
      'hpo.yml': `command: [python3, "my program.py"]
parameters:
  x: int(1, 9)
  y: {type: int, low: 1, high: 9, default: 2, via: env(Y)}
  z: int(1, 9) via key(conf.yaml:deep.z)
objective: loss min
`,
      'my program.py': `import os, re, sys
z = int(re.search(r"z: (\\d+)", open("conf.yaml").read())[1])
print("loss=%d" % (int(sys.argv[sys.argv.index("--x") + 1]) * 100 + int(os.environ["Y"]) * 10 + z))
`,
      'conf.yaml': 'deep:\n  z: 3 # kept\n',
    },
    loss: ({ x = NaN, y = NaN, z = NaN }) => 100 * x + 10 * y + z,
  },
  {
    name: 'an hpo.yml with a script: both say what is tuned, the command adds its words',
    files: {
      'hpo.yml': 'script: src/train.py\ncommand: [python3, "{script}", --scale, "10"]\nsearch: {seed: 3}\nobjective: loss min\n',
      'src/train.py': 'import sys\nx = 5  # @hpo int(1, 9)\nprint(f"loss={x * int(sys.argv[2])}")\n',
    },
    loss: ({ x = NaN }) => x * 10,
  },
  {
    name: 'an hpo.yml with a script and no command',
    files: {
      'hpo.yml': 'script: train.py\nobjective: loss min\n',
      'train.py': 'x = 5  # @hpo int(1, 9)\nprint(f"loss={x}")\n',
    },
    loss: ({ x = NaN }) => x,
  },
  {
    name: 'a value in an included YAML file, named by the script',
    files: {
      'train.py': `${objective}# @hpo.include conf/model.yaml\nimport re\nprint("loss=" + re.search(r"width: (\\d+)", open("conf/model.yaml").read())[1])\n`,
      'conf/model.yaml': 'model:\n  width: 16  # @hpo int(4, 64)\n',
    },
    loss: ({ width = NaN }) => width,
  },
  {
    name: 'a value in an included YAML file, named by an hpo.yml',
    files: {
      'hpo.yml': 'command: sh run.sh\ninclude: conf.yaml\nobjective: loss min\n',
      'run.sh': 'sed -n "s/^width: \\([0-9]*\\).*/loss=\\1/p" conf.yaml\n',
      'conf.yaml': 'width: 16  # @hpo int(4, 64)\n',
    },
    loss: ({ width = NaN }) => width,
  },
  {
    name: 'a script in a folder with its files beside it',
    tune: 'src/train.py',
    files: {
      'pyproject.toml': '[tool.hpo]\nobjective = "loss min"\n',
      'src/train.py': `# @hpo.include model.yaml
import pathlib, re
here = pathlib.Path(__file__).parent
x = 1  # @hpo int(1, 9) via key(opt.toml:opt.x)
find = lambda name, pattern: int(re.search(pattern, (here / name).read_text())[1])
print("loss=%d" % (find("model.yaml", r"width: (\\d+)") * 10 + find("opt.toml", r"x = (\\d+)")))
`,
      'src/model.yaml': 'width: 16  # @hpo int(4, 64)\n',
      'src/opt.toml': '[opt]\nx = 1\n',
    },
    loss: ({ width = NaN, x = NaN }) => 10 * width + x,
  },
  {
    name: 'a script in a folder with a file that it names from the root, which names one beside itself',
    tune: 'src/train.py',
    files: {
      'pyproject.toml': '[tool.hpo]\nobjective = "loss min"\n',
      'src/train.py': `# @hpo.include conf/model.yaml
import re
find = lambda name, pattern: int(re.search(pattern, open(name).read())[1])
print("loss=%d" % (find("conf/model.yaml", r"width: (\\d+)") * 10 + find("conf/more.yaml", r"x: (\\d+)")))
`,
      'conf/model.yaml': '# @hpo.include more.yaml\nwidth: 16  # @hpo int(4, 64)\n',
      'conf/more.yaml': 'x: 1  # @hpo int(1, 9)\n',
    },
    loss: ({ width = NaN, x = NaN }) => 10 * width + x,
  },
  {
    name: 'a parameter in a module of the project that the script imports',
    files: {
      'train.py': `${objective}from lib.model import depth\nx = 5  # @hpo int(1, 9)\nprint(f"loss={depth * 10 + x}")\n`,
      'lib/__init__.py': '',
      'lib/model.py': 'depth = 3  # @hpo int(1, 8)\n',
    },
    loss: ({ depth = NaN, x = NaN }) => 10 * depth + x,
  },
  {
    name: 'argument, variable, and keys of JSON and TOML',
    files: {
      'train.py': `${objective}import json, os, sys, re
a = 1  # @hpo int(1, 9) via arg(--a)
b = 1  # @hpo int(1, 9) via env(B)
c = 1  # @hpo int(1, 9) via key(c.json:list.0.c)
d = 1  # @hpo int(1, 9) via key(d.toml:t.d)
a = int(sys.argv[2])
b = int(os.environ["B"])
c = json.load(open("c.json"))["list"][0]["c"]
d = int(re.search(r"d = (\\d+)", open("d.toml").read())[1])
print(f"loss={a * 1000 + b * 100 + c * 10 + d}")
`,
      'c.json': '{"list": [{"c": 1}]}\n',
      'd.toml': '[t]\nd = 1 # kept\n',
    },
    loss: ({ a = NaN, b = NaN, c = NaN, d = NaN }) => 1000 * a + 100 * b + 10 * c + d,
  },
  {
    name: 'settings in a PEP 723 block and in pyproject.toml',
    files: {
      'train.py':
        '# /// script\n# dependencies = []\n# [tool.hpo]\n# objective = "loss min"\n# ///\nx = 5  # @hpo int(1, 9)\nprint(f"loss={x}")\n',
      'pyproject.toml': '[tool.hpo]\nobjective = "other max"\nsearch = {trials = 3, seed = 5}\n',
    },
    loss: ({ x = NaN }) => x,
  },
];

/** One agent serves all cases of a table; each has a folder of its own. */
function openHpo(): { readonly hpo: Hpo; readonly write: (files: Case['files'], tune?: string) => string } {
  const hpo = new Hpo();
  let nProjects = 0;
  afterAll(async () => await hpo[Symbol.asyncDispose]());
  return {
    hpo,
    write: (files, tune = Object.keys(files)[0] ?? '') => {
      const folder = `project ${nProjects++}`;
      for (const [name, text] of Object.entries(files)) hpo.write(`${folder}/${name}`, text);
      return join(hpo.project, folder, tune);
    },
  };
}

describe('what can be tuned', () => {
  const { hpo, write } = openHpo();
  it.each(cases)('$name', async ({ files, tune, loss }) => {
    const target = write(files, tune);
    const lines = await hpo.json<{ type: string; studyId: string }>('tune', target, '-n', '3', '--parallel', '2');
    const trials = await hpo.json<Trial>('trials', lines.at(-1)?.studyId ?? '');
    expect(trials.map(({ state }) => state)).toEqual(['complete', 'complete', 'complete']);
    for (const { params, values } of trials) expect(values).toMatchObject({ loss: loss(params) });
    // They differ, so the values arrived.
    expect(new Set(trials.map(({ params }) => JSON.stringify(params))).size).toBe(3);
  });
});

describe('what cannot be tuned says so before anything starts', () => {
  const print = 'print("loss=1")\n';
  const rows: readonly { name: string; files: Readonly<Record<string, string>>; code: number; says: RegExp }[] = [
    {
      name: 'a key that is missing',
      files: {
        'train.py': `${objective}x = 1  # @hpo int(1, 9) via key(conf.yaml:opt.rate)\n${print}`,
        'conf.yaml': 'opt:\n  lr: 1\n',
      },
      code: 1,
      says: /HPO-2105: conf\.yaml has no value at "opt\.rate"[\s\S]*next: add the key/,
    },
    {
      name: 'a key of a file that is missing',
      files: { 'train.py': `${objective}x = 1  # @hpo int(1, 9) via key(nowhere.yaml:opt.rate)\n${print}` },
      code: 3,
      says: /HPO-2202: nowhere\.yaml is needed but is not in [\s\S]*next: check the path/,
    },
    {
      name: 'a key of a file outside the project',
      files: { 'train.py': `${objective}x = 1  # @hpo int(1, 9) via key(../outside.yaml:lr)\n${print}` },
      code: 1,
      says: /HPO-2204: \.\.\/outside\.yaml is outside the project [\s\S]*next: move it into the project/,
    },
    {
      name: 'a checkpoint folder outside the project',
      files: { 'train.py': `${objective}# @hpo.checkpoint dir=../x\nx = 1  # @hpo int(1, 9)\n${print}` },
      code: 1,
      says: /train\.py:2:\d+ error HPO-1105: dir needs a folder inside the project such as ckpt\/[^\n]* not "\.\.\/x"/,
    },
    {
      name: 'a checkpoint folder in a folder that trials see linked',
      files: {
        'train.py': `${objective}# @hpo.checkpoint dir=data/ckpt\nx = 1  # @hpo int(1, 9)\n${print}`,
        '.gitignore': 'data/\n',
        'data/mine': 'mine',
      },
      code: 1,
      says: /HPO-2302: the checkpoint folder data\/ckpt is in data, [\s\S]*next: name a folder that is not linked/,
    },
    {
      name: 'a token in the code',
      files: { 'train.py': `${objective}x = 1  # @hpo int(1, 9)\n${print}`, 'hub.py': `\nTOKEN = "ghp_${drawn('hub', 36)}"\n` },
      code: 1,
      says: /HPO-2440: what looks like a secret is not stored:\nhub\.py:2 a token of GitHub: ghp_… \(40 characters\)\n[\s\S]*next: take it out of the file[\s\S]*hpo-allow-secret/,
    },
    {
      name: 'a token in the command, where no ignore file keeps it from the journal',
      files: {
        'hpo.yml': `command: [python3, train.py, --api-key, sk-${drawn('command', 48)}]\nobjective: loss min\nparameters:\n  x: int(1, 9)\n`,
        'train.py': print,
        '.hpoignore': 'hpo.yml\n',
      },
      code: 1,
      says: /HPO-2440: what looks like a secret is not written into the journal:\nhpo\.yml:1 a key of OpenAI: sk-…/,
    },
    {
      name: 'an included file that is missing',
      files: { 'train.py': `${objective}# @hpo.include nowhere.yaml\nx = 1  # @hpo int(1, 9)\n${print}` },
      code: 1,
      says: /train\.py:2:\d+ error HPO-1140: there is no file nowhere\.yaml/,
    },
    {
      name: 'an hpo.yml that does not say what to run',
      files: { 'hpo.yml': 'parameters:\n  x: int(1, 9)\nobjective: loss min\n' },
      code: 4,
      says: /HPO-2104: how to run hpo\.yml is not known/,
    },
    {
      name: 'an hpo.yml whose script is missing',
      files: { 'hpo.yml': 'script: gone.py\nobjective: loss min\n' },
      code: 3,
      says: /HPO-2103: "gone\.py" cannot be read/,
    },
    {
      name: 'a command that names a script which nobody names',
      files: { 'hpo.yml': 'command: [python3, "{script}"]\nparameters:\n  x: int(1, 9)\nobjective: loss min\n' },
      code: 4,
      says: /HPO-2104: the command names \{script\}/,
    },
    {
      name: 'a fault in an included file',
      files: {
        'train.py': `${objective}# @hpo.include conf.yaml\nx = 1  # @hpo int(1, 9)\n${print}`,
        'conf.yaml': 'w: 3  # @hpo int(9, 1)\n',
      },
      code: 1,
      says: /conf\.yaml:1:18 error HPO-1107/,
    },
    {
      name: 'a search setting that is no number',
      files: { 'train.py': `${objective}# @hpo.search trials=many\nx = 1  # @hpo int(1, 9)\n${print}` },
      code: 1,
      says: /HPO-\d{4}.*many/,
    },
  ];
  const { hpo, write } = openHpo();
  it.each(rows)('$name', async ({ files, code, says }) => {
    const result = await hpo.run('tune', write(files), '-n', '3');
    expect(`${result.stdout}${result.stderr}`).toMatch(says);
    expect(result.code).toBe(code);
    expect(result.stderr).not.toMatch(/at .*\.cjs:\d+/);
    expect(readdirSync(hpo.home).includes('studies') ? readdirSync(`${hpo.home}/studies`) : []).toEqual([]);
    expect(await hpo.json('status')).toEqual([]);
  });
});
