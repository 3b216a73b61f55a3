import { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import type { V1ConfigMap, V1Job, V1Pod } from '@kubernetes/client-node';
import { describe, expect, it } from 'vitest';
import type { Cluster, Kind, Labels, Objects } from '../../agent/cluster/cluster.ts';
import { eventually } from './executorSuite.ts';

/** What a program in a pod does, in words that every cluster can be taught. */
export type PodStep =
  | { readonly do: 'print'; readonly text: string }
  | { readonly do: 'write'; readonly path: string; readonly text: string }
  | { readonly do: 'sleep'; readonly ms: number }
  | { readonly do: 'exit'; readonly code: number };

/** A cluster with an empty namespace, and a connection between that can be cut. */
export interface ClusterWorld extends AsyncDisposable {
  /** Mark all that the test makes. */
  readonly labels: Labels;
  /** Begins the names of all that the test makes. */
  readonly prefix: string;
  connect(): Promise<Cluster>;
  /** As somebody who may do nothing. */
  connectStranger(): Promise<Cluster>;
  /** With one container, `trial`, that does these steps. */
  podSpec(steps: readonly PodStep[]): NonNullable<V1Pod['spec']>;
  /** All connections end at once; new ones are as good as ever. */
  cut(): void;
  /** Nobody reaches the server until this is disposed; connections end. */
  leave(): Disposable;
  /** So many of the next requests are answered with 500 (a fault of a moment). */
  fail(nRequests: number): void;
}

type Change<K extends Kind> = { readonly removed: boolean; readonly object: Objects[K] };

type Owners = NonNullable<NonNullable<V1ConfigMap['metadata']>['ownerReferences']>;

const forever: PodStep = { do: 'sleep', ms: 600_000 };
const print = (text: string): PodStep => ({ do: 'print', text });

/** What every cluster must do. `open` makes one with nothing of the test in it. */
export function clusterSuite(clusterName: string, open: () => Promise<ClusterWorld>): void {
  const configMap = (
    world: ClusterWorld,
    name: string,
    { data = { text: name }, labels = {}, owners }: { data?: Record<string, string>; labels?: Labels; owners?: Owners } = {},
  ): V1ConfigMap => ({
    metadata: {
      name: `${world.prefix}${name}`,
      labels: { ...world.labels, ...labels },
      ...(owners === undefined ? {} : { ownerReferences: owners }),
    },
    data,
  });

  const podOf = (world: ClusterWorld, name: string, steps: readonly PodStep[], nodeSelector?: Labels): V1Pod => ({
    metadata: { name: `${world.prefix}${name}`, labels: { ...world.labels } },
    spec: Object.assign(world.podSpec(steps), nodeSelector === undefined ? {} : { nodeSelector }),
  });

  const jobOf = (world: ClusterWorld, name: string, steps: readonly PodStep[]): V1Job => ({
    metadata: { name: `${world.prefix}${name}`, labels: { ...world.labels } },
    spec: { backoffLimit: 0, template: { metadata: { labels: { ...world.labels } }, spec: world.podSpec(steps) } },
  });

  const phase = async (cluster: Cluster, name: string): Promise<string | undefined> =>
    (await cluster.get('Pod', name))?.status?.phase;

  /** Follows a log into a text; `over` is its end. */
  function follow(cluster: Cluster, pod: string, more: { sinceSeconds?: number; follow?: boolean } = {}) {
    const controller = new AbortController();
    const chunks: Uint8Array[] = [];
    const over = cluster.log(pod, { container: 'trial', follow: true, signal: controller.signal, ...more }, (bytes) =>
      chunks.push(bytes),
    );
    return { over, text: () => Buffer.concat(chunks).toString(), stop: () => controller.abort() };
  }

  /** Of a pod that may not have begun. */
  async function wholeLog(cluster: Cluster, pod: string): Promise<string> {
    await eventually(async () => ['Running', 'Succeeded', 'Failed'].includes((await phase(cluster, pod)) ?? ''), `${pod} begins`);
    const log = follow(cluster, pod);
    await log.over;
    return log.text();
  }

  describe.concurrent(`cluster: ${clusterName}`, () => {
    it('says what and where it is', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      expect(await cluster.version()).toMatch(/^v1\.\d+\.\d+/);
      expect(cluster.place).toEqual({
        context: expect.stringMatching(/./),
        namespace: expect.stringMatching(/^[a-z0-9-]+$/),
        server: expect.stringMatching(/^https?:\/\/.+/),
      });
    });

    it('makes an object, and takes the name for the identity: what is there is not made again, nor changed', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      await using other = await world.connect();
      const object = configMap(world, 'one');
      const made = await Promise.all([cluster.create('ConfigMap', object), other.create('ConfigMap', object)]);
      expect(sorted(made.map(({ result }) => result))).toEqual(['created', 'exists']);
      const [{ object: first }, { object: second }] = made;
      expect(first.metadata?.uid).toMatch(/./);
      expect(second.metadata?.uid).toBe(first.metadata?.uid);
      expect(first.metadata?.creationTimestamp).toBeInstanceOf(Date);
      const again = await cluster.create('ConfigMap', configMap(world, 'one', { data: { text: 'other' } }));
      expect(again).toMatchObject({ result: 'exists', object: { data: { text: 'one' } } });
      expect(await other.get('ConfigMap', `${world.prefix}one`)).toMatchObject({
        metadata: { uid: first.metadata?.uid, labels: world.labels },
        data: { text: 'one' },
      });
    });

    it('says what it would refuse, and makes nothing of what is only asked about', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      await using stranger = await world.connectStranger();
      const spec = world.podSpec([print('one')]);
      const containers = spec.containers.map((container) =>
        Object.assign({}, container, { volumeMounts: [{ name: 'dropped', mountPath: '/data' }] }),
      );
      const withMount: NonNullable<V1Pod['spec']> = Object.assign({}, spec, { containers });
      await cluster.check('Pod', podOf(world, 'one', [print('one')]));
      await cluster.check('Job', jobOf(world, 'one', [print('one')]));
      expect(await cluster.list('Pod', { labels: world.labels })).toEqual([]);
      expect(await cluster.list('Job', { labels: world.labels })).toEqual([]);
      const why = { code: 'HPO-2466', message: expect.stringMatching(/volumeMounts.*"dropped"/) };
      const job: V1Job = { metadata: { name: `${world.prefix}two` }, spec: { template: { spec: withMount } } };
      await expect(cluster.check('Pod', Object.assign({}, podOf(world, 'two', []), { spec: withMount }))).rejects.toMatchObject(
        why,
      );
      await expect(cluster.check('Job', job)).rejects.toMatchObject(why);
      await expect(
        cluster.check('ConfigMap', configMap(world, 'one', { labels: { wrong: 'not a label' } })),
      ).rejects.toMatchObject({ code: 'HPO-2466' });
      await expect(stranger.check('Pod', podOf(world, 'one', []))).rejects.toMatchObject({ code: 'HPO-2464' });
      // What is there already would be adopted.
      await cluster.create('ConfigMap', configMap(world, 'one'));
      await cluster.check('ConfigMap', configMap(world, 'one'));
      expect(await cluster.list('ConfigMap', { labels: world.labels })).toHaveLength(1);
    });

    it('says so where nothing is there', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      const name = `${world.prefix}none`;
      for (const kind of ['ConfigMap', 'Job', 'Pod', 'Secret'] as const) {
        expect(await cluster.get(kind, name), kind).toBeNull();
        expect(await cluster.patch(kind, name, { metadata: { labels: { a: 'b' } } }), kind).toBeNull();
        expect(await cluster.remove(kind, name), kind).toBe(false);
        expect(await cluster.list(kind, { labels: world.labels }), kind).toEqual([]);
      }
      await expect(follow(cluster, name).over).rejects.toMatchObject({ code: 'HPO-2468' });
    });

    it('knows no kinds that are not installed', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      expect(await cluster.get('Workload', `${world.prefix}none`)).toBeNull();
      expect(await cluster.list('Workload', { labels: world.labels })).toEqual([]);
      expect(await cluster.list('LocalQueue', { labels: world.labels })).toEqual([]);
    });

    it('lists what carries all of the labels', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      const labelled = (name: string, study: string) => configMap(world, name, { labels: { 'hpo.study': study } });
      await Promise.all(
        (
          [
            ['one', 'a'],
            ['two', 'a'],
            ['three', 'b'],
          ] as const
        ).map(([name, study]) => cluster.create('ConfigMap', labelled(name, study))),
      );
      const names = async (labels: Labels) =>
        sorted(
          (await cluster.list('ConfigMap', { labels })).map(({ metadata }) => metadata?.name?.slice(world.prefix.length) ?? ''),
        );
      expect(await names({ ...world.labels, 'hpo.study': 'a' })).toEqual(['one', 'two']);
      expect(await names(world.labels)).toEqual(['one', 'three', 'two']);
      expect(await names({ ...world.labels, 'hpo.study': 'c' })).toEqual([]);
      const [only] = await cluster.list('ConfigMap', { fields: `metadata.name=${world.prefix}three` });
      expect(only).toMatchObject({ metadata: { labels: { 'hpo.study': 'b' } }, data: { text: 'three' } });
    });

    it('merges a patch, takes out what is null, and refuses one of an older version', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      const name = `${world.prefix}one`;
      const { object } = await cluster.create('ConfigMap', configMap(world, 'one', { data: { a: '1', b: '2' } }));
      const patched = await cluster.patch('ConfigMap', name, { data: { b: null, c: '3' } });
      expect(patched?.data).toEqual({ a: '1', c: '3' });
      expect(patched?.metadata?.resourceVersion).not.toBe(object.metadata?.resourceVersion);
      const old = { metadata: { resourceVersion: object.metadata?.resourceVersion }, data: { a: 'late' } };
      await expect(cluster.patch('ConfigMap', name, old)).rejects.toMatchObject({ code: 'HPO-2467' });
      const now = { metadata: { resourceVersion: patched?.metadata?.resourceVersion }, data: { a: 'in time' } };
      expect((await cluster.patch('ConfigMap', name, now))?.data).toEqual({ a: 'in time', c: '3' });
    });

    it('removes an object once, and what it owns with it', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      const { object: owner } = await cluster.create('ConfigMap', configMap(world, 'owner'));
      const { name = '', uid = '' } = owner.metadata ?? {};
      const owners = [{ apiVersion: 'v1', kind: 'ConfigMap', name, uid }];
      await cluster.create('ConfigMap', configMap(world, 'owned', { owners }));
      expect(await cluster.remove('ConfigMap', name)).toBe(true);
      expect(await cluster.remove('ConfigMap', name)).toBe(false);
      await eventually(async () => (await cluster.list('ConfigMap', { labels: world.labels })).length === 0, 'both are gone');
      expect((await cluster.create('ConfigMap', configMap(world, 'owner'))).object.metadata?.uid).not.toBe(uid);
    });

    it('runs the pod of a job, tells its end, and removes both', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      const name = `${world.prefix}job`;
      await cluster.create('Job', jobOf(world, 'job', [print('hello\n'), { do: 'exit', code: 3 }]));
      await eventually(async () => ((await cluster.get('Job', name))?.status?.failed ?? 0) === 1, 'the job has failed');
      const pods = await cluster.list('Pod', { labels: { ...world.labels, 'job-name': name } });
      expect(pods).toHaveLength(1);
      const [state] = pods[0]?.status?.containerStatuses ?? [];
      expect(state?.state?.terminated?.exitCode).toBe(3);
      expect(state?.state?.terminated?.finishedAt).toBeInstanceOf(Date);
      expect(await wholeLog(cluster, pods[0]?.metadata?.name ?? '')).toBe('hello\n');
      expect(await cluster.remove('Job', name)).toBe(true);
      await eventually(async () => (await cluster.list('Pod', { labels: world.labels })).length === 0, 'the pod is gone');
      expect(await cluster.get('Job', name)).toBeNull();
    });

    it('tells what is made, changed and removed, to who wants to hear', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      const told: Change<'ConfigMap'>[] = [];
      const others: Change<'ConfigMap'>[] = [];
      const late: Change<'ConfigMap'>[] = [];
      await cluster.create('ConfigMap', configMap(world, 'before'));
      using _watch = cluster.watch('ConfigMap', world.labels, (change) => told.push(change));
      using _others = cluster.watch('ConfigMap', { ...world.labels, 'hpo.study': 'other' }, (change) => others.push(change));
      cluster.watch('ConfigMap', world.labels, (change) => late.push(change))[Symbol.dispose]();
      const has = (name: string, removed: boolean, text?: string) => () =>
        told.some(
          ({ removed: isGone, object }) =>
            object.metadata?.name === `${world.prefix}${name}` &&
            isGone === removed &&
            (text === undefined || object.data?.['text'] === text),
        );
      await eventually(has('before', false), 'what was there is told');
      await cluster.create('ConfigMap', configMap(world, 'one'));
      await eventually(has('one', false, 'one'), 'what is made is told');
      await cluster.patch('ConfigMap', `${world.prefix}one`, { data: { text: 'changed' } });
      await eventually(has('one', false, 'changed'), 'what is changed is told');
      await cluster.remove('ConfigMap', `${world.prefix}one`);
      await eventually(has('one', true), 'what is removed is told');
      expect(told.every(({ object }) => object.metadata?.labels?.['hpo.home'] === world.labels['hpo.home'])).toBe(true);
      expect(others).toEqual([]);
      expect(late).toEqual([]);
    });

    it('goes on telling over cut connections and a server that was away, and tells what went meanwhile', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      await using other = await world.connect();
      const told = new Set<string>();
      using _watch = cluster.watch('ConfigMap', world.labels, ({ removed, object }) =>
        told.add(`${removed ? 'gone' : 'there'} ${object.metadata?.name?.slice(world.prefix.length) ?? ''}`),
      );
      await cluster.create('ConfigMap', configMap(world, 'one'));
      await eventually(() => told.has('there one'), 'one');
      for (let n = 0; n < 3; n++) {
        world.cut();
        await cluster.create('ConfigMap', configMap(world, `cut-${n}`));
        await eventually(() => told.has(`there cut-${n}`), `cut ${n}`);
      }
      {
        using _away = world.leave();
        await expect(other.get('ConfigMap', 'any')).rejects.toMatchObject({ code: 'HPO-2462' });
      }
      await other.remove('ConfigMap', `${world.prefix}one`);
      await other.create('ConfigMap', configMap(world, 'back'));
      await eventually(() => told.has('there back') && told.has('gone one'), 'after it is back');
    });

    it('asks again where the server has a fault of a moment', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      world.fail(2);
      expect(await cluster.create('ConfigMap', configMap(world, 'one'))).toMatchObject({ result: 'created' });
      world.fail(2);
      expect(await cluster.list('ConfigMap', { labels: world.labels })).toHaveLength(1);
    });

    it('says what the matter is where it is not reached, and goes on when it is', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      {
        using _away = world.leave();
        const place = { code: 'HPO-2462', message: expect.stringContaining(cluster.place.server) };
        await expect(cluster.get('Job', 'any')).rejects.toMatchObject(place);
        await expect(cluster.list('Pod', { labels: world.labels })).rejects.toMatchObject({ code: 'HPO-2462' });
        await expect(cluster.create('ConfigMap', configMap(world, 'one'))).rejects.toMatchObject({ code: 'HPO-2462' });
        await expect(follow(cluster, 'any').over).rejects.toMatchObject({ code: 'HPO-2462' });
      }
      expect(await cluster.get('Job', `${world.prefix}any`)).toBeNull();
    });

    it('follows a log to its end, from its beginning, in order', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      const name = `${world.prefix}pod`;
      const steps = [1, 2, 3].flatMap((n): PodStep[] => [print(`line ${n}\n`), { do: 'sleep', ms: 300 }]);
      await cluster.create('Pod', podOf(world, 'pod', [...steps, print('end')]));
      expect(await wholeLog(cluster, name)).toBe('line 1\nline 2\nline 3\nend');
      await eventually(async () => (await phase(cluster, name)) === 'Succeeded', 'it has ended');
      expect(await wholeLog(cluster, name)).toBe('line 1\nline 2\nline 3\nend');
    });

    it('has no log of what has not begun', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      await cluster.create('Pod', podOf(world, 'waits', [forever], { 'hpo.test/none': 'such' }));
      await expect(follow(cluster, `${world.prefix}waits`).over).rejects.toMatchObject({ code: 'HPO-2468' });
    });

    it('tells a log that broke off from one that ended, and begins it again from so many seconds ago', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      const name = `${world.prefix}pod`;
      await cluster.create('Pod', podOf(world, 'pod', [print('early\n'), { do: 'sleep', ms: 4_000 }, print('late\n'), forever]));
      await eventually(async () => (await phase(cluster, name)) === 'Running', 'it runs');
      const log = follow(cluster, name);
      const told = log.over.then(
        () => 'ended',
        (error: { code?: string }) => error.code,
      );
      await eventually(() => log.text() === 'early\nlate\n', 'both lines');
      world.cut();
      expect(await told).toBe('HPO-2462');
      // The server counts whole seconds.
      const again = follow(cluster, name, { sinceSeconds: 2 });
      await eventually(() => again.text() !== '', 'the late line');
      expect(again.text()).toBe('late\n');
      again.stop();
      await again.over;
      const at = follow(cluster, name, { follow: false });
      await at.over;
      expect(at.text()).toBe('early\nlate\n');
    });

    it('runs a command in a container, with its exit code and what it writes', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      const name = `${world.prefix}pod`;
      await cluster.create(
        'Pod',
        podOf(world, 'pod', [{ do: 'write', path: '/tmp/note', text: 'a note' }, print('ready\n'), forever]),
      );
      await eventually(async () => (await phase(cluster, name)) === 'Running', 'it runs');
      const log = follow(cluster, name);
      await eventually(() => log.text() === 'ready\n', 'it has written the file');
      log.stop();
      await log.over;
      const read = async (path: string) => {
        const [stdout, stderr] = [sink(), sink()];
        const code = await cluster.exec(name, 'trial', ['cat', path], { stdout, stderr });
        return { code, out: stdout.text(), error: stderr.text() };
      };
      expect(await read('/tmp/note')).toEqual({ code: 0, out: 'a note', error: '' });
      expect(await read('/tmp/none')).toEqual({ code: 1, out: '', error: expect.stringMatching(/No such file/) });
      await expect(
        cluster.exec(`${world.prefix}none`, 'trial', ['cat', '/tmp/note'], { stdout: sink(), stderr: sink() }),
      ).rejects.toMatchObject({ code: 'HPO-2466' });
    });

    it('names verb, resource and namespace of what is not allowed', async () => {
      await using world = await open();
      await using cluster = await world.connect();
      await using stranger = await world.connectStranger();
      const { namespace } = stranger.place;
      const denied = (verb: string, resource: string) => ({
        code: 'HPO-2464',
        message: expect.stringMatching(new RegExp(`may not ${verb} ${resource} in the namespace ${namespace}`)),
        next: expect.stringContaining(`verb ${verb} on ${resource}`),
      });
      await expect(stranger.get('Job', 'any')).rejects.toMatchObject(denied('get', 'jobs'));
      await expect(stranger.list('Pod')).rejects.toMatchObject(denied('list', 'pods'));
      await expect(stranger.create('ConfigMap', configMap(world, 'one'))).rejects.toMatchObject(denied('create', 'configmaps'));
      await expect(stranger.remove('Job', 'any')).rejects.toMatchObject(denied('delete', 'jobs'));
      await expect(follow(stranger, 'any').over).rejects.toMatchObject(denied('get', 'pods/log'));
      expect(await stranger.may('create', { group: 'batch', resource: 'jobs' })).toBe(false);
      expect(await stranger.may('get', { group: '', resource: 'pods', subresource: 'log' })).toBe(false);
      expect(await cluster.may('create', { group: 'batch', resource: 'jobs' })).toBe(true);
    });

    it('ends what is under way when it is disposed', async () => {
      await using world = await open();
      const cluster = await world.connect();
      await using other = await world.connect();
      const name = `${world.prefix}pod`;
      const told: unknown[] = [];
      await cluster.create('Pod', podOf(world, 'pod', [print('ready\n'), forever]));
      cluster.watch('ConfigMap', world.labels, (change) => told.push(change));
      await eventually(async () => (await phase(cluster, name)) === 'Running', 'it runs');
      const log = follow(cluster, name);
      await eventually(() => log.text() === 'ready\n', 'the log is followed');
      await cluster[Symbol.asyncDispose]();
      await Promise.race([log.over.catch(() => undefined), sleep(5_000).then(() => expect.fail('the log is still followed'))]);
      await other.create('ConfigMap', configMap(world, 'after'));
      await sleep(300);
      expect(told).toEqual([]);
    });
  });
}

function sorted(words: readonly string[]): string[] {
  return words.toSorted((a, b) => (a < b ? -1 : 1));
}

function sink(): Writable & { text(): string } {
  const chunks: Buffer[] = [];
  const writable = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      done();
    },
  });
  return Object.assign(writable, { text: () => Buffer.concat(chunks).toString() });
}
