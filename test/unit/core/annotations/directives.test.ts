import { describe, expect, test } from 'vitest';
import { directiveDescriptions, directiveKeys, parseScript } from '../../../../agent/core/annotations/index.ts';
import type { ScriptSpec } from '../../../../agent/protocol/space.ts';

/** Without the warnings about what does nothing yet. */
const faultsOf = (text: string) =>
  parseScript(text, 'a.py').diagnostics.filter(({ code }) => !['HPO-1141', 'HPO-1142', 'HPO-1143'].includes(code));

describe('what a directive says', () => {
  test.each<readonly [string, Partial<ScriptSpec>]>([
    ['objective val_loss min', { objectives: [{ metric: 'val_loss', direction: 'min', goal: null }] }],
    ['objective val/acc max goal=0.95', { objectives: [{ metric: 'val/acc', direction: 'max', goal: 0.95 }] }],
    ['objective loss min goal=-1e-3  # why', { objectives: [{ metric: 'loss', direction: 'min', goal: -0.001 }] }],
    ['constraint latency_ms <= 20', { constraints: ['latency_ms <= 20'] }],
    ['constraint a < 1 and (b > 2 or not c == 3)  # both', { constraints: ['a < 1 and (b > 2 or not c == 3)'] }],
    ['search trials=60 parallel=4', { search: { trials: '60', parallel: '4' } }],
    ['search algorithm=tpe scheduler=asha-stop seed=0', { search: { sampler: 'tpe', scheduler: 'asha-stop', seed: '0' } }],
    ['search tpe median', { search: { sampler: 'tpe', scheduler: 'median' } }],
    [
      'search trials = 60 patience=5 batch=8 timeout=1.5h grace=10s liar=max',
      { search: { trials: '60', patience: '5', batch: '8', timeout: '1.5h', grace: '10s', liar: 'max' } },
    ],
    ['budget hours=6 gpu_hours=20 cost=15USD', { budget: { hours: '6', gpu_hours: '20', cost: '15USD' } }],
    [
      'budget minutes=0.5 seconds=30 trials=3 resource=500',
      { budget: { minutes: '0.5', seconds: '30', trials: '3', resource: '500' } },
    ],
    ['resources gpus=1 cpus=4 memory=24GB spot=yes', { resources: { gpus: '1', cpus: '4', memory: '24GB', spot: 'yes' } }],
    ['resources gpus=0 memory=512MiB output=1GB', { resources: { gpus: '0', memory: '512MiB', output: '1GB' } }],
    [
      'retry error=1 memory=0 timeout=2 lost=5 preempted=100',
      { retry: { error: '1', memory: '0', timeout: '2', lost: '5', preempted: '100' } },
    ],
    ['checkpoint dir=ckpt/', { checkpoint: { dir: 'ckpt/' } }],
    ['checkpoint dir=./a/../out/ckpt', { checkpoint: { dir: './a/../out/ckpt' } }],
    ['checkpoint ckpt', { checkpoint: { dir: 'ckpt' } }],
    ['checkpoint dir="my ckpt"', { checkpoint: { dir: 'my ckpt' } }],
    ['checkpoint', { checkpoint: {} }],
    ['search parallel=auto', { search: { parallel: 'auto' } }],
    [
      'resources gpus=2 gpu=nvidia.com/mig-1g.5gb priority=low queue=research pool=a100',
      { resources: { gpus: '2', gpu: 'nvidia.com/mig-1g.5gb', priority: 'low', queue: 'research', pool: 'a100' } },
    ],
    [
      'checkpoint dir=ckpt/ store=s3://models/a/b?secret=keys&endpoint=https://minio.example:9000',
      { checkpoint: { dir: 'ckpt/', store: 's3://models/a/b?secret=keys&endpoint=https://minio.example:9000' } },
    ],
    ['data pvc://images/v2 -> /data ro', { data: [{ from: 'pvc://images/v2', to: '/data', readOnly: true }] }],
    ['folds k=5 via arg(--fold)', { folds: { k: '5', via: 'arg(--fold)' } }],
    ['folds 5', { folds: { k: '5' } }],
    ['seeds n=3 via env(SEED)', { seeds: { n: '3', via: 'env(SEED)' } }],
    ['seeds values=1,2,3', { seeds: { values: '1,2,3' } }],
    ['image auto', { image: { image: 'auto' } }],
    ['image', { image: { image: 'auto' } }],
    ['image ghcr.io/a/b:1', { image: { image: 'ghcr.io/a/b:1' } }],
    [
      'metric val_loss from stdout "val_loss[=:] *(\\S+)" step "epoch (\\d+)"',
      { metrics: [{ type: 'stdout', metric: 'val_loss', pattern: 'val_loss[=:] *(\\S+)', stepPattern: 'epoch (\\d+)' }] },
    ],
    [
      'metric l from stdout \'a "(.*)" # b\'',
      { metrics: [{ type: 'stdout', metric: 'l', pattern: 'a "(.*)" # b', stepPattern: null }] },
    ],
    [
      'metric l from stdout "say \\"(.*)\\""',
      { metrics: [{ type: 'stdout', metric: 'l', pattern: 'say "(.*)"', stepPattern: null }] },
    ],
    ['metric l from json out/metrics.json', { metrics: [{ type: 'json', metric: 'l', path: 'out/metrics.json' }] }],
    ['metric l from csv "my log.csv"', { metrics: [{ type: 'csv', metric: 'l', path: 'my log.csv' }] }],
    ['metric l from tensorboard runs', { metrics: [{ type: 'tensorboard', metric: 'l', dir: 'runs' }] }],
    ['data ./data -> /data ro', { data: [{ from: './data', to: '/data', readOnly: true }] }],
    ['data "my data" -> /data', { data: [{ from: 'my data', to: '/data', readOnly: false }] }],
    ['include conf/model.yaml conf/b.toml', { include: ['conf/model.yaml', 'conf/b.toml'] }],
    ['secret WANDB_API_KEY', { secrets: ['WANDB_API_KEY'] }],
  ])('@hpo.%s', (directive, expected) => {
    const text = `# @hpo.${directive}\n`;
    expect(faultsOf(text)).toEqual([]);
    expect(parseScript(text, 'a.py').spec).toMatchObject(expected);
  });

  test.each<readonly [directive: string, idle: readonly string[]]>([
    ['search trials=6 parallel=4 tpe median seed=1 timeout=5m', []],
    ['search trials=6 patience=5 min_gain=0.01 batch=8 grace=10s liar=max', []],
    ['budget hours=6 minutes=1 seconds=3 trials=3 resource=50', []],
    ['budget hours=6 gpu_hours=20 cost=15USD', []],
    ['resources cpus=4 output=1GB price=0.90USD', []],
    ['folds 5 via arg(--fold)', ['@hpo.folds']],
    ['seeds n=3', ['@hpo.seeds']],
    ['retry lost=5', []],
    ['checkpoint dir=ckpt/', []],
    ['data ./data -> /data ro', []],
    ['include conf/a.yaml', []],
    ['constraint latency < 3', []],
    ['objective loss min goal=0.1', []],
    ['metric l from csv log.csv', []],
  ])('@hpo.%s: what does nothing yet is said', (directive, idle) => {
    const { diagnostics } = parseScript(`# @hpo.${directive}\n`, 'a.py');
    expect(diagnostics.map(({ code, severity }) => [code, severity])).toEqual(idle.map(() => ['HPO-1141', 'warning']));
    expect(diagnostics.map(({ message }) => message.split(' ')[0])).toEqual(idle);
  });

  test.each<readonly [directive: string, named: readonly string[]]>([
    ['resources gpus=1 cpus=4 memory=24GB output=1GB', ['gpus', 'memory']],
    ['resources network=yes shm=2GB pids=100', ['network', 'shm', 'pids']],
    ['image auto', ['@hpo.image']],
    ['image dockerfile=docker/Dockerfile packages=libgl1,ffmpeg', ['@hpo.image']],
    ['secret TOKEN', ['@hpo.secret']],
    ['resources cpus=4', []],
  ])('@hpo.%s: what counts in containers only is said', (directive, named) => {
    const { diagnostics } = parseScript(`# @hpo.${directive}\n`, 'a.py');
    expect(diagnostics.map(({ code, severity }) => [code, severity])).toEqual(named.map(() => ['HPO-1142', 'info']));
    expect(diagnostics.map(({ message }) => message.split(' ')[0])).toEqual(named);
  });

  test('directives stand anywhere, and in config files too', () => {
    expect(parseScript('x = 1  # @hpo.search trials=3', 'a.py').spec.search).toEqual({ trials: '3' });
    expect(parseScript('x: 1  # @hpo.search trials=3', 'a.yaml').spec.search).toEqual({ trials: '3' });
    expect(parseScript('{"x": 1} // @hpo.search trials=3', 'a.json').spec.search).toEqual({ trials: '3' });
    expect(parseScript('# @hpo.search trials=3', 'a.toml').spec.search).toEqual({ trials: '3' });
  });

  test('every example of the table of keys is accepted, and every directive is described', () => {
    for (const [name, keys] of Object.entries(directiveKeys)) {
      expect(Object.keys(directiveDescriptions)).toContain(name);
      for (const { example } of Object.values(keys))
        expect([example, faultsOf(`# @hpo.${name} ${example}`)]).toEqual([example, []]);
    }
  });
});

describe('spaces, options and sinks', () => {
  const parameter = (note: string, literal = '1'): unknown => {
    const { spec, diagnostics } = parseScript(`a = True  # @hpo bool\nx = ${literal}  # @hpo ${note}`, 'a.py');
    expect(diagnostics).toEqual([]);
    return spec.space.parameters[1] ?? spec.fidelity;
  };
  const range = { type: 'float', low: 0, high: 1, log: false, revlog: false, step: null };
  test.each([
    ['float(0, 1)', range],
    ['float( 0 ,1 , )', range],
    ['float(-1e3, 1_0.5)', { ...range, low: -1000, high: 10.5 }],
    ['float(1e-5, 1, log)', { ...range, low: 1e-5, log: true }],
    ['float(0.5, 1, revlog)', { ...range, low: 0.5, revlog: true }],
    ['float(0, 1, step=0.25)', { ...range, step: 0.25 }],
    ['int(1, 8)', { ...range, type: 'int', low: 1, high: 8 }],
    ['int(1e0, 1e3, log)', { ...range, type: 'int', low: 1, high: 1000, log: true }],
    ['int(1, 9, step=2)', { ...range, type: 'int', low: 1, high: 9, step: 2 }],
    ['choice(1, "a", None, True, (1, 2), [], -1.5)', { type: 'categorical', choices: [1, 'a', null, true, [1, 2], [], -1.5] }],
    ["choice(1, true, null, 'it\\'s', \"a, b)\")", { type: 'categorical', choices: [1, true, null, "it's", 'a, b)'] }],
    ['ordinal(1, 2, 4)', { type: 'ordinal', choices: [1, 2, 4] }],
  ])('%s', (note, distribution) => {
    expect(parameter(note)).toMatchObject({ distribution });
  });
  test('bool is a choice between False and True', () => {
    expect(parameter('bool', 'False')).toMatchObject({
      distribution: { type: 'categorical', choices: [false, true] },
      default: false,
    });
  });
  test.each([
    ['int(1, 3) when a == True', { when: 'a == True', sink: { type: 'literal' } }],
    ['int(1, 3) when a in [True, "via x: int(1, 2)"]', { when: 'a in [True, "via x: int(1, 2)"]' }],
    ['int(1, 3) via arg(--x)', { when: null, sink: { type: 'arg', flag: '--x' } }],
    ['int(1, 3) via env(X)', { sink: { type: 'env', name: 'X' } }],
    ['int(1, 3) via key(conf/a.yaml:m.x)', { sink: { type: 'key', file: 'conf/a.yaml', path: 'm.x' } }],
    ['int(1, 3) when a via arg(--x)', { when: 'a', sink: { type: 'arg', flag: '--x' } }],
    ['int(1, 3) via arg(--x) when a', { when: 'a', sink: { type: 'arg', flag: '--x' } }],
  ])('%s', (note, expected) => {
    expect(parameter(note)).toMatchObject(expected);
  });
  test('a value that only goes by via needs no literal', () => {
    const { spec, diagnostics } = parseScript('# @hpo lr: float(0, 1) via arg(--lr)\nimport os\nn = 3\n', 'a.py');
    expect(diagnostics).toEqual([]);
    expect(spec.space.parameters).toEqual([
      expect.objectContaining({ name: 'lr', literal: null, sink: { type: 'arg', flag: '--lr' } }),
    ]);
    expect(spec.space.parameters[0]).not.toHaveProperty('default');
  });
  test('the fidelity is no parameter', () => {
    const { spec } = parseScript('epochs = 9  # @hpo fidelity(1, 81)', 'a.py');
    expect(spec.space.parameters).toEqual([]);
    expect(spec.fidelity).toEqual({
      name: 'epochs',
      min: 1,
      max: 81,
      reductionFactor: 3,
      default: 9,
      sink: { type: 'literal' },
      site: { file: 'a.py', line: 1, column: 10 },
      literal: { start: 9, end: 10, text: '9' },
    });
    expect(parseScript('n = 9  # @hpo fidelity(1, 81, eta=4)', 'a.py').spec.fidelity?.reductionFactor).toBe(4);
  });
});

test('equal spaces hash equally whatever their layout, others do not (rule 10)', () => {
  const hash = (text: string): string => parseScript(text, 'a.py').spec.hash;
  const base = hash('lr = 0.1  # @hpo float(0, 1)\nn = 3  # @hpo int(1, 8) when lr > 0.5\n# @hpo.objective loss min');
  expect(hash('# @hpo.objective loss min\n\nfit(n=3, lr=0.1)  # @hpo n: int( 1,8 ) when lr  >  0.5   lr: float(0.0, 1e0)')).toBe(
    base,
  );
  expect(hash('lr = 0.1  # @hpo float(0, 1)\nn = 3  # @hpo int(1, 9) when lr > 0.5\n# @hpo.objective loss min')).not.toBe(base);
  expect(hash('lr = 0.1  # @hpo float(0, 1)\nn = 3  # @hpo int(1, 8) when lr > 0.5\n# @hpo.objective loss max')).not.toBe(base);
});
