import * as fc from 'fast-check';
import { createHash } from 'node:crypto';
import { existsSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test, vi } from 'vitest';
import { createView, foldView, type StudyView } from '../../../agent/protocol/view.ts';
import { openJournal, type SqliteJournal } from '../../../agent/store/journal.ts';
import { openReadOnly } from '../../../agent/store/read.ts';
import { dumpDerived, query } from './dump.ts';
import { type Appended, history, make, of, studyCreated, wholeTrial } from './studies.ts';
import { tempDir } from './tempDir.ts';

/** Numbers that `history` turns into a legal history, and where it is cut into groups. */
const histories = fc
  .tuple(fc.array(fc.nat(1_000_000), { minLength: 1, maxLength: 250 }), fc.integer({ min: 1, max: 9 }))
  .map(([choices, groupSize]) => ({ events: history(choices), groupSize }));

function appendGroups(journal: SqliteJournal, events: readonly Appended[], groupSize: number): void {
  for (let at = 0; at < events.length; at += groupSize) journal.append(events.slice(at, at + groupSize));
}

function views(
  journal: { read(studyId: string, from: number): Iterable<Parameters<typeof foldView>[1]> },
  studyIds: Iterable<string>,
): StudyView[] {
  return [...studyIds].map((studyId) => {
    const [first, ...rest] = journal.read(studyId, 0);
    if (first === undefined) throw new Error(`nothing of ${studyId}`);
    const view = createView(first);
    for (const entry of rest) foldView(view, entry);
    return view;
  });
}

/** Studies of a history, oldest first. */
function notDeleted(events: readonly Appended[]): readonly string[] {
  const studies = new Set<string>();
  for (const { studyId, event } of events) {
    if (event.type === 'studyCreated') studies.add(studyId);
    if (event.type === 'studyDeleted') studies.delete(studyId);
  }
  return [...studies];
}

describe('what any history leaves behind', () => {
  test('comes back after a reopening, with a whole chain and tables that a rebuild does not change', () => {
    fc.assert(
      fc.property(histories, ({ events, groupSize }) => {
        using dir = tempDir();
        const path = dir.file('journal.db');
        {
          using journal = openJournal(path);
          appendGroups(journal, events, groupSize);
        }
        using journal = openJournal(path);
        expect([...journal.read(null, 0)].map(({ studyId, event }) => ({ studyId, event }))).toEqual(events);
        expect(journal.verifyChain()).toEqual({ ok: true, events: events.length });
        const before = dumpDerived(path);
        journal.rebuild();
        expect(dumpDerived(path)).toEqual(before);
      }),
      { numRuns: 25 },
    );
  });

  test('is the same whether one life wrote it or many', () => {
    fc.assert(
      fc.property(histories, ({ events, groupSize }) => {
        using dir = tempDir();
        {
          using journal = openJournal(dir.file('one.db'));
          journal.append(events);
        }
        for (let at = 0; at < events.length; at += groupSize * 8) {
          using journal = openJournal(dir.file('many.db'));
          appendGroups(journal, events.slice(at, at + groupSize * 8), groupSize);
        }
        expect(dumpDerived(dir.file('many.db'))).toEqual(dumpDerived(dir.file('one.db')));
      }),
      { numRuns: 12 },
    );
  });

  test('has tables that say what the fold says', () => {
    fc.assert(
      fc.property(histories, ({ events }) => {
        using dir = tempDir();
        using journal = openJournal(dir.file('journal.db'));
        journal.append(events);
        const living = views(journal, journal.studies());
        expect(living.map(({ studyId }) => studyId)).toEqual(notDeleted(events));
        expect(living.map(({ studyId }) => studyId)).toEqual(
          query(journal.path, 'SELECT study_name FROM studies ORDER BY study_id').map((row) => row['study_name']),
        );
        const rows = query(
          journal.path,
          `SELECT studyId, number, h.state, attempts, target, resource, startedAt, endedAt
           FROM hpo_trial h JOIN hpo_study USING (study_id) ORDER BY createdSeq, number`,
        );
        expect(rows).toEqual(
          living.flatMap((view) =>
            view.trials.map((trial) => ({
              studyId: view.studyId,
              number: trial.number,
              state: trial.state,
              attempts: trial.attempts.length,
              target: trial.target,
              resource: trial.resource,
              startedAt: trial.startedAt,
              endedAt: trial.endedAt,
            })),
          ),
        );
      }),
      { numRuns: 25 },
    );
  });
});

describe('the chain', () => {
  test('can be recomputed by anyone', () => {
    using dir = tempDir();
    {
      using journal = openJournal(dir.file('journal.db'));
      journal.append(of('a', [studyCreated(), ...wholeTrial(0)]));
    }
    let previous = '0'.repeat(64);
    for (const row of query(
      dir.file('journal.db'),
      'SELECT *, hex(hash) AS hashHex, hex(prevHash) AS prevHex FROM hpo_event ORDER BY seq',
    )) {
      expect(String(row['prevHex']).toLowerCase()).toBe(previous);
      const fields = ['seq', 'epoch', 'studyId', 'type', 'body'].map((field) => String(row[field]));
      previous = createHash('sha256')
        .update([previous, ...fields].join('\n'))
        .digest('hex');
      expect(String(row['hashHex']).toLowerCase()).toBe(previous);
    }
  });

  test.each<[string, string, number, RegExp]>([
    [
      'a changed body',
      `UPDATE hpo_event SET body = replace(body, '0.5', '0.6') WHERE seq = 5`,
      5,
      /event 5 is not what was written/,
    ],
    ['a changed study', `UPDATE hpo_event SET studyId = 'b' WHERE seq = 7`, 7, /event 7 is not what was written/],
    ['a changed epoch', `UPDATE hpo_event SET epoch = 9 WHERE seq = 3`, 3, /event 3 is not what was written/],
    ['a missing event', `DELETE FROM hpo_event WHERE seq = 4`, 4, /event 4 is missing/],
    ['a missing end', `DELETE FROM hpo_event WHERE seq >= 9`, 9, /the last event is 8, but the end was noted as 11/],
    ['everything missing', `DELETE FROM hpo_event`, 1, /is empty/],
    ['a forged hash', `UPDATE hpo_event SET hash = zeroblob(32) WHERE seq = 6`, 6, /event 6 is not what was written/],
  ])('shows %s', (_, sql, seq, why) => {
    using dir = tempDir();
    {
      using journal = openJournal(dir.file('journal.db'));
      journal.append(of('a', [studyCreated(), ...wholeTrial(0)]));
    }
    const db = new DatabaseSync(dir.file('journal.db'));
    db.exec(sql);
    db.close();
    using reader = openReadOnly(dir.file('journal.db'));
    const check = reader.verifyChain();
    expect(check).toMatchObject({ ok: false, seq, intact: seq - 1 });
    expect(check.ok ? '' : check.why).toMatch(why);
  });
});

describe('epochs', () => {
  test('each opening is one more, and each event carries its own', () => {
    using dir = tempDir();
    for (const epoch of [1, 2, 3]) {
      using journal = openJournal(dir.file('journal.db'));
      expect(journal.epoch).toBe(epoch);
      journal.append(of(`s${epoch}`, [studyCreated()]));
    }
    expect(query(dir.file('journal.db'), 'SELECT epoch FROM hpo_event ORDER BY seq').map((row) => row['epoch'])).toEqual([
      1, 2, 3,
    ]);
  });

  test('a writer whose lock was taken from it writes no more', () => {
    using dir = tempDir();
    using old = openJournal(dir.file('journal.db'));
    old.append(of('a', [studyCreated()]));
    const db = new DatabaseSync(dir.file('journal.db'));
    db.exec(`UPDATE hpo_meta SET value = '2' WHERE key = 'epoch'`);
    db.close();
    for (const _ of [1, 2])
      expect(() => old.append(of('a', [make.trial(0)]))).toThrow(expect.objectContaining({ code: 'HPO-6002' }));
    expect([...old.read(null, 0)]).toHaveLength(1);
  });
});

test('every append waits for the disk', () => {
  using dir = tempDir();
  const seen: unknown[] = [];
  // The connection's own answer, just before the journal lets go of it: 2 is FULL, an fsync at each commit.
  using _spy = vi.spyOn(DatabaseSync.prototype, 'close').mockImplementation(function (this: DatabaseSync) {
    if (this.location()?.endsWith('journal.db') === true) seen.push(this.prepare('PRAGMA synchronous').get()?.['synchronous']);
    this[Symbol.dispose]();
  });
  openJournal(dir.file('journal.db'))[Symbol.dispose]();
  expect(seen).toEqual([2]);
  const used = openJournal(dir.file('journal.db'));
  used.append(of('a', [studyCreated()]));
  used.checkpoint();
  used.append(of('a', [make.trial(0)]));
  used[Symbol.dispose]();
  expect(seen).toEqual([2, 2]);
});

test('a second writer is refused while there is one', () => {
  using dir = tempDir();
  using first = openJournal(dir.file('journal.db'));
  expect(() => openJournal(first.path)).toThrow(expect.objectContaining({ code: 'HPO-6001' }));
  expect(first.append(of('a', [studyCreated()]))).toHaveLength(1);
});

describe('the main file', () => {
  test('holds everything a moment after the last append, without its WAL', async () => {
    using dir = tempDir();
    using journal = openJournal(dir.file('journal.db'), { checkpointMs: 20 });
    journal.append(of('a', [studyCreated(), make.trial(0)]));
    journal.append(of('a', [make.trial(1)]));
    await expect.poll(() => mainFileTrials(journal.path), { timeout: 5000 }).toBe(2);
    await expect.poll(() => statSync(`${journal.path}-wal`).size).toBe(0);
  });

  test('holds everything at once when a study ends', () => {
    using dir = tempDir();
    using journal = openJournal(dir.file('journal.db'), { checkpointMs: 1_000_000 });
    journal.append(of('a', [studyCreated(), make.trial(0), { type: 'studyEnded', at: 1, reason: 'budget', message: '' }]));
    expect(mainFileTrials(journal.path)).toBe(1);
  });

  test('follows as soon as a reader is out of the way', async () => {
    using dir = tempDir();
    using journal = openJournal(dir.file('journal.db'), { checkpointMs: 20 });
    journal.append(of('a', [studyCreated(), make.trial(0)]));
    const reader = new DatabaseSync(journal.path, { readOnly: true });
    reader.exec('BEGIN');
    reader.prepare('SELECT COUNT(*) FROM trials').get();
    journal.append(of('a', [make.trial(1)]));
    const start = performance.now();
    expect(journal.checkpoint()).toBe(false);
    // Without the wait for other programs, which is two seconds.
    expect(performance.now() - start).toBeLessThan(1_900);
    journal.append(of('a', [make.trial(2)]));
    await sleep(60);
    reader.exec('COMMIT');
    reader.close();
    await expect.poll(() => mainFileTrials(journal.path), { timeout: 5000 }).toBe(3);
  });
});

test('a number that JSON lacks is refused, not written as null', () => {
  using journal = openJournal(':memory:');
  journal.append(of('a', [studyCreated()]));
  expect(() => journal.append(of('a', [make.trial(0), make.report(0, 1, { loss: Number.NaN })]))).toThrow(TypeError);
  expect(() => journal.append(of('a', [make.trial(0, 0, { lr: Infinity })]))).toThrow(TypeError);
  expect(journal.lastSeq()).toBe(1);
});

test('a parameter that the distribution cannot hold is kept beside it', () => {
  using dir = tempDir();
  using journal = openJournal(dir.file('journal.db'));
  journal.append(of('a', [studyCreated(), make.trial(0, 0, { lr: 0.1, optimizer: 'lion', extra: [1] })]));
  expect(query(journal.path, 'SELECT param_name FROM trial_params')).toEqual([{ param_name: 'lr' }]);
  expect(query(journal.path, `SELECT value_json FROM trial_user_attributes WHERE key = 'hpo_params'`)).toEqual([
    { value_json: '{"optimizer":"lion","extra":[1]}' },
  ]);
});

test('a derived table of another version is rebuilt at the opening', () => {
  using dir = tempDir();
  const path = dir.file('journal.db');
  {
    using journal = openJournal(path);
    journal.append(of('a', [studyCreated(), ...wholeTrial(0)]));
  }
  const before = dumpDerived(path);
  const db = new DatabaseSync(path, { enableForeignKeyConstraints: false });
  db.exec(`UPDATE hpo_meta SET value = '0' WHERE key = 'derivedVersion'; DROP TABLE trial_values; DELETE FROM studies`);
  db.close();
  openJournal(path)[Symbol.dispose]();
  expect(dumpDerived(path)).toEqual(before);
});

test('disposing leaves one file and frees the lock', () => {
  using dir = tempDir();
  for (let round = 0; round < 2; round++) {
    using journal = openJournal(dir.file('journal.db'));
    journal.append(of(`s${round}`, [studyCreated()]));
  }
  expect(existsSync(dir.file('journal.db-wal'))).toBe(false);
});

/** Rows of the main file alone, as tools see them that do not know its WAL. */
function mainFileTrials(path: string): unknown {
  const db = new DatabaseSync(`file:${path}?immutable=1`, { readOnly: true });
  const count = db.prepare('SELECT COUNT(*) AS n FROM trials').get()?.['n'];
  db.close();
  return count;
}
