/** Events of studies as the agent writes them, for a journal that is made instead of lived. */

/** A space of five parameters, one of them a choice. */
export const parameters = [
  ...['a', 'b', 'c', 'd'].map((name) => ({
    name,
    distribution: { type: 'float', low: 1e-5, high: 1, log: true, revlog: false, step: null },
  })),
  { name: 'e', distribution: { type: 'categorical', choices: ['x', 'y', 'z'] } },
].map((parameter, index) => ({
  ...parameter,
  when: null,
  sink: { type: 'env', name: parameter.name.toUpperCase() },
  site: { file: 'hpo.yml', line: index + 1, column: 1 },
  literal: null,
}));

export function studySpec({
  trials = null,
  parallel = 2,
  command = ['sh', 'trial.sh'],
  root = '/bench',
  snapshot = '0',
  limits = {},
} = {}) {
  return {
    name: 'bench',
    root,
    script: null,
    command,
    space: { parameters, where: [] },
    objectives: [{ metric: 'loss', direction: 'min', goal: null }],
    constraints: [],
    fidelity: null,
    metrics: [],
    search: { sampler: 'random', scheduler: 'none', seed: 1, parallel, liar: 'mean' },
    budget: { trials, wallTimeMs: null, resource: null },
    limits: { timeoutMs: null, graceMs: 1000, outputBytes: 1e9, cpus: 1, ...limits },
    checkpoint: null,
    executor: 'local',
    environment: { interpreter: '/bin/sh', version: '', reason: 'PATH' },
    snapshot,
    spaceHash: '0',
  };
}

/** All events of a trial that ran well, with `reports` reports. */
export function trialEvents(number, reports, at = Date.now()) {
  const event = (fields) => ({ studyId: 'bench-1', event: { ...fields, at, number } });
  const u = (k) => ((number * 7919 + k * 104729) % 1_000_003) / 1_000_003;
  const params = { a: 1e-5 + u(1) * 0.9, b: 1e-5 + u(2) * 0.9, c: 1e-5 + u(3) * 0.9, d: 1e-5 + u(4) * 0.9, e: 'xyz'[number % 3] };
  const loss = (step) => (1 + params.a) / step + params.b;
  return [
    event({
      type: 'trialCreated',
      params,
      origin: 'sampler',
      reason: 'A random point: 10 of 10 trials are to explore.',
      target: null,
    }),
    event({ type: 'attemptRequested', attempt: 1, slot: number % 16, target: null }),
    event({ type: 'attemptStarted', attempt: 1, pid: 4711 + (number % 30_000) }),
    ...Array.from({ length: reports }, (_, i) =>
      event({ type: 'metricReported', attempt: 1, step: i + 1, values: { loss: loss(i + 1) }, cursor: { out: (i + 1) * 20 } }),
    ),
    event({ type: 'attemptEnded', attempt: 1, exitCode: 0, signal: null, failure: null }),
    event({ type: 'trialEnded', state: 'complete', values: { loss: loss(reports) }, failure: null }),
  ];
}
