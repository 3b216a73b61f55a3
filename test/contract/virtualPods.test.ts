import { expect, it } from 'vitest';
import { attemptOf, eventually, key, Observer } from './executorSuite.ts';
import { StudyFolders } from '../../agent/executors/attempt/studyFolders.ts';
import type { AttemptKey } from '../../agent/protocol/study.ts';
import { homeDir } from '../simulation/agent/simulatedAgent.ts';
import { openVirtualKubernetesWorld } from './virtualWorld.ts';

type World = Awaited<ReturnType<typeof openVirtualKubernetesWorld>>;

/** A cluster, an executor that runs attempts there, and what it tells. */
async function begin(
  act: (world: World, observer: Observer, executor: ReturnType<World['connect']>) => Promise<void>,
): Promise<void> {
  await using world = await openVirtualKubernetesWorld();
  const observer = new Observer();
  await using executor = world.connect(observer);
  await act(world, observer, executor);
}

const names = ({ kube }: World, kind: 'ConfigMap' | 'Job' | 'Pod'): string[] =>
  kube.store.list(kind).map(({ metadata }) => metadata?.name ?? '');

it.concurrent.each(['Job', 'ConfigMap'] as const)(
  'an attempt waits while there are as many objects as a quota allows: %s',
  async (kind) => {
    await begin(async (world, observer, executor) => {
      world.kube.store.quota = { kind, most: 0 };
      await executor.start(attemptOf(world, [{ do: 'print', text: 'hello' }]));
      await eventually(() => observer.told.includes('waits study-1/0/1 queued'), 'the quota is told');
      world.kube.store.quota = null;
      expect(await observer.ending(key(0))).toMatchObject({ exitCode: 0 });
      expect(await world.read(key(0), 'out')).toBe('hello');
    });
  },
);

it.concurrent('the folder of a deleted study goes also where the disk was full when the study began', async () => {
  await begin(async ({ disk }, _, executor) => {
    const folder = new StudyFolders(homeDir).studyDir('study-9');
    disk.makeFolder(folder);
    await executor.cleanup('study-9', { removeFiles: true });
    expect(disk.stat(folder)).toBeNull();
  });
});

it.concurrent('nothing is left of an attempt that cannot be started', async () => {
  await begin(async (world, _, executor) => {
    const files = [{ path: 'a.txt', content: 'a' }];
    await expect(executor.start(attemptOf(world, [], { files, pool: 'none' }))).rejects.toThrow('no pool of nodes called none');
    expect(names(world, 'ConfigMap').filter((name) => name.endsWith('-files'))).toEqual([]);
    expect(names(world, 'Job')).toEqual([]);
  });
});

it.concurrent('what a study has on the cluster is made again where somebody removed it, and pods that wait for it begin', async () => {
  await begin(async (world, observer, executor) => {
    await executor.start(attemptOf(world, []));
    await observer.ending(key(0));
    const owner = names(world, 'ConfigMap').find((name) => name.endsWith('-study-1'));
    for (const name of names(world, 'ConfigMap')) if (name !== owner) world.kube.store.remove('ConfigMap', name);
    await executor.start(attemptOf(world, [{ do: 'print', text: 'hello' }], { key: key(1) }));
    expect(await observer.ending(key(1))).toMatchObject({ exitCode: 0 });
    expect(await world.read(key(1), 'out')).toBe('hello');
  });
}, 90_000);

it.concurrent.each(['answers', 'is away'])(
  'an executor lets go of attempts that wait for room at once, and nothing of it goes on, while the cluster %s',
  async (how) => {
    await using world = await openVirtualKubernetesWorld();
    const observer = new Observer();
    const executor = world.connect(observer);
    for (const trial of [0, 1, 2]) await executor.start(attemptOf(world, [], { key: key(trial), cpus: 64 }));
    await eventually(
      () => [0, 1, 2].every((trial) => observer.told.includes(`waits study-1/${trial}/1 unschedulable`)),
      'they wait for room',
    );
    using _away = how === 'answers' ? null : world.kube.server.leave();
    await executor[Symbol.asyncDispose]();
    expect(world.timers()).toBe(0);
  },
  // Less than a call to the cluster may take.
  30_000,
);

it.concurrent('the files of an attempt are made again where somebody removed them before it began', async () => {
  await begin(async (world, observer, executor) => {
    world.kube.delayControllers(3_000);
    await executor.start(
      attemptOf(world, [{ do: 'printFile', path: 'a.txt' }], { files: [{ path: 'a.txt', content: 'hello' }] }),
    );
    for (const name of names(world, 'ConfigMap')) if (name.endsWith('-files')) world.kube.store.remove('ConfigMap', name);
    expect(await observer.ending(key(0))).toMatchObject({ exitCode: 0 });
    expect(await world.read(key(0), 'out')).toBe('hello');
  });
}, 90_000);

it.concurrent('what becomes free of a full quota goes soon to who has waited for it, first to the study that has less', async () => {
  await begin(async (world, observer, executor) => {
    const { store, timeline } = world.kube;
    store.quota = { kind: 'Pod', most: 3 };
    const start = (one: AttemptKey): Promise<void> =>
      executor.start(attemptOf(world, [{ do: 'sleep', ms: 600_000 }], { key: one }));
    const hasStarted = (one: AttemptKey): boolean => observer.count('started', one) === 1;
    for (const trial of [0, 1, 2]) await start(key(trial));
    await eventually(() => [0, 1, 2].every((trial) => hasStarted(key(trial))), 'the quota is full');
    const [older, smaller] = [key(3), key(0, 1, 'study-10')];
    await start(older);
    await start(smaller);
    const since = timeline.now;
    // The cluster by itself tries them 15, and then 31 seconds after they were made.
    await eventually(() => timeline.now - since > 17_000, 'both have waited for long');
    expect(observer.told.filter((line) => line.endsWith(' queued'))).toHaveLength(2);
    for (const [trial, next] of [smaller, older].entries()) {
      await executor.stop(key(trial), 0);
      await observer.ending(key(trial));
      const freedAt = timeline.now;
      await eventually(() => hasStarted(next), 'it has what became free');
      expect(timeline.now - freedAt).toBeLessThan(6_000);
      expect(hasStarted(older)).toBe(next === older);
    }
  });
}, 90_000);
