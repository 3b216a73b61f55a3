import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Journal } from '../../../agent/driver/ports.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';
import type { JournalEntry } from '../../../agent/protocol/events.ts';
import { countTrials } from '../../../agent/protocol/view.ts';
import { ended, study, training, until, World } from './world.ts';

/** A disk that can be full. */
class Disk {
  isFull = false;
  nRefused = 0;

  readonly wrap =
    (append: Journal['append']): Journal['append'] =>
    (events) => {
      if (!this.isFull) return append(events);
      this.nRefused++;
      throw new HpoError('HPO-6003', 'The disk is full', 'Free some room');
    };
}

describe('a full disk', () => {
  test('a command is refused with the reason at once, and nothing of it happens', async () => {
    using world = new World();
    const disk = new Disk();
    await using life = await world.open(disk.wrap);
    disk.isFull = true;
    const before = performance.now();
    await expect(life.driver.createStudy('a', study())).rejects.toMatchObject({ code: 'HPO-6003', next: 'Free some room' });
    await expect(life.driver.createStudy('b', study())).rejects.toMatchObject({ code: 'HPO-6003' });
    // Sooner than the next try of the journal.
    expect(performance.now() - before).toBeLessThan(1_000);
    expect(life.driver.views()).toEqual([]);
    disk.isFull = false;
    // Whoever made room and tries again need not wait either.
    await life.driver.createStudy('c', study({ budget: { trials: 1 } }));
    await ended(life.driver, 'c');
    expect(new Set(world.entries().map(({ studyId }) => studyId))).toEqual(new Set(['c']));
    expect(world.starts.size).toBe(1);
    expect(life.driver.fault).toBeNull();
  });

  test('while a study runs: nothing unwritten is shown or acted on, all goes on by itself, nothing is lost', async () => {
    using world = new World({ program: training(4, 2) });
    const disk = new Disk();
    await using life = await world.open(disk.wrap);
    const told: (string | null)[] = [];
    life.driver.onFault((fault) => told.push(fault?.message ?? null));
    const published: JournalEntry[] = [];
    life.driver.subscribe(null, 0, (entries) => published.push(...entries));
    await life.driver.createStudy('s', study({ search: { parallel: 2 }, budget: { trials: 8 } }));
    await until(() => countTrials(life.driver.view('s')).complete >= 2);
    disk.isFull = true;
    await until(() => disk.nRefused > 0);
    const frozen = { seq: world.journal.lastSeq(), starts: world.starts.size };
    await expect(life.driver.command('s', { type: 'stop' })).rejects.toMatchObject({ code: 'HPO-6003' });
    // What ran ends meanwhile; nothing follows from it yet.
    await until(() => world.machine.processes === 0);
    await sleep(50);
    expect(life.driver.view('s')).toMatchObject({ seq: frozen.seq, state: 'running' });
    expect(published.at(-1)?.seq).toBe(frozen.seq);
    expect(world.starts.size).toBe(frozen.starts);
    expect(told).toEqual(['The disk is full']);
    disk.isFull = false;
    const view = await ended(life.driver, 's');
    expect(told).toEqual(['The disk is full', null]);
    expect(countTrials(view)).toMatchObject({ complete: 8 });
    for (const { number, params } of view.trials) {
      const lr = Number(params['lr']);
      expect(world.recorded('s', number, 1)).toEqual([1, 2, 3, 4].map((step) => ({ step, values: { loss: lr + 1 / step } })));
    }
    expect([...world.starts.values()].every((n) => n === 1)).toBe(true);
    expect(published.map(({ seq }) => seq)).toEqual(world.entries().map(({ seq }) => seq));
    expect(published).toEqual(world.entries());
  });

  test('what is seen meanwhile, start, reports and end, is recorded once there is room', async () => {
    using world = new World({ program: training(2, 5) });
    const disk = new Disk();
    await using life = await world.open(disk.wrap);
    await life.driver.createStudy('s', study({ budget: { trials: 1 } }));
    await until(() => world.starts.size === 1);
    disk.isFull = true;
    await until(() => disk.nRefused > 0 && world.machine.processes === 0);
    await sleep(20);
    disk.isFull = false;
    await until(
      () => life.driver.view('s').state === 'ended',
      () => life.driver.view('s'),
      4_000,
    );
    expect(life.driver.view('s').trials).toMatchObject([{ state: 'complete', attempts: [{ pid: expect.any(Number) }] }]);
    expect(world.recorded('s', 0, 1).map(({ step }) => step)).toEqual([1, 2]);
  });

  test('an agent that ends on a full disk leaves everything to the next one', async () => {
    using world = new World({ program: training(3, 1) });
    const disk = new Disk();
    const life = await world.open(disk.wrap);
    await life.driver.createStudy('s', study({ budget: { trials: 3 } }));
    await until(() => world.starts.size === 1);
    disk.isFull = true;
    await until(() => disk.nRefused > 0);
    await life[Symbol.asyncDispose]();
    await using next = await world.open();
    const view = await ended(next.driver, 's');
    expect(countTrials(view)).toMatchObject({ complete: 3 });
    expect(view.trials.map(({ curve }) => curve.length)).toEqual([3, 3, 3]);
    expect([...world.starts.values()]).toEqual([1, 1, 1]);
  });

  test('a deadline that passes meanwhile does not make the agent spin', async () => {
    using world = new World({ program: training(1_000, 5) });
    const disk = new Disk();
    await using life = await world.open(disk.wrap);
    await life.driver.createStudy('s', study({ budget: { trials: null, wallTimeMs: 60 } }));
    disk.isFull = true;
    const cpu = process.cpuUsage();
    await sleep(400);
    const used = process.cpuUsage(cpu);
    expect((used.user + used.system) / 1_000).toBeLessThan(250);
    disk.isFull = false;
    expect((await ended(life.driver, 's')).endReason).toBe('budget');
  });
});
