import { env } from 'node:process';
import { describe, expect, it } from 'vitest';
import { installShim } from '../../agent/executors/attempt/shim.ts';
import { sleep } from '../../agent/system/clock.ts';
import type { ProcessIdentity } from '../../agent/system/processes.ts';
import type { System } from '../../agent/system/system.ts';

/** A machine with an empty folder on it. */
export interface SystemWorld extends AsyncDisposable {
  readonly system: System;
  readonly folder: string;
  makeFifo(path: string): void;
  /** A command line that prints "ready", sleeps so long, and exits with the code; `ignoresTerm`: only a kill ends it. */
  command(options: { ms: number; code: number; ignoresTerm?: boolean }): readonly string[];
}

const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

/** What the agent relies on of every machine. `open` gives a fresh one. */
export function systemSuite(machineName: string, open: () => Promise<SystemWorld>): void {
  describe.concurrent(`files: ${machineName}`, () => {
    it.each([
      [0, 4, '0123'],
      [4, 100, '456789'],
      [10, 100, ''],
      [99, 100, ''],
      [0, 0, ''],
    ])('reads from %i at most %i', async (offset, maxBytes, expected) => {
      await using world = await open();
      const { files } = world.system;
      await files.writeText(`${world.folder}/ten`, '0123456789');
      expect(textOf(await files.readFrom(`${world.folder}/ten`, offset, maxBytes))).toBe(expected);
    });

    it('takes what is not there for empty where it is looked at, and for a fault where it is needed', async () => {
      await using world = await open();
      const { files } = world.system;
      const missing = `${world.folder}/none`;
      expect(textOf(await files.readFrom(missing, 5, 10))).toBe('');
      expect(await files.names(missing)).toEqual([]);
      expect(await files.stat(missing)).toBeNull();
      expect(await files.lstat(missing)).toBeNull();
      await files.remove(missing);
      await expect(files.readText(missing)).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(files.realPath(missing)).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(files.rename(missing, `${world.folder}/to`)).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(files.flush(missing)).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(files.writeText(`${missing}/in`, '')).rejects.toMatchObject({ code: 'ENOENT' });
      await expect(files.readFrom(world.folder, 0, 10)).rejects.toMatchObject({ code: 'EISDIR' });
    });

    it('overwrites, renames over, and removes with all that is in it', async () => {
      await using world = await open();
      const { files } = world.system;
      const { folder } = world;
      await files.makeFolder(`${folder}/a/b`);
      await files.makeFolder(`${folder}/a/b`);
      await files.writeText(`${folder}/a/b/one`, 'first, and long');
      await files.writeText(`${folder}/a/b/one`, 'ü');
      await files.writeText(`${folder}/a/two`, 'two');
      await files.flush(`${folder}/a/two`);
      await files.flush(`${folder}/a`);
      await files.rename(`${folder}/a/two`, `${folder}/a/b/one`);
      expect(await files.readText(`${folder}/a/b/one`)).toBe('two');
      expect(await files.stat(`${folder}/a/b/one`)).toMatchObject({ size: 3, isFolder: false });
      expect(await files.stat(`${folder}/a`)).toMatchObject({ isFolder: true });
      expect(await files.names(`${folder}/a`)).toEqual(['b']);
      await expect(files.removeEmptyFolder(`${folder}/a`)).rejects.toMatchObject({ code: 'ENOTEMPTY' });
      await files.remove(`${folder}/a/b`);
      await files.removeEmptyFolder(`${folder}/a`);
      expect(await files.names(folder)).toEqual([]);
    });

    it('follows links but where they themselves are meant', async () => {
      await using world = await open();
      const { files } = world.system;
      const { folder } = world;
      await files.makeFolder(`${folder}/real/in`);
      await files.writeText(`${folder}/real/in/file`, 'x');
      await files.link(`${folder}/real`, `${folder}/link`);
      expect(await files.readText(`${folder}/link/in/file`)).toBe('x');
      expect(await files.realPath(`${folder}/link/in`)).toBe(`${folder}/real/in`);
      expect(await files.stat(`${folder}/link`)).toMatchObject({ isFolder: true });
      expect(await files.lstat(`${folder}/link`)).toMatchObject({ isFolder: false });
      await files.remove(`${folder}/link`);
      expect(await files.names(folder)).toEqual(['real']);
    });

    it('makes links to what is not there, as they are said', async () => {
      await using world = await open();
      const { files } = world.system;
      const { folder } = world;
      await files.symlink(`${folder}/later`, `${folder}/link`);
      expect(await files.stat(`${folder}/link`)).toBeNull();
      expect(await files.lstat(`${folder}/link`)).not.toBeNull();
      await files.makeFolder(`${folder}/later/in`);
      expect(await files.names(`${folder}/link`)).toEqual(['in']);
    });

    it('reads nothing through links out of a folder, whichever part of the way they are', async () => {
      await using world = await open();
      const { files } = world.system;
      const [inside, outside] = [`${world.folder}/in`, `${world.folder}/in-secrets`];
      for (const folder of [`${inside}/sub`, outside]) await files.makeFolder(folder);
      await files.writeText(`${outside}/secret`, 'secret');
      await files.writeText(`${inside}/sub/own`, 'own');
      await files.symlink(`${outside}/secret`, `${inside}/file`);
      await files.symlink(outside, `${inside}/folder`);
      await files.symlink(`${inside}/sub`, `${inside}/near`);
      for (const name of ['file', 'folder/secret', 'sub', 'none', 'folder']) {
        expect(textOf(await files.readFrom(`${inside}/${name}`, 0, 100, inside))).toBe('');
        expect(await files.stat(`${inside}/${name}`, inside)).toBeNull();
      }
      expect(textOf(await files.readFrom(`${inside}/folder/secret`, 0, 100))).toBe('secret');
      for (const name of ['sub/own', 'near/own']) {
        expect(textOf(await files.readFrom(`${inside}/${name}`, 1, 100, inside))).toBe('wn');
        expect(await files.stat(`${inside}/${name}`, inside)).toMatchObject({ size: 3, isFolder: false });
      }
    });

    it('writes in the place of a link, never what it leads to', async () => {
      await using world = await open();
      const { files } = world.system;
      const { folder } = world;
      await files.writeText(`${folder}/victim`, 'kept');
      for (const target of [`${folder}/victim`, `${folder}/none`]) {
        await files.symlink(target, `${folder}/stop`);
        expect(await files.lstat(`${folder}/stop`)).toMatchObject({ isLink: true });
        await files.writeText(`${folder}/stop`, 'written', 0o600);
        expect(await files.lstat(`${folder}/stop`)).toMatchObject({ isLink: false, size: 7 });
        await files.remove(`${folder}/stop`);
      }
      expect(await files.readText(`${folder}/victim`)).toBe('kept');
      expect(await files.names(folder)).toEqual(['victim']);
    });

    it('waits for no FIFO', async () => {
      await using world = await open();
      const { files } = world.system;
      const { folder } = world;
      await files.makeFolder(`${folder}/from`);
      await files.writeText(`${folder}/from/file`, 'x');
      // More than there are threads that could be made to wait.
      const names = Array.from({ length: 8 }, (_, i) => `fifo-${i}`);
      for (const name of names) world.makeFifo(`${folder}/from/${name}`);
      const reads = names.map(async (name) => textOf(await files.readFrom(`${folder}/from/${name}`, 0, 9)));
      expect(await Promise.all(reads)).toEqual(names.map(() => ''));
      expect(await files.stat(`${folder}/from/fifo-0`, folder)).toBeNull();
      await files.copyFolder(`${folder}/from`, `${folder}/to`);
      expect(await files.names(`${folder}/to`)).toEqual(['file']);
      await Promise.all(names.map((name) => files.writeText(`${folder}/from/${name}`, 'record')));
      expect(await files.readText(`${folder}/from/fifo-7`)).toBe('record');
    });

    it('tells whose a file is, and gives it to its user', async () => {
      await using world = await open();
      const { files, processes } = world.system;
      const { folder } = world;
      await files.makeFolder(`${folder}/mine/in`);
      await files.symlink(`${folder}/nowhere`, `${folder}/mine/link`);
      const owner = await files.owner(`${folder}/mine`);
      expect(owner).toEqual(processes.ownUser);
      expect(await files.owner(`${folder}/none`)).toBeNull();
      await files.changeOwner(`${folder}/mine`, owner ?? { uid: 0, gid: 0 });
      expect(await files.owner(`${folder}/mine/in`)).toEqual(owner);
      await expect(files.changeOwner(`${folder}/none`, owner ?? { uid: 0, gid: 0 })).rejects.toMatchObject({ code: 'ENOENT' });
    });

    it('copies a folder with its times and links', async () => {
      await using world = await open();
      const { files, clock } = world.system;
      const { folder } = world;
      await files.makeFolder(`${folder}/from/in`);
      await files.writeText(`${folder}/from/in/file`, 'x');
      await files.link(`${folder}/from/in`, `${folder}/from/link`);
      await sleep(clock, 30);
      await files.copyFolder(`${folder}/from`, `${folder}/to`);
      expect(await files.readText(`${folder}/to/in/file`)).toBe('x');
      expect(await files.lstat(`${folder}/to/link`)).toMatchObject({ isFolder: false });
      const [before, after] = [await files.stat(`${folder}/from/in/file`), await files.stat(`${folder}/to/in/file`)];
      expect(Math.abs((after?.modifiedAt ?? 0) - (before?.modifiedAt ?? 0))).toBeLessThan(2);
    });

    it('a poll tells of a file that grew, whatever the hints do', async () => {
      await using world = await open();
      const { files } = world.system;
      const { folder } = world;
      let told = 0;
      await using watch = files.watch({ folder, ignored: [], polled: ['out.log'], onChange: () => void told++ });
      watch.poll();
      expect(told).toBe(0);
      await files.writeText(`${folder}/out.log`, 'new');
      const before = told;
      watch.poll();
      expect(told).toBeGreaterThan(before);
      const after = told;
      watch.poll();
      expect(told).toBeLessThanOrEqual(after + 1);
    });
  });

  describe.concurrent(`clock: ${machineName}`, () => {
    it('calls once, in order, and not after it was disposed', async () => {
      await using world = await open();
      const { clock } = world.system;
      const said: string[] = [];
      const startedAt = clock.monotonic();
      const before = clock.now();
      clock.after(60, () => said.push('late'));
      clock.after(20, () => said.push('early'));
      clock.after(10, () => said.push('never'))[Symbol.dispose]();
      clock.soon(() => said.push('soon'));
      clock.soon(() => said.push('never'))[Symbol.dispose]();
      said.push('now');
      await sleep(clock, 150);
      expect(said).toEqual(['now', 'soon', 'early', 'late']);
      expect(clock.monotonic() - startedAt).toBeGreaterThanOrEqual(149);
      expect(clock.now() - before).toBeGreaterThanOrEqual(148);
    });
  });

  describe.concurrent(`processes: ${machineName}`, () => {
    const mark = 'study/0/1@home';

    async function start(world: SystemWorld, options: Parameters<SystemWorld['command']>[0], grace = '5') {
      const { files, processes, clock } = world.system;
      await files.makeFolder(`${world.folder}/work`);
      const shim = await installShim(files, `${world.folder}/run`);
      let nExits = 0;
      const child = await processes.spawn({
        program: '/bin/sh',
        args: [shim, world.folder, '0', grace, mark, '0', '1000000', ...world.command(options)],
        folder: `${world.folder}/work`,
        environment: { PATH: env['PATH'] },
        output: `${world.folder}/out.log`,
        onExit: () => void nExits++,
      });
      const eventually = async (probe: () => boolean | Promise<boolean>): Promise<void> => {
        for (let left = 1_000; left > 0 && !(await probe()); left--) await sleep(clock, 10);
        expect(await probe()).toBe(true);
      };
      const record = async (): Promise<Record<string, unknown>> => JSON.parse(await files.readText(`${world.folder}/start.json`));
      const identity = async (): Promise<ProcessIdentity> => {
        const { pid, pidTicks, boot } = await record();
        return { pid: Number(pid), ticks: String(pidTicks), boot: String(boot) };
      };
      return {
        child,
        eventually,
        identity,
        exits: () => nExits,
        isReady: async () => (await files.readText(`${world.folder}/out.log`).catch(() => '')) === 'ready',
      };
    }

    it('tells the end of what it started, once, after its record is there', async () => {
      await using world = await open();
      const { child, eventually, exits } = await start(world, { ms: 10, code: 3 });
      expect(child.pid).toBeGreaterThan(0);
      await eventually(() => exits() > 0);
      expect(child).toMatchObject({ exitCode: 0, hasExited: true });
      expect(JSON.parse(await world.system.files.readText(`${world.folder}/exit.json`))).toMatchObject({
        code: 3,
        timeout: false,
      });
      await sleep(world.system.clock, 50);
      expect(exits()).toBe(1);
    });

    it('knows a process by its id, its beginning and its boot, and finds it by its mark', async () => {
      await using world = await open();
      const { processes } = world.system;
      const { eventually, identity, isReady, exits } = await start(world, { ms: 20_000, code: 0 });
      await eventually(isReady);
      await eventually(async () => (await world.system.files.stat(`${world.folder}/start.json`)) !== null);
      const process = await identity();
      expect(await processes.isAlive(process)).toBe(true);
      expect(await processes.isAlive({ ...process, ticks: `${process.ticks}0` })).toBe(false);
      expect(await processes.isAlive({ ...process, boot: 'another' })).toBe(false);
      expect(await processes.findMarked((found) => found === mark)).toContain(process.pid);
      expect(await processes.findMarked(() => false)).toEqual([]);
      expect(processes.signalGroup(process.pid, 'SIGTERM')).toBe(true);
      await eventually(async () => !(await processes.isAlive(process)));
      await eventually(() => !processes.signalGroup(process.pid, 'SIGTERM'));
      expect(processes.send(process.pid, 'SIGTERM')).toBe(false);
      await eventually(() => exits() === 1);
      expect(JSON.parse(await world.system.files.readText(`${world.folder}/exit.json`))).toMatchObject({ code: 143 });
    });

    it('ends what ignores TERM by a kill alone', async () => {
      await using world = await open();
      const { processes } = world.system;
      const { eventually, identity, isReady, exits } = await start(world, { ms: 20_000, code: 0, ignoresTerm: true });
      await eventually(isReady);
      await eventually(async () => (await world.system.files.stat(`${world.folder}/start.json`)) !== null);
      const process = await identity();
      processes.signalGroup(process.pid, 'SIGTERM');
      await sleep(world.system.clock, 100);
      expect(await processes.isAlive(process)).toBe(true);
      processes.signalGroup(process.pid, 'SIGKILL');
      await eventually(() => exits() === 1);
      expect(JSON.parse(await world.system.files.readText(`${world.folder}/exit.json`))).toMatchObject({ code: 137 });
    });

    it('a second shim of the attempt lets the first one be', async () => {
      await using world = await open();
      const first = await start(world, { ms: 300, code: 4 });
      await first.eventually(first.isReady);
      const second = await start(world, { ms: 300, code: 5 });
      await second.eventually(() => second.exits() === 1);
      expect(second.child.exitCode).toBe(75);
      await first.eventually(() => first.exits() === 1);
      expect(JSON.parse(await world.system.files.readText(`${world.folder}/exit.json`))).toMatchObject({ code: 4 });
    });

    it('cannot start in a folder that is not there', async () => {
      await using world = await open();
      const options = {
        program: '/bin/sh',
        args: [],
        folder: `${world.folder}/none`,
        environment: {},
        output: `${world.folder}/out`,
        onExit: () => {},
      };
      await expect(world.system.processes.spawn(options)).rejects.toMatchObject({ code: 'ENOENT' });
    });
  });
}
