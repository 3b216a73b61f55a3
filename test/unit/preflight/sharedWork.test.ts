import { expect, test } from 'vitest';
import { SharedWork } from '../../../agent/preflight/cluster/sharedWork.ts';

/** Work that ends when it is told to, and counts how often it is done at once. */
function counted() {
  const shared = new SharedWork();
  const ends: PromiseWithResolvers<void>[] = [];
  let [nGoing, most, nWaits] = [0, 0, 0];
  const work = async (): Promise<void> => {
    most = Math.max(most, ++nGoing);
    const end = Promise.withResolvers<void>();
    ends.push(end);
    await end.promise.finally(() => nGoing--);
  };
  const ask = (key: string, signal?: AbortSignal) => shared.doOrWait(key, work, () => nWaits++, signal);
  return { ask, ends, seen: () => ({ most, nWaits, nDone: ends.length }) };
}

test('one does it, and the others wait for that', async () => {
  const { ask, ends, seen } = counted();
  const all = [ask('a'), ask('a'), ask('a')];
  ends[0]?.resolve();
  expect(await Promise.all(all)).toEqual([true, false, false]);
  expect(seen()).toEqual({ most: 1, nWaits: 2, nDone: 1 });
});

test('other work is not waited for', async () => {
  const { ask, ends, seen } = counted();
  const all = [ask('a'), ask('b')];
  for (const end of ends) end.resolve();
  expect(await Promise.all(all)).toEqual([true, true]);
  expect(seen()).toEqual({ most: 2, nWaits: 0, nDone: 2 });
});

test('a fault is told to who did it, and who waited can do it again', async () => {
  const { ask, ends, seen } = counted();
  const [first, second] = [ask('a'), ask('a')];
  ends[0]?.reject(new Error('no room'));
  await expect(first).rejects.toThrow('no room');
  expect(await second).toBe(false);
  const again = ask('a');
  ends[1]?.resolve();
  expect(await again).toBe(true);
  expect(seen()).toEqual({ most: 1, nWaits: 1, nDone: 2 });
});

test('who gives up waiting leaves the work alone', async () => {
  const { ask, ends } = counted();
  const controller = new AbortController();
  const [first, second] = [ask('a'), ask('a', controller.signal)];
  controller.abort(new Error('not wanted any more'));
  await expect(second).rejects.toThrow('not wanted');
  await expect(ask('a', controller.signal)).rejects.toThrow('not wanted');
  ends[0]?.resolve();
  expect(await first).toBe(true);
});
