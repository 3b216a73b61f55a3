import { DatabaseSync } from 'node:sqlite';
import { describe, expect, test } from 'vitest';
import { createJournalAudit } from '../../../agent/audit/journalAudit.ts';
import { command, decide, fold, type StudyState } from '../../../agent/core/study/index.ts';
import type { JournalEntry, StudyEvent } from '../../../agent/protocol/events.ts';
import { openJournal, openReadOnly, repairJournal } from '../../../agent/store/index.ts';
import { ended, Harness, replay, spec } from '../core/study/harness.ts';
import { tempDir } from './tempDir.ts';

type Type = StudyEvent['type'];

/** The journal as a repair leaves it after the nth event of this type became noise. */
function repairedAfterLoss(journal: readonly JournalEntry[], type: Type, nth = 0) {
  using dir = tempDir();
  const file = dir.file('journal.db');
  {
    using opened = openJournal(file);
    opened.append(journal);
  }
  const lost = journal.filter(({ event }) => event.type === type)[nth]?.seq ?? NaN;
  const db = new DatabaseSync(file);
  db.prepare(`UPDATE hpo_event SET body = '{"at":1}' WHERE seq = ?`).run(lost);
  db.close();
  const repair = repairJournal(file, dir.file('aside'));
  using reader = openReadOnly(file);
  const entries = [...reader.read(null, 0)];
  const audit = createJournalAudit();
  expect(entries.flatMap((entry) => audit.see(entry))).toEqual([]);
  const course = repair.courses.get('s1');
  return { entries, added: entries.slice(lost - 1).map(({ event }) => event), fate: course?.fate, why: course?.why, lost };
}

/** What the agent would decide by itself until there is nothing more to decide. */
function decidedBy(state: StudyState): readonly Type[] {
  // Nothing is done for a deleted study; of others an attempt that lives is started, or adopted where it was, whatever its study does.
  const types: Type[] = state.view.deleted ? [] : [...state.live.keys()].map(() => 'attemptRequested');
  let { seq } = state.view;
  for (;;) {
    const events = decide(state, { now: 1e12, hasCapacity: true });
    if (events.length === 0 || types.length > 100) return types;
    for (const event of events) {
      fold(state, { seq: ++seq, studyId: 's1', event });
      types.push(event.type);
    }
  }
}

/** Three trials have run, the fourth runs. */
function begun(): Harness {
  const h = new Harness(spec({ budget: { trials: 6 } }));
  for (const n of [0, 1, 2]) h.run(n, 3 - n);
  h.see({ type: 'started', number: 3, attempt: 1, pid: 1 });
  return h;
}

function stopped(): Harness {
  const h = begun();
  h.command({ type: 'stop' });
  h.see(ended(3, 1, { exitCode: null, signal: 'SIGTERM' }));
  expect(h.state.view.state).toBe('ended');
  return h;
}

describe('a study that did not run does not run again because a repair lost its later events', () => {
  test.each<[string, () => Harness, Type, number, { fate: string; why?: string; added: readonly Type[] }]>([
    [
      'deleted: it stays so',
      () => {
        const h = stopped();
        h.command({ type: 'delete' });
        return h;
      },
      'metricReported',
      0,
      { fate: 'deleted', added: ['studyStopRequested', 'studyDeleted'] },
    ],
    ['stopped', stopped, 'metricReported', 0, { fate: 'waits', why: 'it had ended', added: ['studyPaused', 'attemptEnded'] }],
    [
      'stopped, and no attempt lived where the events are lost',
      stopped,
      'trialCreated',
      1,
      { fate: 'waits', why: 'it had ended', added: ['studyPaused'] },
    ],
    [
      'being stopped',
      () => {
        const h = begun();
        h.command({ type: 'stop' });
        return h;
      },
      'trialEnded',
      0,
      { fate: 'waits', why: 'it was being stopped', added: ['studyPaused'] },
    ],
    [
      'paused by its user',
      () => {
        const h = begun();
        h.command({ type: 'pause' });
        return h;
      },
      'metricReported',
      1,
      { fate: 'waits', why: 'it was paused', added: ['studyPaused', 'attemptEnded'] },
    ],
    [
      'ended by its budget',
      () => {
        const h = begun();
        h.run(3, 1);
        for (const n of [4, 5]) h.run(n, 1);
        expect(h.state.view.state).toBe('ended');
        return h;
      },
      'attemptStarted',
      4,
      { fate: 'waits', why: 'it had ended', added: ['studyPaused', 'attemptEnded'] },
    ],
    [
      'stopped, and what is lost is that it was asked to',
      stopped,
      'studyStopRequested',
      0,
      { fate: 'waits', why: 'it had ended', added: ['studyPaused', 'attemptEnded'] },
    ],
    [
      'nothing is left that would say that it ran on',
      () => {
        const h = begun();
        h.run(3, 1);
        return h;
      },
      'attemptRequested',
      4,
      { fate: 'waits', why: 'it may have been stopped since', added: ['studyPaused'] },
    ],
  ])('%s', (_, make, type, nth, expected) => {
    const { entries, added, fate, why, lost } = repairedAfterLoss(make().journal, type, nth);
    expect(added.map((event) => event.type)).toEqual(expected.added);
    expect(fate).toBe(expected.fate);
    expect(decidedBy(replay(entries))).not.toContain('attemptRequested');
    const { view } = replay(entries);
    expect(view.deleted).toBe(expected.fate === 'deleted');
    if (expected.fate !== 'waits') return;
    expect(why).toBe(expected.why);
    expect(view).toMatchObject({
      state: 'paused',
      message: `What came after event ${lost - 1} was lost in a repair of the journal, and ${why}. To go on from there: hpo resume s1`,
    });
    // And then it does.
    const state = replay(entries);
    const resumed = command(state, { type: 'resume' }, 1e12);
    if ('code' in resumed) throw new Error(resumed.message);
    for (const event of resumed) fold(state, { seq: entries.length + 1, studyId: 's1', event });
    expect(decidedBy(state)).toContain('attemptRequested');
  });

  test('one that ran on goes on from there, its attempts as they were', () => {
    const { entries, added, fate } = repairedAfterLoss(begun().journal, 'metricReported', 0);
    expect(added).toEqual([]);
    expect(fate).toBe('goesOn');
    expect(replay(entries)).toMatchObject({ view: { state: 'running' }, live: new Map([[0, { attempt: 1 }]]) });
  });

  test('one that had paused itself, and would go on by itself once an attempt did well', () => {
    const h = new Harness(spec({ budget: { trials: 9 }, search: { parallel: 3 } }));
    h.journal.push({
      seq: h.journal.length + 1,
      studyId: 's1',
      event: {
        type: 'studyPaused',
        at: 2_000,
        reason: 'All failed.',
        failure: { kind: 'userError', code: 'HPO-3001', message: 'no' },
      },
    });
    for (const event of [
      { type: 'pointEnqueued', at: 2_100, params: { lr: 0.5 } },
      { type: 'studyStopRequested', at: 2_200, reason: 'stopped', message: 'Stopped by the user.' },
    ] as const)
      h.journal.push({ seq: h.journal.length + 1, studyId: 's1', event });
    const { entries, added } = repairedAfterLoss(h.journal, 'pointEnqueued');
    expect(added.map(({ type }) => type)).toEqual([
      'studyResumed',
      'studyPaused',
      'attemptEnded',
      'attemptEnded',
      'attemptEnded',
    ]);
    expect(replay(entries).view).toMatchObject({ state: 'paused', failure: null });
    expect(decidedBy(replay(entries))).toEqual([]);
  });

  test('one that had ended and was about to retry a trial', () => {
    const h = begun();
    h.command({ type: 'stop' });
    h.see(ended(3, 1, { exitCode: null, signal: 'SIGTERM' }));
    h.command({ type: 'retry', number: 3 });
    expect(h.state.view.state).toBe('running');
    const { entries, added } = repairedAfterLoss(h.journal, 'studyResumed');
    // What follows says that it ran.
    expect(added.map(({ type }) => type)).toEqual(['studyResumed']);
    expect(replay(entries).view.state).toBe('running');
  });
});
