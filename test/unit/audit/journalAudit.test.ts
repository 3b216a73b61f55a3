import { describe, expect, test } from 'vitest';
import type { InvariantName } from '../../../agent/audit/invariants.ts';
import { createJournalAudit } from '../../../agent/audit/journalAudit.ts';
import type { JournalEntry, StudyEvent } from '../../../agent/protocol/events.ts';
import type { Failure, MetricValues, StudySpec } from '../../../agent/protocol/study.ts';
import { fidelity, spec } from '../core/study/harness.ts';

type EventOf<T extends StudyEvent['type']> = Extract<StudyEvent, { type: T }>;

const lost: Failure = { kind: 'infrastructure', code: 'HPO-3007', message: 'lost' };
const broken: Failure = { kind: 'userError', code: 'HPO-3001', message: 'broken' };

const start = (changes: Parameters<typeof spec>[0] = {}): StudyEvent => ({ type: 'studyCreated', at: 0, spec: spec(changes) });
const create = (number: number, more: Partial<EventOf<'trialCreated'>> = {}): StudyEvent => ({
  type: 'trialCreated',
  at: 1,
  number,
  params: { lr: 0.01 * (number + 1) },
  origin: 'sampler',
  reason: 'random',
  target: null,
  ...more,
});
const request = (number: number, attempt = 1, more: Partial<EventOf<'attemptRequested'>> = {}): StudyEvent => ({
  type: 'attemptRequested',
  at: 1,
  number,
  attempt,
  slot: 0,
  target: null,
  ...more,
});
const begin = (number: number, attempt = 1): StudyEvent => ({ type: 'attemptStarted', at: 1, number, attempt, pid: 1 });
const report = (
  number: number,
  step: number,
  loss: MetricValues[string],
  more: Partial<EventOf<'metricReported'>> = {},
): StudyEvent => ({
  type: 'metricReported',
  at: 1,
  number,
  attempt: 1,
  step,
  values: { loss },
  cursor: { out: step * 10 },
  ...more,
});
const stop = (number: number, why: EventOf<'attemptStopRequested'>['why'], attempt = 1): StudyEvent => ({
  type: 'attemptStopRequested',
  at: 1,
  number,
  attempt,
  why,
  message: '',
});
const exit = (number: number, attempt = 1, failure: Failure | null = null): StudyEvent => ({
  type: 'attemptEnded',
  at: 1,
  number,
  attempt,
  exitCode: 0,
  signal: null,
  failure,
});
const end = (number: number, more: Partial<EventOf<'trialEnded'>> = {}): StudyEvent => ({
  type: 'trialEnded',
  at: 1,
  number,
  state: 'complete',
  values: {},
  failure: null,
  ...more,
});
const fail = (number: number): StudyEvent => end(number, { state: 'failed', failure: broken });
const hold = (number: number, resource: number): StudyEvent => ({ type: 'trialPaused', at: 1, number, resource });
const promote = (number: number, target: number): StudyEvent => ({ type: 'trialPromoted', at: 1, number, target });
const pause = (reason = 'Paused.', at = 1): StudyEvent => ({ type: 'studyPaused', at, reason });
const resume = (at = 1): StudyEvent => ({ type: 'studyResumed', at });
const halt = (reason: EventOf<'studyStopRequested'>['reason'] = 'stopped'): StudyEvent => ({
  type: 'studyStopRequested',
  at: 1,
  reason,
  message: 'x',
});
const over = (reason: EventOf<'studyEnded'>['reason'] = 'budget'): StudyEvent => ({
  type: 'studyEnded',
  at: 1,
  reason,
  message: 'x',
});
const gone: StudyEvent = { type: 'studyDeleted', at: 1 };

/** Trial and attempt of it, that reports its loss in one step and ends. */
const run = (number: number, loss: MetricValues[string]): StudyEvent[] => [
  create(number),
  request(number),
  begin(number),
  report(number, 1, loss),
  exit(number),
  end(number, { values: { loss } }),
];

const hour = 3_600_000;

/** A trial with a GPU that runs for an hour, at twice the price. */
const priced = (number: number, price: number): StudyEvent[] => [
  { ...create(number), at: 0 },
  { ...request(number, 1, { rate: { gpus: 1, perHour: 2 * price } }), at: 0 },
  { ...begin(number), at: 0 },
  ...[report(number, 1, 1), exit(number), end(number, { values: { loss: 1 } })].map((event) => ({ ...event, at: hour })),
];

/** With 1, 3 and 9 epochs: a trial that reached `target`. */
const train = (number: number, target: number, more: Partial<EventOf<'trialCreated'>> = {}): StudyEvent[] => [
  create(number, { target, ...more }),
  request(number, 1, { target }),
  begin(number),
  ...Array.from({ length: target }, (_, i) => report(number, i + 1, 1)),
  exit(number),
];

const epochs = (
  changes: { checkpoint?: StudySpec['checkpoint']; resource?: number | null; parallel?: number } = {},
): StudyEvent =>
  start({
    fidelity: fidelity(1, 9),
    checkpoint: changes.checkpoint ?? null,
    budget: { resource: changes.resource ?? null },
    search: { parallel: changes.parallel ?? 1 },
  });

/** Two trials of 9 epochs; the first told 5, 4, 3, 2, 1 when it was stopped, and ended with this. */
const stoppedBefore = (resource: number, loss: number, batch: number | null = 2): StudyEvent[] => [
  start({ fidelity: fidelity(1, 9), budget: { resource }, search: { parallel: 1, ...(batch === null ? {} : { batch }) } }),
  create(0, { target: 9 }),
  request(0, 1, { target: 9 }),
  begin(0),
  ...[5, 4, 3, 2, 1].map((told, i) => report(0, i + 1, told)),
  stop(0, 'pruned'),
  exit(0),
  end(0, { state: 'pruned', values: { loss } }),
  create(1, { target: 9 }),
  request(1, 1, { target: 9 }),
];

function journal(events: readonly StudyEvent[]): JournalEntry[] {
  return events.map((event, i) => ({ seq: i + 1, studyId: 's', event }));
}

function audit(entries: readonly JournalEntry[], isOver = true): string[] {
  const found = createJournalAudit();
  const violations = entries.flatMap((entry) => found.see(entry));
  if (isOver) violations.push(...found.end());
  return violations.map(({ invariant, what }) => `${invariant}: ${what}`);
}

function away(epoch: number): StudyEvent {
  return { type: 'studyMovedAway', at: 1, to: 'there', agent: 'a', epoch };
}

function here(epoch: number): StudyEvent {
  return { type: 'studyMovedHere', at: 1, from: 'there', epoch };
}

describe('what may be', () => {
  test.each<[string, readonly StudyEvent[]]>([
    ['trials one after the other', [start(), ...run(0, 3), ...run(1, 2), over()]],
    [
      'a step that the script prints twice',
      [
        start(),
        create(0),
        request(0),
        begin(0),
        report(0, 1, 3),
        report(0, 1, 3, { cursor: { out: 30 } }),
        exit(0),
        end(0, { values: { loss: 3 } }),
        over(),
      ],
    ],
    [
      'reports from two streams',
      [
        start(),
        create(0),
        request(0),
        begin(0),
        report(0, 1, 3),
        report(0, 1, 2, { cursor: { out: 10, metrics: 5 } }),
        exit(0),
        end(0, { values: { loss: 2 } }),
        over(),
      ],
    ],
    [
      'a lost attempt, repeated, that reports again',
      [
        start(),
        create(0),
        request(0),
        begin(0),
        report(0, 1, 3),
        exit(0, 1, lost),
        request(0, 2),
        begin(0, 2),
        report(0, 1, 4, { attempt: 2 }),
        exit(0, 2),
        end(0, { values: { loss: 4 } }),
        over(),
      ],
    ],
    [
      'lost before it started',
      [
        start(),
        create(0),
        request(0),
        exit(0, 1, lost),
        request(0, 2),
        begin(0, 2),
        report(0, 1, 4, { attempt: 2 }),
        exit(0, 2),
        end(0, { values: { loss: 4 } }),
        over(),
      ],
    ],
    [
      'paused without a checkpoint',
      [
        start(),
        create(0),
        request(0),
        begin(0),
        pause(),
        report(0, 1, 4),
        exit(0),
        end(0, { values: { loss: 4 } }),
        resume(),
        over(),
      ],
    ],
    [
      'resumed after it ended for lack of better results',
      [start(), ...run(0, 1), over('plateau'), resume(), ...run(1, 2), over()],
    ],
    [
      'money and GPU hours within their budgets',
      [
        start({ budget: { cost: { amount: 2, currency: 'USD' }, gpuMs: hour } }),
        ...priced(0, 1),
        { ...create(1), at: hour },
        { ...request(1), at: hour },
        { ...begin(1), at: hour },
        report(1, 1, 2),
        exit(1),
        end(1, { values: { loss: 2 } }),
        over(),
      ],
    ],
    [
      'paused and gone on from the checkpoint',
      [
        epochs({ checkpoint: { dir: 'c' } }),
        create(0, { target: 9 }),
        request(0, 1, { target: 9 }),
        pause(),
        stop(0, 'studyPaused'),
        report(0, 2, 5),
        exit(0),
        resume(),
        request(0, 2, { target: 9 }),
        begin(0, 2),
        report(0, 9, 4, { attempt: 2 }),
        exit(0, 2),
        end(0, { values: { loss: 4 } }),
        over(),
      ],
    ],
    [
      'promoted',
      [
        epochs(),
        ...train(0, 1),
        hold(0, 1),
        promote(0, 9),
        request(0, 2, { target: 9 }),
        begin(0, 2),
        report(0, 9, 4, { attempt: 2 }),
        exit(0, 2),
        end(0, { values: { loss: 4 } }),
        over(),
      ],
    ],
    [
      'a fork with the same point',
      [
        epochs({ checkpoint: { dir: 'c' } }),
        ...train(0, 9),
        end(0, { values: { loss: 1 } }),
        create(1, { target: 9, parent: 0, params: { lr: 0.01 } }),
        request(1, 1, { target: 9 }),
        begin(1),
        exit(1, 1, broken),
        fail(1),
        over(),
      ],
    ],
    [
      'a point again of which the sampler says so',
      [
        start(),
        ...run(0, 3),
        create(1, { params: { lr: 0.01 }, reason: 'It was tried before: nothing else is left.' }),
        end(1, { state: 'cancelled' }),
        over(),
      ],
    ],
    [
      'stopped and resumed',
      [
        start(),
        create(0),
        request(0),
        halt(),
        stop(0, 'studyStopped'),
        exit(0),
        end(0, { state: 'cancelled' }),
        over('stopped'),
        resume(),
        ...run(1, 2),
        over(),
      ],
    ],
    ['deleted while it runs', [start(), create(0), request(0), halt(), gone, begin(0), exit(0)]],
    ['paused for ever', [start(), pause()]],
    [
      'retried after its end',
      [
        start(),
        create(0),
        request(0),
        begin(0),
        exit(0, 1, broken),
        fail(0),
        over('budget'),
        { type: 'trialRetried', at: 2, number: 0, target: null },
        resume(),
        request(0, 2),
        begin(0, 2),
        report(0, 1, 4, { attempt: 2 }),
        exit(0, 2),
        end(0, { values: { loss: 4 } }),
        over(),
      ],
    ],
    [
      'retried from its checkpoint: what it had reported still counts',
      [
        epochs({ checkpoint: { dir: 'c' } }),
        create(0, { target: 9 }),
        request(0, 1, { target: 9 }),
        begin(0),
        report(0, 1, 1, { values: { loss: 5, acc: 1 } }),
        exit(0, 1, broken),
        end(0, { state: 'failed', failure: broken, values: { loss: 5, acc: 1 } }),
        { type: 'trialRetried', at: 2, number: 0, target: 9 },
        request(0, 2, { target: 9 }),
        begin(0, 2),
        report(0, 9, 4, { attempt: 2 }),
        exit(0, 2),
        end(0, { values: { loss: 4, acc: 1 } }),
        over(),
      ],
    ],
    [
      'NaN loses, and so do the infinities',
      [
        start(),
        create(0),
        request(0),
        begin(0),
        report(0, 1, 'nan'),
        exit(0, 1, broken),
        end(0, { state: 'failed', failure: broken, values: { loss: 'nan' } }),
        ...run(1, 2),
        create(2),
        request(2),
        begin(2),
        report(2, 1, '-inf'),
        exit(2, 1, broken),
        end(2, { state: 'failed', failure: broken, values: { loss: '-inf' } }),
        over(),
      ],
    ],
  ])('%s', (_, events) => {
    expect(audit(journal(events))).toEqual([]);
  });
});

describe('what must not be is found, once, and said', () => {
  test.each<[InvariantName, RegExp, readonly StudyEvent[]]>([
    ['order', /attemptRequested of trial 0, which was never created/, [start(), request(0)]],
    ['order', /attemptStarted of attempt 1 of trial 0, which was never requested/, [start(), create(0), begin(0)]],
    ['order', /trial 1 is created where trial 0 is due/, [start(), create(1)]],
    ['order', /goes on from trial 5, which is not there/, [start(), create(0, { parent: 5 })]],
    ['order', /attempt 2 of trial 0 begins where attempt 1 is due/, [start(), create(0), request(0, 2)]],
    [
      'order',
      /attempt 1 of trial 0 begins where attempt 2 is due/,
      [start(), create(0), request(0), exit(0, 1, lost), request(0)],
    ],
    ['order', /attempt 1 of trial 0 starts twice/, [start(), create(0), request(0), begin(0), begin(0)]],
    ['order', /starts after it was asked to stop/, [start(), create(0), request(0), stop(0, 'user'), begin(0)]],
    ['order', /reports before it has started/, [start(), create(0), request(0), report(0, 1, 1)]],
    [
      'order',
      /counts a report after it was asked to stop for good \(pruned\)/,
      [start(), create(0), request(0), begin(0), stop(0, 'pruned'), report(0, 1, 1)],
    ],
    ['order', /is asked to stop twice \(pruned, user\)/, [start(), create(0), request(0), stop(0, 'pruned'), stop(0, 'user')]],
    ['order', /ends well without having started/, [start(), create(0), request(0), exit(0)]],
    [
      'order',
      /metricReported of attempt 1 of trial 0, which has ended/,
      [start(), create(0), request(0), begin(0), exit(0, 1, lost), report(0, 1, 1)],
    ],
    [
      'order',
      /metricReported of attempt 1 of trial 0, which has ended/,
      [start(), create(0), request(0), begin(0), exit(0, 1, lost), request(0, 2), report(0, 1, 1)],
    ],
    [
      'order',
      /attemptEnded of attempt 1 of trial 0, which has ended/,
      [start(), create(0), request(0), begin(0), exit(0), exit(0)],
    ],
    ['order', /trialEnded of trial 0, which has ended \(complete\)/, [start(), ...run(0, 1), end(0)]],
    ['order', /attemptRequested of trial 0, which has ended \(complete\)/, [start(), ...run(0, 1), request(0, 2)]],
    [
      'order',
      /trial 0 is retried although it is complete/,
      [start(), ...run(0, 1), { type: 'trialRetried', at: 1, number: 0, target: null }],
    ],
    ['order', /trial 0 ends although attempt 1 has not/, [start(), create(0), request(0), end(0, { state: 'cancelled' })]],
    [
      'order',
      /ends as failed without a failure/,
      [start(), create(0), request(0), exit(0, 1, broken), end(0, { state: 'failed' })],
    ],
    [
      'order',
      /ends as complete with the failure HPO-3001/,
      [start(), create(0), request(0), begin(0), exit(0), end(0, { failure: broken })],
    ],
    ['order', /ends as complete although its attempt failed/, [start(), create(0), request(0), exit(0, 1, broken), end(0)]],
    ['order', /ends as complete although no attempt of it has/, [start(), create(0), end(0)]],
    [
      'order',
      /attempt 1 of trial 0 is to reach 3, the trial 1/,
      [epochs(), create(0, { target: 1 }), request(0, 1, { target: 3 })],
    ],
    [
      'order',
      /trial 0 goes on without having been promoted/,
      [epochs(), ...train(0, 1), hold(0, 1), request(0, 2, { target: 1 })],
    ],
    [
      'order',
      /trial 0 is promoted although it is running/,
      [epochs(), create(0, { target: 1 }), request(0, 1, { target: 1 }), promote(0, 3)],
    ],
    ['order', /trial 0 is promoted from 3 to 1/, [epochs(), ...train(0, 3), hold(0, 3), promote(0, 1)]],
    ['order', /trial 0 is paused although no attempt of it has ended/, [epochs(), create(0, { target: 1 }), hold(0, 1)]],
    [
      'order',
      /trial 0 is paused although its attempt failed/,
      [epochs(), create(0, { target: 1 }), request(0, 1, { target: 1 }), exit(0, 1, broken), hold(0, 1)],
    ],
    ['order', /trialCreated of a study that is paused/, [start(), pause(), create(0)]],
    ['order', /attemptRequested of a study that is stopping/, [start(), create(0), halt(), request(0)]],
    ['order', /studyEnded of a study that is paused/, [start(), pause(), over()]],
    ['order', /studyPaused of a study that is ended/, [start(), over(), pause()]],
    ['order', /trialCreated of a study that is ended/, [start(), over(), create(0)]],
    ['order', /resumed although it ended for good \(budget\)/, [start(), over('budget'), resume()]],
    ['order', /studyResumed of a study that is running/, [start(), resume()]],
    ['order', /studyDeleted of a study that is running/, [start(), gone]],
    ['order', /studyResumed after the study was deleted/, [start(), over('stopped'), gone, resume()]],
    ['order', /the study is created twice/, [start(), start()]],
    ['order', /studyPaused of a study that was never created/, [pause()]],
    ['order', /the study is scaled to 0/, [start(), { type: 'studyScaled', at: 1, parallel: 0 }]],
    ['order', /studyPaused of a study that has moved away/, [start(), away(1), { type: 'studyPaused', at: 1, reason: 'r' }]],
    ['order', /move 2 of a study that has moved 0 times/, [start(), away(2)]],
    ['order', /studyMovedAway of a study that has moved away/, [start(), away(1), away(2)]],
    ['order', /arrives by move 1, and none such began/, [start(), here(1)]],
    ['order', /arrives by move 3, and none such began/, [start(), away(1), here(3)]],
    ['order', /arrives by move 1, and none such began/, [start(), away(1), here(1), here(1)]],
    ['order', /move 1 of a study that has moved 1 times/, [start(), away(1), here(1), away(1)]],
    [
      'oneCounts',
      /attempt 2 of trial 0 begins while attempt 1 counts/,
      [start({ search: { parallel: 2 } }), create(0), request(0), request(0, 2, { slot: 1 })],
    ],
    [
      'oneCounts',
      /trial 0 starts again although its attempt 1 counts/,
      [start(), create(0), request(0), begin(0), exit(0), request(0, 2)],
    ],
    [
      'toldOnce',
      /step 1 of trial 0, attempt 1, is told again: out up to 10 was read before/,
      [start(), create(0), request(0), begin(0), report(0, 1, 3), report(0, 1, 3)],
    ],
    [
      'toldOnce',
      /step 1 of trial 0, attempt 1, is told from out 10, after out 20/,
      [start(), create(0), request(0), begin(0), report(0, 2, 3), report(0, 1, 3)],
    ],
    [
      'toldOnce',
      /is told from out 0, after out 10/,
      [start(), create(0), request(0), begin(0), report(0, 1, 3), report(0, 1, 3, { cursor: { metrics: 7 } })],
    ],
    [
      'noRepeat',
      /trial 1 has the point of trial 0: \[\["lr",0.01\]\]/,
      [start(), ...run(0, 1), create(1, { params: { lr: 0.01 } })],
    ],
    [
      'noRepeat',
      /trial 1 has the point of trial 0/,
      [start(), create(0, { params: { a: 1, b: [2] } }), create(1, { params: { b: [2], a: 1 } })],
    ],
    [
      'slots',
      /attempt 1 of trial 1 is one of 2 that run at once, allowed are 1/,
      [
        start({ search: { parallel: 2 } }),
        create(0),
        request(0, 1, { slot: 1 }),
        { type: 'studyScaled', at: 1, parallel: 1 },
        create(1),
        request(1),
      ],
    ],
    ['slots', /is in slot 1 of 1/, [start(), create(0), request(0, 1, { slot: 1 })]],
    [
      'slots',
      /is in slot 0, which trial 0 has/,
      [start({ search: { parallel: 2 } }), create(0), request(0), create(1), request(1)],
    ],
    ['budget', /trial 1 is one more than the 1 allowed/, [start({ budget: { trials: 1 } }), ...run(0, 1), create(1)]],
    [
      'budget',
      /attempt 1 of trial 1 begins when 4 of 3 money are used up/,
      [
        start({ budget: { cost: { amount: 3, currency: 'USD' } } }),
        ...priced(0, 2),
        { ...create(1), at: hour },
        { ...request(1), at: hour },
      ],
    ],
    [
      'budget',
      /attempt 1 of trial 1 begins when 3600000 of 1 GPU ms are used up/,
      [
        start({ search: { parallel: 2 }, budget: { gpuMs: 1 } }),
        ...priced(0, 0).slice(0, 3),
        { ...create(1), at: hour },
        { ...request(1, 1, { slot: 1 }), at: hour },
      ],
    ],
    ['budget', /to reach 27 of 9/, [epochs(), create(0, { target: 27 }), request(0, 1, { target: 27 })]],
    [
      'budget',
      /with attempt 1 of trial 1 18 of 10 epochs/,
      [
        epochs({ resource: 10, parallel: 2 }),
        create(0, { target: 9 }),
        request(0, 1, { target: 9 }),
        create(1, { target: 9 }),
        request(1, 1, { target: 9, slot: 1 }),
      ],
    ],
    [
      'budget',
      /with attempt 1 of trial 1 18 of 10 epochs/,
      [
        epochs({ resource: 10 }),
        ...train(0, 9),
        end(0, { values: { loss: 1 } }),
        create(1, { target: 9 }),
        request(1, 1, { target: 9 }),
      ],
    ],
    [
      'budget',
      /with attempt 2 of trial 0 11 of 10 epochs/,
      [
        epochs({ resource: 10 }),
        create(0, { target: 9 }),
        request(0, 1, { target: 9 }),
        begin(0),
        report(0, 1, 1),
        report(0, 2, 1),
        exit(0, 1, lost),
        request(0, 2, { target: 9 }),
      ],
    ],
    [
      'budget',
      /begins 0 ms after the time budget of 50 ms is over/,
      [start({ budget: { wallTimeMs: 50 } }), create(0), request(0, 1, { at: 50 })],
    ],
    [
      'budget',
      /begins 4 ms after the time budget of 50 ms is over/,
      [start({ budget: { wallTimeMs: 50 } }), pause('p', 10), resume(110), create(0), request(0, 1, { at: 154 })],
    ],
    [
      'best',
      /trial 0 ended with loss 3, but its last report was 2/,
      [start(), create(0), request(0), begin(0), report(0, 1, 2), exit(0), end(0, { values: { loss: 3 } })],
    ],
    [
      'best',
      /trial 0 ended with loss 2, but its last report was none/,
      [
        start(),
        create(0),
        request(0),
        begin(0),
        report(0, 1, 2),
        exit(0, 1, lost),
        request(0, 2),
        begin(0, 2),
        exit(0, 2, broken),
        end(0, { state: 'failed', failure: broken, values: { loss: 2 } }),
      ],
    ],
    ['best', /trial 0 is complete with loss nan/, [start(), ...run(0, 'nan')]],
    ['best', /trial 0 is complete with loss inf/, [start(), ...run(0, 'inf')]],
    ['best', /trial 0 is complete with loss -inf/, [start(), ...run(0, '-inf')]],
    [
      'best',
      /trial 0 ended without loss, but reported 2/,
      [start(), create(0), request(0), begin(0), report(0, 1, 2), exit(0, 1, broken), fail(0)],
    ],
    ['best', /trial 0 is complete although its constraints do not hold/, [start({ constraints: ['loss < 1'] }), ...run(0, 2)]],
    [
      'best',
      /trial 0 is infeasible although its constraints hold/,
      [
        start({ constraints: ['loss < 5'] }),
        create(0),
        request(0),
        begin(0),
        report(0, 1, 2),
        exit(0),
        end(0, { state: 'infeasible', values: { loss: 2 } }),
      ],
    ],
    ['progress', /the study is paused and says not why/, [start(), pause(' ')]],
  ])('%s: %s', (invariant, what, events) => {
    const found = audit(journal(events), false);
    expect(found).toHaveLength(1);
    expect(found[0]).toMatch(what);
    expect(found[0]?.split(':')[0]).toBe(invariant);
  });

  test.each<[InvariantName, RegExp, readonly StudyEvent[]]>([
    [
      'progress',
      /the study is running and nothing happens: 1 of its trials have not ended, and 1 attempts run/,
      [start(), create(0), request(0)],
    ],
    ['progress', /the study is stopping and nothing happens/, [start(), halt()]],
    ['progress', /the study ended, but 1 of its trials have not/, [start(), create(0), over()]],
    ['slots', /the study ended with 1 slots in use/, [start(), create(0), request(0), over()]],
  ])('at the end: %s: %s', (invariant, what, events) => {
    const found = audit(journal(events)).filter((line) => line.startsWith(`${invariant}:`));
    expect(found[0]).toMatch(what);
  });

  test.each<[string, number, readonly StudyEvent[]]>([
    ['the report that decided, in batches', 2, stoppedBefore(11, 4)],
    ['that also where it was the last', 5, stoppedBefore(14, 1)],
    ['all that it did, without batches', 5, stoppedBefore(14, 1, null)],
  ])('a trial that was stopped is charged up to %s', (_, charged, events) => {
    expect(audit(journal(events), false)).toEqual([]);
    const less = journal(events).map(({ event, ...place }) => ({
      ...place,
      event:
        event.type === 'studyCreated'
          ? { ...event, spec: { ...event.spec, budget: { ...event.spec.budget, resource: charged + 8 } } }
          : event,
    }));
    expect(audit(less, false)).toEqual([
      expect.stringContaining(
        `budget: with attempt 1 of trial 1 ${charged + 9} of ${charged + 8} epochs are consumed or set aside`,
      ),
    ]);
  });

  test('events out of order, and each with its place', () => {
    const entries = journal([start(), create(0), request(0)]);
    const audited = createJournalAudit();
    const [first, second, third] = entries;
    const found = [first, third, second].flatMap((entry) => (entry === undefined ? [] : audited.see(entry)));
    expect(found.map(({ seq, studyId }) => [seq, studyId])).toEqual([
      [3, 's'],
      [2, 's'],
    ]);
    expect(found[1]?.what).toMatch(/event 2 comes after event 3/);
  });

  test('of a running agent, studies may go on', () => {
    const audited = createJournalAudit();
    for (const entry of journal([start(), create(0), request(0)])) audited.see(entry);
    expect(audited.end(() => true)).toEqual([]);
    expect(audited.end()).toHaveLength(1);
  });

  test('studies stand side by side, each with its own trials and slots', () => {
    const audited = createJournalAudit();
    const events = [start(), ...run(0, 1), over()];
    const entries = events.flatMap((event) => ['a', 'b'].map((studyId) => ({ studyId, event })));
    expect(entries.flatMap((entry, i) => audited.see({ seq: i + 1, ...entry }))).toEqual([]);
    expect(audited.end()).toEqual([]);
  });

  test('every invariant of a journal was checked', () => {
    const audited = createJournalAudit();
    const events = [epochs({ resource: 100 }), ...train(0, 9), end(0, { values: { loss: 1 } }), over()];
    for (const entry of journal(events)) audited.see(entry);
    audited.end();
    const names: InvariantName[] = ['best', 'budget', 'noRepeat', 'oneCounts', 'order', 'progress', 'slots', 'toldOnce', 'view'];
    expect([...audited.checks.keys()].sort()).toEqual(names);
    for (const count of audited.checks.values()) expect(count).toBeGreaterThan(0);
  });
});
