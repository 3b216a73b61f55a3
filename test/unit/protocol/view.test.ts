import { describe, expect, it } from 'vitest';
import type { StudyEvent } from '../../../agent/protocol/events.ts';
import type { MetricValue } from '../../../agent/protocol/study.ts';
import {
  type AttemptView,
  bestTrial,
  countTrials,
  createView,
  foldView,
  metricNumber,
  metricValue,
  type StudyView,
  trialId,
  type TrialView,
  unreachable,
} from '../../../agent/protocol/view.ts';
import { scene, sceneEntries, viewOf } from '../../support/views.ts';

const { spec } = scene('minimise');
const [metric = ''] = spec.objectives.map((objective) => objective.metric);
const failure = { kind: 'userError', code: 'HPO-3001', message: 'it broke' } as const;

const trialCreated = (number: number, target: number | null = null): StudyEvent => ({
  type: 'trialCreated',
  at: 10,
  number,
  params: { lr: 0.1 },
  origin: number === 0 ? 'default' : 'sampler',
  reason: 'why',
  target,
});
const attemptRequested = (number: number, attempt = 1, target: number | null = null): StudyEvent => ({
  type: 'attemptRequested',
  at: 20,
  number,
  attempt,
  slot: 3,
  target,
});
const attemptStarted = (number: number, attempt = 1, at = 30): StudyEvent => ({
  type: 'attemptStarted',
  at,
  number,
  attempt,
  pid: 42,
});
const metricReported = (number: number, step: number, value: MetricValue): StudyEvent => ({
  type: 'metricReported',
  at: 40,
  number,
  attempt: 1,
  step,
  values: { [metric]: value },
  cursor: { out: step },
});
const attemptEnded = (number: number, attempt = 1, exitCode: number | null = 0): StudyEvent => ({
  type: 'attemptEnded',
  at: 50,
  number,
  attempt,
  exitCode,
  signal: null,
  failure: null,
});
const trialEnded = (number: number, state: 'complete' | 'failed' | 'pruned', value: MetricValue): StudyEvent => ({
  type: 'trialEnded',
  at: 60,
  number,
  state,
  values: { [metric]: value },
  failure: state === 'failed' ? failure : null,
});

/** A study's view after these events. */
function folded(events: readonly StudyEvent[], of = spec): StudyView {
  const view = createView({ seq: 5, studyId: 's', event: { type: 'studyCreated', at: 1, spec: of } });
  for (const [index, event] of events.entries()) foldView(view, { seq: 6 + 2 * index, studyId: 's', event });
  return view;
}

describe('what each event changes', () => {
  const created: StudyView = {
    studyId: 's',
    spec,
    state: 'running',
    message: '',
    failure: null,
    endReason: null,
    parallel: spec.search.parallel,
    followsRoom: false,
    createdAt: 1,
    endedAt: null,
    trials: [],
    incumbent: null,
    deleted: false,
    moves: 0,
    movedTo: null,
    seq: 5,
  };

  it('studyCreated makes the view, and says nothing new when it comes again', () => {
    expect(folded([])).toEqual(created);
    expect(folded([{ type: 'studyCreated', at: 99, spec }])).toEqual({ ...created, seq: 6 });
  });

  const paused: StudyEvent = { type: 'studyPaused', at: 2, reason: 'by the user' };
  const pausedItself: StudyEvent = { type: 'studyPaused', at: 2, reason: 'all failed', failure };
  const stopRequested: StudyEvent = { type: 'studyStopRequested', at: 3, reason: 'goal', message: 'reached' };
  const ended: StudyEvent = { type: 'studyEnded', at: 4, reason: 'goal', message: 'done' };
  it.each<[string, StudyEvent[], Partial<StudyView>]>([
    ['studyPaused', [paused], { state: 'paused', message: 'by the user' }],
    ['studyPaused by itself', [pausedItself], { state: 'paused', message: 'all failed', failure }],
    ['studyResumed, paused by itself', [pausedItself, { type: 'studyResumed', at: 5 }], {}],
    [
      'studyStopRequested, paused by itself',
      [pausedItself, stopRequested],
      { state: 'stopping', message: 'reached', endReason: 'goal' },
    ],
    ['studyStopRequested', [stopRequested], { state: 'stopping', message: 'reached', endReason: 'goal' }],
    ['studyEnded', [ended], { state: 'ended', message: 'done', endReason: 'goal', endedAt: 4 }],
    ['studyResumed, paused', [paused, { type: 'studyResumed', at: 5 }], { state: 'running', message: '' }],
    [
      'studyResumed, ended',
      [ended, { type: 'studyResumed', at: 5 }],
      { state: 'running', message: '', endReason: null, endedAt: null },
    ],
    ['studyScaled', [{ type: 'studyScaled', at: 2, parallel: 17 }], { parallel: 17 }],
    ['pointEnqueued', [{ type: 'pointEnqueued', at: 2, params: { lr: 0.5 } }], {}],
    ['batchEnded', [{ type: 'batchEnded', at: 2, trials: [0, 1] }], {}],
    ['studyMovedAway', [{ type: 'studyMovedAway', at: 2, to: 'there', agent: 'a', epoch: 1 }], { moves: 1, movedTo: 'there' }],
    [
      'studyMovedHere',
      [
        { type: 'studyMovedAway', at: 2, to: 'there', agent: 'a', epoch: 1 },
        { type: 'studyMovedHere', at: 2, from: 'here', epoch: 1 },
      ],
      { moves: 1, movedTo: null },
    ],
    ['studyDeleted', [{ type: 'studyDeleted', at: 2 }], { deleted: true }],
  ])('%s', (_name, events, changes) => {
    expect(folded(events)).toEqual({ ...created, seq: 4 + 2 * events.length, ...changes });
  });

  const waiting: TrialView = {
    number: 0,
    params: { lr: 0.1 },
    origin: 'default',
    reason: 'why',
    parent: null,
    state: 'waiting',
    target: 3,
    resource: 0,
    values: {},
    curve: [],
    curveStart: 0,
    thinning: null,
    dropped: null,
    attempts: [],
    failure: null,
    createdAt: 10,
    startedAt: null,
    endedAt: null,
  };
  const requested: AttemptView = {
    attempt: 1,
    slot: 3,
    target: 3,
    rate: null,
    state: 'requested',
    waits: null,
    pid: null,
    stopReason: null,
    exitCode: null,
    failure: null,
    startedAt: null,
    endedAt: null,
  };
  const started: AttemptView = { ...requested, state: 'started', pid: 42, startedAt: 30 };
  const running = [trialCreated(0, 3), attemptRequested(0, 1, 3), attemptStarted(0)];
  const isRunning: Partial<TrialView> = { state: 'running', startedAt: 30, attempts: [started] };
  it.each<[string, StudyEvent[], Partial<TrialView>]>([
    ['trialCreated', [trialCreated(0, 3)], {}],
    ['attemptRequested', running.slice(0, 2), { state: 'running', attempts: [requested] }],
    ['attemptStarted', running, isRunning],
    [
      'metricReported',
      [...running, metricReported(0, 2, 0.5), metricReported(0, 1, 'nan')],
      {
        ...isRunning,
        resource: 2,
        curve: [
          { step: 2, values: { [metric]: 0.5 } },
          { step: 1, values: { [metric]: 'nan' } },
        ],
      },
    ],
    [
      'attemptStopRequested',
      [...running, { type: 'attemptStopRequested', at: 45, number: 0, attempt: 1, why: 'pruned', message: 'worse' }],
      { ...isRunning, attempts: [{ ...started, state: 'stopping', stopReason: 'pruned' }] },
    ],
    [
      'attemptEnded: it waits for what is decided next',
      [...running, attemptEnded(0, 1, 137)],
      { startedAt: 30, attempts: [{ ...started, state: 'ended', exitCode: 137, endedAt: 50 }] },
    ],
    [
      'trialPaused',
      [...running, attemptEnded(0), { type: 'trialPaused', at: 55, number: 0, resource: 3 }],
      { state: 'paused', resource: 3, startedAt: 30, attempts: [{ ...started, state: 'ended', exitCode: 0, endedAt: 50 }] },
    ],
    [
      'trialPromoted',
      [
        trialCreated(0, 3),
        { type: 'trialPaused', at: 55, number: 0, resource: 3 },
        { type: 'trialPromoted', at: 56, number: 0, target: 9 },
      ],
      { state: 'waiting', resource: 3, target: 9 },
    ],
    [
      'attemptRequested again: the first start counts',
      [...running, attemptEnded(0), attemptRequested(0, 2, 9), attemptStarted(0, 2, 70)],
      {
        state: 'running',
        target: 9,
        startedAt: 30,
        attempts: [
          { ...started, state: 'ended', exitCode: 0, endedAt: 50 },
          { ...started, attempt: 2, target: 9, startedAt: 70 },
        ],
      },
    ],
    [
      'trialEnded',
      [trialCreated(0, 3), trialEnded(0, 'failed', 1)],
      { state: 'failed', values: { [metric]: 1 }, failure, endedAt: 60 },
    ],
  ])('%s', (_name, events, changes) => {
    expect(folded(events).trials).toEqual([{ ...waiting, ...changes }]);
  });

  it.each([
    [{ dir: 'ckpt' }, 2],
    [null, 0],
  ])('a fork stands where its parent does, if the script keeps a checkpoint: %j', (checkpoint, resource) => {
    const fork: StudyEvent = {
      type: 'trialCreated',
      at: 70,
      number: 1,
      params: {},
      origin: 'sampler',
      reason: '',
      target: 9,
      parent: 0,
    };
    const events = [
      { type: 'studyCreated', at: 1, spec: { ...spec, checkpoint } } as const,
      ...running,
      metricReported(0, 2, 0.5),
      fork,
    ];
    const [first, ...rest] = events.map((event, i) => ({ seq: i + 1, studyId: 's', event }));
    if (first === undefined) throw new Error('no events');
    const view = createView(first);
    for (const entry of rest) foldView(view, entry);
    expect(view.trials[1]).toMatchObject({ parent: 0, resource, curve: [] });
  });

  it('refuses what does not belong to the study', () => {
    expect(() => createView({ seq: 1, studyId: 's', event: { type: 'studyDeleted', at: 1 } })).toThrow(
      /begins with studyCreated/,
    );
    expect(() => folded([attemptRequested(4)])).toThrow('study s has no trial 4');
    expect(() => folded([trialCreated(0), attemptStarted(0)])).toThrow('trial 0 has no attempt 1');
  });
});

describe('a curve over several attempts', () => {
  /** Steps of each attempt in order; the value of a point is its attempt. */
  const curveOf = (...attempts: readonly (readonly number[])[]): (readonly [number, MetricValue | undefined])[] => {
    const events = attempts.flatMap((steps, index) => [
      attemptRequested(0, index + 1),
      ...steps.map((step) => ({ ...metricReported(0, step, index + 1), attempt: index + 1 })),
      attemptEnded(0, index + 1),
    ]);
    const trial = folded([trialCreated(0), ...events]).trials[0];
    const points = trial?.curve.map(({ step, values }) => [step, values[metric]] as const) ?? [];
    const own = points.findIndex(([, value]) => value === attempts.length);
    expect(trial?.curveStart).toBe(own === -1 ? points.length : own);
    return points;
  };
  const of = (attempt: number, ...steps: readonly number[]): [number, number][] => steps.map((step) => [step, attempt]);

  it.each<[string, number[][], [number, number][]]>([
    ['from the beginning: the later one replaces all', [[1], [1, 2, 3], [1, 2]], of(3, 1, 2)],
    [
      'from a checkpoint: it goes on',
      [
        [1, 2],
        [3, 4],
      ],
      [...of(1, 1, 2), ...of(2, 3, 4)],
    ],
    ['from an older checkpoint: from there on', [[1, 2, 3], [3, 4], [2]], [...of(1, 1), ...of(3, 2)]],
    ['no report: what there was stays', [[1, 2], []], of(1, 1, 2)],
    [
      'every second step',
      [
        [1, 2, 3, 4],
        [2, 4],
      ],
      [...of(1, 1), ...of(2, 2, 4)],
    ],
    [
      'several reports of one step stay',
      [
        [1, 1],
        [1, 1, 2],
      ],
      of(2, 1, 1, 2),
    ],
    [
      'own reports out of order stay',
      [
        [1, 2, 3],
        [3, 4, 2],
      ],
      [...of(1, 1), ...of(2, 3, 4, 2)],
    ],
    ['earlier ones out of order', [[1, 4, 2], [3]], [...of(1, 1, 2), ...of(2, 3)]],
  ])('%s', (_name, attempts, points) => {
    expect(curveOf(...attempts)).toEqual(points);
  });
});

describe('the best trial', () => {
  const ends = (...values: readonly (readonly ['complete' | 'failed' | 'pruned', MetricValue])[]): StudyEvent[] =>
    values.flatMap(([state, value], number) => [trialCreated(number), trialEnded(number, state, value)]);
  const maximised = { ...spec, objectives: [{ metric, direction: 'max' as const, goal: null }] };
  const twoObjectives = { ...spec, objectives: [...spec.objectives, { metric: 'other', direction: 'max' as const, goal: null }] };
  it.each<[string, StudyEvent[], typeof spec, number | null]>([
    ['smallest', ends(['complete', 2], ['complete', 1], ['complete', 3]), spec, 1],
    ['largest', ends(['complete', 2], ['complete', 1], ['complete', 3]), maximised, 2],
    ['first of equals', ends(['complete', 1], ['complete', 1]), spec, 0],
    [
      'first of equals, not the first to end',
      [trialCreated(0), trialCreated(1), trialEnded(1, 'complete', 1), trialEnded(0, 'complete', 1)],
      spec,
      0,
    ],
    ['not a pruned or failed one', ends(['complete', 2], ['pruned', 1], ['failed', 0]), spec, 0],
    ['never nan', ends(['complete', 'nan'], ['complete', 5]), spec, 1],
    ['never infinite', ends(['complete', 'inf'], ['complete', '-inf'], ['complete', 5]), spec, 2],
    ['none where all are infinite', ends(['complete', 'inf'], ['complete', '-inf']), spec, null],
    ['none without a complete one', ends(['failed', 1]), spec, null],
    ['none of several objectives', ends(['complete', 1]), twoObjectives, null],
    ['none without an objective', ends(['complete', 1]), { ...spec, objectives: [] }, null],
  ])('%s', (_name, events, of, number) => {
    const view = folded(events, of);
    expect(view.incumbent).toBe(number);
    expect(bestTrial(view)?.number ?? null).toBe(number);
  });
});

it('is the same however often a reader comes back in between', () => {
  const entries = sceneEntries('ended');
  const all = viewOf(entries);
  expect(all.seq).toBe(entries.at(-1)?.seq);
  const half = viewOf(entries.slice(0, entries.length / 2));
  const again = JSON.parse(JSON.stringify(half)) as StudyView; // as it travels over the socket
  for (const entry of entries.slice(entries.length / 2)) foldView(again, entry);
  expect(again).toEqual(JSON.parse(JSON.stringify(all)));
  const counts = countTrials(all);
  expect(Object.values(counts).reduce((sum, count) => sum + count, 0)).toBe(all.trials.length);
  expect(counts.complete).toBe(all.trials.filter(({ state }) => state === 'complete').length);
});

it.each<[MetricValue, number]>([
  ['nan', NaN],
  ['inf', Infinity],
  ['-inf', -Infinity],
  [0.25, 0.25],
])('the metric %s is the number %s, and back', (value, number) => {
  expect(metricNumber(value)).toBe(number);
  expect(metricValue(number)).toBe(value);
});

it('names trials, and stops at what cannot be', () => {
  expect(metricNumber(undefined)).toBeNaN();
  expect(trialId('train-1', 4)).toBe('train-1/4');
  expect(() => unreachable('x' as never)).toThrow('unhandled case: "x"');
});
