import { createHash } from 'node:crypto';
import { PassThrough } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Cluster } from '../../agent/cluster/cluster.ts';
import { HpoError } from '../../agent/protocol/errors.ts';
import type { AttemptKey } from '../../agent/protocol/study.ts';
import { nodeSystem } from '../../agent/system/node.ts';
import { nodeFiles } from '../../agent/system/nodeFiles.ts';
import { attemptOf, eventually, key, Observer } from '../contract/executorSuite.ts';
import { ensureNodeImage } from '../support/cluster.ts';
import { openPodPlace, openPodWorld, type PodPlace, type PodWorld } from './executorWorld.ts';

let place: PodPlace;
let busybox: string;
beforeAll(async () => {
  busybox = await ensureNodeImage('busybox');
  place = await openPodPlace(await ensureNodeImage('python'));
}, 900_000);
afterAll(() => place[Symbol.asyncDispose]());

const python = (program: string): { command: readonly string[] } => ({ command: ['python3', '-c', program] });
const forever = python('import time; print("ready", flush=True); time.sleep(600)');

/** What a program printed, whole. */
async function printed(world: PodWorld, of: AttemptKey): Promise<Uint8Array> {
  return await nodeFiles.readFrom(`${world.files.attemptDir(of)}/out.log`, 0, 1 << 30);
}

const hash = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** A cluster with some of its calls replaced. */
function replaced(api: Cluster, calls: Partial<Cluster>): Cluster {
  return new Proxy(api, {
    get(target, name) {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the names of an interface's calls
      const call = calls[name as keyof Cluster] ?? target[name as keyof Cluster];
      return typeof call === 'function' ? call.bind(target) : call;
    },
  });
}

const away = (): HpoError => new HpoError('HPO-2462', 'the API server does not answer', 'wait');

async function podName(world: PodWorld, of: AttemptKey): Promise<string> {
  const labels = { 'hpo.home': world.files.homeMark, 'hpo.trial': String(of.trial), 'hpo.attempt': String(of.attempt) };
  const [pod] = await world.api.list('Pod', { labels });
  return pod?.metadata?.name ?? '';
}

/** What the node has of a pod's log now. */
async function logOf(world: PodWorld, of: AttemptKey): Promise<string> {
  const pieces: Uint8Array[] = [];
  const options = { container: 'trial', follow: false, signal: AbortSignal.timeout(20_000) };
  await world.api.log(await podName(world, of), options, (bytes) => void pieces.push(bytes));
  return Buffer.concat(pieces).toString('latin1');
}

/** Whether a pod has written so much output to its log, and the log has lost that again. */
async function hasRotated(world: PodWorld, of: AttemptKey, bytes: number): Promise<boolean> {
  const [pod] = await world.api.list('Pod', { labels: { 'hpo.home': world.files.homeMark, 'hpo.trial': String(of.trial) } });
  if (pod?.status?.phase !== 'Running') return false;
  const script = `cd /hpo/attempt && [ ! -s .chunk ] && wc -c <out.log`;
  if (Number(await command(world, of, script)) < bytes) return false;
  // What came after the last time that its size was looked at stays where it is.
  return !(await logOf(world, of)).includes(' begin\n');
}

/** Output of a command in the pod. */
async function command(world: PodWorld, of: AttemptKey, script: string): Promise<string> {
  const stdout = new PassThrough();
  const stderr = new PassThrough();
  await world.api.exec(await podName(world, of), 'trial', ['/bin/sh', '-c', script], { stdout, stderr });
  return `${stdout.read() ?? ''}`;
}

async function isReady(world: PodWorld): Promise<void> {
  await eventually(async () => (await world.read(key(0), 'out')) === 'ready\n', 'it runs');
}

describe.concurrent('an attempt in a pod', () => {
  it('has every byte that was printed, whatever it is, also over cut connections', async () => {
    await using world = await openPodWorld(place);
    const observer = new Observer();
    let nCuts = 0;
    const cluster = replaced(world.api, {
      log: async (pod, options, onBytes) => {
        // Each goes a little farther than the one before it.
        let left = 100_000 * (nCuts + 1);
        const cut = new AbortController();
        options.signal.addEventListener('abort', () => cut.abort());
        await world.api.log(pod, { ...options, signal: cut.signal }, (bytes) => {
          if (left > 0) onBytes(bytes.subarray(0, left));
          left -= bytes.length;
          if (left <= 0) cut.abort();
        });
        if (left > 0) return;
        nCuts++;
        throw away();
      },
    });
    await using executor = world.connect(observer, { cluster: () => Promise.resolve(cluster) });
    const program =
      'import sys, time\nfor i in range(4):\n sys.stdout.buffer.write(bytes(range(256)) * 300); sys.stdout.flush(); time.sleep(2.5)';
    await executor.start(attemptOf(world, [], python(program)));
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 0 });
    const expected = Buffer.concat(Array.from({ length: 1_200 }, () => Uint8Array.from({ length: 256 }, (_, i) => i)));
    expect(hash(await printed(world, key(0)))).toBe(hash(expected));
    expect(nCuts).toBeGreaterThan(0);
  });

  it('loses nothing of a log that the node rotated away while no agent was there, and says what it cannot have', async () => {
    await using world = await openPodWorld(place);
    // More than the pod ends with before all of it was read.
    const megabytes = 5;
    const lines = Array.from({ length: megabytes }, (_, i) => `${String(i).padStart(7, '0')}\n`.repeat(131_072));
    const last = 'the last line\n';
    const program = [
      'import os, sys, time',
      `for i in range(${megabytes}): sys.stdout.write(f"{i:07}\\n" * 131072)`,
      'sys.stdout.flush()',
      'while not os.path.exists("go"): time.sleep(0.1)',
      `sys.stdout.write(${JSON.stringify(last)})`,
    ].join('\n');
    const attempts = [0, 1].map((trial) => attemptOf(world, [], { ...python(program), key: key(trial) }));
    {
      await using executor = world.connect(new Observer());
      for (const attempt of attempts) await executor.start(attempt);
    }
    for (const trial of [0, 1]) {
      await eventually(() => hasRotated(world, key(trial), megabytes * 1024 ** 2), 'the node has rotated all of it away');
      await command(world, key(trial), 'touch /hpo/work/go');
      await eventually(async () => (await logOf(world, key(trial))).includes(' end {'), 'the end is in the log');
    }
    const observer = new Observer();
    let nRefused = 0;
    const cluster = replaced(world.api, {
      exec: async (pod, ...rest) => {
        if (!pod.includes('-t1-')) return await world.api.exec(pod, ...rest);
        nRefused++;
        throw new HpoError('HPO-2464', 'exec is not allowed', 'ask for it');
      },
    });
    await using executor = world.connect(observer, { cluster: () => Promise.resolve(cluster) });
    for (const attempt of attempts) await executor.start(attempt);
    for (const trial of [0, 1]) expect(await observer.ending(key(trial))).toMatchObject({ exitCode: 0 });
    const whole = Buffer.from(lines.join('') + last);
    expect(hash(await printed(world, key(0)))).toBe(hash(whole));
    const partly = await printed(world, key(1));
    expect(nRefused).toBeGreaterThan(0);
    expect(partly.length).toBe(whole.length);
    const text = new TextDecoder().decode(partly);
    expect(text).toMatch(/\[hpo: \d+ bytes of output are lost: the node removed this part of the log\]/);
    // What the node still had is where it belongs.
    expect(text.endsWith(`\n${last}`)).toBe(true);
  });

  it('has the files from which metrics are read', async () => {
    await using world = await openPodWorld(place);
    const observer = new Observer();
    await using executor = world.connect(observer);
    const program = 'import os; os.makedirs("runs"); open("runs/a b.csv", "w").write("epoch,loss\\n1,0.5\\n")';
    await executor.start(attemptOf(world, [], { ...python(program), metricFiles: ['runs/a b.csv'] }));
    await observer.ending(key(0));
    expect(await nodeFiles.readText(`${world.files.attemptDir(key(0))}/work/runs/a b.csv`)).toBe('epoch,loss\n1,0.5\n');
  });

  const disruptions: { name: string; act: (world: PodWorld, pod: string) => Promise<unknown>; detail: RegExp }[] = [
    { name: 'its pod is deleted', act: (world, pod) => world.api.remove('Pod', pod), detail: /deleted|removed|ended its pod/ },
    {
      name: 'its pod is deleted at once',
      act: (world, pod) => world.api.remove('Pod', pod, { graceSeconds: 0 }),
      detail: /deleted|removed/,
    },
    {
      name: 'its Job is deleted',
      act: (world, pod) => world.api.remove('Job', pod.replace(/-\w+$/, '')),
      detail: /deleted|removed|ended its pod/,
    },
    {
      name: 'it is evicted',
      act: (world, pod) => evict(world, pod),
      detail: /evicted/,
    },
  ];
  it.each(disruptions)('is preempted where $name, by no fault of its own', async ({ act, detail }) => {
    await using world = await openPodWorld(place);
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(attemptOf(world, [], forever));
    await isReady(world);
    await act(world, await podName(world, key(0)));
    const ending = await observer.ending(key(0));
    expect(ending).toMatchObject({ isPreempted: true, isLost: true, exitCode: null });
    expect(ending.detail).toMatch(detail);
    await eventually(async () => (await world.left()).every((name) => !/^(Job|Pod)/.test(name)), 'Job and pod are gone');
  });

  it('is preempted where that happened while no agent was there', async () => {
    await using world = await openPodWorld(place);
    {
      await using executor = world.connect(new Observer());
      await executor.start(attemptOf(world, [], forever));
      await isReady(world);
    }
    await world.api.remove('Job', (await podName(world, key(0))).replace(/-\w+$/, ''));
    await eventually(async () => (await podName(world, key(0))) === '', 'its pod is gone');
    const observer = new Observer();
    await using executor = world.connect(observer);
    expect(await executor.list()).toEqual([{ key: key(0), state: 'ended' }]);
    await executor.start(attemptOf(world, [], forever));
    expect(await observer.ending(key(0))).toMatchObject({ isPreempted: true });
  });

  it('that takes too much memory ran out of it', async () => {
    await using world = await openPodWorld(place);
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(attemptOf(world, [], python('print("begin", flush=True)\nx = bytearray(400 * 1024 ** 2)')));
    expect(await observer.ending(key(0))).toMatchObject({ isOutOfMemory: true, isPreempted: false });
    expect(await world.read(key(0), 'out')).toBe('begin\n');
  });

  it('runs once where the answer to its making was lost, and the next agent makes it again', async () => {
    await using world = await openPodWorld(place);
    const attempt = attemptOf(world, [{ do: 'checkpoint', text: 'ran ' }]);
    const create: Cluster['create'] = async (kind, object) => {
      const made = await world.api.create(kind, object);
      if (kind === 'Job') throw away();
      return made;
    };
    {
      const observer = new Observer();
      await using executor = world.connect(observer, { cluster: () => Promise.resolve(replaced(world.api, { create })) });
      await executor.start(attempt);
      expect(observer.told).toContain('waits study-1/0/1 unreachable');
    }
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(attempt);
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 0 });
    expect(await world.read(key(0), 'out')).toBe('ran ');
  });

  it('begins with what the one before it kept, which may still run elsewhere and does not harm it', async () => {
    await using world = await openPodWorld(place);
    const observer = new Observer();
    await using executor = world.connect(observer);
    // As one on a node that is cut off: it goes on and on.
    const old = 'n=0; while :; do n=$((n + 1)); echo "old $n" >ckpt/new; mv ckpt/new ckpt/last; sleep 0.05; done';
    const start = (attempt: number, script: string) =>
      executor.start(attemptOf(world, [], { key: key(0, attempt), command: ['sh', '-c', script], checkpointDir: 'ckpt' }));
    await start(1, `echo whole >ckpt/sure; echo ready; ${old}`);
    await eventually(async () => (await world.read(key(0, 1), 'out')) === 'ready\n', 'it has kept something');
    await start(2, 'cat ckpt/sure; cut -d" " -f1 ckpt/last; echo mine >ckpt/last; sleep 1; cat ckpt/last');
    expect(await observer.ending(key(0, 2))).toMatchObject({ exitCode: 0 });
    expect(await world.read(key(0, 2), 'out')).toBe('whole\nold\nmine\n');
    await start(3, 'cat ckpt/last; ls /hpo/attempts');
    await observer.ending(key(0, 3));
    expect(await world.read(key(0, 3), 'out')).toBe('mine\na2\na3\n');
    await executor.stop(key(0, 1), 0);
    await observer.ending(key(0, 1));
  });

  it('has its result from its last words, where its log cannot be had any more', async () => {
    await using world = await openPodWorld(place);
    {
      await using executor = world.connect(new Observer());
      await executor.start(
        attemptOf(
          world,
          [],
          python(`import time, os; print("ready", flush=True); time.sleep(5)
with open(os.environ["HPO_METRICS_FILE"], "a") as file:
    for step in range(100): print('{"step":%d,"values":{"loss":%f}}' % (step, 1 / (1 + step)), file=file)
print("done")`),
        ),
      );
      await isReady(world);
    }
    await eventually(async () => {
      const [pod] = await world.api.list('Pod', { labels: { 'hpo.home': world.files.homeMark, 'hpo.trial': '0' } });
      return pod?.status?.phase === 'Succeeded';
    }, 'it has ended');
    const observer = new Observer();
    const gone: Partial<Cluster> = { log: () => Promise.reject(new HpoError('HPO-2468', 'there is no log', 'wait')) };
    await using executor = world.connect(observer, { cluster: () => Promise.resolve(replaced(world.api, gone)) });
    await executor.start(attemptOf(world, []));
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 0 });
    const metrics = await world.read(key(0), 'metrics');
    expect(metrics.trim().split('\n').at(-1)).toBe('{"step":99,"values":{"loss":0.010000}}');
    const lines = metrics.split('\n').filter((line) => line !== '');
    expect(lines.length).toBeGreaterThan(10);
    for (const line of lines) expect(line).toMatch(/^\{"step":\d+,"values":\{"loss":[\d.]+\}\}$/);
    expect(await world.read(key(0), 'out')).toMatch(/^ready\ndone\n\n\[hpo: \d+ bytes of what was reported are lost/);
  }, 120_000);

  it('is let go of where its log is about to be read', async () => {
    await using world = await openPodWorld(place);
    const disposal = Promise.withResolvers<void>();
    const writeText: typeof nodeFiles.writeText = async (path, text) => {
      await nodeFiles.writeText(path, text);
      // Which pod is the attempt's is noted right before its log is read.
      if (path.endsWith('/job.json.new') && !text.includes('"pod":null')) disposal.resolve(executor[Symbol.asyncDispose]());
    };
    const system = { ...nodeSystem(), files: { ...nodeFiles, writeText } };
    const executor = world.connect(new Observer(), { system });
    await executor.start(attemptOf(world, [], forever));
    await disposal.promise;
  }, 120_000);

  it('is seen where watches tell nothing, and over a server that is away', async () => {
    await using world = await openPodWorld(place);
    const observer = new Observer();
    let isAway = false;
    const cluster = new Proxy(world.api, {
      get(target, name) {
        if (name === 'watch') return () => ({ [Symbol.dispose]: () => {} });
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the names of an interface's calls
        const call = target[name as keyof Cluster];
        if (typeof call !== 'function') return call;
        return (...args: never[]) => (isAway ? Promise.reject(away()) : Reflect.apply(call, target, args));
      },
    });
    await using executor = world.connect(observer, { cluster: () => Promise.resolve(cluster) });
    const program = [
      'import os, time; print("ready", flush=True)',
      'while not os.path.exists("go"): time.sleep(0.1)',
      'print("done")',
    ].join('\n');
    await executor.start(attemptOf(world, [], python(program)));
    await isReady(world);
    isAway = true;
    await executor.start(attemptOf(world, [{ do: 'print', text: 'late' }], { key: key(1) }));
    expect(observer.told).toContain('waits study-1/1/1 unreachable');
    expect(observer.told).not.toContain('waits study-1/0/1 unreachable');
    await command(world, key(0), 'touch /hpo/work/go');
    await eventually(async () => (await logOf(world, key(0))).includes(' end {'), 'it ends meanwhile');
    await sleep(1_000);
    expect(observer.endings.size).toBe(0);
    isAway = false;
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 0 });
    expect(await world.read(key(0), 'out')).toBe('ready\ndone\n');
    expect(await observer.ending(key(1))).toMatchObject({ exitCode: 0 });
    expect(await world.read(key(1), 'out')).toBe('late');
  });

  it('waits, with the reason in words, for an image that cannot be pulled', async () => {
    await using world = await openPodWorld(place);
    const name = `${world.container.image.name.split('/')[0]}/hpo-test/none@sha256:${'0'.repeat(64)}`;
    await world.prepare('study-1', { container: { image: { name, id: name, recipe: null } } });
    const observer = new Observer();
    await using executor = world.connect(observer);
    await executor.start(attemptOf(world, []));
    await eventually(() => observer.told.includes('waits study-1/0/1 image'), 'the reason is told');
    await executor.stop(key(0), 1_000);
    expect(await observer.ending(key(0))).toMatchObject({ signal: 'SIGTERM' });
    expect(observer.count('started', key(0))).toBe(0);
  });

  it('can have what a template says, and a secret, in a namespace of restricted pods', async () => {
    await using world = await openPodWorld(place);
    const template = {
      metadata: { labels: { team: 'a' } },
      spec: {
        hostNetwork: true,
        volumes: [
          { name: 'cache', emptyDir: {} },
          { name: 'root', hostPath: { path: '/' } },
        ],
        containers: [
          {
            name: 'trial',
            securityContext: { privileged: true },
            env: [{ name: 'EXTRA', value: 'more' }],
            volumeMounts: [{ name: 'cache', mountPath: '/cache' }],
          },
        ],
      },
    };
    await world.prepare('study-1', { cluster: { podTemplate: JSON.stringify(template) }, container: { secrets: ['TOKEN'] } });
    const observer = new Observer();
    await using executor = world.connect(observer, { environment: { TOKEN: 's3cret', OTHER: 'no' } });
    const program =
      'import os; open("/cache/x", "w"); print(os.environ["EXTRA"], os.environ["TOKEN"], os.environ.get("OTHER"), os.environ.get("HPO_POD"), os.getuid())';
    await executor.start(attemptOf(world, [], python(program)));
    await observer.ending(key(0));
    expect(await world.read(key(0), 'out')).toBe('more s3cret None None 65532\n');
    await executor.cleanup('study-1', { removeFiles: true });
    expect(await world.left()).toEqual([]);
  });

  it('runs in an image that has busybox alone', async () => {
    await using world = await openPodWorld(place);
    await world.prepare('study-1', { container: { image: { name: busybox, id: busybox, recipe: null } } });
    const observer = new Observer();
    await using executor = world.connect(observer);
    const steps = [
      { do: 'printFile', path: 'train.py' },
      { do: 'report', line: '{"loss":1}' },
      { do: 'checkpoint', text: 'kept' },
      { do: 'exit', code: 3 },
    ] as const;
    await executor.start(attemptOf(world, steps, { checkpointDir: 'ckpt/' }));
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 3, isLost: false, detail: '' });
    expect(await world.read(key(0), 'out')).toBe('lr = 0.1\nkept');
    expect(await world.read(key(0), 'metrics')).toBe('{"loss":1}\n');
  });
});

async function evict({ namespace, base }: PodWorld, pod: string): Promise<void> {
  const path = `${base}/eviction.json`;
  await nodeFiles.writeText(path, JSON.stringify({ apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: pod } }));
  const url = `/api/v1/namespaces/${namespace.name}/pods/${pod}/eviction`;
  await namespace.kubectl('create', '--raw', url, '--filename', path);
}
