import { describe, expect, test } from 'vitest';
import type { Journal } from '../../agent/driver/ports.ts';
import { createView, foldView } from '../../agent/protocol/view.ts';
import { make, of, studyCreated, wholeTrial } from '../unit/store/studies.ts';

/** What every journal must do for the driver. `open` gives an empty one. */
export function journalContract(name: string, open: () => Journal & Disposable): void {
  describe(`${name} as a journal`, () => {
    test('gives back what was appended, in order, with growing numbers', () => {
      using journal = open();
      const appended = [...journal.append(of('a', [studyCreated()])), ...journal.append(of('a', wholeTrial(0)))];
      expect(appended.map(({ seq }) => seq)).toEqual(appended.map((_, index) => index + 1));
      expect([...journal.read(null, 0)]).toEqual(appended);
      expect(journal.lastSeq()).toBe(appended.length);
    });

    test('one call may hold events of several studies', () => {
      using journal = open();
      journal.append([...of('a', [studyCreated()]), ...of('b', [studyCreated()]), ...of('a', [make.trial(0)])]);
      expect([...journal.read('a', 0)].map(({ seq, event }) => [seq, event.type])).toEqual([
        [1, 'studyCreated'],
        [3, 'trialCreated'],
      ]);
      expect(journal.studies()).toEqual(['a', 'b']);
    });

    test('reads on from a number', () => {
      using journal = open();
      journal.append(of('a', [studyCreated(), make.trial(0), make.trial(1)]));
      expect([...journal.read('a', 2)].map(({ seq }) => seq)).toEqual([3]);
      expect([...journal.read(null, 3)]).toEqual([]);
    });

    test('what is appended while a reading goes on is not part of it', () => {
      using journal = open();
      journal.append(of('a', [studyCreated(), make.trial(0)]));
      const seen: number[] = [];
      for (const { seq } of journal.read(null, 0)) {
        seen.push(seq);
        journal.append(of('a', [make.trial(seq)]));
      }
      expect(seen).toEqual([1, 2]);
    });

    test('appends all events of a call or none', () => {
      using journal = open();
      journal.append(of('a', [studyCreated()]));
      expect(() => journal.append(of('a', [make.trial(0), make.end(7, 'complete', { loss: 1 })]))).toThrow(RangeError);
      expect([...journal.read(null, 0)]).toHaveLength(1);
      const [entry] = journal.append(of('a', [make.trial(0)]));
      expect(entry?.seq).toBe(2);
    });

    test('refuses events of a study that was never created, and the same study twice', () => {
      using journal = open();
      expect(() => journal.append(of('ghost', [make.trial(0)]))).toThrow(RangeError);
      journal.append(of('a', [studyCreated()]));
      expect(() => journal.append(of('a', [studyCreated()]))).toThrow();
      expect([...journal.read(null, 0)]).toHaveLength(1);
    });

    test('a deleted study is not listed; its late events are taken', () => {
      using journal = open();
      journal.append(of('a', [studyCreated(), make.trial(0), make.request(0)]));
      journal.append(of('b', [studyCreated()]));
      journal.append(of('a', [{ type: 'studyDeleted', at: 1 }]));
      journal.append(of('a', [make.attemptEnd(0)]));
      expect(journal.studies()).toEqual(['b']);
      expect([...journal.read('a', 0)]).toHaveLength(5);
    });

    test('an append of nothing is nothing', () => {
      using journal = open();
      expect(journal.append([])).toEqual([]);
      expect([...journal.read(null, 0)]).toEqual([]);
      expect(journal.lastSeq()).toBe(0);
    });

    test('the fold of what is read is the fold of what was appended', () => {
      using journal = open();
      const appended = [0, 1, 2].flatMap((number) =>
        journal.append(of('a', number === 0 ? [studyCreated(), ...wholeTrial(0)] : wholeTrial(number))),
      );
      const fold = (entries: Iterable<(typeof appended)[number]>) => {
        const [first, ...rest] = entries;
        if (first === undefined) throw new Error('nothing was read');
        const view = createView(first);
        for (const entry of rest) foldView(view, entry);
        return view;
      };
      expect(fold(journal.read('a', 0))).toEqual(fold(appended));
    });
  });
}
