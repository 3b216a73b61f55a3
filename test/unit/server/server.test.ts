import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { createMessageConnection, type MessageConnection, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node';
import { describe, expect, test } from 'vitest';
import type { StudyView } from '../../../agent/protocol/view.ts';
import { scene } from '../../support/views.ts';
import { until } from '../driver/world.ts';
import { ServerWorld, version } from './world.ts';

const hello = { protocolVersion: 1, client: 'test', version, token: 'the-token' };

/** A bare connection, for what the real client would never send. */
async function bare(world: ServerWorld): Promise<{ socket: Socket; rpc: MessageConnection } & Disposable> {
  const socket = connect(world.socket);
  await new Promise((resolve) => socket.once('connect', resolve));
  const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
  rpc.listen();
  return {
    socket,
    rpc,
    [Symbol.dispose]: () => {
      rpc.dispose();
      socket.destroy();
    },
  };
}

describe('the first word', () => {
  test('is hello: nothing is answered before, and nothing without the token', async () => {
    await using world = await ServerWorld.open();
    using client = await bare(world);
    await expect(client.rpc.sendRequest('agent/status', {})).rejects.toMatchObject({ data: { code: 'HPO-5012' } });
    await expect(client.rpc.sendRequest('study/subscribe', { studyId: null, from: 0 })).rejects.toMatchObject({
      data: { code: 'HPO-5012' },
    });
    await expect(client.rpc.sendRequest('hello', { ...hello, token: 'a guess' })).rejects.toMatchObject({
      data: { code: 'HPO-5007' },
    });
    await expect(client.rpc.sendRequest('agent/status', {})).rejects.toMatchObject({ data: { code: 'HPO-5012' } });
    expect(world.service.asked).toEqual([]);
    world.server.tell('not for strangers');
    // A later version may say more.
    expect(await client.rpc.sendRequest('hello', { ...hello, shoeSize: 43 })).toEqual({
      protocolVersion: 1,
      version,
      pid: process.pid,
    });
    expect(await client.rpc.sendRequest('agent/status', {})).toEqual({});
  });
});

describe('what cannot be answered', () => {
  const rows: readonly [string, string, unknown, string, RegExp][] = [
    ['a name that is none', 'study/explode', {}, 'HPO-5011', /no request "study\/explode"/],
    [
      'a field of the wrong type',
      'study/command',
      { studyId: 's', command: { type: 'scale', parallel: 'many' } },
      'HPO-5010',
      /command\.parallel/,
    ],
    ['a command that is none', 'study/command', { studyId: 's', command: { type: 'explode' } }, 'HPO-5010', /command/],
    ['a field too many', 'study/create', { script: '/a.py', trails: 5 }, 'HPO-5010', /trails/],
    ['several params', 'study/view', ['x', 'y'], 'HPO-5010', /study\/view/],
    ['no params', 'study/view', undefined, 'HPO-5010', /study\/view/],
    ['a script with an empty name', 'study/create', { script: '' }, 'HPO-5010', /script/],
    ['a number out of range', 'trial/log', { studyId: 's', trial: -1, offset: 0 }, 'HPO-5010', /trial/],
    ['a refusal of the agent', 'study/view', { studyId: 'x' }, 'HPO-4004', /no study "x"/],
    ['a full disk', 'study/list', {}, 'HPO-5013', /disk is full.*ENOSPC/],
    ['a fault of ours', 'trial/log', { studyId: 's', trial: 0, offset: 0 }, 'HPO-9001', /a fault of ours/],
  ];
  test.each(rows)('%s is refused with a code and a next step, never a stack', async (_name, method, params, code, message) => {
    await using world = await ServerWorld.open();
    using client = await bare(world);
    await client.rpc.sendRequest('hello', hello);
    const request = params === undefined ? client.rpc.sendRequest(method) : client.rpc.sendRequest(method, params);
    const error: unknown = await request.catch((reason: unknown) => reason);
    expect(error).toMatchObject({ data: { code, message: expect.stringMatching(message), next: expect.stringMatching(/./) } });
    expect(JSON.stringify(error)).not.toMatch(/\.ts:\d|\bat .*\(/);
  });

  test.each([
    'GET / HTTP/1.1\r\n\r\n',
    'Content-Length: 5\r\n\r\n{"a":',
    'Content-Length: 99999999999\r\n\r\n',
    '\u0000'.repeat(5_000),
  ])('garbage %j does no harm to others', async (garbage) => {
    await using world = await ServerWorld.open();
    using stranger = await bare(world);
    await using client = await world.connect();
    stranger.socket.write(garbage);
    expect(await client.request('agent/status', {})).toEqual({});
    stranger.socket.destroy();
    expect(await client.request('agent/status', {})).toEqual({});
  });
});

describe('the socket', () => {
  test('is its owner’s alone, and takes the place of a dead one', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hpo-socket-'));
    const path = join(folder, 'deep', 'agent.sock');
    mkdirSync(dirname(path));
    chmodSync(dirname(path), 0o777);
    writeFileSync(path, 'left behind');
    {
      await using world = await ServerWorld.open(path);
      expect(statSync(path).mode & 0o777).toBe(0o600);
      expect(statSync(dirname(path)).mode & 0o777).toBe(0o700);
      await using client = await world.connect();
      expect(await client.request('agent/status', {})).toEqual({});
    }
    rmSync(folder, { recursive: true });
  });

  test('is not made in a folder of another user', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hpo-socket-'));
    // Root can give a folder away; anybody else has one that is not theirs in the root of the file system.
    const isRoot = process.getuid?.() === 0;
    if (isRoot) chownSync(folder, 54_321, 54_321);
    const path = join(isRoot ? folder : '/', 'agent.sock');
    await expect(ServerWorld.open(path)).rejects.toMatchObject({
      code: 'HPO-5006',
      message: expect.stringMatching(/another user \(uid \d+\)/),
    });
    rmSync(folder, { recursive: true });
  });
});

describe('several clients', () => {
  test('see the same, each from where it asked', async () => {
    await using world = await ServerWorld.open();
    await using first = await world.connect();
    await using second = await world.connect();
    const seen: number[][] = [[], []];
    await first.subscribe(null, 0, (entries) => seen[0]?.push(...entries.map(({ seq }) => seq)));
    const subscription = await second.subscribe('s', 2, (entries) => seen[1]?.push(...entries.map(({ seq }) => seq)));
    world.service.publish(1, 2);
    world.service.publish(3);
    await until(() => seen[0]?.length === 3 && seen[1]?.length === 1);
    await subscription[Symbol.asyncDispose]();
    world.service.publish(4);
    await until(() => seen[0]?.length === 4);
    expect(seen).toEqual([[1, 2, 3, 4], [3]]);
  });

  test('progress goes to who asked, news to everyone', async () => {
    await using world = await ServerWorld.open();
    await using first = await world.connect();
    await using second = await world.connect();
    const heard: string[][] = [[], []];
    first.onProgress((message) => heard[0]?.push(message));
    using deaf = second.onProgress((message) => heard[1]?.push(message));
    void first.request('study/create', { script: '/a.py' }).catch(() => {});
    await until(() => heard[0]?.length === 1);
    world.server.tell('the disk is full');
    await until(() => heard[1]?.length === 1);
    expect(heard).toEqual([['looking at the environment', 'the disk is full'], ['the disk is full']]);
    deaf[Symbol.dispose]();
    world.server.tell('again');
    await until(() => heard[0]?.length === 3);
    expect(heard[1]).toHaveLength(1);
  });

  test('one that goes away takes its subscriptions and what it waited for along', async () => {
    await using world = await ServerWorld.open();
    expect(world.server.quietSince).not.toBeNull();
    const client = await world.connect();
    await client.subscribe(null, 0, () => {});
    const answer = client.request('study/create', { script: '/a.py' }).catch((error: unknown) => error);
    await until(() => world.service.creation !== null);
    expect(world.server.quietSince).toBeNull();
    const before = Date.now();
    await client[Symbol.asyncDispose]();
    expect(await answer).toMatchObject({ code: 'HPO-5002' });
    await until(() => world.service.creation?.signal.aborted === true && world.service.subscribers.size === 0);
    expect(world.server.quietSince).toBeGreaterThanOrEqual(before);
  });

  test.each(['at once', 'later'])('one that cancels a request %s tells the agent', async (when) => {
    await using world = await ServerWorld.open();
    await using client = await world.connect();
    const abort = new AbortController();
    void client.request('study/create', { script: '/a.py' }, abort.signal).catch(() => {});
    if (when === 'later') await until(() => world.service.creation !== null);
    abort.abort();
    await until(() => world.service.creation?.signal.aborted === true);
  });
});

describe('a study in pages', () => {
  test.each([0, 1, 499, 500, 501, 1_700])('%i trials come whole and in order', async (n) => {
    await using world = await ServerWorld.open();
    const view = manyTrials(n);
    world.service.studies = [view];
    await using client = await world.connect();
    expect(await client.view('s')).toEqual(view);
    const short = await client.view('s', { withoutCurves: true });
    expect(short.trials).toEqual(view.trials.map((trial) => ({ ...trial, curve: [], curveStart: 0 })));
    const all = await client.views();
    expect(all.seq).toBe(7);
    expect(all.views).toEqual([view]);
  });

  test('all studies come apart, also those without trials', async () => {
    await using world = await ServerWorld.open();
    world.service.studies = ['a', 'b', 'c'].map((studyId, i) => ({ ...manyTrials(i * 600), studyId }));
    await using client = await world.connect();
    expect((await client.views()).views.map(({ studyId, trials }) => [studyId, trials.length])).toEqual([
      ['a', 0],
      ['b', 600],
      ['c', 1_200],
    ]);
  });
});

function manyTrials(n: number): StudyView {
  const view = scene('running');
  const [trial] = view.trials;
  if (trial === undefined) throw new RangeError('the scene has no trial');
  return { ...view, trials: Array.from({ length: n }, (_, number) => ({ ...trial, number })) };
}

test('of a client that asks and does not read, only so much waits in memory', async () => {
  await using world = await ServerWorld.open();
  const big = { ...manyTrials(500), message: 'x'.repeat(100_000) };
  world.service.studies = [big];
  using client = await bare(world);
  await client.rpc.sendRequest('hello', hello);
  client.socket.pause();
  for (let stream = 0; stream < 2_000; stream++)
    void client.rpc.sendRequest('study/pages', { studyId: 's', stream }).catch(() => {});
  await until(() => world.service.nViewed > 10);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(world.service.nViewed).toBeLessThan(500);
});

test('a client that does not read keeps no server from ending', async () => {
  await using world = await ServerWorld.open();
  world.service.studies = [{ ...manyTrials(500), message: 'x'.repeat(1_000_000) }];
  using client = await bare(world);
  await client.rpc.sendRequest('hello', hello);
  client.socket.pause();
  for (let stream = 0; stream < 20; stream++)
    void client.rpc.sendRequest('study/pages', { studyId: 's', stream }).catch(() => {});
  await until(() => world.service.nViewed > 1);
  await world.server[Symbol.asyncDispose]();
  expect(client.socket.destroyed).toBe(false);
});
