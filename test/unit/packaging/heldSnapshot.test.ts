import { readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SnapshotStore } from '../../../agent/packaging/snapshot.ts';
import { ProjectFixture } from './projectFixture.ts';

test('code that is held stays, however long ago it was stored, and counts as asked for when it is let go', async () => {
  using project = new ProjectFixture({ 'train.py': '1' });
  const store = new SnapshotStore(project.storeDir);
  const { hash } = await store.take({ root: project.root, mustHave: ['train.py'], include: [], data: [] });
  const age = () => utimesSync(join(project.storeDir, hash), new Date(0), new Date(0));
  const first = store.hold(hash);
  const second = store.hold(hash);
  age();
  await store.prune(new Set());
  expect([readdirSync(project.storeDir), await store.unused(new Set())]).toEqual([[hash], []]);
  await first[Symbol.asyncDispose]();
  age();
  await store.prune(new Set());
  expect(readdirSync(project.storeDir)).toEqual([hash]);
  await second[Symbol.asyncDispose]();
  await store.prune(new Set());
  expect(readdirSync(project.storeDir)).toEqual([hash]);
  age();
  await store.prune(new Set());
  expect(readdirSync(project.storeDir)).toEqual([]);
});
