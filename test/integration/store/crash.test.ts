import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, test } from 'vitest';
import { openJournal } from '../../../agent/store/journal.ts';
import { dumpDerived } from '../../unit/store/dump.ts';
import { tempDir } from '../../unit/store/tempDir.ts';
import { findUnshare } from '../../support/smallDisk.ts';

const writer = join(import.meta.dirname, 'writer.ts');

function startWriter(
  path: string,
  groupSize: number,
  count = Infinity,
): { child: ChildProcess; lines: string[]; ended: Promise<unknown> } {
  const child = spawn(process.execPath, [writer, path, String(groupSize), String(count)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return { child, ...collect(child) };
}

function collect(child: ChildProcess): { lines: string[]; ended: Promise<unknown> } {
  if (child.stdout === null) throw new Error('the writer has no stdout');
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout }).on('line', (line) => lines.push(line));
  // Both: the last line was read, and the process is gone with its locks (its output closes before that).
  return { lines, ended: Promise.all([once(reader, 'close'), once(child, 'exit')]) };
}

const lastOnDisk = (lines: readonly string[]): number =>
  Number(lines.findLast((line) => line.startsWith('on disk'))?.split(' ')[2] ?? 0);

describe('kill -9 while it writes', () => {
  test('every event that was said to be on the disk is there, in every round', async () => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    let before = 0;
    for (const [round, groupSize] of [1, 7, 40, 3, 200, 1].entries()) {
      const { child, lines, ended } = startWriter(path, groupSize);
      // Another moment each round: sometimes between two checkpoints, sometimes within one.
      await expect.poll(() => lines.length, { timeout: 60_000, interval: 1 }).toBeGreaterThan(20 + round * 37);
      child.kill('SIGKILL');
      await ended;
      const said = lastOnDisk(lines);
      using journal = openJournal(path);
      expect(lines[0]).toBe(`opened ${journal.epoch - 1}`);
      const check = journal.verifyChain();
      expect(check.ok).toBe(true);
      // A group may have come through whose line did not, but never a part of a group.
      expect(journal.lastSeq()).toBeGreaterThanOrEqual(said);
      expect(journal.lastSeq() - said).toBeLessThanOrEqual(groupSize);
      expect((journal.lastSeq() - before - 1) % groupSize).toBe(0);
      const derived = dumpDerived(path);
      journal.rebuild();
      expect(dumpDerived(path)).toEqual(derived);
      before = journal.lastSeq();
    }
    expect(before).toBeGreaterThan(1000);
  });
});

describe('two agents', () => {
  test('the second is refused and told who writes; after a kill -9 of the first it may', async () => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    const first = startWriter(path, 10);
    await expect.poll(() => first.lines.length, { timeout: 60_000 }).toBeGreaterThan(3);
    const second = startWriter(path, 10, 10);
    await second.ended;
    expect(second.lines).toHaveLength(1);
    expect(second.lines[0]).toMatch(`refused HPO-6001 The journal ${path} is in use by process ${first.child.pid}`);
    first.child.kill('SIGKILL');
    await first.ended;
    const third = startWriter(path, 10, 10);
    await third.ended;
    expect(third.lines).toEqual(['opened 2', expect.stringMatching(/^on disk/), 'done']);
  });

  test('of eight that start at once exactly one writes', async () => {
    using dir = tempDir();
    const path = dir.file('journal.db');
    const agents = Array.from({ length: 8 }, () => startWriter(path, 1));
    await expect.poll(() => agents.filter(({ lines }) => lines.length > 0).length, { timeout: 60_000 }).toBe(8);
    const writers = agents.filter(({ lines }) => lines[0]?.startsWith('opened'));
    for (const { child } of writers) child.kill('SIGKILL');
    await Promise.all(agents.map(({ ended }) => ended));
    expect(writers).toHaveLength(1);
    expect(agents.filter(({ lines }) => lines[0]?.startsWith('refused HPO-6001'))).toHaveLength(7);
  });
});

const unshare = findUnshare();

describe.skipIf(unshare === null)(
  'a full disk (skipped where no small file system can be mounted: needs root or user namespaces)',
  () => {
    test('stops the intake with a clear code, goes on by itself when there is room, and loses nothing', async () => {
      using dir = tempDir();
      // The disk is a tmpfs of 3 MB that only the writer's mount namespace sees; the filler is removed by `make-room`.
      const script = `
      mkdir "$1/disk" && mount -t tmpfs -o size=3m tmpfs "$1/disk" && head -c 1500000 /dev/zero > "$1/disk/filler" || exit 9
      "$2" "$3" "$1/disk/journal.db" 20 6000 & writer=$!
      while [ ! -e "$1/make-room" ]; do sleep 0.05; done
      mount -o remount,size=64m "$1/disk"; rm "$1/disk/filler"; wait $writer
      cp "$1/disk/journal.db" "$1/journal.db"`;
      const args = [...(unshare ?? []), 'sh', '-c', script, 'sh', dir.path, process.execPath, writer];
      const child = spawn('unshare', args, { stdio: ['ignore', 'pipe', 'inherit'] });
      const { lines, ended } = collect(child);
      await expect.poll(() => lines.filter((line) => line.startsWith('failed')).length, { timeout: 60_000 }).toBeGreaterThan(2);
      const full = lines.filter((line) => line.startsWith('failed'));
      expect(new Set(full)).toEqual(new Set(['failed HPO-6003']));
      const before = lastOnDisk(lines);
      expect(before).toBeGreaterThan(100);
      writeFileSync(dir.file('make-room'), '');
      await ended;
      expect(lines.at(-1)).toBe('done');
      using journal = openJournal(dir.file('journal.db'));
      expect(journal.verifyChain()).toEqual({ ok: true, events: 6001 });
      expect(before).toBeLessThan(6001);
    });
  },
);
