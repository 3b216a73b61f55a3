import { setImmediate as settled } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createRng } from '../../agent/core/math/index.ts';
import type { Fault, Place } from './machine/agentProcess.ts';
import { SimulatedCluster } from './machine/cluster/client.ts';
import { Kube } from './machine/cluster/kube.ts';
import type { KubeObjects } from './machine/cluster/objectStore.ts';
import { Machine } from './machine/machine.ts';
import type { Program } from './machine/program.ts';

type JobSpec = NonNullable<KubeObjects['Job']['spec']>;
type Container = NonNullable<JobSpec['template']['spec']>['containers'][number];

/** Prints, works, and ends: `run TEXT MS CODE`. */
const runs: Program = function* run(self) {
  const [text = '', ms = '0', code = '0'] = self.args;
  self.print(text);
  if (text.includes('stubborn')) self.ignoreTerm();
  yield Number(ms);
  return Number(code);
};

function open(seed = 1, faults: (place: Place) => Fault | null = () => null) {
  const machine = new Machine({ seed, program: () => null });
  const { timeline } = machine;
  const kube = new Kube({ seed, timeline, program: ([name]) => (name === 'run' ? runs : null) });
  const agent = machine.agent(faults);
  const cluster = new SimulatedCluster(kube, agent);
  const pass = async (ms: number): Promise<void> => {
    const over = new AbortController();
    timeline.after(ms, () => over.abort());
    await settled();
    while (!over.signal.aborted) {
      timeline.step();
      await settled();
    }
  };
  const podOf = (job: string) => kube.store.list('Pod', { 'job-name': job })[0] ?? null;
  const reasonsOf = (job: string) =>
    kube.store.get('Job', job)?.status?.conditions?.map(({ type, reason, status }) => `${type} ${status} ${reason}`) ?? [];
  const make = async (
    name: string,
    command: readonly string[],
    more: Partial<JobSpec> = {},
    container: Partial<Container> = {},
  ) => {
    void cluster.create('Job', jobOf(name, command, more, container));
    await pass(1);
  };
  return { machine, kube, agent, cluster, pass, podOf, reasonsOf, make };
}

function jobOf(
  name: string,
  command: readonly string[],
  more: Partial<JobSpec>,
  container: Partial<Container>,
): KubeObjects['Job'] {
  return {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name, labels: { t: 'x' } },
    spec: {
      backoffLimit: 0,
      podReplacementPolicy: 'Failed',
      podFailurePolicy: { rules: [{ action: 'FailJob', onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] }] },
      template: {
        metadata: { labels: { t: 'x' } },
        spec: {
          restartPolicy: 'Never',
          terminationGracePeriodSeconds: 2,
          containers: [{ name: 'trial', image: 'python', command: [...command], ...container }],
        },
      },
      ...more,
    },
  };
}

const untilEnd = 60_000;
const failed = (reason: string): string[] => [`FailureTarget True ${reason}`, `Failed True ${reason}`];
const complete = ['SuccessCriteriaMet True CompletionsReached', 'Complete True CompletionsReached'];

describe('the simulated cluster', () => {
  // As a real one (1.34) was seen to do with the same Jobs.
  const endings: {
    name: string;
    command: readonly string[];
    more?: Partial<JobSpec>;
    act?: (world: ReturnType<typeof open>, pod: string) => void;
    reasons: readonly string[];
    left: boolean;
  }[] = [
    { name: 'ends well', command: ['run', 'hi', '1000', '0'], reasons: complete, left: true },
    { name: 'fails', command: ['run', 'hi', '1000', '3'], reasons: failed('BackoffLimitExceeded'), left: true },
    {
      name: 'runs into its deadline',
      command: ['run', 'hi', '600000'],
      more: { activeDeadlineSeconds: 4 },
      reasons: failed('DeadlineExceeded'),
      left: false,
    },
    {
      name: 'is deleted',
      command: ['run', 'hi', '600000'],
      act: ({ cluster }, pod) => void cluster.remove('Pod', pod),
      reasons: failed('BackoffLimitExceeded'),
      left: false,
    },
    {
      name: 'is evicted',
      command: ['run', 'stubborn', '600000'],
      act: ({ kube }, pod) => void kube.evict(pod),
      reasons: failed('PodFailurePolicy'),
      left: false,
    },
    {
      name: 'loses its node',
      command: ['run', 'hi', '600000'],
      act: ({ kube }, pod) => {
        const node = kube.nodes.find((one) => one.reachable(pod) !== null);
        if (node !== undefined) kube.loseNode(node);
      },
      reasons: failed('PodFailurePolicy'),
      left: false,
    },
  ];
  it.each(endings)('a pod that $name: its Job says $reasons', async ({ command, more, act, reasons, left }) => {
    const world = open();
    await world.make('one', command, more);
    await world.pass(3_500);
    const pod = world.podOf('one');
    expect(pod?.status?.phase).toMatch(act === undefined && more === undefined ? /Running|Succeeded|Failed/ : /Running/);
    act?.(world, pod?.metadata?.name ?? '');
    await world.pass(untilEnd);
    expect(world.reasonsOf('one')).toEqual(reasons);
    expect(world.podOf('one') !== null).toBe(left);
    expect(world.kube.runs.filter(({ isRunning }) => isRunning)).toEqual([]);
    // No second one is ever made.
    expect(world.kube.store.list('Pod')).toHaveLength(left ? 1 : 0);
  });

  it('a Job whose pod a quota refuses is tried again ever more rarely, and soon after it was changed', async () => {
    const world = open();
    world.kube.store.quota = { kind: 'Pod', most: 0 };
    await world.make('one', ['run', 'hi', '600000']);
    // About 1, 3, 7, 15, 31 and 63 s later.
    await world.pass(35_000);
    world.kube.store.quota = null;
    await world.pass(20_000);
    expect(world.podOf('one')).toBeNull();
    void world.cluster.patch('Job', 'one', { metadata: { annotations: { a: 'changed' } } });
    await world.pass(2_000);
    expect(world.podOf('one')).not.toBeNull();
  });

  it('a Job that is suspended has no pod until it goes on', async () => {
    const world = open();
    await world.make('one', ['run', 'hi', '10'], { suspend: true });
    await world.pass(untilEnd);
    expect([world.podOf('one'), world.reasonsOf('one')]).toEqual([null, ['Suspended True JobSuspended']]);
    void world.cluster.patch('Job', 'one', { spec: { suspend: false } });
    await world.pass(untilEnd);
    expect(world.reasonsOf('one')).toEqual(['Suspended False JobResumed', ...complete]);
  });

  const waits: { name: string; container: Partial<Container>; says: RegExp }[] = [
    {
      name: 'for room',
      container: { resources: { requests: { cpu: '500' } } },
      says: /0\/2 nodes are available: 2 Insufficient cpu/,
    },
    { name: 'for its image', container: { image: 'missing:1' }, says: /"(ErrImagePull|ImagePullBackOff)"/ },
  ];
  it.each(waits)('a pod waits $name, and says so', async ({ container, says }) => {
    const world = open();
    await world.make('one', ['run', 'hi', '10'], {}, container);
    await world.pass(untilEnd);
    expect(world.podOf('one')?.status?.phase).toBe('Pending');
    expect(JSON.stringify(world.podOf('one')?.status)).toMatch(says);
    void world.cluster.remove('Job', 'one');
    await world.pass(untilEnd);
    expect(world.kube.store.list('Pod')).toEqual([]);
  });

  it('with its owner everything goes that it owned, in the background', async () => {
    const world = open();
    void world.cluster.create('ConfigMap', { metadata: { name: 'owner' } });
    await world.pass(100);
    const uid = world.kube.store.get('ConfigMap', 'owner')?.metadata?.uid ?? '';
    const job = jobOf('one', ['run', 'hi', '600000'], {}, {});
    const ownerReferences = [{ apiVersion: 'v1', kind: 'ConfigMap', name: 'owner', uid }];
    void world.cluster.create('Job', { ...job, metadata: { ...job.metadata, ownerReferences } });
    await world.pass(5_000);
    expect(world.kube.runs.some(({ isRunning }) => isRunning)).toBe(true);
    void world.cluster.remove('ConfigMap', 'owner');
    await world.pass(untilEnd);
    expect(['ConfigMap', 'Job', 'Pod'].map((kind) => [...world.kube.store.all()].filter((one) => one.kind === kind))).toEqual([
      [],
      [],
      [],
    ]);
    expect(world.kube.runs).toEqual([]);
  });

  it('a Job that is over goes when its time has come, and its pod with it', async () => {
    const world = open();
    await world.make('one', ['run', 'hi', '10'], { ttlSecondsAfterFinished: 30 });
    await world.pass(15_000);
    expect(world.reasonsOf('one')).toEqual(complete);
    await world.pass(untilEnd);
    expect([world.kube.store.get('Job', 'one'), world.podOf('one')]).toEqual([null, null]);
  });

  it('starts a Job twice where that befalls it, and ends one of both', async () => {
    const world = open();
    await world.make('one', ['run', 'hi', '600000']);
    await world.pass(5_000);
    expect(world.kube.jobs.startTwice('one')).toBe(true);
    let most = 0;
    for (let i = 0; i < 100; i++) {
      await world.pass(500);
      most = Math.max(most, world.kube.runs.filter(({ isRunning }) => isRunning).length);
    }
    expect(most).toBe(2);
    expect(world.kube.runs.filter(({ isRunning }) => isRunning)).toHaveLength(1);
  });

  it('a log is read from its beginning, followed, cut off with its server, and gone where it was rotated', async () => {
    const world = open();
    await world.make('one', ['run', 'first\n', '20000']);
    await world.pass(5_000);
    const pod = world.podOf('one')?.metadata?.name ?? '';
    const read = () => {
      const seen = { text: '', outcome: '' };
      const signal = new AbortController().signal;
      world.cluster
        .log(pod, { container: 'trial', follow: true, signal }, (bytes) => (seen.text += new TextDecoder().decode(bytes)))
        .then(
          () => (seen.outcome = 'ended'),
          (error: { readonly code: string }) => (seen.outcome = error.code),
        );
      return seen;
    };
    const [cut, whole] = [read(), read()];
    await world.pass(500);
    expect(cut).toEqual({ text: 'first\n', outcome: '' });
    world.kube.server.restart(1_000);
    await world.pass(500);
    expect([cut.outcome, whole.outcome]).toEqual(['HPO-2462', 'HPO-2462']);
    await world.pass(5_000);
    const again = read();
    await world.pass(500);
    world.kube.runs[0]?.log.rotate();
    const late = read();
    world.kube.runs[0]?.log.write(new TextEncoder().encode('second\n'));
    await world.pass(untilEnd);
    expect(again).toEqual({ text: 'first\nsecond\n', outcome: 'ended' });
    expect(late).toEqual({ text: 'second\n', outcome: 'ended' });
  });

  const faults: { fault: Fault; told: string | undefined; isDone: boolean }[] = [
    { fault: 'refused', told: 'HPO-2465', isDone: false },
    { fault: 'broken off, done', told: 'HPO-2462', isDone: true },
    { fault: 'no answer', told: 'HPO-2462', isDone: false },
    { fault: 'no answer, done', told: 'HPO-2462', isDone: true },
    { fault: 'kill before', told: undefined, isDone: false },
    { fault: 'kill after', told: undefined, isDone: true },
  ];
  it.each(faults)('a request with the fault "$fault" is told as $told, and done: $isDone', async ({ fault, told, isDone }) => {
    const world = open(1, (place) => (place === 'cluster.create' ? fault : null));
    let code: string | undefined;
    world.cluster.create('ConfigMap', { metadata: { name: 'one' } }).then(
      () => (code = 'created'),
      (error: { readonly code: string }) => (code = error.code),
    );
    await world.pass(100_000);
    expect(code).toBe(told);
    expect(world.kube.store.get('ConfigMap', 'one') !== null).toBe(isDone);
  });

  it('the same seed is the same life', async () => {
    const lives = await Promise.all(
      [7, 7, 8].map(async (seed) => {
        const world = open(seed);
        const told: string[] = [];
        world.kube.store.onChange(({ kind, type, object }) =>
          told.push(`${world.machine.timeline.now} ${kind} ${type} ${object.metadata?.resourceVersion}`),
        );
        const rng = createRng(seed, 1);
        for (let n = 0; n < 3; n++) await world.make(`job-${n}`, ['run', 'hi', String(rng.int(5_000))]);
        await world.pass(untilEnd);
        return told;
      }),
    );
    expect(lives[1]).toEqual(lives[0]);
    expect(lives[2]).not.toEqual(lives[0]);
  });
});
