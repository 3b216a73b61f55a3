import { describe, expect, it } from 'vitest';
import { openJournal } from '../../../agent/store/journal.ts';
import { parseFaults, ProcessFailpoints } from '../../../agent/system/failpoints.ts';
import { history, of, studyCreated } from './studies.ts';
import { tempDir } from './tempDir.ts';

describe('a journal with a fault in its steps', () => {
  it.each([
    ['journal.append.before=full@2', 'HPO-6003', 1],
    ['journal.append.before=error@2', 'HPO-6007', 1],
    ['journal.append.after=full@2', 'HPO-6003', 2],
    ['journal.append.after=error@2', 'HPO-6007', 2],
  ])('%s: %s, it says where it ends, and goes on from there', (fault, code, nDurable) => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    const [first, second, third] = ['a', 'b', 'c'].map((studyId) => of(studyId, [studyCreated()]));
    if (first === undefined || second === undefined || third === undefined) throw new Error('three are made');
    using journal = openJournal(path, { failpoints: new ProcessFailpoints(parseFaults(fault)) });
    journal.append(first);
    expect(() => journal.append(second)).toThrow(expect.objectContaining({ code }));
    // What the driver reads again is what is there, whatever the failed call said.
    expect(journal.lastSeq()).toBe(nDurable);
    expect([...journal.read(null, 0)]).toHaveLength(nDurable);
    expect(journal.append(third)[0]?.seq).toBe(nDurable + 1);
    expect(journal.verifyChain()).toEqual({ ok: true, events: nDurable + 1 });
  });

  it('loses nothing when a checkpoint fails, and is not there when its opening does', () => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    const failing = (text: string): ProcessFailpoints => new ProcessFailpoints(parseFaults(text));
    expect(() => openJournal(path, { failpoints: failing('journal.epoch.after=error') })).toThrow(
      expect.objectContaining({ code: 'HPO-6007' }),
    );
    using journal = openJournal(path, { checkpointMs: null, failpoints: failing('journal.checkpoint.before=error') });
    journal.append(history([1, 2, 3]));
    expect(journal.checkpoint()).toBe(false);
    expect(journal.checkpoint()).toBe(true);
    expect(journal.verifyChain()).toMatchObject({ ok: true });
  });
});
