import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { foldView, type StudyView } from '../../../../agent/protocol/view.ts';
import { StudyStore } from '../../../../extension/client/studyStore.ts';
import { EntryFeed } from '../../../../extension/panel/entryFeed.ts';
import type { ToPage } from '../../../../webview/contract.ts';
import { sceneEntries, viewOf } from '../../../support/views.ts';

const entries = sceneEntries('running');
const studyId = entries[0]?.studyId ?? '';

/** A page that folds what it is told, and fails when a message does not follow on the one before. */
class Page {
  view: StudyView | null = null;
  readonly messages: ToPage[] = [];

  receive(message: ToPage): void {
    // What crosses to the page is a copy of that moment.
    const copy = structuredClone(message);
    this.messages.push(copy);
    if (copy.type === 'study') this.view = copy.view;
    if (copy.type !== 'entries' || this.view === null) return;
    expect(copy.after).toBe(this.view.seq);
    for (const entry of copy.entries) foldView(this.view, entry);
  }
}

test('a page sees the study as it is, in few messages', async () => {
  const store = new StudyStore();
  const page = new Page();
  using feed = new EntryFeed(store, studyId, (message) => page.receive(message));
  expect(feed.sendStudy()).toBe(false);
  store.fold(entries.slice(0, 20));
  for (const entry of entries.slice(20)) store.fold([entry]);
  await delay(600);
  expect(page.view).toEqual(viewOf(entries));
  expect(page.messages.filter((message) => message.type === 'entries').length).toBeLessThan(4);
});

test('a page that asks again gets the whole, and nothing of it twice', async () => {
  const store = new StudyStore();
  const page = new Page();
  using feed = new EntryFeed(store, studyId, (message) => page.receive(message));
  store.fold(entries.slice(0, 40));
  store.fold(entries.slice(40, 50));
  expect(feed.sendStudy()).toBe(true);
  store.fold(entries.slice(50));
  await delay(600);
  expect(page.view).toEqual(viewOf(entries));
});

test('another study in the same page, and a deleted one', async () => {
  const store = new StudyStore();
  const page = new Page();
  using feed = new EntryFeed(store, studyId, (message) => page.receive(message));
  const last = entries.at(-1)?.seq ?? 0;
  const other = sceneEntries('minimise').map(({ event }, index) => ({ event, studyId: 'other', seq: last + 1 + index }));
  store.fold([...entries, ...other]);
  feed.choose('other');
  expect(page.view?.studyId).toBe('other');
  store.fold([{ seq: last + 1 + other.length, studyId: 'other', event: { type: 'studyDeleted', at: 0 } }]);
  expect(page.messages.at(-1)).toMatchObject({ type: 'notice', notice: { text: 'This study was deleted.' } });
});

test('a page that was there before the agent gets the study as it is now, and then what happens', async () => {
  const store = new StudyStore();
  const page = new Page();
  using feed = new EntryFeed(store, studyId, (message) => page.receive(message));
  expect(feed.sendStudy()).toBe(false);
  const now = entries.slice(0, 60);
  store.adopt(now.at(-1)?.seq ?? 0, [viewOf(now)]);
  expect(page.view).toEqual(viewOf(now));
  // What the views hold already is not folded twice.
  store.fold(entries.slice(30));
  await delay(600);
  expect(page.view).toEqual(viewOf(entries));
  expect(store.list()).toEqual([viewOf(entries)]);
});
