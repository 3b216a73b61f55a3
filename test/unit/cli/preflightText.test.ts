import { describe, expect, it } from 'vitest';
import { diagnosticLines, exitCodeOf, preflightText } from '../../../agent/cli/preflightText.ts';
import { proposedObjective } from '../../../agent/cli/questions.ts';
import { parseScript } from '../../../agent/core/annotations/index.ts';
import type { Preflight, PreflightQuestion, TuneRequest } from '../../../agent/protocol/requests.ts';

const script = `# @hpo.objective val_loss min
lr = 1e-2  # @hpo float(1e-4, 1e-1, log)
kind = "a"  # @hpo choice("a", "b")
depth = 2  # @hpo int(1, 8) when kind == "a"
epochs = 9  # @hpo fidelity(1, 9, eta=3)
`;

function preflightOf(changes: Partial<Preflight> = {}): Preflight {
  return {
    ...parseScript(script, 'train.py'),
    environment: { interpreter: '/p/.venv/bin/python', version: '3.12.1', reason: 'project .venv' },
    container: null,
    cluster: null,
    missingPackages: [],
    manifest: null,
    snapshot: { files: 12, bytes: 34_567, linked: [] },
    plan: {
      sampler: 'tpe',
      scheduler: 'asha-stop',
      trials: 9,
      parallel: 2,
      batch: null,
      rungs: [
        { resource: 1, trials: 9 },
        { resource: 3, trials: 3 },
        { resource: 9, trials: 1 },
      ],
      brackets: null,
      totalResource: 21,
      fullResource: 81,
    },
    questions: [],
    ...changes,
  };
}

const textOf = (changes: Partial<Preflight> = {}, env?: TuneRequest['env']): string =>
  preflightText(preflightOf(changes), env, (word) => word);

describe('the text before a start', () => {
  it('says what is tuned, for what, with what, and what will run', () => {
    expect(textOf()).toBe(
      [
        'tunes',
        '  lr     0.01  float 1e-4 to 0.1, log                    train.py:2',
        '  kind   "a"   one of "a", "b"                           train.py:3',
        '  depth  2     int 1 to 8              when kind == "a"  train.py:4',
        'for    val_loss min',
        'by     epochs 1 to 9',
        'with   Python 3.12.1 /p/.venv/bin/python (project .venv)',
        'plan   9 trials, 2 at once, sampler tpe, scheduler asha-stop (9 to 1, 3 to 3, 1 to 9; in all 21 of 81)',
        'code   12 files, 33.8 kB',
      ].join('\n'),
    );
  });

  it('does not promise that promotions keep to the plan', () => {
    const plan = { ...preflightOf().plan, scheduler: 'asha-promote' as const };
    expect(textOf({ plan })).toContain('scheduler asha-promote (at least 9 to 1, 3 to 3, 1 to 9; in all at least 21 of 81)');
  });

  it('says how many are decided together', () => {
    const plan = { ...preflightOf().plan, batch: 4 };
    expect(textOf({ plan })).toContain('9 trials, 2 at once, decided in batches of 4, sampler tpe');
  });

  it('shows the brackets of a plan that has several', () => {
    const rung = (resource: number, trials: number) => ({ resource, trials });
    const brackets = [
      { count: 2, rungs: [rung(1, 9), rung(3, 3), rung(9, 1)] },
      { count: 1, rungs: [rung(9, 3)] },
    ];
    const plan = { ...preflightOf().plan, scheduler: 'hyperband' as const, brackets };
    expect(textOf({ plan })).toContain('\n       2 × 9 to 1, 3 to 3, 1 to 9\n       3 to 9\ncode');
  });

  const lacking = { missingPackages: ['numpy>=2', 'torch'], manifest: 'requirements.txt' };
  it.each<[TuneRequest['env'], string]>([
    [
      undefined,
      'lacks  numpy>=2, torch, which requirements.txt asks for; an environment with them will be made (--env current: use this one as it is)',
    ],
    ['auto', 'lacks  numpy>=2, torch, which requirements.txt asks for; an environment with them will be made'],
    ['current', 'lacks  numpy>=2, torch, which requirements.txt asks for; used as it is'],
  ])('names packages that are missing (--env %s)', (env, line) => {
    expect(textOf(lacking, env).split('\n')).toContain(line);
    expect(textOf({}, env)).not.toContain('lacks');
  });

  it.each<[readonly string[], string | null]>([
    [[], null],
    [['data', 'a\u0007'], 'links  data, a\\u{7}; linked into the trials, not copied'],
    [
      Array.from({ length: 10 }, (_, i) => `d${i}`),
      'links  d0, d1, d2, d3, d4, d5, d6, d7 and 2 more; linked into the trials, not copied',
    ],
  ])('names what is linked: %j', (linked, line) => {
    const rows = textOf({ snapshot: { files: 1, bytes: 1, linked } }).split('\n');
    expect(rows.find((row) => row.startsWith('links')) ?? null).toBe(line);
  });

  const container: NonNullable<Preflight['container']> = {
    image: 'hpo-env:1a2b',
    reason: 'uv.lock beside train.py',
    isReproducible: true,
    isReady: false,
    passedOver: [],
    notes: [],
    outside: [],
  };
  const withOf = (changes: Partial<Preflight>): string[] =>
    textOf({ container, ...changes })
      .split('\n')
      .filter((line) => /^(?:with|not|note|mounts|gets|but|lacks|links) /.test(line));

  it('says in which image trials run, why, and what of the machine they get', () => {
    expect(withOf({})).toEqual([
      'with   hpo-env:1a2b (uv.lock beside train.py); to be made before the start',
      'gets   no network',
    ]);
    expect(withOf({ container: { ...container, isReady: true } })[0]).toMatch(/; ready$/);
    const words =
      '# @hpo.resources memory=8GB network=yes gpus=1\n# @hpo.data ./d -> /d ro\n# @hpo.data o -> out\n# @hpo.secret KEY\n';
    expect(withOf(parseScript(words, 'train.py')).slice(1)).toEqual([
      'mounts ./d at /d, read-only',
      'mounts o at out, writable',
      'gets   the network, memory 8GB, gpus 1, secrets KEY',
    ]);
  });

  it('says on which cluster, by its address as well, as names in a kubeconfig say little', () => {
    const cluster: NonNullable<Preflight['cluster']> = {
      name: 'lab',
      context: 'test',
      server: 'https://10.0.0.1:6443',
      namespace: 'ml',
      version: 'v1.34.4',
      imageFrom: 'pulled by the nodes',
      codeBy: 'in ConfigMaps of the study',
      queue: null,
      pools: [],
      checkpoints: null,
      volumes: [],
    };
    const rows = textOf({ container, cluster }).split('\n');
    expect(rows).toContain('on     test at https://10.0.0.1:6443, namespace ml (Kubernetes v1.34.4)');
  });

  it('says what was passed over, what no container has, and why there is no engine', () => {
    const annotation = '# @hpo.data /mnt/d -> /mnt/d ro';
    expect(
      withOf({
        container: {
          ...container,
          isReady: null,
          passedOver: [{ file: 'requirements.txt', reason: 'uv.lock comes first' }],
          notes: ['250 files at the top: mounted as one'],
          outside: [{ file: 'train.py', line: 7, path: '/mnt/d', annotation }],
        },
        snapshot: { files: 1, bytes: 1, linked: ['data'] },
        questions: [{ type: 'engine', code: 'HPO-2402', message: 'Docker does not run', next: 'start it' }],
      }),
    ).toEqual([
      'with   hpo-env:1a2b (uv.lock beside train.py); not known whether it is there',
      'not    requirements.txt: uv.lock comes first',
      'note   250 files at the top: mounted as one',
      'gets   no network',
      'but    Docker does not run; start it',
      'links  data; mounted, not copied',
      `lacks  /mnt/d (train.py:7), which is in no container; to have it add: ${annotation}`,
    ]);
  });

  it('says where Python was looked for when there is none', () => {
    const questions: PreflightQuestion[] = [{ type: 'environment', message: 'No Python was found; looked at: PATH.' }];
    expect(textOf({ environment: null, questions })).toContain('\nwith   No Python was found; looked at: PATH.\n');
  });

  it('shows control characters instead of obeying them', () => {
    const reason = 'setting\u001b[2J';
    const text = textOf({ environment: { interpreter: '/p\u202e', version: '3', reason }, missingPackages: ['a\u0007'] });
    // oxlint-disable-next-line no-control-regex
    expect(text).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
    expect(text).toContain('\\u{1b}[2J');
  });

  it('is short when nothing is annotated', () => {
    const plan = { ...preflightOf().plan, trials: null, rungs: null };
    const text = textOf({ ...parseScript('x = 1\n', 'train.py'), plan });
    expect(text.split('\n').map((line) => line.split(' ')[0])).toEqual(['tunes', 'with', 'plan', 'code']);
    expect(text).toContain('unlimited trials, 2 at once');
  });
});

it('writes diagnostics as compilers do', () => {
  const { diagnostics } = parseScript('# @hpo.objective val_loss min\nlr = 5  # @hpo float(0, 1)\n', 'my\nscript.py');
  expect(diagnosticLines(diagnostics)).toEqual([expect.stringMatching(/^my\nscript\.py:2:\d+ error HPO-1114: lr is 5, outside/)]);
});

describe('the objective that is asked for', () => {
  const asked = (...candidates: Extract<PreflightQuestion, { type: 'objective' }>['candidates']) =>
    proposedObjective(
      preflightOf({
        questions: [
          { type: 'environment', message: '' },
          { type: 'objective', candidates },
        ],
      }),
    );
  it.each([
    ['the only one', asked({ metric: 'loss', direction: 'min' }), { metric: 'loss', direction: 'min' }],
    [
      'the only one with a direction',
      asked({ metric: 'samples', direction: null }, { metric: 'acc', direction: 'max' }),
      { metric: 'acc', direction: 'max' },
    ],
    ['none of several', asked({ metric: 'loss', direction: 'min' }, { metric: 'acc', direction: 'max' }), null],
    ['none without a direction', asked({ metric: 'samples', direction: null }), null],
    ['none without a metric', asked(), null],
    ['none where one is annotated', proposedObjective(preflightOf()), null],
  ])('%s', (_name, proposed, expected) => expect(proposed).toEqual(expected));
});

it.each<[faults: readonly (readonly [severity: 'error' | 'warning', code: string])[], exitCode: number]>([
  [[], 0],
  [[['warning', 'HPO-2425']], 0],
  [[['error', 'HPO-1114']], 1],
  [[['error', 'HPO-2440']], 1],
  [
    [
      ['error', 'HPO-2421'],
      ['error', 'HPO-1114'],
    ],
    1,
  ],
  [
    [
      ['warning', 'HPO-1142'],
      ['error', 'HPO-2421'],
    ],
    4,
  ],
])('%j ends with %i', (faults, exitCode) => {
  const place = { file: 'a', line: 1, column: 1, endLine: 1, endColumn: 1, fix: null };
  expect(exitCodeOf(faults.map(([severity, code]) => ({ severity, code, message: '', ...place })))).toBe(exitCode);
});
