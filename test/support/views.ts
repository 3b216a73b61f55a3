import type { JournalEntry, StudyEvent } from '../../agent/protocol/events.ts';
import type { Parameter, Params } from '../../agent/protocol/space.ts';
import type { Failure, MetricValue, StudySpec, WaitReason } from '../../agent/protocol/study.ts';
import { createView, foldView, type StudyView, type TrialView } from '../../agent/protocol/view.ts';

/** The studies that unit tests, browser tests and screenshots share. */
export type SceneName =
  | 'empty'
  | 'waiting'
  | 'running'
  | 'ended'
  | 'minimise'
  | 'failed'
  | 'pausedItself'
  | 'clusterWaits'
  | 'preempted'
  | 'moved'
  | 'hostile'
  | 'thousand'
  | 'fiveThousand';

/** Events of a realistic study, the same ones for the same name; `seq` has gaps as in a journal with several studies. */
export function sceneEntries(name: SceneName): JournalEntry[] {
  switch (name) {
    case 'empty':
      return numbered([created(digitsSpec())]);
    case 'waiting':
      return cut(simulate({ nTrials: 40, seed: 7, spec: digitsSpec() }), startMs + 2_500);
    case 'running':
      return cut(simulate({ nTrials: 40, seed: 7, spec: digitsSpec() }), startMs + 45_000);
    case 'ended':
      return simulate({ nTrials: 40, seed: 7, spec: digitsSpec() });
    case 'minimise':
      return simulate({ nTrials: 30, seed: 3, spec: lossSpec() });
    case 'failed':
      return failedStudy();
    case 'pausedItself':
      return pausedStudy();
    case 'clusterWaits':
      return clusterStudy();
    case 'preempted':
      return preemptedStudy();
    case 'moved':
      return movedStudy();
    case 'hostile':
      return simulate({ nTrials: 12, seed: 5, spec: hostileSpec(), hostile: true });
    case 'thousand':
      return simulate({ nTrials: 1_000, seed: 11, spec: digitsSpec({ trials: 1_000 }) });
    case 'fiveThousand':
      return simulate({ nTrials: 5_000, seed: 13, spec: lossSpec({ trials: 5_000, epochs: 50 }) });
    default:
      throw new TypeError(`no scene ${String(name satisfies never)}`);
  }
}

export function scene(name: SceneName): StudyView {
  return viewOf(sceneEntries(name));
}

/** What a page sees that was given all these entries. */
export function viewOf(entries: readonly JournalEntry[]): StudyView {
  const [first, ...rest] = entries;
  if (first === undefined) throw new RangeError('a study has at least its first event');
  const view = createView(first);
  for (const entry of rest) foldView(view, entry);
  return view;
}

/** A study of complete trials with these values of the metric `m`, the first being the script's own. */
export function studyOf(direction: 'min' | 'max', values: readonly MetricValue[]): StudyView {
  const base = scene('ended');
  const trials = values.map(
    (value, number): TrialView => ({
      ...(base.trials[0] as TrialView),
      number,
      origin: number === 0 ? 'default' : 'sampler',
      state: 'complete',
      values: { m: value },
      curve: [],
    }),
  );
  return { ...base, spec: { ...base.spec, objectives: [{ metric: 'm', direction, goal: null }] }, trials };
}

/** 2026-09-01 10:30:00 UTC, when every scene begins. */
export const startMs = Date.UTC(2026, 8, 1, 10, 30);

/** Texts that would run, close a script or break a layout if anything but text nodes carried them. */
export const hostileTexts = [
  '<img src=x onerror="window.pwned=(window.pwned??0)+1">',
  '</script><script>window.pwned=(window.pwned??0)+1</script>',
  '<!--<script>',
  '"><svg onload=window.pwned=1>',
  '${window.pwned=1}',
  'javascript:window.pwned=1',
  '\u202Egnp.exe\u2028line',
] as const;

const studyId = 'k3f9a1c2';

function digitsSpec(options: { trials?: number } = {}): StudySpec {
  return {
    name: 'train.py',
    root: '/home/ada/digits',
    script: 'train.py',
    command: ['python', '{script}'],
    space: {
      where: [],
      parameters: [
        parameter('learning_rate', { type: 'float', low: 1e-5, high: 1e-1, log: true, revlog: false, step: null }, 1e-3, 12),
        parameter('batch_size', { type: 'ordinal', choices: [16, 32, 64, 128, 256] }, 64, 13),
        parameter('hidden', { type: 'int', low: 16, high: 256, log: true, revlog: false, step: null }, 64, 14),
        parameter('alpha', { type: 'float', low: 1e-6, high: 1e-1, log: true, revlog: false, step: null }, 1e-4, 15),
        parameter('activation', { type: 'categorical', choices: ['relu', 'tanh', 'logistic'] }, 'relu', 16),
      ],
    },
    objectives: [{ metric: 'val_accuracy', direction: 'max', goal: null }],
    constraints: [],
    fidelity: {
      name: 'epochs',
      min: 1,
      max: 27,
      reductionFactor: 3,
      default: 27,
      sink: { type: 'literal' },
      site: { file: 'train.py', line: 17, column: 10 },
      literal: null,
    },
    metrics: [],
    search: { sampler: 'tpe', scheduler: 'asha-promote', seed: 7, parallel: 4, liar: 'mean' },
    budget: { trials: options.trials ?? 40, wallTimeMs: 10 * 60_000, resource: null },
    limits: { timeoutMs: null, graceMs: 5_000, outputBytes: 64 << 20, cpus: 1 },
    checkpoint: { dir: 'checkpoint' },
    executor: 'local',
    environment: { interpreter: '/home/ada/digits/.venv/bin/python', version: '3.13.1', reason: 'project .venv' },
    snapshot: '7b1de0c4a9f35e21',
    spaceHash: 'd41c9a7f20b8e613',
  };
}

function lossSpec(options: { trials?: number; epochs?: number } = {}): StudySpec {
  const spec = digitsSpec();
  return {
    ...spec,
    name: 'regress.py',
    script: 'regress.py',
    objectives: [{ metric: 'val_loss', direction: 'min', goal: null }],
    fidelity:
      spec.fidelity === null || options.epochs === undefined
        ? null
        : { ...spec.fidelity, max: options.epochs, default: options.epochs },
    search: { ...spec.search, scheduler: options.epochs === undefined ? 'none' : 'asha-stop', seed: 3 },
    budget: { trials: options.trials ?? 30, wallTimeMs: null, resource: null },
    checkpoint: null,
  };
}

function hostileSpec(): StudySpec {
  const spec = digitsSpec();
  return {
    ...spec,
    name: hostileTexts[0],
    script: hostileTexts[1],
    root: hostileTexts[2],
    objectives: [{ metric: hostileTexts[3], direction: 'max', goal: null }],
    space: {
      ...spec.space,
      parameters: spec.space.parameters.map((p, i) => ({ ...p, name: `${hostileTexts[i % hostileTexts.length]} ${i}` })),
    },
    environment: { interpreter: hostileTexts[0], version: hostileTexts[4], reason: hostileTexts[5] },
    snapshot: hostileTexts[1],
  };
}

function parameter(name: string, distribution: Parameter['distribution'], value: number | string, line: number): Parameter {
  return {
    name,
    distribution,
    default: value,
    when: null,
    sink: { type: 'literal' },
    site: { file: 'train.py', line, column: 1 },
    literal: { start: line * 40, end: line * 40 + 4, text: String(value) },
  };
}

function created(spec: StudySpec): StudyEvent {
  return { type: 'studyCreated', at: startMs, spec };
}

interface Simulation {
  readonly nTrials: number;
  readonly seed: number;
  readonly spec: StudySpec;
  readonly hostile?: boolean;
}

/** Trials on `parallel` slots, each with saturating noisy curves; rungs as in successive halving; a few failures. */
function simulate(simulation: Simulation): JournalEntry[] {
  const { nTrials, spec } = simulation;
  const random = mulberry32(simulation.seed);
  const events: StudyEvent[] = [created(spec)];
  const slots = Array.from({ length: spec.search.parallel }, () => startMs + 1_000);
  let endMs = startMs;
  for (let number = 0; number < nTrials; number++) {
    const slot = slots.indexOf(Math.min(...slots));
    const at = (slots[slot] ?? startMs) + 50;
    const trial = simulateTrial(simulation, random, number, slot, at);
    events.push(...trial.events);
    slots[slot] = trial.endMs;
    endMs = Math.max(endMs, trial.endMs);
  }
  events.sort((a, b) => a.at - b.at);
  // Paused trials that nobody promoted count as pruned when the study ends.
  const lastValues = new Map<number, Record<string, MetricValue>>();
  const open = new Set<number>();
  for (const event of events) {
    if (event.type === 'metricReported') lastValues.set(event.number, event.values);
    if (event.type === 'trialPaused') open.add(event.number);
    if (event.type === 'trialEnded') open.delete(event.number);
  }
  for (const number of open) {
    events.push({ type: 'trialEnded', at: endMs, number, state: 'pruned', values: lastValues.get(number) ?? {}, failure: null });
  }
  events.push({ type: 'studyEnded', at: endMs, reason: 'budget', message: `All ${nTrials} trials of the budget are done.` });
  return numbered(events);
}

function simulateTrial(
  simulation: Simulation,
  random: () => number,
  number: number,
  slot: number,
  createdMs: number,
): { events: StudyEvent[]; endMs: number } {
  const { spec, hostile = false } = simulation;
  const [objective] = spec.objectives;
  if (objective === undefined) throw new RangeError('scenes have an objective');
  const progress = number / simulation.nTrials;
  const params = number === 0 ? defaultsOf(spec) : drawParams(spec, random, hostile);
  // Later trials come from a model that has learnt: their quality leans towards 1.
  const quality = number === 0 ? 0.55 : Math.min(0.995, (0.25 + 0.75 * random()) ** (1 - 0.6 * progress));
  const speed = 0.15 + 0.3 * random();
  const rungs = rungsOf(spec);
  const events: StudyEvent[] = [];
  const reason =
    number === 0
      ? "the script's own values"
      : number < 10
        ? `tpe: random start ${number} of 10`
        : 'tpe: highest expected improvement of 24 candidates';
  const isPromoting = spec.search.scheduler === 'asha-promote';
  const first = isPromoting ? (rungs[0] ?? 27) : (rungs.at(-1) ?? 27);
  events.push({
    type: 'trialCreated',
    at: createdMs,
    number,
    params,
    origin: number === 0 ? 'default' : 'sampler',
    reason: hostile ? hostileTexts[0] : reason,
    target: spec.fidelity === null ? null : first,
  });
  let at = createdMs + 20;
  let step = 0;
  let values: Record<string, MetricValue> = {};
  const fails = number > 0 && random() < 0.04;
  const diverges = number > 0 && !fails && random() < 0.03;
  for (const [rungIndex, target] of rungs.entries()) {
    const attempt = rungIndex + 1;
    const shown = spec.fidelity === null ? null : isPromoting ? target : first;
    if (isPromoting || rungIndex === 0) {
      events.push(
        { type: 'attemptRequested', at, number, attempt, slot, target: shown },
        { type: 'attemptStarted', at: at + 30, number, attempt, pid: 4_000 + number },
      );
      at += 400;
    }
    const live = isPromoting ? attempt : 1;
    while (step < target) {
      step++;
      at += 500 + Math.round(400 * random());
      values = metricsAt(objective, quality, speed, step, diverges, random);
      events.push({ type: 'metricReported', at, number, attempt: live, step, values, cursor: { out: step * 60, metrics: 0 } });
      if (fails && step >= Math.min(2, target)) {
        const failure = failureOf(hostile);
        events.push(
          { type: 'attemptEnded', at: at + 90, number, attempt: live, exitCode: 1, signal: null, failure },
          { type: 'trialEnded', at: at + 95, number, state: 'failed', values, failure },
        );
        return { events, endMs: at + 120 };
      }
    }
    const isLast = rungIndex === rungs.length - 1;
    const survives = quality > 0.55 + 0.13 * rungIndex || number === 0;
    if (isLast) {
      events.push(
        { type: 'attemptEnded', at: at + 40, number, attempt: live, exitCode: 0, signal: null, failure: null },
        { type: 'trialEnded', at: at + 45, number, state: 'complete', values, failure: null },
      );
    } else if (isPromoting) {
      events.push(
        { type: 'attemptEnded', at: at + 40, number, attempt: live, exitCode: 0, signal: null, failure: null },
        { type: 'trialPaused', at: at + 45, number, resource: target },
      );
      if (!survives) return { events, endMs: at + 60 };
      at += 300;
      events.push({ type: 'trialPromoted', at, number, target: rungs[rungIndex + 1] ?? target });
      at += 10;
    } else if (!survives) {
      events.push(
        {
          type: 'attemptStopRequested',
          at: at + 5,
          number,
          attempt: live,
          why: 'pruned',
          message: `not in the top third at ${target}`,
        },
        { type: 'attemptEnded', at: at + 40, number, attempt: live, exitCode: null, signal: 'SIGTERM', failure: null },
        { type: 'trialEnded', at: at + 45, number, state: 'pruned', values, failure: null },
      );
      return { events, endMs: at + 60 };
    }
  }
  return { events, endMs: at + 60 };
}

function metricsAt(
  objective: { metric: string; direction: 'min' | 'max' },
  quality: number,
  speed: number,
  step: number,
  diverges: boolean,
  random: () => number,
): Record<string, MetricValue> {
  const learnt = quality * (1 - Math.exp(-speed * step));
  const noise = 0.012 * (random() - 0.5);
  if (objective.direction === 'max')
    return { [objective.metric]: round(0.1 + 0.88 * learnt + noise), loss: round(2.3 * (1 - learnt) + 0.02) };
  if (diverges && step > 4) return { [objective.metric]: step > 9 ? 'nan' : round(10 ** step) };
  return { [objective.metric]: round(2.3 * (1 - learnt) ** 2 + 0.02 + Math.abs(noise)) };
}

const round = (value: number) => Number(value.toPrecision(6));

function failureOf(hostile: boolean): Failure {
  return {
    kind: 'userError',
    code: 'HPO-3002',
    message: hostile
      ? hostileTexts[1]
      : 'train.py ended with exit code 1. Last line: "ValueError: Solver produced non-finite parameter weights." Lower the upper end of learning_rate, or open the log of this trial.',
  };
}

function rungsOf(spec: StudySpec): number[] {
  if (spec.fidelity === null) return [27];
  const rungs = [];
  for (let rung = spec.fidelity.min; rung < spec.fidelity.max; rung *= spec.fidelity.reductionFactor) rungs.push(rung);
  return [...rungs, spec.fidelity.max];
}

function defaultsOf(spec: StudySpec): Params {
  return Object.fromEntries(spec.space.parameters.map((p) => [p.name, p.default ?? 0]));
}

function drawParams(spec: StudySpec, random: () => number, hostile: boolean): Params {
  const entries = spec.space.parameters.map(({ name, distribution: d }) => {
    const u = random();
    if (d.type === 'categorical' || d.type === 'ordinal') {
      const choice = d.choices[Math.floor(u * d.choices.length)] ?? null;
      return [
        name,
        hostile && typeof choice === 'string' ? (hostileTexts[Math.floor(u * hostileTexts.length)] ?? '') : choice,
      ] as const;
    }
    const value = d.log ? Math.exp(Math.log(d.low) + u * Math.log(d.high / d.low)) : d.low + u * (d.high - d.low);
    return [name, d.type === 'int' ? Math.round(value) : value] as const;
  });
  return Object.fromEntries(entries);
}

/** Every trial ends with the same error before its first metric. */
function failedStudy(): JournalEntry[] {
  const events: StudyEvent[] = [created(digitsSpec({ trials: 6 }))];
  const failure: Failure = {
    kind: 'userError',
    code: 'HPO-3001',
    message: `train.py ended with exit code 1 after 0.4 s. Last line: "ModuleNotFoundError: No module named 'sklearn'". Install scikit-learn into this environment, or choose another interpreter.`,
  };
  const random = mulberry32(1);
  for (let number = 0; number < 4; number++) {
    const at = startMs + 1_000 * (number + 1);
    const params = number === 0 ? defaultsOf(digitsSpec()) : drawParams(digitsSpec(), random, false);
    events.push(
      {
        type: 'trialCreated',
        at,
        number,
        params,
        origin: number === 0 ? 'default' : 'sampler',
        reason: "the script's own values",
        target: 1,
      },
      { type: 'attemptRequested', at: at + 1, number, attempt: 1, slot: 0, target: 1 },
      { type: 'attemptStarted', at: at + 20, number, attempt: 1, pid: 77 + number },
      { type: 'attemptEnded', at: at + 420, number, attempt: 1, exitCode: 1, signal: null, failure },
      { type: 'trialEnded', at: at + 421, number, state: 'failed', values: {}, failure },
    );
  }
  events.push({
    type: 'studyEnded',
    at: startMs + 6_000,
    reason: 'failed',
    message:
      "4 of 4 trials failed with the same error: No module named 'sklearn'. Install scikit-learn, then start the study again.",
  });
  return numbered(events);
}

/** The same, with trials left to run: it waits for its user. */
function pausedStudy(): JournalEntry[] {
  const events = failedStudy().map(({ event }) => event);
  const failure = events.flatMap((event) => (event.type === 'trialEnded' ? (event.failure ?? []) : []))[0];
  if (failure === undefined) throw new RangeError('no trial of the scene failed');
  return numbered([
    ...events.slice(0, -1),
    { type: 'studyPaused', at: startMs + 6_000, reason: `All 4 trials failed with the same error: ${failure.message}`, failure },
  ]);
}

function clusterSpec(): StudySpec {
  const spec = digitsSpec();
  const image = {
    name: 'registry.example.com/team/hpo/env@sha256:4f1c0a7be2d9',
    id: 'sha256:4f1c0a7be2d9',
    recipe: '4f1c0a7b',
  };
  const pool = { when: null, slots: null, gpuResource: 'nvidia.com/gpu', nodeSelector: {}, tolerations: [] };
  return {
    ...spec,
    executor: 'kubernetes',
    environment: { interpreter: 'python', version: '3.13', reason: 'uv.lock beside train.py' },
    container: {
      image,
      mounts: [],
      network: false,
      memoryBytes: 16e9,
      shmBytes: 1e9,
      pids: 512,
      gpus: 1,
      secrets: [],
    },
    cluster: {
      context: 'lab',
      namespace: 'team-vision',
      home: 'a1b2c3',
      codeIn: 'objects',
      pullSecrets: ['registry'],
      queue: null,
      priorityClass: null,
      volumes: [],
      checkpoints: { type: 'volume', claim: 'checkpoints', path: 'mine' },
      pools: [{ ...pool, name: 'default', gpus: 1 }],
      podTemplate: null,
      followsCapacity: false,
    },
  };
}

/** Of six that were asked for one runs; the others wait, each for what clusters let trials wait for, and two for the same. */
function clusterStudy(): JournalEntry[] {
  const past = cut(simulate({ nTrials: 40, seed: 7, spec: clusterSpec() }), startMs + 30_000).map(({ event }) => event);
  const [first] = viewOf(numbered(past)).trials;
  if (first === undefined) throw new RangeError('the study has a trial');
  const number = viewOf(numbered(past)).trials.length;
  const noPlace: WaitReason = {
    kind: 'unschedulable',
    message: '0/12 nodes are available: 4 Insufficient nvidia.com/gpu, 8 node(s) had untolerated taint(s).',
  };
  const reasons: readonly WaitReason[] = [
    noPlace,
    noPlace,
    {
      kind: 'image',
      message:
        'the image registry.example.com/team/hpo/env@sha256:4f1c0a7be2d9 cannot be pulled: Back-off pulling image "registry.example.com/team/hpo/env@sha256:4f1c0a7be2d9"',
    },
    {
      kind: 'queued',
      message: 'exceeded quota: hpo, requested: requests.cpu=4, used: requests.cpu=62, limited: requests.cpu=64',
    },
  ];
  return numbered([
    ...past,
    ...reasons.flatMap((reason, index): StudyEvent[] => {
      const at = startMs + 31_000 + index;
      const params = { ...first.params, learning_rate: 0.001 * (index + 2) };
      const trial = number + index;
      return [
        { type: 'trialCreated', at, number: trial, params, origin: 'sampler', reason: 'tpe: random start', target: 1 },
        { type: 'attemptRequested', at, number: trial, attempt: 1, slot: index, target: 1 },
        { type: 'attemptWaits', at, number: trial, attempt: 1, reason },
      ];
    }),
  ]);
}

/** Trial 0 lost its machine twice, went on from its checkpoint and is complete; trial 1 has just lost its own, and waits for another. */
function preemptedStudy(): JournalEntry[] {
  const spec: StudySpec = { ...clusterSpec(), search: { ...clusterSpec().search, scheduler: 'none' } };
  const events: StudyEvent[] = [created(spec)];
  const random = mulberry32(3);
  const [objective] = spec.objectives;
  if (objective === undefined) throw new RangeError('scenes have an objective');
  const preempted = (detail: string): Failure => ({
    kind: 'preempted',
    code: 'HPO-3009',
    message: `The machine was taken away: ${detail}. It is tried again at once (1).`,
  });
  const steps = [
    {
      number: 0,
      attempts: [9, 18, 27],
      details: ['its node was tainted: it is lost, or taken away', 'it was evicted, as when its node is drained'],
    },
    { number: 1, attempts: [14, null], details: ['another pod with a higher priority took its place'] },
  ] as const;
  for (const { number, attempts, details } of steps) {
    let at = startMs + 1_000;
    let step = 0;
    const params = number === 0 ? defaultsOf(spec) : drawParams(spec, random, false);
    const origin = number === 0 ? 'default' : 'sampler';
    const why = number === 0 ? "the script's own values" : 'tpe: random start 1 of 10';
    events.push({ type: 'trialCreated', at, number, params, origin, reason: why, target: 27 });
    for (const [index, until] of attempts.entries()) {
      const attempt = index + 1;
      events.push({ type: 'attemptRequested', at: at + 1, number, attempt, slot: number, target: 27 });
      if (until === null) {
        const message = '0/12 nodes are available: 12 Insufficient nvidia.com/gpu.';
        events.push({ type: 'attemptWaits', at: at + 2_000, number, attempt, reason: { kind: 'unschedulable', message } });
        break;
      }
      at += 20_000;
      events.push({ type: 'attemptStarted', at, number, attempt, pid: null });
      while (step < until) {
        step++;
        at += 2_000;
        const values = metricsAt(objective, 0.8, 0.2, step, false, random);
        events.push({ type: 'metricReported', at, number, attempt, step, values, cursor: { out: step * 60, metrics: 0 } });
        if (step === 27) {
          events.push(
            { type: 'attemptEnded', at, number, attempt, exitCode: 0, signal: null, failure: null },
            { type: 'trialEnded', at, number, state: 'complete', values, failure: null },
          );
        }
      }
      const detail = details[index];
      if (detail !== undefined)
        events.push({ type: 'attemptEnded', at, number, attempt, exitCode: null, signal: null, failure: preempted(detail) });
    }
  }
  return numbered(events.toSorted((a, b) => a.at - b.at));
}

/** It went to the cluster's agent while some of its trials waited. */
function movedStudy(): JournalEntry[] {
  const events = clusterStudy().map(({ event }) => event);
  const to = 'the cluster lab (lab/team-vision)';
  return numbered([...events, { type: 'studyMovedAway', at: startMs + 60_000, to, agent: 'f00d', epoch: 1 }]);
}

function cut(entries: readonly JournalEntry[], untilMs: number): JournalEntry[] {
  return entries.filter((entry) => entry.event.at <= untilMs && entry.event.type !== 'studyEnded');
}

function numbered(events: readonly StudyEvent[]): JournalEntry[] {
  return events.map((event, index) => ({ seq: 100 + index + Math.floor(index / 7) * 3, studyId, event }));
}

/** A small 32-bit generator: the same scene every time. */
function mulberry32(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
