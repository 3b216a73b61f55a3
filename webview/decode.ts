import { type Dropped, type JournalEntry, metricLimits, type StudyEvent } from '../agent/protocol/events.ts';
import type { Rate } from '../agent/protocol/metered.ts';
import type { Thinning } from '../agent/protocol/curve.ts';
import type { Distribution, Fidelity, Objective, Params, ParamValue, Parameter, Sink } from '../agent/protocol/space.ts';
import type {
  Failure,
  FailureKind,
  MetricValue,
  MetricValues,
  Money,
  RetrySettings,
  StudySpec,
  CheckpointStore,
  ClusterIdentity,
  ClusterSettings,
  ContainerSettings,
  PodCpus,
  Pool,
  WaitReason,
} from '../agent/protocol/study.ts';
import type { AttemptView, CurvePoint, DroppedMetrics, StudyView, TrialView } from '../agent/protocol/view.ts';
import type { PageState, ToPage } from './contract.ts';

/**
 * Messages and embedded data are checked before anything relies on their types. A check walks the value and says what is
 * wrong, or null; it copies nothing, so a study of 5,000 trials is checked in milliseconds. Keys beyond the known are let
 * through, for a newer agent.
 */
export type Decoded<T> = { readonly value: T } | { readonly problem: string };

export function decodeToPage(value: unknown): Decoded<ToPage> {
  return decoded(toPage, value);
}

export function decodeStudy(value: unknown): Decoded<StudyView> {
  return decoded(studyView, value);
}

export function decodePageState(value: unknown): PageState | null {
  const result = decoded(pageState, value);
  return 'value' in result ? result.value : null;
}

/** What is wrong with a value, or null when it is a T. The unused parameter only carries the type. */
type Check<T> = (value: unknown, type?: T) => string | null;

function decoded<T>(check: Check<T>, value: unknown): Decoded<T> {
  const problem = check(value);
  // The check has looked at every field of T.
  return problem === null ? { value: value as T } : { problem };
}

const text: Check<string> = (value) => (typeof value === 'string' ? null : `expected a text, got ${kind(value)}`);
const bool: Check<boolean> = (value) => (typeof value === 'boolean' ? null : `expected true or false, got ${kind(value)}`);
const number: Check<number> = (value) => (typeof value === 'number' ? null : `expected a number, got ${kind(value)}`);
const index: Check<number> = (value) =>
  Number.isSafeInteger(value) && Number(value) >= 0 ? null : `expected a count, got ${String(value)}`;

function nullable<T>(check: Check<T>): Check<T | null> {
  return (value) => (value === null ? null : check(value));
}

function optional<T>(check: Check<T>): Check<T | undefined> {
  return (value) => (value === undefined ? null : check(value));
}

function list<T>(check: Check<T>): Check<readonly T[]> {
  return (value) => {
    if (!Array.isArray(value)) return `expected a list, got ${kind(value)}`;
    // Not forEach, which would step over holes.
    for (let i = 0; i < value.length; i++) {
      const problem = check(value[i]);
      if (problem !== null) return `[${i}] ${problem}`;
    }
    return null;
  };
}

function record<T>(check: Check<T>): Check<Readonly<Record<string, T>>> {
  return (value) => {
    if (!isRecord(value)) return `expected an object, got ${kind(value)}`;
    for (const key in value) {
      const problem = check(value[key]);
      if (problem !== null) return `.${key} ${problem}`;
    }
    return null;
  };
}

function object<T>(checks: { readonly [K in keyof T]-?: Check<T[K]> }): Check<T> {
  const fields = Object.entries(checks) as [string, Check<unknown>][];
  return (value) => {
    if (!isRecord(value)) return `expected an object, got ${kind(value)}`;
    for (const [key, check] of fields) {
      const problem = check(value[key]);
      if (problem !== null) return `.${key} ${problem}`;
    }
    return null;
  };
}

function oneOf<const T extends string>(...choices: readonly T[]): Check<T> {
  const known = new Set<unknown>(choices);
  return (value) =>
    known.has(value) ? null : `expected one of ${choices.join(', ')}, got ${JSON.stringify(value)?.slice(0, 40)}`;
}

/** A union told apart by its `type`. */
function union<T extends { readonly type: string }>(
  cases: { readonly [K in T['type']]: Check<Omit<Extract<T, { type: K }>, 'type'>> },
): Check<T> {
  const known = new Map<unknown, Check<never>>(Object.entries<Check<never>>(cases));
  return (value) => {
    if (!isRecord(value)) return `expected an object, got ${kind(value)}`;
    const check = known.get(value['type']);
    return check === undefined ? `.type is unknown: ${JSON.stringify(value['type'])?.slice(0, 40)}` : check(value);
  };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const kind = (value: unknown) => (value === null ? 'null' : Array.isArray(value) ? 'a list' : typeof value);

const paramValue: Check<ParamValue> = (value) => {
  if (value === null || typeof value === 'string' || typeof value === 'boolean' || typeof value === 'number') return null;
  return Array.isArray(value) ? list(paramValue)(value) : `expected a parameter's value, got ${kind(value)}`;
};
const params: Check<Params> = record(paramValue);
const metricValue: Check<MetricValue> = (value) =>
  typeof value === 'number' || value === 'nan' || value === 'inf' || value === '-inf'
    ? null
    : `expected a metric's value, got ${kind(value)}`;
const metricValues: Check<MetricValues> = record(metricValue);

const numeric = { low: number, high: number, log: bool, revlog: bool, step: nullable(number) };
const distribution = union<Distribution>({
  float: object(numeric),
  int: object(numeric),
  categorical: object({ choices: list(paramValue) }),
  ordinal: object({ choices: list(paramValue) }),
});
const sink = union<Sink>({
  literal: object({}),
  arg: object({ flag: text }),
  env: object({ name: text }),
  key: object({ file: text, path: text }),
});
const site = object({ file: text, line: number, column: number });
const literal = nullable(object({ start: number, end: number, text }));
const parameter = object<Parameter>({
  name: text,
  distribution,
  default: optional(paramValue),
  when: nullable(text),
  sink,
  site,
  literal,
});
const fidelity = object<Fidelity>({
  name: text,
  min: number,
  max: number,
  reductionFactor: number,
  default: number,
  sink,
  site,
  literal,
});
const objective = object<Objective>({ metric: text, direction: oneOf('min', 'max'), goal: nullable(number) });

const checkpointStore = union<CheckpointStore>({
  volume: object({ claim: text, path: text }),
  s3: object({ bucket: text, prefix: text, region: text, endpoint: nullable(text), secret: text }),
});

const money = object<Money>({ amount: number, currency: text });
const rate = object<Rate>({ gpus: number, perHour: number });

const studySpec = object<StudySpec>({
  name: text,
  root: text,
  script: nullable(text),
  command: list(text),
  space: object({ parameters: list(parameter), where: list(text) }),
  objectives: list(objective),
  constraints: list(text),
  fidelity: nullable(fidelity),
  metrics: list(() => null),
  search: object<Omit<StudySpec['search'], 'mode' | 'points' | 'prior'>>({
    sampler: oneOf('auto', 'random', 'grid', 'qmc', 'tpe', 'gp', 'evolution', 'cmaes'),
    scheduler: oneOf('auto', 'none', 'median', 'sha', 'hyperband', 'asha-stop', 'asha-promote', 'async-hyperband', 'pbt'),
    seed: number,
    parallel: number,
    liar: oneOf('min', 'mean', 'max', 'fantasy'),
    batch: optional(number),
  }),
  budget: object<StudySpec['budget']>({
    trials: nullable(number),
    wallTimeMs: nullable(number),
    resource: nullable(number),
    gpuMs: optional(number),
    cost: optional(money),
    patience: optional(number),
    minGain: optional(number),
  }),
  limits: object<StudySpec['limits']>({
    timeoutMs: nullable(number),
    graceMs: number,
    outputBytes: number,
    cpus: number,
    metricNames: optional(number),
    metricRecords: optional(number),
  }),
  price: optional(money),
  retry: optional(
    object<RetrySettings>({ error: number, memory: number, timeout: number, lost: number, preempted: nullable(number) }),
  ),
  checkpoint: nullable(object({ dir: text })),
  executor: oneOf('local', 'docker', 'kubernetes'),
  container: optional(
    object<ContainerSettings>({
      image: object({ name: text, id: text, recipe: nullable(text) }),
      mounts: list(object({ source: text, target: text, readOnly: bool })),
      network: bool,
      memoryBytes: nullable(number),
      shmBytes: number,
      tmpBytes: optional(number),
      pids: number,
      gpus: number,
      secrets: list(text),
      leftOut: optional(list(object({ path: text, reason: text }))),
    }),
  ),
  cluster: optional(
    object<ClusterSettings>({
      context: text,
      kubeconfig: optional(list(text)),
      namespace: text,
      identity: optional(object<ClusterIdentity>({ cluster: nullable(text), namespace: nullable(text) })),
      home: text,
      codeIn: oneOf('objects', 'image'),
      pullSecrets: list(text),
      queue: nullable(text),
      priorityClass: nullable(text),
      volumes: list(object({ claim: text, path: text, target: text, readOnly: bool })),
      checkpoints: nullable(checkpointStore),
      pools: list(
        object<Pool>({
          name: text,
          when: nullable(text),
          slots: nullable(number),
          gpus: number,
          gpuResource: text,
          price: optional(money),
          nodeSelector: record(text),
          tolerations: list(
            object({
              key: nullable(text),
              value: nullable(text),
              effect: nullable(oneOf('NoSchedule', 'PreferNoSchedule', 'NoExecute')),
            }),
          ),
          prefers: optional(list(object({ label: text, value: text }))),
        }),
      ),
      cpus: optional(object<PodCpus>({ request: number, limit: nullable(number) })),
      podTemplate: nullable(text),
      followsCapacity: bool,
    }),
  ),
  environment: object({ interpreter: text, version: text, reason: text }),
  snapshot: text,
  spaceHash: text,
});

const trialState = oneOf('waiting', 'running', 'paused', 'complete', 'pruned', 'failed', 'infeasible', 'cancelled');
const endedState = oneOf('complete', 'pruned', 'failed', 'infeasible', 'cancelled');
const endReason = oneOf('budget', 'goal', 'plateau', 'exhausted', 'stopped', 'failed');
const failureKind = oneOf<FailureKind>(
  'userError',
  'badMetric',
  'outOfMemory',
  'timeout',
  'preempted',
  'infrastructure',
  'cancelled',
);
const someFailure = object<Failure>({ kind: failureKind, code: text, message: text });
const failure = nullable(someFailure);
const origin = oneOf('default', 'sampler', 'user');

const waitReason = object<WaitReason>({
  kind: oneOf('queued', 'unschedulable', 'image', 'starting', 'unreachable'),
  message: text,
});

const attemptView = object<AttemptView>({
  attempt: index,
  slot: number,
  target: nullable(number),
  rate: nullable(rate),
  state: oneOf('requested', 'started', 'stopping', 'ended'),
  waits: nullable(waitReason),
  pid: nullable(number),
  stopReason: nullable(text),
  exitCode: nullable(number),
  failure,
  startedAt: nullable(number),
  endedAt: nullable(number),
});
const trialView = object<TrialView>({
  number: index,
  params,
  origin,
  reason: text,
  parent: nullable(index),
  state: trialState,
  target: nullable(number),
  resource: number,
  values: metricValues,
  curve: list(object<CurvePoint>({ step: number, values: metricValues })) as Check<CurvePoint[]>,
  curveStart: number,
  thinning: nullable(object<Thinning>({ stride: number, reports: number, best: metricValues, improved: list(text) })),
  dropped: nullable(object<DroppedMetrics>({ counts: (value) => record(number)(value), names: list(text) })),
  attempts: list(attemptView) as Check<AttemptView[]>,
  failure,
  createdAt: number,
  startedAt: nullable(number),
  endedAt: nullable(number),
});
const studyFields = object<StudyView>({
  studyId: text,
  spec: studySpec,
  state: oneOf('running', 'paused', 'stopping', 'ended'),
  message: text,
  failure,
  endReason: nullable(endReason),
  parallel: number,
  followsRoom: bool,
  poolRoom: optional(record(number)),
  createdAt: number,
  endedAt: nullable(number),
  trials: list(trialView) as Check<TrialView[]>,
  incumbent: nullable(index),
  deleted: bool,
  moves: number,
  movedTo: nullable(text),
  seq: number,
});
const studyView: Check<StudyView> = (value) => {
  const problem = studyFields(value);
  if (problem !== null) return problem;
  const view = value as StudyView; // every field was checked on the line above
  const misplaced = view.trials.findIndex((trial, i) => trial.number !== i || trial.attempts.some((a, k) => a.attempt !== k + 1));
  if (misplaced !== -1) return `.trials[${misplaced}] is not trial ${misplaced} with attempts from 1`;
  return view.incumbent === null || view.incumbent < view.trials.length ? null : `.incumbent ${view.incumbent} is no trial`;
};

const ofTrial = { at: number, number: index };
const ofAttempt = { ...ofTrial, attempt: index };
const event = union<StudyEvent>({
  studyCreated: object({ at: number, spec: studySpec }),
  studyPaused: object<Omit<Extract<StudyEvent, { type: 'studyPaused' }>, 'type'>>({
    at: number,
    reason: text,
    failure: optional(someFailure),
  }),
  studyResumed: object({ at: number }),
  studyScaled: object<Omit<Extract<StudyEvent, { type: 'studyScaled' }>, 'type'>>({
    at: number,
    parallel: number,
    follows: optional(bool),
    pools: optional(record(number)),
  }),
  studyMovedAway: object({ at: number, to: text, agent: text, epoch: number }),
  studyMovedHere: object({ at: number, from: text, epoch: number }),
  studyStopRequested: object({ at: number, reason: endReason, message: text }),
  studyEnded: object({ at: number, reason: endReason, message: text }),
  studyDeleted: object({ at: number }),
  trialCreated: object<Omit<Extract<StudyEvent, { type: 'trialCreated' }>, 'type'>>({
    ...ofTrial,
    params,
    origin,
    reason: text,
    target: nullable(number),
    parent: optional(index),
    basedOn: optional(number),
  }),
  pointEnqueued: object({ at: number, params }),
  batchEnded: object({ at: number, trials: list(index) }),
  trialRetried: object({ ...ofTrial, target: nullable(number) }),
  trialPromoted: object({ ...ofTrial, target: number }),
  attemptRequested: object<Omit<Extract<StudyEvent, { type: 'attemptRequested' }>, 'type'>>({
    ...ofAttempt,
    slot: number,
    target: nullable(number),
    rate: optional(rate),
  }),
  attemptWaits: object({ ...ofAttempt, reason: nullable(waitReason) }),
  attemptStarted: object({ ...ofAttempt, pid: nullable(number) }),
  metricReported: object({ ...ofAttempt, step: number, values: metricValues, cursor: (value) => record(number)(value) }),
  metricsDropped: object<Omit<Extract<StudyEvent, { type: 'metricsDropped' }>, 'type'>>({
    ...ofAttempt,
    dropped: list(object<Dropped>({ limit: oneOf(...metricLimits), count: number, names: list(text) })),
    cursor: (value) => record(number)(value),
  }),
  attemptStopRequested: object({
    ...ofAttempt,
    why: oneOf('pruned', 'paused', 'studyPaused', 'studyStopped', 'user', 'outputLimit'),
    message: text,
  }),
  attemptEnded: object({ ...ofAttempt, exitCode: nullable(number), signal: nullable(text), failure }),
  trialPaused: object({ ...ofTrial, resource: number }),
  trialEnded: object({ ...ofTrial, state: endedState, values: metricValues, failure }),
});
const entry = object<JournalEntry>({ seq: number, studyId: text, event });

const notice = nullable(object({ severity: oneOf('info', 'warning', 'error'), text }));
const toPage = union<ToPage>({
  study: object({ view: studyView }),
  entries: object<Omit<Extract<ToPage, { type: 'entries' }>, 'type'>>({
    studyId: text,
    entries: list(entry),
    after: optional(number),
  }),
  notice: object({ notice }),
  log: object({ trial: index, text, isEnded: bool }),
});
const pageState = object<PageState>({ studyId: text, selectedTrial: nullable(index) });
