import { mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { attemptOf, eventually, key, Observer } from '../contract/executorSuite.ts';
import { ensureBases } from '../support/docker.ts';
import { type DockerWorld, openDockerWorld } from './dockerWorld.ts';

const records = 'stop timeout start.json start.json.new exit.json exit.json.new exit.json.lost claim.json';
const victims = { 'secret.csv': 'secret', stop: 'theirs' };

/** What the agent's user may read and write, and a container may not. */
function makeVictims(world: DockerWorld): string {
  const folder = join(world.base, 'victims');
  mkdirSync(folder);
  for (const [name, text] of Object.entries(victims)) {
    writeFileSync(join(folder, name), text, { mode: 0o600 });
    utimesSync(join(folder, name), 1, 1);
  }
  return folder;
}

function expectUnharmed(folder: string): void {
  expect(readdirSync(folder).toSorted()).toEqual(Object.keys(victims).toSorted());
  for (const [name, text] of Object.entries(victims)) {
    expect(readFileSync(join(folder, name), 'utf8')).toBe(text);
    expect(statSync(join(folder, name)).mode & 0o777).toBe(0o600);
  }
}

beforeAll(() => ensureBases('python'), 300_000);

describe('a program that replaces the files that the agent reads and writes', () => {
  const ways = [
    { name: 'links to a file', replace: 'ln -s "$1/stop" "$2"' },
    { name: 'links to what is not there', replace: 'ln -s "$1/new" "$2"' },
    { name: 'links to a folder', replace: 'ln -s "$1" "$2"' },
    { name: 'FIFOs', replace: 'mkfifo "$2"' },
    { name: 'folders', replace: 'mkdir -p "$2/in"' },
  ];
  const ends = [
    { name: 'stopped', end: 'while :; do sleep 0.1; done', isLost: false },
    { name: 'ends', end: 'exit 0', isLost: false },
    { name: 'kills the shim', end: 'kill -9 $PPID; sleep 5', isLost: true },
  ];
  it.each(ways.flatMap((way) => ends.map((end) => ({ way, end }))))('$way.name, and $end.name', async ({ way, end }) => {
    await using world = await openDockerWorld();
    const folder = makeVictims(world);
    const script = `replace() { rm -rf "$2"; ${way.replace}; }
until [ -e /hpo/checkpoint/go ]; do sleep 0.05; done
cd /hpo/attempt && for name in ${records} out.log metrics.jsonl work/done.csv work/file; do replace "$1" "$name"; done
ln -s "$1" work/sub; mv work/done.csv work/done; ${end.end}`;
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(attemptOf(world, [], { command: ['/bin/sh', '-c', script, 'sh', folder] }));
    const dir = world.files.attemptDir(key(0));
    writeFileSync(join(world.files.checkpointDir(key(0)), 'go'), '');
    await eventually(() => readdirSync(join(dir, 'work')).includes('done') || observer.endings.size > 0, 'all is replaced');
    const streams = ['out', 'metrics', 'work/file', 'work/sub/secret.csv'] as const;
    // More of them than there are threads that could be made to wait.
    for (let i = 0; i < 2; i++) {
      const reads = streams.map(async (stream) => (await world.output.read(key(0), stream, 0, 100)).length);
      expect(await Promise.all(reads)).toEqual([0, 0, 0, 0]);
      expect(await Promise.all(streams.map((stream) => world.output.size(key(0), stream)))).toEqual([0, 0, 0, 0]);
    }
    if (end.name === 'stopped') await executor.stop(key(0), 1_000);
    const ending = await observer.ending(key(0));
    if (end.isLost) expect(ending.exitCode).not.toBe(0);
    // The next agent says the same, and starts nothing again.
    expect(await executor.list()).toEqual([{ key: key(0), state: 'ended' }]);
    await executor.cleanup('study-1', { removeFiles: false });
    expectUnharmed(folder);
    await executor.cleanup('study-1', { removeFiles: true });
    expectUnharmed(folder);
    expect(await world.engine.listContainers(world.labels)).toEqual([]);
  });

  it('can be stopped also when no agent has seen the record of its beginning', async () => {
    await using world = await openDockerWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    const script =
      'cd /hpo/attempt; for i in 1 2 3; do rm -f start.json claim.json; ln -s given-up claim.json; sleep 0.3; done; sleep 60';
    const starting = executor.start(attemptOf(world, [], { command: ['/bin/sh', '-c', script] }));
    await executor.stop(key(0), 100);
    await starting;
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: null });
    await executor.cleanup('study-1', { removeFiles: true });
    expect(await world.engine.listContainers(world.labels)).toEqual([]);
  });

  it('cannot change what was written into its code', async () => {
    await using world = await openDockerWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    const script =
      'cd /hpo/attempt; echo lr = 9 >spliced/train.py; rm spliced/train.py; mv spliced gone; ln -sf / spliced; cat spliced/train.py /hpo/work/train.py';
    const files = [{ path: 'train.py', content: 'lr = 0.5\n' }];
    await executor.start(attemptOf(world, [], { files, command: ['/bin/sh', '-c', `{ ${script}; } 2>/dev/null`] }));
    await observer.ending(key(0));
    expect(await world.read(key(0), 'out')).toBe('lr = 0.5\nlr = 0.5\n');
  });

  it('a link in the place of the work folder: nothing is removed behind it', async () => {
    await using world = await openDockerWorld();
    const folder = makeVictims(world);
    const observer = new Observer();
    await using executor = world.connect(observer);
    const script = 'cd /hpo/attempt && mv work gone && ln -s "$1" work';
    await executor.start(attemptOf(world, [], { command: ['/bin/sh', '-c', script, 'sh', folder] }));
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 0 });
    expect((await world.output.read(key(0), 'work/secret.csv', 0, 100)).length).toBe(0);
    await executor.cleanup('study-1', { removeFiles: false });
    expectUnharmed(folder);
  });

  it('gives its checkpoint on without what it links to, and waits for no FIFO in it', async () => {
    await using world = await openDockerWorld();
    const folder = makeVictims(world);
    const observer = new Observer();
    await using executor = world.connect(observer);
    const script = 'cd /hpo/checkpoint && echo kept >file && mkfifo fifo && ln -s "$1" sub';
    await executor.start(attemptOf(world, [], { command: ['/bin/sh', '-c', script, 'sh', folder] }));
    await observer.ending(key(0));
    const look = 'cd /hpo/checkpoint && cat file; ls; cat sub/secret.csv';
    const next = { key: key(1), checkpointFrom: 0, command: ['/bin/sh', '-c', look] };
    await executor.start(attemptOf(world, [], next));
    await observer.ending(key(1));
    expect(await world.read(key(1), 'out')).toMatch(/^kept\nfile\nsub\ncat: .*No such file/);
    expectUnharmed(folder);
  });
});
