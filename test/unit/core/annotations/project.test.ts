import { describe, expect, test } from 'vitest';
import {
  bestEdits,
  includedFiles,
  localImports,
  metricCandidates,
  metricDirection,
  parseHpoYml,
  parseProject,
  parseScript,
} from '../../../../agent/core/annotations/index.ts';

describe('a study covers the script, its modules and config files (rule 11)', () => {
  const files = [
    { path: 'model.py', text: 'depth = 3  # @hpo int(1, 8)\n# @hpo.objective other max\n# @hpo.search trials=9 seed=1' },
    {
      path: 'train.py',
      text: '# @hpo.include conf/a.yaml\n# @hpo.objective loss min\n# @hpo.search trials=3\nimport model\nlr = 0.1  # @hpo float(0, 1) when depth > 2',
    },
    { path: 'conf/a.yaml', text: 'opt:\n  name: adam  # @hpo optimizer: choice("adam", "sgd")' },
    {
      path: 'hpo.yml',
      text: 'search: {trials: 99, parallel: 2}\nobjective: x min\nparameters: {lr: "float(5, 6)", extra: "int(1, 2)"}',
    },
    { path: 'pyproject.toml', text: '[tool.hpo.search]\nparallel = 7\npatience = 4\nbatch = 4\n[tool.hpo.folds]\nk = 4\n' },
  ];
  test('the main script wins, then modules, then settings', () => {
    const { spec, diagnostics, includes } = parseProject(files, 'train.py');
    expect(diagnostics).toEqual([expect.objectContaining({ code: 'HPO-1141', file: 'pyproject.toml', line: 6 })]);
    expect(spec.space.parameters.map(({ name, site }) => [name, site.file, site.line])).toEqual([
      ['lr', 'train.py', 5],
      ['depth', 'model.py', 1],
      ['optimizer', 'conf/a.yaml', 2],
      ['extra', 'hpo.yml', 3],
    ]);
    expect(spec.space.parameters[0]?.distribution).toMatchObject({ low: 0, high: 1 });
    expect(spec.objectives).toEqual([{ metric: 'loss', direction: 'min', goal: null }]);
    expect(spec.search).toEqual({ trials: '3', seed: '1', parallel: '2', patience: '4', batch: '4' });
    expect(spec.include).toEqual(['conf/a.yaml']);
    expect(includes).toEqual([
      {
        path: 'conf/a.yaml',
        file: 'train.py',
        missing: expect.objectContaining({ code: 'HPO-1140', severity: 'error', file: 'train.py', line: 1 }),
      },
    ]);
  });
  test('a name in two files is a fault of the second', () => {
    const { diagnostics, spec } = parseProject(
      [
        { path: 'b.py', text: 'lr = 1  # @hpo int(1, 2)' },
        { path: 'a.py', text: 'lr = 1  # @hpo int(1, 2)' },
      ],
      'a.py',
    );
    expect(diagnostics).toEqual([expect.objectContaining({ code: 'HPO-1119', file: 'b.py', line: 1, column: 16 })]);
    expect(diagnostics[0]?.message).toContain('a.py line 1');
    expect(spec.space.parameters.map(({ site }) => site.file)).toEqual(['a.py']);
  });
  test('the block of PEP 723 of the script counts, with its places', () => {
    const text =
      '# /// script\n# dependencies = ["a"]\n#\n# [tool.hpo]\n# objective = "loss min"\n# [tool.hpo.search]\n# trials = 30\n# sampler = "tpx"\n# ///\nlr = 1  # @hpo int(1, 2)\n';
    const { spec, diagnostics } = parseScript(text, 'a.py');
    expect(spec.objectives).toEqual([{ metric: 'loss', direction: 'min', goal: null }]);
    expect(spec.search).toEqual({ trials: '30' });
    expect(diagnostics).toEqual([expect.objectContaining({ code: 'HPO-1105', line: 8, column: 14 })]);
    expect(
      parseProject(
        [
          { path: 'a.py', text: '' },
          { path: 'b.py', text },
        ],
        'a.py',
      ).spec.search,
    ).toEqual({});
  });
  test('broken TOML is a fault with its place; what can be read is read', () => {
    const { spec, diagnostics } = parseScript('[tool.hpo]\nobjective = "loss min"\nx = = 3\n', 'pyproject.toml');
    expect(diagnostics).toEqual([expect.objectContaining({ code: 'HPO-1134', line: 3 })]);
    expect(spec.objectives).toHaveLength(1);
  });
});

describe('the section kubernetes of an hpo.yml', () => {
  const yml = `
parameters: {depth: "int(1, 8)"}
kubernetes:
  queue: research
  priority: low
  spot: true
  podTemplate: pod.yml
  pullSecrets: [registry, registry]
  volumes:
    - pvc://images/v2 -> /data ro
  pools:
    - name: a100
      when: depth > 4
      slots: 2
      gpus: 1
      gpu: nvidia
      spot: no
      price: 3.20USD
      nodeSelector: {gpu: a100, tier: 1}
      tolerations:
        - {key: gpu, value: a100, effect: NoSchedule}
        - {operator: Exists, effect: NoExecute}
    - name: cpu
`;
  const pool = { when: null, slots: null, gpus: null, gpu: null, spot: null, price: null, nodeSelector: {}, tolerations: [] };

  test('is read whole, and its volumes are data', () => {
    const { spec, diagnostics } = parseHpoYml(yml, 'hpo.yml');
    expect(diagnostics.filter(({ severity }) => severity !== 'info')).toEqual([]);
    expect(spec.data).toEqual([{ from: 'pvc://images/v2', to: '/data', readOnly: true }]);
    expect(spec.kubernetes).toEqual({
      queue: 'research',
      priority: 'low',
      spot: true,
      podTemplate: 'pod.yml',
      pullSecrets: ['registry'],
      pools: [
        {
          name: 'a100',
          when: 'depth > 4',
          slots: 2,
          gpus: 1,
          gpu: 'nvidia',
          spot: false,
          price: '3.20USD',
          nodeSelector: { gpu: 'a100', tier: '1' },
          tolerations: [
            { key: 'gpu', value: 'a100', effect: 'NoSchedule' },
            { key: null, value: null, effect: 'NoExecute' },
          ],
        },
        { ...pool, name: 'cpu' },
      ],
    });
  });

  test('wins key by key over the one of pyproject.toml', () => {
    const toml = '[tool.hpo.kubernetes]\nqueue = "other"\npriority = "high"\n';
    const files = [
      { path: 'train.py', text: 'depth = 2  # @hpo int(1, 8)\n' },
      { path: 'hpo.yml', text: 'kubernetes: {queue: research}\n' },
      { path: 'pyproject.toml', text: toml },
    ];
    expect(parseProject(files, 'train.py').spec.kubernetes).toMatchObject({ queue: 'research', priority: 'high', pools: [] });
  });
});

describe('hpo.yml describes a program without annotations', () => {
  test('all of it', () => {
    const { spec, diagnostics, script, command } = parseHpoYml(
      [
        'script: train.py',
        'command: ["python", "{script}", "--quick"]',
        'parameters:',
        '  lr: float(1e-5, 1e-1, log)',
        '  depth: {type: int, low: 1, high: 9, step: 2, default: 3, when: lr > 0.01}',
        '  opt: {choices: [adam, sgd], default: adam, via: env(OPT)}',
        '  warm: bool via key(conf/a.yaml:warm)',
        '  epochs: {type: fidelity, min: 1, max: 81, eta: 4}',
        'metrics:',
        '  loss: {from: stdout, pattern: "loss=(\\\\S+)", step: "epoch (\\\\d+)"}',
        '  acc: json out.json',
        'objectives:',
        '  - loss min',
        '  - {metric: acc, direction: max, goal: 0.9}',
        'constraint: latency < 3',
        'where: [lr * depth < 9]',
        'search: {trials: 60, algorithm: tpe}',
        'budget: hours=6 cost=15USD',
        'resources: {spot: yes, memory: 2GB}',
        'folds: 5',
        'seeds: {values: [1, 2], via: arg(--seed)}',
        'checkpoint: ckpt/',
        'image: auto',
        'data: ["./data -> /data ro", {from: a b, to: /c}]',
        'include: conf/a.yaml',
        'secrets: [TOKEN]',
      ].join('\n'),
      'hpo.yml',
    );
    expect(diagnostics.filter(({ code }) => !['HPO-1141', 'HPO-1142', 'HPO-1143'].includes(code))).toEqual([]);
    expect({ script, command }).toEqual({ script: 'train.py', command: ['python', '{script}', '--quick'] });
    expect(
      spec.space.parameters.map(({ name, sink, when, default: value, site }) => [name, sink, when, value, site.line]),
    ).toEqual([
      ['lr', { type: 'arg', flag: '--lr' }, null, undefined, 4],
      ['depth', { type: 'arg', flag: '--depth' }, 'lr > 0.01', 3, 5],
      ['opt', { type: 'env', name: 'OPT' }, null, 'adam', 6],
      ['warm', { type: 'key', file: 'conf/a.yaml', path: 'warm' }, null, undefined, 7],
    ]);
    expect(spec.fidelity).toMatchObject({ name: 'epochs', min: 1, max: 81, reductionFactor: 4, default: 81 });
    expect(spec).toMatchObject({
      objectives: [
        { metric: 'loss', direction: 'min', goal: null },
        { metric: 'acc', direction: 'max', goal: 0.9 },
      ],
      metrics: [
        { type: 'stdout', metric: 'loss', pattern: 'loss=(\\S+)', stepPattern: 'epoch (\\d+)' },
        { type: 'json', metric: 'acc', path: 'out.json' },
      ],
      constraints: ['latency < 3'],
      search: { trials: '60', sampler: 'tpe' },
      budget: { hours: '6', cost: '15USD' },
      resources: { spot: 'yes', memory: '2GB' },
      folds: { k: '5' },
      seeds: { values: '1,2', via: 'arg(--seed)' },
      checkpoint: { dir: 'ckpt/' },
      image: { image: 'auto' },
      data: [
        { from: './data', to: '/data', readOnly: true },
        { from: 'a b', to: '/c', readOnly: false },
      ],
      include: ['conf/a.yaml'],
      secrets: ['TOKEN'],
    });
    expect(spec.space.where).toEqual(['lr * depth < 9']);
  });
  test('a command in one line', () => {
    expect(parseHpoYml('command: julia train.jl --name "a b"', 'hpo.yml').command).toEqual([
      'julia',
      'train.jl',
      '--name',
      'a b',
    ]);
    expect(parseHpoYml('', 'hpo.yml')).toMatchObject({ diagnostics: [] });
    expect(parseHpoYml('', 'hpo.yml')).not.toHaveProperty('command');
  });
});

describe('local imports are candidates, likeliest first', () => {
  test.each([
    ['import utils', 'train.py', ['utils.py', 'utils/__init__.py', 'src/utils.py', 'src/utils/__init__.py']],
    ['import a.b as c, d', 'train.py', ['a/b.py', 'a/b/__init__.py', 'a/__init__.py', 'd.py', 'd/__init__.py']],
    ['from . import x', 'pkg/train.py', ['pkg/__init__.py', 'pkg/x.py', 'pkg/x/__init__.py']],
    ['from .a.b import c', 'pkg/train.py', ['pkg/a/b.py', 'pkg/a/b/__init__.py', 'pkg/a/__init__.py', 'pkg/a/b/c.py']],
    ['from .. import x', 'pkg/sub/train.py', ['pkg/__init__.py', 'pkg/x.py']],
    ['from ...a import x', 'pkg/sub/train.py', ['a.py', 'a/x.py']],
    ['from .... import x', 'pkg/train.py', []],
    ['from a import (b, c as d)', 'src/train.py', ['src/a.py', 'src/a/b.py', 'src/a/c.py', 'a.py', 'a/b.py']],
    ['def f():\n    import late', 'train.py', ['late.py']],
    ['s = "import no"\n# import no', 'train.py', []],
    ['from a import *', 'train.py', ['a.py', 'a/__init__.py']],
    ['import x', 'a.yaml', []],
  ])('%s in %s', (text, file, expected) => {
    const found = localImports(text, file);
    expect(found.filter((path) => expected.includes(path)).sort()).toEqual([...expected].sort());
    if (expected.length === 0) expect(found).toEqual([]);
    expect(found.every((path) => !path.startsWith('/') && !path.includes('..'))).toBe(true);
  });
  test('included files count from the folder of the file', () => {
    expect(includedFiles('# @hpo.include conf/a.yaml ../b.toml ./c.json')).toEqual(['conf/a.yaml', '../b.toml', 'c.json']);
    expect(includedFiles('# @hpo.include conf/a.yaml ../b.toml', 'src/train.py')).toEqual(['src/conf/a.yaml', 'b.toml']);
  });
});

describe('the best values go into a text that may have moved on', () => {
  const edit = (text: string, params: Parameters<typeof bestEdits>[2], file = 'a.py'): readonly [string, readonly string[]] => {
    const { edits, missing } = bestEdits(text, file, params);
    return [
      edits
        .toReversed()
        .reduce((edited, { start, end, text: literal }) => edited.slice(0, start) + literal + edited.slice(end), text),
      missing,
    ];
  };
  test.each([
    ['lr = 1e-3  # @hpo float(1e-5, 1, log)', { lr: 0.00032123456 }, 'lr = 3.212e-4  # @hpo float(1e-5, 1, log)', []],
    ['# new line\n\nlr = 0.5  # @hpo float(0, 1)', { lr: 0.25 }, '# new line\n\nlr = 0.25  # @hpo float(0, 1)', []],
    [
      'm = f(n=1, o="a")  # @hpo n: int(1, 8)  o: choice("a", "b")',
      { n: 8, o: 'b' },
      'm = f(n=8, o="b")  # @hpo n: int(1, 8)  o: choice("a", "b")',
      [],
    ],
    ['lr = 0.5', { lr: 0.25 }, 'lr = 0.5', ['lr']],
    ['lr = 0.5  # @hpo float(1, 0)', { lr: 0.25 }, 'lr = 0.25  # @hpo float(1, 0)', []],
    ['lr = 5.5  # @hpo float(0, 1)', { lr: 0.25 }, 'lr = 0.25  # @hpo float(0, 1)', []],
    ['lr = 0.5  # @hpo float(0, 1)', { lr: 0.5 }, 'lr = 0.5  # @hpo float(0, 1)', []],
  ] as const)('%s', (text, params, expected, missing) => {
    expect(edit(text, params)).toEqual([expected, missing]);
  });
  test('in yaml', () => {
    expect(edit('m:\n  lr: 0.1  # @hpo float(0, 1)', { lr: 0.333333 }, 'a.yaml')[0]).toBe('m:\n  lr: 0.3333  # @hpo float(0, 1)');
  });
  test('without an edit nothing moves', () => {
    expect(bestEdits('lr = 0.5  # @hpo float(0, 1)', 'a.py', { lr: 0.5 }).edits).toEqual([]);
  });
});

describe('metrics that a script seems to report (rule 7)', () => {
  test.each([
    ['print(f"epoch {e} val_loss={v:.3f} acc: {a}")', ['val_loss min', 'acc max']],
    ['print("loss:", loss)', ['loss min']],
    ['print("val_acc=%.3f" % v)', ['val_acc max']],
    ['print(f"{rmse=:.3f}")', ['rmse min']],
    ['logger.info("f1 = {}".format(f1))', ['f1 max']],
    ['wandb.log({"train/loss": a, "val/auc": b})', ['val/auc max', 'train/loss min']],
    ['print(json.dumps({"r2": x}))', ['r2 max']],
    ['mlflow.log_metric("error", x)', ['error min']],
    ['bar.set_postfix(loss=x)', ['loss min']],
    ['print(f"weird={x}")', ['weird null']],
    ['print("epoch", e)\nprint(f"lr={lr} step={s}")', []],
    ['x = "loss={}"', []],
  ])('%s', (text, expected) => {
    expect(metricCandidates(text, 'a.py').map(({ metric, direction }) => `${metric} ${direction}`)).toEqual(expected);
  });
  test('lines count from 1', () => {
    expect(metricCandidates('\n\nprint(f"loss={x}")', 'a.py')).toEqual([{ metric: 'loss', direction: 'min', line: 3 }]);
  });
  test.each([
    ['val_loss', 'min'],
    ['eval_loss', 'min'],
    ['valAccuracy', 'max'],
    ['f1_score', 'max'],
    ['neg_mean_squared_error', 'max'],
    ['error_rate', 'min'],
    ['test/rmse', 'min'],
    ['roc_auc', 'max'],
    ['r2', 'max'],
    ['negative_log_likelihood', 'min'],
    ['thing', null],
    ['loss_weight', 'min'],
  ])('%s → %s', (name, direction) => {
    expect(metricDirection(name)).toBe(direction);
  });
});
