import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMessageConnection, SocketMessageReader, SocketMessageWriter } from 'vscode-jsonrpc/node';
import { describe, expect, test } from 'vitest';
import { connectAgent } from '../../../agent/client/index.ts';
import { defaultHome, makeHome, socketPath } from '../../../agent/client/home.ts';
import { until } from '../driver/world.ts';
import { ServerWorld, version } from '../server/world.ts';

describe('a connection that ends', () => {
  test('closed resolves, what was asked and what is asked afterwards rejects', async () => {
    const world = await ServerWorld.open();
    const client = await world.connect();
    const pending = Array.from({ length: 3 }, () =>
      client.request('study/create', { script: '/a.py' }).catch((error: unknown) => error),
    );
    await until(() => world.service.creation !== null);
    await world[Symbol.asyncDispose]();
    await client.closed;
    for (const error of await Promise.all(pending)) expect(error).toMatchObject({ code: 'HPO-5002', exitCode: 1 });
    await expect(client.request('agent/status', {})).rejects.toMatchObject({ code: 'HPO-5002' });
    await expect(client.subscribe(null, 0, () => {})).rejects.toMatchObject({ code: 'HPO-5002' });
    await client[Symbol.asyncDispose]();
  });

  test('errors keep code, next step and exit code on their way', async () => {
    await using world = await ServerWorld.open();
    await using client = await world.connect();
    await expect(client.request('study/view', { studyId: 'x' })).rejects.toMatchObject({
      name: 'HpoError',
      code: 'HPO-4004',
      message: 'there is no study "x"',
      next: 'list them',
      exitCode: 3,
    });
  });
});

describe('versions', () => {
  test.each(['1.2.3', '1.2.2', 'unreadable'])('client %s is served: it speaks the same protocol', async (clientVersion) => {
    await using world = await ServerWorld.open();
    await using client = await world.connect(clientVersion);
    expect(await client.request('agent/status', {})).toEqual({});
  });

  test('an older client that speaks another protocol is told to update, and leaves the agent alone', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'hpo-client-'));
    const path = join(folder, 'agent.sock');
    const asked: string[] = [];
    const server = createServer((socket) => {
      const rpc = createMessageConnection(new SocketMessageReader(socket), new SocketMessageWriter(socket));
      rpc.onRequest((name) => {
        asked.push(name);
        return { protocolVersion: 99, version: '9.0.0', pid: 1 };
      });
      rpc.listen();
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    mkdirSync(join(folder, 'run'));
    writeFileSync(join(folder, 'run', 'agent.json'), JSON.stringify({ pid: 1, version: '9.0.0', socket: path, token: 'x' }));
    await expect(
      connectAgent({ home: folder, agentMain: join(folder, 'agent.cjs'), node: process.execPath, client: 'test', version }),
    ).rejects.toMatchObject({
      code: 'HPO-5003',
      message: 'the agent is version 9.0.0, this client is 1.2.3',
      next: 'update this client',
    });
    expect(asked).toEqual(['hello']);
    server.close();
    rmSync(folder, { recursive: true });
  });

  test('a newer client asks the agent to hand over', async () => {
    const world = await ServerWorld.open();
    // This agent ends when it is asked to, as the real one does; none is started in its place here.
    const connecting = world.connect('1.10.0');
    await until(() => world.service.asked.length > 0);
    expect(world.service.asked).toEqual([['agent/stop', {}]]);
    await world[Symbol.asyncDispose]();
    await expect(connecting).rejects.toMatchObject({ code: 'HPO-5001' });
  });
});

describe('a token that is another agent’s', () => {
  test('of one that was killed: its successor has not said its own yet, and is waited for', async () => {
    await using world = await ServerWorld.open(null, { token: 'of the dead' });
    const connecting = world.connect();
    setTimeout(() => world.tellToken(), 100);
    await using client = await connecting;
    expect(await client.request('agent/status', {})).toEqual({});
  });

  test('for good is refused', async () => {
    await using world = await ServerWorld.open(null, { token: 'a guess' });
    await expect(world.connect()).rejects.toMatchObject({ code: 'HPO-5007' });
  });
});

describe('no agent', () => {
  const home = (): string => mkdtempSync(join(tmpdir(), 'hpo-client-'));
  const options = (folder: string) => ({
    home: folder,
    agentMain: join(folder, 'agent.cjs'),
    node: process.execPath,
    client: 'test',
    version,
  });

  test.each([
    ['none', null],
    ['garbage', '{"pid": 1'],
    ['the name of a socket that is gone', JSON.stringify({ pid: 1, version, token: 'x', socket: '/nowhere/agent.sock' })],
  ])('where the discovery file holds %s', async (_name, text) => {
    const folder = home();
    mkdirSync(join(folder, 'run'));
    if (text !== null) writeFileSync(join(folder, 'run', 'agent.json'), text);
    await expect(connectAgent({ ...options(folder), start: false })).rejects.toMatchObject({ code: 'HPO-5001' });
    rmSync(folder, { recursive: true });
  });

  test.each([
    [
      'a program that fails',
      'process.stderr.write("one\\nHPO-6005 The journal is damaged\\n"); process.exit(1)',
      /The journal is damaged/,
    ],
    ['a program that dies without a word', 'process.exit(3)', /code 3/],
  ])('%s: the reason is in the error', async (_name, program, message) => {
    const folder = home();
    writeFileSync(join(folder, 'agent.cjs'), program);
    await expect(connectAgent(options(folder))).rejects.toMatchObject({
      code: 'HPO-5004',
      message: expect.stringMatching(message),
    });
    rmSync(folder, { recursive: true });
  });

  test('what the agent said is in the error, with what to do, without the stack', async () => {
    const folder = home();
    const program = (text: string): void =>
      writeFileSync(join(folder, 'agent.cjs'), `process.stderr.write(${JSON.stringify(text)}); process.exit(1)`);
    program('(node:7) Warning: x\nHPO-6005 The journal is damaged.\nPut back a backup.\n');
    await expect(connectAgent(options(folder))).rejects.toMatchObject({
      message: 'the agent did not start: HPO-6005 The journal is damaged.',
      next: 'Put back a backup.',
    });
    program('Error: no luck\n    at a (b.js:1:2)\n    at c (d.js:3:4)\n');
    await expect(connectAgent(options(folder))).rejects.toMatchObject({
      message: 'the agent did not start: Error: no luck',
      next: expect.stringContaining('agent.log'),
    });
    rmSync(folder, { recursive: true });
  });

  test('a Node that is not there: the reason is in the error', async () => {
    const folder = home();
    await expect(connectAgent({ ...options(folder), node: '/nowhere/node' })).rejects.toMatchObject({
      code: 'HPO-5004',
      message: expect.stringContaining('ENOENT'),
    });
    rmSync(folder, { recursive: true });
  });
});

describe('the folder of the state', () => {
  test('is absolute', () => {
    expect(defaultHome({ HPO_HOME: 'here/h' })).toBe(join(process.cwd(), 'here/h'));
    expect(defaultHome({ HPO_HOME: '/there' })).toBe('/there');
  });

  test('is made with all above it', () => {
    const folder = mkdtempSync(join(tmpdir(), 'hpo-client-'));
    for (let time = 0; time < 2; time++) makeHome(join(folder, 'a', 'b'));
    expect(statSync(join(folder, 'a', 'b', 'run')).mode & 0o777).toBe(0o700);
    rmSync(folder, { recursive: true });
  });

  test.each([['/proc/nope'], ['/proc/nope/deep/er'], ['/dev/null/x']])('%s cannot be: a clear error, at once', async (folder) => {
    const options = { home: folder, agentMain: 'agent.cjs', node: process.execPath, client: 'test', version };
    await expect(connectAgent(options)).rejects.toMatchObject({ code: 'HPO-5014', next: expect.stringContaining('HPO_HOME') });
  });
});

describe('the place of the socket', () => {
  test('is one for each home, short enough for every platform', async () => {
    const long = join(tmpdir(), 'x'.repeat(150));
    const paths = [long, `${long}y`, join(tmpdir(), 'home')].map((folder) => socketPath(folder, 'token', {}));
    expect(new Set(paths).size).toBe(3);
    for (const path of paths) expect(Buffer.byteLength(path)).toBeLessThanOrEqual(100);
    expect(socketPath('/h', 'token', { XDG_RUNTIME_DIR: '/run/user/1000' })).toMatch(
      /^\/run\/user\/1000\/hpo\/[0-9a-f]{12}\.sock$/,
    );
  });
});
