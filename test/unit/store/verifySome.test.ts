import { DatabaseSync } from 'node:sqlite';
import { describe, expect, it } from 'vitest';
import { openJournal, type SqliteJournal } from '../../../agent/store/journal.ts';
import { openReadOnly } from '../../../agent/store/read.ts';
import { query } from './dump.ts';
import { of, studyCreated, wholeTrial } from './studies.ts';
import { tempDir } from './tempDir.ts';

function change(path: string, sql: string): void {
  const db = new DatabaseSync(path);
  db.exec(sql);
  db.close();
}

/** Twelve hundred studies: three pieces. */
function write(path: string): void {
  using journal = openJournal(path, { checkpointMs: null });
  journal.append(Array.from({ length: 1200 }, (_, i) => of(`s${i}`, [studyCreated()])).flat());
}

function verifyAll(journal: SqliteJournal): number {
  let pieces = 0;
  while (journal.verifySome()) pieces++;
  return pieces;
}

describe('a journal that is checked while it is in use', () => {
  it('is checked in pieces, with what is appended meanwhile', () => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    write(path);
    using journal = openJournal(path);
    expect(journal.verifySome()).toBe(true);
    journal.append(of('late', [studyCreated()]));
    expect(verifyAll(journal)).toBe(1);
    const fault = new TypeError('another fault');
    expect(journal.explain(fault)).toBe(fault);
    expect(journal.failure).toBeNull();
  });

  it('takes nothing any more once an old event is not what was written', () => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    write(path);
    change(path, `UPDATE hpo_event SET body = replace(body, 'digits', 'digitz') WHERE seq = 700`);
    using journal = openJournal(path);
    journal.append(of('before', [studyCreated()]));
    verifyAll(journal);
    const damage = { code: 'HPO-6005', message: expect.stringMatching(/events 1 to 699 .* event 700 is not what was written/) };
    expect(journal.failure).toMatchObject(damage);
    expect(() => journal.append(of('after', [studyCreated()]))).toThrow(expect.objectContaining(damage));
    expect(journal.explain(new TypeError('no digitz'))).toMatchObject(damage);
  });

  it.each([`UPDATE hpo_study SET studyId = 'x17' WHERE studyId = 's17'`, `DELETE FROM hpo_study WHERE studyId = 's17'`])(
    'lists the studies of which its events tell, whatever the list says: %s',
    (sql) => {
      using dir = tempDir();
      const path = dir.file('journal.db');
      write(path);
      change(path, sql);
      {
        using journal = openJournal(path);
        journal.append(of('s3', [{ type: 'studyEnded', at: 1, reason: 'stopped', message: '' }]));
        journal.append(of('s3', [{ type: 'studyDeleted', at: 1 }]));
      }
      using journal = openJournal(path);
      expect(journal.studies()).toEqual(Array.from({ length: 1200 }, (_, i) => `s${i}`).filter((id) => id !== 's3'));
    },
  );

  it('makes its tables anew where a row of them is in the way of an event', () => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    {
      using journal = openJournal(path);
      journal.append(of('a', [studyCreated(), ...wholeTrial(0)]));
    }
    // As a flipped byte would make it: the number of a trial that is still to come.
    change(path, 'UPDATE hpo_trial SET number = 1');
    using journal = openJournal(path);
    journal.append(of('a', wholeTrial(1)));
    expect(journal.verifyChain()).toMatchObject({ ok: true });
    using db = openReadOnly(path);
    expect(db.studies()).toEqual(['a']);
    expect(query(path, 'SELECT number FROM hpo_trial ORDER BY number')).toEqual([{ number: 0 }, { number: 1 }]);
  });

  it.each([
    ['trial_intermediate_values', null],
    ['hpo_event', 'HPO-6005'],
  ])('whose table %s lost its name for a column: made anew where it can be, else damaged', (table, code) => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    {
      using journal = openJournal(path);
      journal.append(of('a', [studyCreated(), ...wholeTrial(0)]));
    }
    const from = table === 'hpo_event' ? 'prevHash' : 'intermediate_value_type';
    const db = new DatabaseSync(path, { defensive: false });
    db.exec('PRAGMA writable_schema = ON');
    db.exec(`UPDATE sqlite_master SET sql = replace(sql, '${from}', 'x${from.slice(1)}') WHERE name = '${table}'`);
    db.close();
    if (code !== null) {
      expect(() => openJournal(path)).toThrow(expect.objectContaining({ code }));
      return;
    }
    using journal = openJournal(path);
    journal.append(of('a', wholeTrial(1)));
    expect(journal.verifyChain()).toMatchObject({ ok: true });
  });
});
