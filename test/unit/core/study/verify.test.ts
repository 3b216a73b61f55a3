import { describe, expect, test } from 'vitest';
import { DecisionCheck, type Difference } from '../../../../agent/core/study/index.ts';
import type { JournalEntry, StudyEvent } from '../../../../agent/protocol/events.ts';
import type { StudySpec } from '../../../../agent/protocol/study.ts';
import { noFaults, VirtualStudy } from '../../../simulation/virtualStudy.ts';
import { fidelity, spec } from './harness.ts';

type EventOf<T extends StudyEvent['type']> = Extract<StudyEvent, { type: T }>;

function recorded(given: StudySpec, delayed = 0): readonly JournalEntry[] {
  const study = new VirtualStudy(
    3,
    given,
    { ...noFaults, delayed },
    (_, { lr }, step) => (Math.log10(Number(lr)) + 2) ** 2 + 1 / step,
  );
  study.run();
  return study.journal;
}

function differences(journal: readonly JournalEntry[]): readonly Difference[] {
  const [first, ...others] = journal;
  if (first === undefined) throw new RangeError('an empty journal');
  const check = new DecisionCheck(first);
  const found: Difference[] = [];
  for (const entry of others) {
    const difference = check.next(entry);
    if (difference !== null) found.push(difference);
  }
  return found;
}

/** The journal with its n-th event of a type changed, or taken out; from the end for a negative n. */
function edited<T extends StudyEvent['type']>(
  journal: readonly JournalEntry[],
  type: T,
  n: number,
  change: (event: EventOf<T>) => StudyEvent | null,
): { readonly journal: readonly JournalEntry[]; readonly seq: number } {
  const places = journal.flatMap(({ event }, i) => (event.type === type ? [i] : []));
  const place = places.at(n) ?? -1;
  const entry = journal[place];
  if (entry === undefined) throw new RangeError(`no event ${n} of type ${type}`);
  const event = change(entry.event as EventOf<T>); // found by its type
  const changed = event === null ? journal.toSpliced(place, 1) : journal.with(place, { ...entry, event });
  return { journal: changed, seq: entry.seq };
}

const stopping = recorded(
  spec({ fidelity: fidelity(1, 9), search: { sampler: 'tpe', scheduler: 'asha-stop', parallel: 3 }, budget: { trials: 20 } }),
);
const promoting = recorded(
  spec({
    fidelity: fidelity(1, 9),
    search: { sampler: 'random', scheduler: 'asha-promote', parallel: 3 },
    budget: { trials: 20 },
  }),
);
const late = recorded(spec({ search: { sampler: 'tpe', parallel: 3 }, budget: { trials: 20 } }), 0.5);
const batched = recorded(spec({ search: { sampler: 'tpe', parallel: 2, batch: 4 }, budget: { trials: 14 } }));

test('what was recorded is made again', () => {
  for (const journal of [stopping, promoting, late, batched]) expect(differences(journal)).toEqual([]);
});

describe('a journal that was changed', () => {
  test.each([
    ['another value of a point', edited(stopping, 'trialCreated', 9, (event) => ({ ...event, params: { lr: 0.5 } }))],
    ['another reason', edited(stopping, 'trialCreated', 9, (event) => ({ ...event, reason: 'because' }))],
    ['a point said to be the user’s', edited(stopping, 'trialCreated', 9, (event) => ({ ...event, origin: 'user' }))],
    ['another target', edited(promoting, 'trialCreated', 5, (event) => ({ ...event, target: 9 }))],
    ['another slot', edited(stopping, 'attemptRequested', 4, (event) => ({ ...event, slot: 7 }))],
    ['another trial stopped', edited(stopping, 'attemptStopRequested', 0, (event) => ({ ...event, number: 0 }))],
    ['another trial promoted', edited(promoting, 'trialPromoted', 1, (event) => ({ ...event, target: 9 }))],
    ['paused elsewhere', edited(promoting, 'trialPaused', 3, (event) => ({ ...event, resource: 2 }))],
    ['other values of a trial', edited(stopping, 'trialEnded', 3, (event) => ({ ...event, values: { loss: 0 } }))],
    ['another end of a trial', edited(stopping, 'trialEnded', 3, (event) => ({ ...event, state: 'cancelled' }))],
    ['another end of the study', edited(stopping, 'studyEnded', 0, (event) => ({ ...event, reason: 'exhausted' }))],
    [
      'a batch told in another order',
      edited(batched, 'batchEnded', 1, (event) => ({ ...event, trials: event.trials.toReversed() })),
    ],
    ['a point that knew the future', edited(late, 'trialCreated', 9, (event) => ({ ...event, basedOn: 10_000 }))],
    ['a point that knew too little', edited(late, 'trialCreated', 15, (event) => ({ ...event, basedOn: 2 }))],
  ])('%s shows at its place', (_, { journal, seq }) => {
    expect(differences(journal)[0]?.seq).toBe(seq);
  });

  test.each([
    ['a stop left out', edited(stopping, 'attemptStopRequested', 0, () => null)],
    ['a promotion left out', edited(promoting, 'trialPromoted', 1, () => null)],
    ['the end of a batch left out', edited(batched, 'batchEnded', 1, () => null)],
    [
      'a result changed that later points learned from',
      edited(stopping, 'metricReported', 30, (event) => ({ ...event, values: { loss: -9 } })),
    ],
  ])('%s shows from there on', (_, { journal, seq }) => {
    const [first] = differences(journal);
    expect(first?.seq).toBeGreaterThanOrEqual(seq);
  });

  test('late points said to have known all show', () => {
    const changed = late.map((entry): JournalEntry => {
      if (entry.event.type !== 'trialCreated') return entry;
      const { basedOn: _, ...event } = entry.event;
      return { ...entry, event };
    });
    expect(differences(changed).length).toBeGreaterThan(0);
  });

  test('nothing is compared after an event that cannot follow at all', () => {
    const { journal, seq } = edited(stopping, 'attemptStarted', 4, (event) => ({ ...event, number: 99 }));
    const [first, ...others] = journal;
    if (first === undefined) throw new RangeError('an empty journal');
    const check = new DecisionCheck(first);
    for (const entry of others) {
      const difference = check.next(entry);
      if (check.fault === null) expect(difference).toBeNull();
      else {
        expect(check.fault).toMatch(/no trial 99/);
        expect(difference).toMatchObject({ seq, recomputed: null });
        return;
      }
    }
    expect.unreachable();
  });

  test('a difference says what is recorded and what follows', () => {
    const { journal } = edited(stopping, 'trialCreated', 9, (event) => ({ ...event, params: { lr: 0.5 } }));
    const original = stopping.find(({ event }) => event.type === 'trialCreated' && event.number === 9)?.event;
    expect(differences(journal)[0]).toMatchObject({ recorded: { number: 9, params: { lr: 0.5 } }, recomputed: original });
  });
});

test('points that are not asked for are taken as they are recorded', () => {
  const { journal } = edited(stopping, 'trialCreated', 9, (event) => ({ ...event, params: { lr: 0.5 } }));
  const [first, ...others] = journal;
  if (first === undefined) throw new RangeError('an empty journal');
  const check = new DecisionCheck(first, { isAsked: (number) => number < 9 });
  expect(others.map((entry) => check.next(entry)).filter((difference) => difference !== null)).toEqual([]);
  expect(check.nAsked).toBe(8);
});
