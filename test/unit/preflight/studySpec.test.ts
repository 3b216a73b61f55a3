import { describe, expect, test } from 'vitest';
import { parseScript } from '../../../agent/core/annotations/index.ts';
import { planStudy } from '../../../agent/core/study/index.ts';
import type { TuneRequest } from '../../../agent/protocol/requests.ts';
import type { StudySpec } from '../../../agent/protocol/study.ts';
import { buildStudySpec, durationMs } from '../../../agent/preflight/studySpec.ts';
import { cluster, container } from '../core/study/clusterSpec.ts';

/** The spec of a script with these directives, on a machine with 4 processors. */
function specOf(
  directives: readonly string[],
  request: Partial<TuneRequest> = {},
  inContainer: StudySpec['container'] | null = null,
  onCluster: StudySpec['cluster'] | null = null,
): StudySpec {
  const text = [...directives.map((words) => `# @hpo.${words}`), 'x = 1  # @hpo int(1, 9)', ''].join('\n');
  const { spec, diagnostics } = parseScript(text, 'src/train.py');
  expect(diagnostics).toEqual([]);
  return buildStudySpec({
    request: { script: '/project/src/train.py', ...request },
    script: spec,
    command: null,
    root: '/project',
    scriptPath: 'src/train.py',
    environment: { interpreter: '/usr/bin/python3', version: '3.12.1', reason: 'PATH' },
    container: inContainer,
    cluster: onCluster,
    snapshot: 'abc',
    cpus: 4,
    randomSeed: 1234,
  });
}

describe('words of a script', () => {
  const rows: readonly [string, (spec: StudySpec) => unknown, unknown][] = [
    ['objective loss min', ({ objectives }) => objectives, [{ metric: 'loss', direction: 'min', goal: null }]],
    ['search seed=0', ({ search }) => search.seed, 0],
    ['search seed=7', ({ search }) => search.seed, 7],
    ['search parallel=3', ({ search, limits }) => [search.parallel, limits.cpus], [3, 1]],
    ['search parallel=3 batch=8', ({ search }) => [search.parallel, search.batch], [3, 8]],
    ['search parallel=3', ({ search }) => 'batch' in search, false],
    ['search algorithm=tpe', ({ search }) => search.sampler, 'tpe'],
    ['search seed=1', ({ search }) => [search.liar, search.mode], ['fantasy', 'standard']],
    ['search sampler=tpe', ({ search }) => search.liar, 'max'],
    ['search sampler=gp liar=min mode=aggressive', ({ search }) => [search.liar, search.mode], ['min', 'aggressive']],
    ['search sampler=grid scheduler=asha-stop', ({ search }) => [search.sampler, search.scheduler], ['grid', 'asha-stop']],
    ['search trials=1e3', ({ budget }) => budget.trials, 1_000],
    ['search timeout=90', ({ limits }) => limits.timeoutMs, 90_000],
    ['search timeout=1.5h', ({ limits }) => limits.timeoutMs, 5_400_000],
    ['search timeout=1d', ({ limits }) => limits.timeoutMs, 86_400_000],
    ['budget hours=1 trials=5', ({ budget }) => budget, { trials: 5, wallTimeMs: 3_600_000, resource: null }],
    ['budget hours=0.5', ({ budget }) => budget, { trials: null, wallTimeMs: 1_800_000, resource: null }],
    ['budget resource=500', ({ budget }) => budget, { trials: null, wallTimeMs: null, resource: 500 }],
    [
      'search patience=12 min_gain=0.001',
      ({ budget }) => budget,
      { trials: null, wallTimeMs: null, resource: null, patience: 12, minGain: 0.001 },
    ],
    ['search grace=20s', ({ limits }) => limits.graceMs, 20_000],
    ['resources price=0.90USD', ({ price }) => price, { amount: 0.9, currency: 'USD' }],
    ['search trials=3', ({ price }) => price, undefined],
    ['resources output=30MB', ({ limits }) => limits.outputBytes, 30 * 1024 ** 2],
    ['resources output=1.5G', ({ limits }) => limits.outputBytes, 1.5 * 1024 ** 3],
    ['resources output=2GiB', ({ limits }) => limits.outputBytes, 2 * 1024 ** 3],
    ['resources output=0.3KB', ({ limits }) => limits.outputBytes, 307],
    ['resources output=500b', ({ limits }) => limits.outputBytes, 500],
    ['resources cpus=2', ({ limits }) => limits.cpus, 2],
    ['retry lost=5 error=1', ({ retry }) => retry, { error: 1, memory: 1, timeout: 0, lost: 5, preempted: null }],
    ['retry preempted=0', ({ retry }) => retry?.preempted, 0],
    ['search trials=3', ({ retry }) => retry, undefined],
    ['checkpoint dir=ckpt/', ({ checkpoint }) => checkpoint, { dir: 'ckpt/' }],
  ];
  test.each(rows)('%s', (directive, read, expected) => {
    expect(read(specOf([directive]))).toEqual(expected);
  });

  test('of a pod one processor, or what it gets where nobody says', () => {
    const request: Partial<TuneRequest> = { executor: 'kubernetes' };
    const usual = cluster({ cpus: { request: 0.5, limit: 4 } });
    expect(specOf([], request, null, cluster()).limits.cpus).toBe(1);
    expect(specOf([], request, null, usual).limits.cpus).toBe(0.5);
    expect(specOf(['resources cpus=3'], request, null, usual).limits.cpus).toBe(3);
  });

  test('money counts with the price of a place, GPU hours with GPUs', () => {
    const costs = specOf(['budget cost=15USD', 'resources price=0.5USD']);
    expect(costs.budget).toMatchObject({ trials: null, cost: { amount: 15, currency: 'USD' } });
    expect(specOf(['budget gpu_hours=20'], {}, container({ gpus: 2 })).budget).toMatchObject({ trials: null, gpuMs: 72e6 });
  });

  test.each([
    [['budget cost=15USD'], 'HPO-4064', 'the budget of 15.00 USD needs to know what a trial costs'],
    [['budget cost=15USD', 'resources price=1EUR'], 'HPO-4063', 'the study has prices and limits in USD and EUR'],
    [['budget gpu_hours=2'], 'HPO-4065', 'the budget of GPU hours counts nothing: no trial asks for a GPU'],
  ])('%j is refused', (directives, code, message) => {
    expect(() => specOf(directives)).toThrow(expect.objectContaining({ code, message, exitCode: 2 }));
  });

  test('what nobody says: twenty trials, half of the machine, a seed that is recorded', () => {
    const spec = specOf([]);
    expect(spec).toMatchObject({
      name: 'train',
      command: ['/usr/bin/python3', '-u', '{script}'],
      search: { sampler: 'auto', scheduler: 'auto', seed: 1234, parallel: 2 },
      budget: { trials: 20, wallTimeMs: null, resource: null },
      limits: { timeoutMs: null, cpus: 2 },
      checkpoint: null,
      executor: 'local',
    });
    expect(planStudy({ ...spec, objectives: [{ metric: 'loss', direction: 'min', goal: null }] }).trials).toBe(9);
  });
});

describe('what the user chooses', () => {
  const script = ['objective loss min', 'search trials=5 parallel=3 seed=7 sampler=grid timeout=1h', 'budget hours=2'];
  const rows: readonly [Partial<TuneRequest>, (spec: StudySpec) => unknown, unknown][] = [
    [{ trials: 9 }, ({ budget }) => budget.trials, 9],
    [{ budget: { trials: '8' } }, ({ budget }) => budget.trials, 8],
    [{ trials: 9, budget: { trials: '8' } }, ({ budget }) => budget.trials, 9],
    [{ budget: { hours: '1', minutes: '30' } }, ({ budget }) => budget.wallTimeMs, 5_400_000],
    [{ parallel: 1 }, ({ search, limits }) => [search.parallel, limits.cpus], [1, 4]],
    [{ batch: 4 }, ({ search }) => search.batch, 4],
    [{ seed: 0 }, ({ search }) => search.seed, 0],
    [{ sampler: 'random' }, ({ search }) => search.sampler, 'random'],
    [{ trialTimeoutMs: 5 }, ({ limits }) => limits.timeoutMs, 5],
    // Asked for only where the script says none.
    [{ objective: { metric: 'acc', direction: 'max' } }, ({ objectives }) => objectives[0]?.metric, 'loss'],
  ];
  test.each(rows)('%j wins over the script', (request, read, expected) => {
    expect(read(specOf(script, request))).toEqual(expected);
  });

  test.each([
    [{ budget: { trials: '2.5' } }, 'HPO-4012', /"2\.5" is not a whole number/],
    [{ budget: { hours: '0' } }, 'HPO-4012', /"0" is not a positive number/],
    [{ budget: { hours: 'many' } }, 'HPO-4012', /"many"/],
  ] as const)('%j is refused', (request, code, message) => {
    expect(() => specOf([], request)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message), exitCode: 2 }),
    );
  });
});

test.each([
  ['90', 90_000],
  ['250ms', 250],
  ['2min', 120_000],
  [' 1h ', 3_600_000],
])('a duration: %j', (text, ms) => {
  expect(durationMs(text)).toBe(ms);
});

test.each(['', 'h', '-1s', '1 week', '1e3'])('no duration: %j', (text) => {
  expect(() => durationMs(text)).toThrow(expect.objectContaining({ code: 'HPO-4013' }));
});
