import { spawn } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { readAttemptRecord } from '../../agent/executors/attempt/attemptRecord.ts';
import { nodeFiles } from '../../agent/system/nodeFiles.ts';
import { nodeProcesses } from '../../agent/system/nodeProcesses.ts';
import { LocalExecutor } from '../../agent/executors/local/localExecutor.ts';
import { nodeSystem } from '../../agent/system/node.ts';
import { attemptOf, eventually, key, Observer, type Step, text } from './executorSuite.ts';
import { type LocalWorld, openLocalWorld } from './executorWorlds.ts';

const forever: Step = { do: 'sleep', ms: 30_000 };
const sh = (script: string, ...args: string[]) => ['/bin/sh', '-c', script, 'sh', ...args];

async function startedRecord(world: LocalWorld, of = key(0)) {
  const record = await readAttemptRecord(nodeFiles, world.files.attemptDir(of));
  if (record.state !== 'started' || record.shim === null || record.program === null)
    throw new Error(`not running: ${record.state}`);
  return { shim: record.shim.pid, program: record.program.pid };
}

/** Processes whose session the process leads. */
function sessionOf(leader: number): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        const [state, , , session] = readFileSync(`/proc/${pid}/stat`, 'utf8')
          .replace(/^.*\) /s, '')
          .split(' ');
        return session === String(leader) && state !== 'Z';
      } catch {
        return false;
      }
    })
    .map(Number);
}

describe.concurrent('the local executor', () => {
  it.each([
    { name: 'FIFOs', make: 'mkfifo "$name"', end: 'exit 3', ending: { exitCode: 3 } },
    { name: 'FIFOs, until it is stopped', make: 'mkfifo "$name"', end: 'sleep 30', ending: { signal: 'SIGTERM' } },
    { name: 'FIFOs, until its deadline', make: 'mkfifo "$name"', end: 'sleep 30', ending: { isTimeout: true } },
    { name: 'folders', make: 'mkdir "$name"', end: 'exit 3', ending: { exitCode: 3 } },
  ])('waits for nothing that a program puts in the place of its records: $name', async ({ make, end, ending }) => {
    await using world = await openLocalWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    const names = 'timeout start.json.new exit.json exit.json.new exit.json.lost out.log metrics.jsonl';
    // When the record of its beginning is there: the shim is then done with it.
    const script = `cd .. && until [ -e start.json ]; do sleep 0.01; done
for name in ${names}; do rm -rf "$name"; ${make}; done; touch work/done; ${end}`;
    const timeoutMs = 'isTimeout' in ending ? 1_500 : null;
    await executor.start(attemptOf(world, [], { command: sh(script), timeoutMs, graceMs: 200 }));
    const isDone = (): boolean => existsSync(join(world.files.attemptDir(key(0)), 'work', 'done'));
    await eventually(() => isDone() || observer.endings.size > 0, 'all is replaced');
    const reads = Array.from({ length: 8 }, () => world.read(key(0), 'out'));
    expect(await Promise.all(reads)).toEqual(Array.from({ length: 8 }, () => ''));
    if ('signal' in ending) await executor.stop(key(0), 1_000);
    expect(await observer.ending(key(0))).toMatchObject(ending);
    await executor.cleanup('study-1', { removeFiles: true });
    expect(existsSync(world.files.studyDir('study-1'))).toBe(false);
  });

  it('loses nothing when the agent is killed', async () => {
    await using world = await openLocalWorld();
    // Prints all the time: into a pipe of the agent, it would die with it.
    const counting = sh('i=0; while [ $i -lt 40 ]; do i=$((i+1)); echo "line $i"; sleep 0.05; done; exit 6');
    const attempts = [
      attemptOf(world, [], { command: counting }),
      attemptOf(world, [forever], { key: key(1), timeoutMs: 1_500 }),
    ];
    const host = spawn(
      process.execPath,
      [join(import.meta.dirname, 'executorHost.ts'), world.homeDir, join(world.homeDir, 'snapshots'), JSON.stringify(attempts)],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await new Promise((resolve) => host.stdout.once('data', resolve));
    const pids = await startedRecord(world);
    host.kill('SIGKILL');
    await new Promise((resolve) => host.once('exit', resolve));

    const observer = new Observer();
    await using executor = world.connect(observer);
    const listed = (await executor.list()).map((listing) => `${text(listing.key)} ${listing.state}`);
    expect(listed.sort()).toEqual(['study-1/0/1 running', 'study-1/1/1 running']);
    for (const attempt of attempts) await executor.start(attempt);
    expect(observer.pids.get('study-1/0/1')).toBe(pids.program);
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 6, isLost: false });
    expect((await world.read(key(0), 'out')).trimEnd().split('\n')).toEqual(
      Array.from({ length: 40 }, (_, index) => `line ${index + 1}`),
    );
    expect(await observer.ending(key(1))).toMatchObject({ isTimeout: true });
    expect(observer.count('ended', key(0))).toBe(1);
  });

  it('ends the tree at the deadline while no agent is there', async () => {
    await using world = await openLocalWorld();
    {
      await using executor = world.connect(new Observer());
      await executor.start(attemptOf(world, [{ do: 'ignoreTerm' }, { do: 'escape' }, forever], { timeoutMs: 300, graceMs: 200 }));
    }
    await eventually(async () => (await world.processes()) === 0, 'no process is left');
  });

  it('ends what prints too much while no agent is there, before the disk is full', async () => {
    await using world = await openLocalWorld();
    {
      await using executor = world.connect(new Observer());
      const flood = attemptOf(world, [], {
        command: ['/bin/sh', '-c', 'while :; do echo flood; sleep 0.01; done'],
        outputBytes: 500,
      });
      await executor.start(flood);
    }
    await eventually(async () => (await world.processes()) === 0, 'no process is left');
    const state = async () => (await readAttemptRecord(nodeFiles, world.files.attemptDir(key(0)))).state;
    await eventually(async () => (await state()) === 'ended', 'the end is recorded');
  });

  const floods = [
    { what: 'prints fast from the start', script: 'exec yes', stream: 'out' },
    { what: 'prints fast after a while', script: 'sleep 2.5; exec yes', stream: 'out' },
    { what: 'prints on when it is asked to end', script: "trap '' TERM; while :; do yes; done", stream: 'out' },
    { what: 'ends by itself before anybody looks', script: 'yes | head -c 50000000', stream: 'out' },
    { what: 'reports metrics without end', script: 'yes >>"$HPO_METRICS_FILE"', stream: 'metrics' },
  ] as const;
  it.each(floods)(
    'keeps of too much output what the limit allows, and that there was more: $what',
    async ({ script, stream }) => {
      await using world = await openLocalWorld();
      const observer = new Observer();
      await using executor = world.connect(observer);
      const attempt = attemptOf(world, [], { command: sh(script), outputBytes: 1_000_000, graceMs: 60_000 });
      await executor.start(attempt);
      // Long before the grace is over. That the output was cut is no loss.
      expect(await observer.ending(key(0))).toMatchObject({ isLost: false, isTimeout: false });
      expect(await world.output.size(key(0), stream)).toBe(1_000_001);
      const again = new Observer();
      await using next = world.connect(again);
      await next.start(attempt);
      expect(await again.ending(key(0))).toEqual(observer.endings.get('study-1/0/1'));
    },
  );

  it('leaves output alone that is as long as the limit, and what a link in its place leads to', async () => {
    await using world = await openLocalWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    const mine = join(world.base, 'mine');
    writeFileSync(mine, 'x'.repeat(5_000));
    const command = sh('ln -s "$1" "$HPO_METRICS_FILE"; yes | head -c 1000', mine);
    await executor.start(attemptOf(world, [], { command, outputBytes: 1_000 }));
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 0 });
    expect(await world.output.size(key(0), 'out')).toBe(1_000);
    expect(statSync(mine).size).toBe(5_000);
  });

  it('runs an attempt once, whichever of two agents starts it', async () => {
    await using world = await openLocalWorld();
    const observers = [new Observer(), new Observer()];
    const attempt = attemptOf(world, [
      { do: 'checkpoint', text: 'ran ' },
      { do: 'sleep', ms: 300 },
      { do: 'exit', code: 9 },
    ]);
    const [first, second] = observers.map((observer) => world.connect(observer));
    const starting = first?.start(attempt);
    // The second agent comes when the first has just handed over to the shim.
    await eventually(() => existsSync(join(world.files.attemptDir(key(0)), 'out.log')), 'the shim was started');
    await Promise.all([starting, second?.start(attempt)]);
    for (const observer of observers) expect(await observer.ending(key(0))).toMatchObject({ exitCode: 9, isLost: false });
    expect(readFileSync(join(world.files.checkpointDir(key(0)), 'log'), 'utf8')).toBe('ran ');
  });

  it('runs an attempt once, whichever of two shims claims it', async () => {
    await using world = await openLocalWorld();
    await using executor = world.connect(new Observer());
    // The first attempt is there for its shim alone.
    await executor.start(attemptOf(world, []));
    const shim = readdirSync(join(world.homeDir, 'run')).find((name) => name.startsWith('shim-')) ?? '';
    const dir = join(world.base, 'attempt');
    mkdirSync(dir);
    writeFileSync(join(dir, 'out.log'), '');
    const program = ['/bin/sh', '-c', 'echo ran >>"$1"; sleep 0.3', 'sh', join(dir, 'ran')];
    const codes = Array.from({ length: 4 }, () => {
      const args = [join(world.homeDir, 'run', shim), dir, '0', '1', 'mark', '0', '1000000', ...program];
      const child = spawn('/bin/sh', args, { detached: true, stdio: 'ignore' });
      return new Promise((resolve) => child.once('exit', resolve));
    });
    expect((await Promise.all(codes)).map(String).sort()).toEqual(['0', '75', '75', '75']);
    expect(readFileSync(join(dir, 'ran'), 'utf8')).toBe('ran\n');
  });

  it('tells a loss when the shim was killed, and ends what it held', async () => {
    await using world = await openLocalWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(attemptOf(world, [{ do: 'escape' }, forever]));
    nodeProcesses.send((await startedRecord(world)).shim, 'SIGKILL');
    expect(await observer.ending(key(0))).toEqual({
      exitCode: null,
      signal: null,
      isTimeout: false,
      isOutOfMemory: false,
      isLost: true,
      isPreempted: false,
      detail: '',
    });
    await eventually(async () => (await world.processes()) === 0, 'no process is left');

    const next = new Observer();
    await using later = world.connect(next);
    await later.start(attemptOf(world, []));
    expect(await next.ending(key(0))).toMatchObject({ isLost: true });
  });

  it('cleans up after an attempt that ended while no agent was there, what left its group included', async () => {
    await using world = await openLocalWorld();
    {
      await using executor = world.connect(new Observer());
      await executor.start(attemptOf(world, [], { command: sh('setsid sleep 300 & sleep 0.5') }));
    }
    await eventually(() => existsSync(join(world.files.attemptDir(key(0)), 'exit.json')), 'the attempt has ended');
    expect(await world.processes()).toBeGreaterThan(0);
    await using later = world.connect(new Observer());
    await later.cleanup(key(0).studyId, { removeFiles: true });
    await eventually(async () => (await world.processes()) === 0, 'no process is left');
  });

  it.runIf(existsSync('/proc/self/stat'))('leaves no watch behind when the shim was killed and no agent is there', async () => {
    await using world = await openLocalWorld();
    {
      await using executor = world.connect(new Observer());
      await executor.start(attemptOf(world, [forever], { timeoutMs: 60_000 }));
    }
    const { shim, program } = await startedRecord(world);
    await eventually(() => sessionOf(shim).length > 2, 'the shim has its watches');
    nodeProcesses.send(shim, 'SIGKILL');
    // Whatever has the program's id from now on is not the watches' to end.
    await eventually(() => Promise.resolve(sessionOf(shim).length === 0), 'no watch is left');
    expect(() => process.kill(program, 0), 'the program goes on until an agent comes').not.toThrow();
  });

  const remains: { name: string; files: Record<string, string> }[] = [
    {
      name: 'of a boot before this one',
      files: { 'claim.json': `{"shim":1,"shimTicks":"1","boot":"00000000-0000-0000-0000-000000000000"}` },
    },
    {
      name: 'whose process id belongs to another by now',
      files: { 'start.json': `{"shim":${process.pid},"shimTicks":"7","boot":"","pid":${process.pid},"pidTicks":"7","oom":0}` },
    },
    { name: 'emptied by a power cut', files: { 'claim.json': '', 'start.json': '', 'exit.json': '' } },
  ];
  it.each(remains)('tells a loss: remains $name', async ({ files }) => {
    await using world = await openLocalWorld();
    const dir = world.files.attemptDir(key(0));
    mkdirSync(dir, { recursive: true });
    for (const [name, content] of Object.entries(files)) {
      writeFileSync(join(dir, name), content);
      utimesSync(join(dir, name), new Date(0), new Date(0));
    }
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(attemptOf(world, []));
    expect(await observer.ending(key(0))).toMatchObject({ isLost: true });
    expect(existsSync(join(dir, 'out.log'))).toBe(false);
  });

  it('passes arguments as they are, and runs in the work folder', async () => {
    await using world = await openLocalWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    const args = ['', ' ', '*', '$(touch x)', '`id`', 'a\nb', '"', "'", '\\', '-n', '--', 'ü🎉', 'x=y'];
    await executor.start(attemptOf(world, [], { command: sh(`pwd; printf '<%s>' "$@"`, ...args) }));
    await observer.ending(key(0));
    expect(await world.read(key(0), 'out')).toBe(
      `${join(world.files.attemptDir(key(0)), 'work')}\n${args.map((arg) => `<${arg}>`).join('')}`,
    );
  });

  it('says in the output that a program is missing', async () => {
    await using world = await openLocalWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(attemptOf(world, [], { command: ['no-such-python', 'train.py'] }));
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 127 });
    expect(await world.read(key(0), 'out')).toContain('no-such-python');
  });

  it('ends what is left in the group before it tells the end', async () => {
    await using world = await openLocalWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(
      attemptOf(world, [], { command: sh(`(trap '' TERM; while :; do sleep 0.1; done) & sleep 0.2; exit 2`) }),
    );
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 2 });
    expect(await world.processes()).toBe(0);
  });

  it('keeps a folder of the project over the attempts of a trial', async () => {
    await using world = await openLocalWorld();
    await world.store({ 'out/ckpt/.gitkeep': '', 'train.py': '' });
    const observer = new Observer();
    await using executor = world.connect(observer);
    for (const attempt of [1, 2]) {
      await executor.start(
        attemptOf(world, [], {
          key: key(0, attempt),
          command: sh('echo $HPO_ATTEMPT >>out/ckpt/log; cat out/ckpt/log "$HPO_CHECKPOINT_DIR/log"'),
          checkpointDir: 'out/ckpt/',
        }),
      );
      await observer.ending(key(0, attempt));
    }
    expect(await world.read(key(0, 2), 'out')).toBe('1\n2\n1\n2\n');
    await expect(executor.start(attemptOf(world, [], { key: key(1), checkpointDir: '../..' }))).rejects.toMatchObject({
      code: 'HPO-2302',
    });
  });

  it('never removes what stands in a linked folder for a checkpoint', async () => {
    await using world = await openLocalWorld();
    await world.store({ '.gitignore': 'data/\n', 'data/ckpt/mine': 'mine' });
    await using executor = world.connect(new Observer());
    for (const checkpointDir of ['data/ckpt', 'data/new/ckpt']) {
      const attempt = attemptOf(world, [], { snapshot: world.snapshot, checkpointDir });
      await expect(executor.start(attempt)).rejects.toMatchObject({ code: 'HPO-2302' });
    }
    expect(readdirSync(join(world.root, 'data'))).toEqual(['ckpt']);
    expect(readFileSync(join(world.root, 'data/ckpt/mine'), 'utf8')).toBe('mine');
  });

  it('keeps of an ended attempt what it made, not its copy of the project', async () => {
    await using world = await openLocalWorld();
    await world.store({ '.gitignore': 'data/\n', 'data/a': 'mine', 'lib/a.py': '1', 'lib/b.py': '2', 'c.py': '3', 'd.py': '4' });
    const observer = new Observer();
    await using executor = world.connect(observer);
    const command = sh('sleep 0.05; echo 5 >model.pt; cp -p c.py lib/old.py; echo 6 >>d.py');
    // Nothing is removed where the copy and the claim fall into one tick of the file system's clock: until one does not.
    let dir = '';
    for (let trial = 0; trial < 50; trial++) {
      await executor.start(attemptOf(world, [], { key: key(trial), snapshot: world.snapshot, command }));
      await observer.ending(key(trial));
      dir = world.files.attemptDir(key(trial));
      const claimedAt = statSync(join(dir, 'claim.json')).mtimeMs;
      const copied = readdirSync(join(dir, 'work'), { recursive: true, withFileTypes: true }).filter(
        (entry) => entry.isFile() && !['model.pt', 'old.py', 'd.py'].includes(entry.name),
      );
      if (copied.every(({ parentPath, name }) => statSync(join(parentPath, name)).ctimeMs < claimedAt)) break;
    }
    const work = join(dir, 'work');
    expect(readdirSync(work)).toContain('c.py');
    await executor.cleanup('study-1', { removeFiles: false });
    expect(readdirSync(work, { recursive: true }).map(String).sort()).toEqual(['d.py', 'lib', 'lib/old.py', 'model.pt']);
    expect(readFileSync(join(world.root, 'data/a'), 'utf8')).toBe('mine');
  });

  it('gives the program the agent’s environment, without what makes the agent an editor’s', async () => {
    await using world = await openLocalWorld();
    const observer = new Observer();
    const environment = {
      PATH: process.env['PATH'],
      MINE: 'kept',
      VSCODE_PID: '1',
      ELECTRON_RUN_AS_NODE: '1',
      HPO_ATTEMPT_KEY: 'outer',
    };
    await using executor = new LocalExecutor({
      system: nodeSystem(),
      homeDir: world.homeDir,
      snapshots: world.snapshots,
      listener: observer,
      environment,
    });
    await executor.start(attemptOf(world, [], { command: ['/usr/bin/env'], environment: { HPO_SEED: '7' } }));
    await observer.ending(key(0));
    const lines = (await world.read(key(0), 'out')).trimEnd().split('\n');
    const dir = world.files.attemptDir(key(0));
    expect(lines.filter((line) => !/^(PWD|OLDPWD|SHLVL|_|PATH)=/.test(line)).sort()).toEqual([
      `HPO_ATTEMPT=1`,
      `HPO_ATTEMPT_KEY=${world.files.mark(key(0))}`,
      `HPO_CHECKPOINT_DIR=${world.files.checkpointDir(key(0))}`,
      `HPO_METRICS_FILE=${join(dir, 'metrics.jsonl')}`,
      'HPO_SEED=7',
      'HPO_STUDY=study-1',
      'HPO_TRIAL=0',
      'MINE=kept',
      'OMP_NUM_THREADS=1',
      'PYTHONUNBUFFERED=1',
    ]);
  });

  it('has a shim of a few megabytes, alone in its session and without the mark', async () => {
    await using world = await openLocalWorld();
    await using executor = world.connect(new Observer());
    await executor.start(attemptOf(world, [forever]));
    const { shim, program } = await startedRecord(world);
    const field = (pid: number, index: number) => readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ')[index];
    await eventually(() => field(program, 3) === String(program), 'the program leads a session');
    expect(field(shim, 3)).toBe(String(shim));
    expect(Number(readFileSync(`/proc/${shim}/status`, 'utf8').match(/VmRSS:\s+(\d+)/)?.[1])).toBeLessThan(4_000);
    expect(readFileSync(`/proc/${shim}/environ`, 'utf8')).not.toContain('HPO_ATTEMPT_KEY=');
  });

  it('checks the stored code before a study goes on with it', async () => {
    await using world = await openLocalWorld();
    await using executor = world.connect(new Observer());
    const stored = join(world.homeDir, 'snapshots', world.snapshot, 'files', 'train.py');
    chmodSync(stored, 0o644);
    writeFileSync(stored, 'half');
    const study = { studyId: 'study-1', root: world.root, snapshot: world.snapshot, container: null, cluster: null };
    await expect(executor.prepare(study)).rejects.toMatchObject({ code: 'HPO-2205' });
    writeFileSync(stored, 'lr = 0.1\n');
    await executor.prepare(study);
  });

  it('can start again what could not start', async () => {
    await using world = await openLocalWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    await expect(executor.start(attemptOf(world, [], { snapshot: '0'.repeat(64) }))).rejects.toMatchObject({ code: 'HPO-2205' });
    expect(observer.told).toEqual([]);
    expect(await executor.list()).toEqual([]);
    await executor.start(attemptOf(world, [{ do: 'exit', code: 1 }]));
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 1 });
  });

  it('leaves a work folder alone that another agent has made, whatever is in it by now', async () => {
    await using world = await openLocalWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    const attempt = attemptOf(world, [{ do: 'exit', code: 0 }]);
    await executor.start(attempt);
    await observer.ending(key(0));
    const dir = world.files.attemptDir(key(0));
    // As one that was stopped while another agent took over sees it: when it looked, nothing had begun.
    writeFileSync(join(dir, 'work', 'made'), 'by the program');
    for (const record of ['claim.json', 'start.json', 'exit.json']) rmSync(join(dir, record));
    await using late = world.connect(new Observer());
    await late.start(attempt);
    expect(readFileSync(join(dir, 'work', 'made'), 'utf8')).toBe('by the program');
  });

  it('takes no study id for a way out of its folder', async () => {
    await using world = await openLocalWorld();
    await using executor = world.connect(new Observer());
    for (const studyId of ['..', 'a/b', '', '.x']) {
      await expect(executor.cleanup(studyId, { removeFiles: true })).rejects.toThrow(RangeError);
    }
    mkdirSync(join(world.homeDir, 'studies', '.DS_Store'), { recursive: true });
    expect(await executor.list()).toEqual([]);
  });

  it('leaves no timer, process or half-written record behind', async () => {
    await using world = await openLocalWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(attemptOf(world, [{ do: 'print', text: 'x' }], { timeoutMs: 20_000 }));
    await observer.ending(key(0));
    const dir = world.files.attemptDir(key(0));
    expect(readdirSync(dir).sort()).toEqual(['claim.json', 'exit.json', 'out.log', 'start.json', 'work']);
    expect(statSync(join(dir, 'exit.json')).size).toBeGreaterThan(0);
    await sleep(50);
    const timers = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && isTimerOf(pid, dir));
    expect(timers).toEqual([]);
  });
});

describe('the local executor under load', () => {
  it('is told of a flood of output by few hints', async () => {
    await using world = await openLocalWorld();
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(attemptOf(world, [], { command: sh('yes "epoch 1 loss=0.5" | head -c 200000000') }));
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 0 });
    expect(await world.output.size(key(0), 'out')).toBe(200_000_000);
    expect(observer.count('output', key(0))).toBeLessThan(500);
  });
});

/** Whether a process is a shim of the attempt, or a child of one: both have the work folder as theirs. */
function isTimerOf(pid: string, dir: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`HPO_METRICS_FILE=${dir}`);
  } catch {
    return false;
  }
}
