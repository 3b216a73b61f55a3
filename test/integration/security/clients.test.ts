import { mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AgentClient, connectAgent, discoveryFile } from '../../../agent/client/index.ts';
import { Hpo } from '../../support/hpo.ts';

const agentMain = join(import.meta.dirname, '..', '..', '..', 'dist', 'agent.cjs');

const frame = (body: string): string => `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const request = (method: string, params: string, id = 1): string =>
  frame(`{"jsonrpc":"2.0","id":${id},"method":"${method}","params":${params}}`);

interface Answer {
  readonly id: number;
  readonly error?: { readonly data?: { readonly code: string } };
  readonly result?: unknown;
}

/** Each is sent by a client that never said hello, in one piece and byte by byte. */
const garbage: readonly (readonly [string, string])[] = [
  ['nothing', ''],
  ['bytes that are no text', '\u0000\u0001\u00ff\u00fe'.repeat(50)],
  ['a request of HTTP', 'GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['a header without an end', 'Content-Length: '.padEnd(100_000, '9')],
  ['a length that is none', 'Content-Length: many\r\n\r\n{}'],
  ['a length beyond all memory', 'Content-Length: 999999999999\r\n\r\n{'],
  ['a length of minus one', 'Content-Length: -1\r\n\r\n{}'],
  ['half a message', frame('{"jsonrpc":"2.0"}').slice(0, -5)],
  ['no JSON', frame('{{{{')],
  ['an empty body', frame('')],
  ['null', frame('null')],
  ['a number', frame('42')],
  ['a text', frame('"hello"')],
  ['a list', frame('[]')],
  ['a list of requests', frame('[{"jsonrpc":"2.0","id":1,"method":"agent/stop"}]')],
  ['an object without anything', frame('{}')],
  ['nesting without end', frame('['.repeat(200_000))],
  ['an answer to nothing', frame('{"jsonrpc":"2.0","id":77,"result":{}}')],
  ['a method that is no text', frame('{"jsonrpc":"2.0","id":1,"method":{"a":1}}')],
  ['an id that is an object', frame('{"jsonrpc":"2.0","id":{"a":1},"method":"agent/stop"}')],
  ['a method of every object', request('constructor', '{}') + request('__proto__', '{}', 2)],
  ['a stop before hello', request('agent/stop', '{}')],
  ['a notification', frame('{"jsonrpc":"2.0","method":"agent/stop","params":{}}')],
  ['a cancellation of nothing', frame('{"jsonrpc":"2.0","method":"$/cancelRequest","params":{"id":5}}')],
  ['a hello without a token', request('hello', '{"protocolVersion":1,"client":"x","version":"1"}')],
  [
    'a wrong token, then a stop',
    request('hello', '{"protocolVersion":1,"client":"x","version":"0.0.1","token":"x"}') + request('agent/stop', '{}', 2),
  ],
  ['a token that is an object', request('hello', '{"protocolVersion":1,"client":"x","version":"1","token":{"length":48}}')],
  ['a very long token', request('hello', `{"protocolVersion":1,"client":"x","version":"1","token":"${'a'.repeat(100_000)}"}`)],
  ['invalid UTF-8 in JSON', 'Content-Length: 4\r\n\r\n"\u00ff\u00ff"'],
];

describe('a client that is none of ours', () => {
  let hpo: Hpo;
  let client: AgentClient;
  let pid = 0;
  let path = '';
  let runtime = '';
  beforeAll(async () => {
    // Short, as the path of a socket has to be.
    runtime = realpathSync(mkdtempSync(join(tmpdir(), 'hpo-rt-')));
    hpo = new Hpo({ XDG_RUNTIME_DIR: runtime });
    await hpo.run('status');
    ({ socket: path } = JSON.parse(readFileSync(discoveryFile(hpo.home), 'utf8')) as { socket: string });
    client = await connectAgent({ home: hpo.home, agentMain, node: '', client: 'test', version: '0.0.1', start: false });
    ({ pid } = await client.request('agent/status', {}));
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await hpo[Symbol.asyncDispose]();
    rmSync(runtime, { recursive: true, force: true });
  });

  const open = async (): Promise<Socket> => {
    const socket = connect(path);
    socket.on('error', () => undefined);
    await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
    return socket;
  };
  const isUnharmed = async (): Promise<void> =>
    expect(await client.request('agent/status', {})).toMatchObject({ pid, studies: 0 });

  it.each(garbage)('is refused and harms nobody: %s', async (_what, text) => {
    for (const size of [text.length + 1, 1]) {
      const socket = await open();
      let answer = '';
      socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
      const bytes = Buffer.from(text, 'latin1');
      for (let at = 0; at < Math.min(bytes.length, size === 1 ? 2_000 : Infinity) && !socket.destroyed; at += size)
        socket.write(bytes.subarray(at, at + size));
      await delay(size === 1 ? 20 : 40);
      socket.destroy();
      // No answer but a refusal, and nothing that says how it is inside.
      expect(answer).not.toMatch(/"result"|\.ts:\d|\bat .*\(/);
    }
    await isUnharmed();
  });

  it('sends what takes the memory of hundreds of megabytes, and is cut off', async () => {
    const before = memoryMb(pid);
    const sockets = await Promise.all(Array.from({ length: 20 }, open));
    const megabyte = Buffer.alloc(1 << 20, 0x20);
    for (const socket of sockets) {
      socket.write(`Content-Length: ${1 << 30}\r\n\r\n`);
      for (let i = 0; i < 20 && !socket.destroyed; i++) socket.write(megabyte);
    }
    await expect.poll(() => sockets.every((socket) => socket.destroyed || socket.readableEnded), { timeout: 20_000 }).toBe(true);
    expect(memoryMb(pid) - before).toBeLessThan(100);
    await isUnharmed();
  });

  it('opens thousands of connections: no descriptor is left, and a command still comes through', async () => {
    const before = descriptors(pid);
    for (let round = 0; round < 4; round++) {
      const sockets = await Promise.all(Array.from({ length: 600 }, open));
      expect(descriptors(pid)).toBeLessThan(before + 300);
      await isUnharmed();
      for (const socket of sockets) socket.destroy();
    }
    await expect.poll(() => descriptors(pid), { timeout: 20_000 }).toBeLessThanOrEqual(before + 2);
    expect((await hpo.run('status')).code).toBe(0);
  });

  it('says nothing, and is not kept', async () => {
    const socket = await open();
    const begun = Date.now();
    await new Promise((resolve) => socket.once('close', resolve).resume());
    expect(Date.now() - begun).toBeGreaterThan(1_000);
    await isUnharmed();
  });

  it('has the token and sends names of every object: nothing is taken for there, nothing is changed', async () => {
    const { token } = JSON.parse(readFileSync(discoveryFile(hpo.home), 'utf8')) as { token: string };
    const script = hpo.write('train.py', '# @hpo.objective loss min\nx = 0.5  # @hpo float(0, 1)\nprint(f"loss={x}")\n');
    const { studyId } = await client.request('study/create', { script, trials: 1 });
    await hpo.ended(studyId);
    const socket = await open();
    const answers = new Map<number, Answer>();
    let bytes: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk: Buffer) => {
      bytes = Buffer.concat([bytes, chunk]);
      for (let message = next(bytes); message !== null; message = next(bytes)) {
        bytes = message.rest;
        const answer = JSON.parse(message.body) as Answer;
        answers.set(answer.id, answer);
      }
    });
    const hostile = ['__proto__', 'constructor', 'toString', 'hasOwnProperty'];
    const enqueue = (params: string): string => `{"studyId":"${studyId}","command":{"type":"enqueue","params":${params}}}`;
    const asked: (readonly [string, string])[] = [
      ['hello', `{"protocolVersion":1,"client":"x","version":"0.0.1","token":"${token}"}`],
      ...hostile.flatMap((name): (readonly [string, string])[] => [
        ['study/command', enqueue(`{"${name}":{"polluted":true}}`)],
        ['study/command', enqueue(`{"${name}":0.5}`)],
        ['study/command', `{"studyId":"${name}","command":{"type":"stop"}}`],
        ['study/view', `{"studyId":"${name}"}`],
        ['study/view', `{"${name}":{"studyId":"x"}}`],
        ['study/create', `{"script":${JSON.stringify(script)},"budget":{"${name}":"1h"}}`],
        ['study/create', `{"script":${JSON.stringify(script)},"objective":{"metric":"${name}","direction":"min"}}`],
        ['study/create', `{"script":${JSON.stringify(script)},"points":[{"${name}":1}]}`],
        ['study/create', `{"script":${JSON.stringify(script)},"sampler":"${name}"}`],
        ['study/create', `{"script":${JSON.stringify(script)},"from":["${name}"]}`],
        ['trial/log', `{"studyId":"${studyId}","trial":"${name}","offset":0}`],
        [name, '{}'],
      ]),
      ['study/view', '{"studyId":"../../etc"}'],
      ['trial/log', `{"studyId":"${studyId}","trial":0,"attempt":1000000,"offset":0}`],
      ['trial/log', `{"studyId":"${studyId}","trial":0,"offset":9007199254740991}`],
    ];
    asked.forEach(([method, params], id) => socket.write(request(method, params, id)));
    await expect.poll(() => asked.flatMap((one, id) => (answers.has(id) ? [] : [one])), { timeout: 20_000 }).toEqual([]);
    socket.destroy();
    const wrong = asked.flatMap(([method, params], id) => {
      const answer = answers.get(id);
      // Hello is answered, and an offset behind the end finds nothing.
      const isFine = method === 'hello' || params.includes('9007199254740991');
      const code = answer?.error?.data?.code ?? '';
      return isFine
        ? answer?.result === undefined
          ? [params]
          : []
        : /^HPO-[45]\d{3}$/.test(code)
          ? []
          : [`${method} ${params}: ${JSON.stringify(answer)}`];
    });
    expect(wrong).toEqual([]);
    expect(await client.request('agent/status', {})).toMatchObject({ pid, studies: 1 });
    expect((await client.request('study/view', { studyId })).trials).toHaveLength(1);
  });
});

function next(bytes: Buffer): { readonly body: string; readonly rest: Buffer } | null {
  const [head = '', length] = /^Content-Length: (\d+)\r\n\r\n/.exec(bytes.subarray(0, 60).toString('latin1')) ?? [];
  const end = head.length + Number(length);
  return length === undefined || bytes.length < end
    ? null
    : { body: bytes.subarray(head.length, end).toString(), rest: bytes.subarray(end) };
}

function memoryMb(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) / 1024;
}

function descriptors(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}
