import { setTimeout as sleep } from 'node:timers/promises';
import { array, assert, asyncProperty, constantFrom, integer, record } from 'fast-check';
import { expect, test } from 'vitest';
import type { JournalEntry } from '../../../agent/protocol/events.ts';
import { ended, study, training, until, World } from './world.ts';

test('a subscription from anywhere, at any time, gets every entry once, in order and without a gap', async () => {
  const subscription = record({
    afterMs: integer({ min: 0, max: 15 }),
    from: integer({ min: 0, max: 60 }),
    studyId: constantFrom(null, 'a', 'b'),
  });
  await assert(
    asyncProperty(array(subscription, { minLength: 1, maxLength: 6 }), async (asked) => {
      using world = new World({ program: training(2, 0) });
      await using life = await world.open();
      await life.driver.createStudy('a', study({ budget: { trials: 3 } }));
      await life.driver.createStudy('b', study({ budget: { trials: 2 } }));
      const got = asked.map(({ afterMs, from, studyId }) => {
        const entries: JournalEntry[] = [];
        const ready = sleep(afterMs).then(() => life.driver.subscribe(studyId, from, (more) => entries.push(...more)));
        return { from, studyId, entries, ready };
      });
      await ended(life.driver, 'a');
      await ended(life.driver, 'b');
      await Promise.all(got.map(({ ready }) => ready));
      await sleep(5);
      for (const { from, studyId, entries } of got) {
        expect(entries).toEqual(world.entries(studyId).filter(({ seq }) => seq > from));
      }
    }),
    { numRuns: 40 },
  );
});

test('a long past comes in pieces, a subscription that was ended hears nothing more', async () => {
  using world = new World();
  world.journal.append([
    { studyId: 'old', event: { type: 'studyCreated', at: 1, spec: study() } },
    ...Array.from({ length: 2_500 }, (_, i) => ({
      studyId: 'old',
      event: { type: 'studyScaled', at: 1, parallel: 1 + (i % 2) } as const,
    })),
    { studyId: 'old', event: { type: 'studyPaused', at: 1, reason: '' } },
  ]);
  await using life = await world.open();
  const sizes: number[] = [];
  const subscription = life.driver.subscribe('old', 0, (entries) => sizes.push(entries.length));
  await until(() => sizes.length >= 3);
  expect(sizes).toEqual([1_000, 1_000, 502]);
  subscription[Symbol.dispose]();
  await life.driver.command('old', { type: 'scale', parallel: 5 });
  await sleep(5);
  expect(sizes).toHaveLength(3);
});

test('a reader that does not keep up is sent no more than some thousand entries ahead, and misses nothing', async () => {
  using world = new World();
  world.journal.append([
    { studyId: 's', event: { type: 'studyCreated', at: 1, spec: study() } },
    { studyId: 's', event: { type: 'studyPaused', at: 1, reason: '' } },
  ]);
  await using life = await world.open();
  const got: number[] = [];
  let most = 0;
  let nOnTheirWay = 0;
  const leave: (() => void)[] = [];
  life.driver.subscribe('s', 0, async (entries) => {
    nOnTheirWay += entries.length;
    most = Math.max(most, nOnTheirWay);
    got.push(...entries.map(({ seq }) => seq));
    const { promise, resolve } = Promise.withResolvers<void>();
    leave.push(resolve);
    await promise;
    nOnTheirWay -= entries.length;
  });
  const scale = async (n: number): Promise<void> => {
    const commands = Array.from({ length: n }, (_, i) => life.driver.command('s', { type: 'scale', parallel: 1 + (i % 2) }));
    await Promise.all(commands);
  };
  await until(() => got.length === 2);
  leave.shift()?.();
  await sleep(5);
  for (let round = 0; round < 12; round++) await scale(1_000);
  expect(got.length).toBeLessThan(8_000);
  await until(() => {
    leave.shift()?.();
    return got.length === world.journal.lastSeq();
  });
  expect(got).toEqual(world.entries('s').map(({ seq }) => seq));
  expect(most).toBeLessThanOrEqual(7_000);
});
