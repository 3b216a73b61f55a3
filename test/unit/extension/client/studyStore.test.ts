import { expect, test } from 'vitest';
import type { JournalEntry } from '../../../../agent/protocol/events.ts';
import { scriptPath, type StoreChange, StudyStore } from '../../../../extension/client/studyStore.ts';
import { sceneEntries, startMs, viewOf } from '../../../support/views.ts';

const entries = sceneEntries('running');

test('the store is the fold of the journal, however the entries are cut and repeated', () => {
  const store = new StudyStore();
  for (let i = 0; i < entries.length; i += 3) store.fold(entries.slice(Math.max(0, i - 5), i + 3));
  const [first] = store.list();
  expect(first).toEqual(viewOf(entries));
  expect(store.seq).toBe(entries.at(-1)?.seq);
});

test('listeners hear each entry once', () => {
  const store = new StudyStore();
  const heard: StoreChange[] = [];
  using _listening = store.onChange((change) => heard.push(change));
  store.fold(entries);
  store.fold(entries);
  expect(heard.flatMap((change) => change.entries)).toEqual(entries);
});

test('studies are listed newest first, found by script, and gone when deleted', () => {
  const store = new StudyStore();
  const [created] = entries;
  if (created?.event.type !== 'studyCreated') throw new Error('a scene begins with its study');
  const event = created.event;
  const study = (studyId: string, seq: number): JournalEntry => ({ seq, studyId, event: { ...event, at: startMs + seq } });
  store.fold([study('old', 1), study('new', 2)]);
  expect(store.list().map((view) => view.studyId)).toEqual(['new', 'old']);
  expect(store.ofFile('/home/ada/digits/train.py')).toHaveLength(2);
  expect(store.ofFile('/home/ada/digits/other.py')).toHaveLength(0);
  expect(store.list().map(scriptPath)).toEqual(['/home/ada/digits/train.py', '/home/ada/digits/train.py']);
  store.fold([{ seq: 3, studyId: 'new', event: { type: 'studyDeleted', at: startMs } }]);
  expect(store.list().map((view) => view.studyId)).toEqual(['old']);
});

test('a reset forgets all and reads from the start', () => {
  const store = new StudyStore();
  store.fold(entries);
  const resets: boolean[] = [];
  using _listening = store.onChange((change) => resets.push(change.isReset));
  store.reset();
  expect([store.list(), store.seq, resets]).toEqual([[], 0, [true]]);
  store.fold(entries);
  expect(store.list()).toHaveLength(1);
});
