import { PassThrough, Readable, Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1ConfigMap, V1Pod } from '@kubernetes/client-node';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cluster } from '../../agent/cluster/cluster.ts';
import { eventually } from '../contract/executorSuite.ts';
import { ensureNodeImage, TestNamespace } from '../support/cluster.ts';
import { openRealWorld, podSpec, type RealWorld } from './clusterWorld.ts';

let image = '';
let namespace: TestNamespace;
beforeAll(async () => {
  image = await ensureNodeImage('python');
  namespace = await TestNamespace.create();
}, 900_000);
afterAll(() => namespace[Symbol.asyncDispose]());

const open = (): Promise<RealWorld> => openRealWorld(image, namespace);

const configMap = (world: RealWorld, name: string): V1ConfigMap => ({
  metadata: { name: `${world.prefix}${name}`, labels: { ...world.labels } },
});

/** Those of requests that fit. */
const asked = (world: RealWorld, match: RegExp): readonly string[] => world.proxy.requests.filter((line) => match.test(line));

const watches = /watch=true/;
const lists = /GET \/api\/v1\/namespaces\/[^/]+\/configmaps\?(?!.*watch=true)/;
const expired = '{"kind":"Status","status":"Failure","reason":"Expired","message":"too old","code":410}';

describe.concurrent('lists', () => {
  it('have all of more than one page, as of one moment', async () => {
    await using world = await open();
    await using cluster = await world.connect({ perSecond: 200, burst: 50, answerMs: 60_000, callMs: 60_000 });
    const names = Array.from({ length: 520 }, (_, n) => `n${String(n).padStart(3, '0')}`);
    await Promise.all(names.map((name) => cluster.create('ConfigMap', configMap(world, name))));
    const listed = await cluster.list('ConfigMap', { labels: world.labels });
    expect(listed.map(({ metadata }) => metadata?.name?.slice(world.prefix.length))).toEqual(names);
    expect(asked(world, lists)).toHaveLength(2);
    expect(asked(world, lists)[1]).toMatch(/limit=500&.*continue=./);
    // What is made while pages are read is in none of them.
    await using paging = await world.connect({ pageSize: 100, perSecond: 4, burst: 1 });
    const [pages] = await Promise.all([
      paging.list('ConfigMap', { labels: world.labels }),
      sleep(700).then(() => cluster.create('ConfigMap', configMap(world, 'zzz'))),
    ]);
    expect(pages).toHaveLength(names.length);
    expect(await cluster.list('ConfigMap', { labels: world.labels })).toHaveLength(names.length + 1);
  });

  it('begin again where their moment is forgotten, and are read in one piece where that goes on', async () => {
    await using world = await open();
    await using cluster = await world.connect({ pageSize: 2 });
    for (const name of ['a', 'b', 'c', 'd', 'e']) await cluster.create('ConfigMap', configMap(world, name));
    const names = async () =>
      (await cluster.list('ConfigMap', { labels: world.labels })).map(({ metadata }) => metadata?.name?.slice(-1));
    world.proxy.answer(/continue=/, { status: 410, body: expired });
    expect(await names()).toEqual(['a', 'b', 'c', 'd', 'e']);
    world.proxy.answer(/continue=/, { status: 410, body: expired }, 1_000);
    expect(await names()).toEqual(['a', 'b', 'c', 'd', 'e']);
    expect(asked(world, lists).at(-1)).not.toContain('limit=');
  });
});

describe.concurrent('a watch', () => {
  /** Names that were told, behind the prefix. */
  function follow(cluster: Cluster, world: RealWorld) {
    const told: string[] = [];
    const watch = cluster.watch('ConfigMap', world.labels, ({ removed, object }) =>
      told.push(`${removed ? '-' : '+'}${object.metadata?.name?.slice(world.prefix.length) ?? ''}`),
    );
    return { told, [Symbol.dispose]: () => watch[Symbol.dispose]() };
  }

  it('goes on from where its connection ended, without a list, and tells nothing twice', async () => {
    await using world = await open();
    await using cluster = await world.connect();
    using watch = follow(cluster, world);
    // Else a list may tell of it, and nothing be there yet to be cut.
    await eventually(() => asked(world, watches).length === 1, 'it watches');
    await cluster.create('ConfigMap', configMap(world, 'one'));
    await eventually(() => watch.told.includes('+one'), 'one');
    world.cut();
    await cluster.create('ConfigMap', configMap(world, 'two'));
    await cluster.remove('ConfigMap', `${world.prefix}one`);
    await eventually(() => watch.told.includes('-one'), 'what went while it was cut');
    expect(watch.told).toEqual(['+one', '+two', '-one']);
    expect(asked(world, lists)).toHaveLength(1);
    expect(asked(world, watches)).toHaveLength(2);
    expect(asked(world, watches)[1]).toMatch(/allowWatchBookmarks=true.*resourceVersion=[1-9]/);
  });

  it.each([
    ['as its answer', { status: 410, body: expired }],
    ['in its stream', { status: 200, body: `{"type":"ERROR","object":${expired}}\n` }],
  ])('lists anew where its place is forgotten (410 %s)', async (_where, fault) => {
    await using world = await open();
    await using cluster = await world.connect();
    await cluster.create('ConfigMap', configMap(world, 'stays'));
    using watch = follow(cluster, world);
    await cluster.create('ConfigMap', configMap(world, 'goes'));
    await eventually(() => watch.told.includes('+goes'), 'goes');
    world.proxy.answer(watches, fault);
    using away = world.leave();
    away[Symbol.dispose]();
    await cluster.remove('ConfigMap', `${world.prefix}goes`);
    await cluster.create('ConfigMap', configMap(world, 'new'));
    await eventually(() => watch.told.includes('-goes') && watch.told.includes('+new'), 'what changed meanwhile');
    expect(asked(world, lists)).toHaveLength(2);
    expect(watch.told.filter((line) => line === '+stays')).toHaveLength(1);
  });

  it.each([
    ['after it told something', true],
    ['before it told anything', false],
  ])('that falls silent %s is opened anew', async (_when, hasTold) => {
    await using world = await open();
    await using cluster = await world.connect({ silenceMs: 1_500, answerMs: 1_500 });
    await using other = await world.connect();
    using watch = follow(cluster, world);
    await eventually(() => asked(world, watches).length === 1, 'it is opened');
    await sleep(200);
    if (hasTold) {
      await other.create('ConfigMap', configMap(world, 'one'));
      await eventually(() => watch.told.includes('+one'), 'one');
    }
    {
      using _silent = world.proxy.silence(watches);
      await other.create('ConfigMap', configMap(world, 'unheard'));
      await sleep(500);
      expect(watch.told).not.toContain('+unheard');
    }
    await eventually(() => watch.told.includes('+unheard'), 'what was not heard');
  });

  it('waits as long as the server asks for, and ever longer where it is refused', async () => {
    await using world = await open();
    await using cluster = await world.connect();
    world.proxy.answer(watches, { status: 429, headers: { 'retry-after': '2' } });
    using watch = follow(cluster, world);
    await eventually(() => asked(world, watches).length === 1, 'the first one');
    await sleep(1_500);
    expect(asked(world, watches)).toHaveLength(1);
    await cluster.create('ConfigMap', configMap(world, 'one'));
    await eventually(() => watch.told.includes('+one'), 'after the wait');
    world.proxy.answer(watches, { status: 500 }, 1_000);
    const before = asked(world, watches).length;
    world.cut();
    await sleep(4_000);
    // After 0.2, 0.4, 0.8, 1.6 s, more or less.
    expect(asked(world, watches).length - before).toBeGreaterThanOrEqual(2);
    expect(asked(world, watches).length - before).toBeLessThanOrEqual(6);
  });
});

describe.concurrent('calls', () => {
  it.each([429, 503])('wait as long as an overloaded server asks for (%i), and say so where it stays so', async (status) => {
    await using world = await open();
    await using cluster = await world.connect({ callMs: 8_000 });
    world.proxy.answer(/configmaps/, { status, headers: { 'retry-after': '1' } }, 2);
    const begunAt = performance.now();
    expect(await cluster.create('ConfigMap', configMap(world, 'one'))).toMatchObject({ result: 'created' });
    expect(performance.now() - begunAt).toBeGreaterThan(1_950);
    world.proxy.answer(/secrets/, { status, body: '{"message":"too many requests"}' }, 1_000);
    await expect(cluster.get('Secret', 'any')).rejects.toMatchObject({
      code: 'HPO-2465',
      message: expect.stringContaining('too many requests'),
    });
    // 0.25 s, and twice as long each time, within 8 s.
    expect(asked(world, /secrets/).length).toBeLessThanOrEqual(8);
  });

  it('repeat a creation that collided with another one, and take one that had been done for done', async () => {
    await using world = await open();
    await using cluster = await world.connect();
    const body = '{"kind":"Status","reason":"Conflict","message":"the quota has changed"}';
    world.proxy.answer(/POST .*configmaps/, { status: 409, body });
    expect(await cluster.create('ConfigMap', configMap(world, 'one'))).toMatchObject({ result: 'created' });
    expect(asked(world, /POST .*configmaps/)).toHaveLength(2);
    expect(await cluster.create('ConfigMap', configMap(world, 'one'))).toMatchObject({ result: 'exists' });
  });

  it('find what exists also where it may be made and not read', async () => {
    await using world = await open();
    await using cluster = await world.connect();
    const name = `${world.prefix}secret`;
    const object = { metadata: { name, labels: { ...world.labels } }, stringData: { a: 'b' } };
    expect(await cluster.create('Secret', object)).toMatchObject({ result: 'created' });
    const words = `secrets "${name}" is forbidden: User "me" cannot get resource "secrets" in API group "" in the namespace "x"`;
    world.proxy.answer(/GET .*secrets/, { status: 403, body: JSON.stringify({ reason: 'Forbidden', message: words }) });
    expect(await cluster.create('Secret', object)).toMatchObject({ result: 'exists', object });
  });

  it('ask once whether the cluster has what is not part of every one, and in which version', async () => {
    await using world = await open();
    await using cluster = await world.connect();
    for (let n = 0; n < 3; n++) expect(await cluster.list('LocalQueue')).toEqual([]);
    using _watch = cluster.watch('Workload', world.labels, () => expect.fail('there is none'));
    expect(asked(world, /kueue/)).toEqual(['GET /apis/kueue.x-k8s.io']);
    await expect(cluster.create('LocalQueue', { metadata: { name: 'any' } })).rejects.toMatchObject({ code: 'HPO-2466' });
    await using other = await world.connect();
    const group = { kind: 'APIGroup', preferredVersion: { groupVersion: 'kueue.x-k8s.io/v9', version: 'v9' } };
    const queue = { metadata: { name: 'gpus', creationTimestamp: '2030-01-01T00:00:00Z' }, spec: { clusterQueue: 'all' } };
    world.proxy.answer(/GET \/apis\/kueue.x-k8s.io$/, { status: 200, body: JSON.stringify(group) });
    const line = new RegExp(`GET /apis/kueue.x-k8s.io/v9/namespaces/${world.namespace}/localqueues/gpus$`);
    world.proxy.answer(line, { status: 200, body: JSON.stringify(queue) });
    expect(await other.get('LocalQueue', 'gpus')).toEqual({
      metadata: expect.objectContaining({ name: 'gpus', creationTimestamp: new Date(Date.UTC(2030, 0, 1)) }),
      spec: { clusterQueue: 'all' },
    });
  });

  it('say what a quota and a Pod Security say, and do not take it for a lack of rights', async () => {
    await using world = await open();
    await using cluster = await world.connect();
    const loose: V1Pod = {
      metadata: { name: `${world.prefix}loose`, labels: { ...world.labels } },
      spec: { containers: [{ name: 'trial', image }] },
    };
    await expect(cluster.create('Pod', loose)).rejects.toMatchObject({
      code: 'HPO-2466',
      message: expect.stringContaining('violates PodSecurity "restricted'),
    });
    const quota = { metadata: { name: `${world.prefix}none` }, spec: { hard: { 'count/cronjobs.batch': '0', services: '0' } } };
    await cluster.create('ResourceQuota', quota);
    expect((await cluster.get('ResourceQuota', `${world.prefix}none`))?.spec?.hard?.['services']).toBe('0');
  });

  it('end where nothing is answered, and others are not held up by them', async () => {
    await using world = await open();
    await using cluster = await world.connect({ answerMs: 5_000 });
    using _silent = world.proxy.silence(/secrets/);
    const ended: string[] = [];
    const silent = cluster.get('Secret', 'any').finally(() => ended.push('silent'));
    const other = cluster.get('ConfigMap', 'any').finally(() => ended.push('other'));
    const [first, second] = await Promise.allSettled([silent, other]);
    expect(first).toMatchObject({ reason: { code: 'HPO-2462', message: expect.stringMatching(/no answer in 5 s/) } });
    expect(second).toMatchObject({ status: 'fulfilled', value: null });
    expect(ended).toEqual(['other', 'silent']);
  });

  it('keep to one rate, all together, whatever they are', async () => {
    await using world = await open();
    await using cluster = await world.connect({ perSecond: 20, burst: 10 });
    const controller = new AbortController();
    const ask = async (): Promise<void> => {
      while (!controller.signal.aborted) await cluster.get('ConfigMap', 'any').catch(() => undefined);
    };
    const begunAt = performance.now();
    const asking = Array.from({ length: 30 }, ask);
    await eventually(() => world.proxy.requests.length >= 60, 'there are many');
    const nRequests = world.proxy.requests.length;
    const tookMs = performance.now() - begunAt;
    controller.abort();
    await cluster[Symbol.asyncDispose]();
    await Promise.all(asking);
    // 10 at once, and 20 a second: however slow the machine is, it is never faster than that.
    expect(nRequests).toBeLessThanOrEqual(10 + Math.ceil((20 * tookMs) / 1_000));
  });

  it('use their connections again', async () => {
    await using world = await open();
    await using cluster = await world.connect();
    for (let n = 0; n < 30; n++) await cluster.get('ConfigMap', 'any');
    expect(world.proxy.requests).toHaveLength(30);
    expect(world.proxy.nConnections).toBe(1);
  });
});

describe.concurrent('commands in pods', () => {
  async function runningPod(world: RealWorld, cluster: Cluster): Promise<string> {
    const name = `${world.prefix}pod`;
    await cluster.create('Pod', {
      metadata: { name, labels: { ...world.labels } },
      spec: podSpec(image, ['sleep', '600']),
    });
    await eventually(async () => (await cluster.get('Pod', name))?.status?.phase === 'Running', 'the pod runs');
    return name;
  }

  /** Takes a chunk each so many milliseconds. */
  function taker(ms = 0) {
    const chunks: Buffer[] = [];
    const writable = new Writable({
      highWaterMark: 1,
      write(chunk: Buffer, _encoding, done) {
        chunks.push(chunk);
        setTimeout(done, ms);
      },
    });
    return Object.assign(writable, { bytes: () => Buffer.concat(chunks) });
  }

  it('take input to its end, and give both outputs and their code', async () => {
    await using world = await open();
    await using cluster = await world.connect();
    const pod = await runningPod(world, cluster);
    const [stdout, stderr] = [taker(), taker()];
    const stdin = Readable.from([Buffer.alloc(300_000, 'a'), Buffer.from('b'), Buffer.alloc(300_000, 'c')]);
    const command = ['sh', '-c', 'wc -c; echo "it said" "$1" >&2; exit 7', 'sh', 'a "b" ü $HOME'];
    expect(await cluster.exec(pod, 'trial', command, { stdin, stdout, stderr })).toBe(7);
    expect(stdout.bytes().toString().trim()).toBe('600001');
    expect(stderr.bytes().toString()).toBe('it said a "b" ü $HOME\n');
    await expect(cluster.exec(pod, 'trial', ['no-such-program'], { stdout: taker(), stderr: taker() })).rejects.toMatchObject({
      code: 'HPO-2466',
      message: expect.stringContaining('no-such-program'),
    });
  });

  it('speak both ways while they run', async () => {
    await using world = await open();
    await using cluster = await world.connect();
    const pod = await runningPod(world, cluster);
    const stdin = new PassThrough();
    const stdout = taker();
    const over = cluster.exec(pod, 'trial', ['cat'], { stdin, stdout, stderr: taker() });
    for (const word of ['one', 'two', 'three']) {
      stdin.write(word);
      await eventually(() => stdout.bytes().toString().endsWith(word), `${word} comes back`);
    }
    stdin.end();
    expect(await over).toBe(0);
    expect(stdout.bytes().toString()).toBe('onetwothree');
  });

  it('write no faster than they are read, and lose nothing', async () => {
    await using world = await open();
    await using cluster = await world.connect();
    const pod = await runningPod(world, cluster);
    const stdout = new PassThrough({ highWaterMark: 1 });
    const command = ['sh', '-c', 'i=0; while [ $i -lt 1000 ]; do head -c 100000 /dev/zero; echo $i >/tmp/at; i=$((i+1)); done'];
    const over = cluster.exec(pod, 'trial', command, { stdout, stderr: taker() });
    const at = async () => {
      const out = taker();
      await cluster.exec(pod, 'trial', ['cat', '/tmp/at'], { stdout: out, stderr: taker() });
      return Number(out.bytes().toString());
    };
    // It stands still, as nobody reads: 100 MB are more than lies between, also where sockets grow.
    let last = -1;
    await eventually(async () => {
      const before = last;
      last = await at();
      await sleep(300);
      return last > 0 && last === before;
    }, 'it waits');
    expect(last).toBeLessThan(999);
    let nBytes = 0;
    stdout.on('data', (chunk: Buffer) => (nBytes += chunk.length));
    expect(await over).toBe(0);
    expect(nBytes).toBe(100_000_000);
  });

  it('end with the signal, and are said to be lost where their connection is', async () => {
    await using world = await open();
    await using cluster = await world.connect();
    const pod = await runningPod(world, cluster);
    const run = (signal?: AbortSignal) => {
      const stdout = taker();
      const streams = { stdout, stderr: taker(), ...(signal === undefined ? {} : { signal }) };
      return { stdout, over: cluster.exec(pod, 'trial', ['sh', '-c', 'echo on; sleep 60'], streams) };
    };
    const controller = new AbortController();
    const [stopped, lost] = [run(controller.signal), run()];
    const outcomes = Promise.allSettled([stopped.over, lost.over]);
    await eventually(() => stopped.stdout.bytes().length > 0 && lost.stdout.bytes().length > 0, 'both run');
    controller.abort(new Error('enough'));
    world.cut();
    expect(await outcomes).toMatchObject([
      { reason: { code: 'HPO-2462', message: expect.stringContaining('enough') } },
      { reason: { code: 'HPO-2462' } },
    ]);
  });
});
