import type { StudyEvent } from '../../../agent/protocol/events.ts';
import type { Distribution, Params } from '../../../agent/protocol/space.ts';
import type { Failure, MetricValue, MetricValues, StudySpec } from '../../../agent/protocol/study.ts';

export type Appended = { readonly studyId: string; readonly event: StudyEvent };

/** 2026-03-01 09:00:00 UTC: when the studies of these tests begin. */
export const startMs = Date.UTC(2026, 2, 1, 9);

/** A space with each kind of distribution, and what Optuna lacks: revlog, an ordinal, tuples, a condition. */
export const distributions = {
  lr: { type: 'float', low: 1e-5, high: 0.1, log: true, revlog: false, step: null },
  momentum: { type: 'float', low: 0.5, high: 0.99, log: false, revlog: true, step: null },
  dropout: { type: 'float', low: 0, high: 0.5, log: false, revlog: false, step: 0.1 },
  layers: { type: 'int', low: 1, high: 9, log: false, revlog: false, step: 2 },
  units: { type: 'int', low: 8, high: 512, log: true, revlog: false, step: null },
  optimizer: { type: 'categorical', choices: ['adam', 'sgd', null, true, 0.5] },
  batch: { type: 'ordinal', choices: [32, 64, 128] },
  shape: {
    type: 'categorical',
    choices: [
      [64, 32],
      [128, 64, 'x'],
    ],
  },
} as const satisfies Readonly<Record<string, Distribution>>;

export const params: Params = {
  lr: 3e-4,
  momentum: 0.9,
  dropout: 0.1,
  layers: 3,
  units: 64,
  optimizer: 'adam',
  batch: 64,
  shape: [128, 64, 'x'],
};

export function studySpec(overrides: Partial<StudySpec> = {}): StudySpec {
  return {
    name: 'digits',
    root: '/home/ada/digits',
    script: 'train.py',
    command: ['python', '{script}'],
    space: {
      parameters: Object.entries(distributions).map(([name, distribution], index) => ({
        name,
        distribution,
        when: name === 'momentum' ? 'optimizer == "sgd"' : null,
        sink: { type: 'literal' },
        site: { file: 'train.py', line: index + 1, column: 1 },
        literal: null,
      })),
      where: [],
    },
    objectives: [{ metric: 'loss', direction: 'min', goal: null }],
    constraints: [],
    fidelity: null,
    metrics: [],
    search: { sampler: 'tpe', scheduler: 'none', seed: 7, parallel: 2, liar: 'mean' },
    budget: { trials: 30, wallTimeMs: null, resource: null },
    limits: { timeoutMs: null, graceMs: 5000, outputBytes: 1 << 26, cpus: 1 },
    checkpoint: null,
    executor: 'local',
    environment: { interpreter: '/usr/bin/python3', version: '3.12.1', reason: 'PATH' },
    snapshot: 'c0ffee',
    spaceHash: 'abad1dea',
    ...overrides,
  };
}

export function studyCreated(spec: StudySpec = studySpec()): StudyEvent {
  return { type: 'studyCreated', at: startMs, spec };
}

/** Short spellings of the events that tests are full of; `at` is in seconds after `startMs`. */
export const make = {
  trial: (number: number, at = number, trialParams: Params = params): StudyEvent => ({
    type: 'trialCreated',
    at: startMs + at * 1000,
    number,
    params: trialParams,
    origin: number === 0 ? 'default' : 'sampler',
    reason: 'tpe over 10 trials',
    target: null,
  }),
  request: (number: number, attempt = 1, at = number): StudyEvent => ({
    type: 'attemptRequested',
    at: startMs + at * 1000,
    number,
    attempt,
    slot: 0,
    target: null,
  }),
  start: (number: number, attempt = 1, at = number): StudyEvent => ({
    type: 'attemptStarted',
    at: startMs + at * 1000 + 250,
    number,
    attempt,
    pid: 4711,
  }),
  report: (number: number, step: number, values: MetricValues, attempt = 1): StudyEvent => ({
    type: 'metricReported',
    at: startMs + (number + step) * 1000,
    number,
    attempt,
    step,
    values,
    cursor: { out: step * 20, metrics: 0 },
  }),
  attemptEnd: (number: number, attempt = 1, failure: Failure | null = null): StudyEvent => ({
    type: 'attemptEnded',
    at: startMs + (number + 8) * 1000,
    number,
    attempt,
    exitCode: failure === null ? 0 : 1,
    signal: null,
    failure,
  }),
  end: (
    number: number,
    state: Extract<StudyEvent, { type: 'trialEnded' }>['state'],
    values: MetricValues,
    failure: Failure | null = null,
  ): StudyEvent => ({ type: 'trialEnded', at: startMs + (number + 9) * 1000 + 125, number, state, values, failure }),
};

/** All events of a trial that runs through, with five reports. */
export function wholeTrial(number: number, value: MetricValue = 1 / (number + 1)): StudyEvent[] {
  const reports = [1, 2, 3, 4, 5].map((step) =>
    make.report(number, step, { loss: typeof value === 'number' ? value + (5 - step) / 10 : value, acc: 0.5 }),
  );
  return [
    make.trial(number),
    make.request(number),
    make.start(number),
    ...reports,
    make.attemptEnd(number),
    make.end(number, 'complete', { loss: value, acc: 0.5 }),
  ];
}

export function of(studyId: string, events: readonly StudyEvent[]): Appended[] {
  return events.map((event) => ({ studyId, event }));
}

const awkward = ['nan', 'inf', '-inf', 0, -1.5, 1e300, 3] as const satisfies readonly MetricValue[];

/**
 * A legal history over several studies, read off a list of numbers (which fast-check shrinks): studies and trials
 * begin, run, report anything, pause, go on, fail, end and are deleted in any order that the words allow.
 */
export function history(choices: readonly number[]): Appended[] {
  const events: Appended[] = [];
  const studies: { studyId: string; trials: { state: 'waiting' | 'running' | 'paused' | 'ended'; attempt: number }[] }[] = [];
  let at = startMs;
  for (const choice of choices) {
    at += 17;
    const action = choice % 8;
    const pick = Math.floor(choice / 8);
    const study = studies[pick % Math.max(1, studies.length)];
    if (study === undefined || (action === 0 && studies.length < 4)) {
      const studyId = `s${events.length}`;
      studies.push({ studyId, trials: [] });
      const objectives =
        pick % 3 === 0 ? studySpec().objectives.concat({ metric: 'size', direction: 'max', goal: null }) : studySpec().objectives;
      const constraints = pick % 4 === 1 ? ['acc >= 0.2'] : [];
      events.push({ studyId, event: { type: 'studyCreated', at, spec: studySpec({ objectives, constraints }) } });
      continue;
    }
    const push = (event: StudyEvent) => events.push({ studyId: study.studyId, event });
    if (action === 1 && pick % 11 === 0) {
      push({ type: 'studyDeleted', at });
      studies.splice(studies.indexOf(study), 1);
      continue;
    }
    const number = Math.floor(pick / 5) % (study.trials.length + 1);
    const trial = study.trials[number];
    if (trial === undefined) {
      study.trials.push({ state: 'waiting', attempt: 0 });
      push({ ...make.trial(number), at });
      continue;
    }
    const value = awkward[pick % awkward.length] ?? 0;
    const values = { loss: value, size: pick, acc: 0.5 };
    if (trial.state === 'waiting') {
      trial.state = 'running';
      trial.attempt += 1;
      push({ ...make.request(number, trial.attempt), at });
      push({ ...make.start(number, trial.attempt), at: at + 3 });
    } else if (trial.state === 'paused') {
      trial.state = 'waiting';
      push({ type: 'trialPromoted', at, number, target: pick % 100 });
    } else if (trial.state === 'running' && action < 5) {
      push({ ...make.report(number, (pick % 7) / 2, pick % 5 === 0 ? { acc: 1 } : values, trial.attempt), at });
    } else if (trial.state === 'running' && action === 5) {
      trial.state = 'paused';
      push({ ...make.attemptEnd(number, trial.attempt), at });
      push({ type: 'trialPaused', at, number, resource: pick % 9 });
    } else if (trial.state === 'running' && action === 6) {
      trial.state = 'waiting';
      push({
        ...make.attemptEnd(number, trial.attempt, { kind: 'preempted', code: 'HPO-3009', message: 'the machine went away' }),
        at,
      });
    } else if (trial.state === 'running') {
      trial.state = 'ended';
      const state = (['complete', 'pruned', 'failed', 'infeasible', 'cancelled'] as const)[pick % 5] ?? 'complete';
      const failure: Failure | null =
        state === 'failed' ? { kind: 'userError', code: 'HPO-3001', message: 'ValueError: "x"\n' } : null;
      push({ ...make.attemptEnd(number, trial.attempt, failure), at });
      push({ ...make.end(number, state, pick % 6 === 0 ? {} : values, failure), at });
    }
  }
  return events;
}
