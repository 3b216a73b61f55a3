import { expect, it } from 'vitest';
import { sweepLabel } from '../../agent/executors/kubernetes/names.ts';
import { attemptOf, eventually, key, Observer } from './executorSuite.ts';
import { openVirtualKubernetesWorld } from './virtualWorld.ts';

it.concurrent.each([
  ['a study whose attempts the cluster never took', 0, false],
  ['a study that has run', null, true],
] as const)('of %s checkpoints are removed only where there can be some', async (_what, most, isSwept) => {
  await using world = await openVirtualKubernetesWorld();
  const { store } = world.kube;
  const sweeps: string[] = [];
  store.onChange(({ kind, object: { metadata }, type }) => {
    if (kind === 'Job' && type === 'ADDED' && metadata?.labels?.[sweepLabel] !== undefined) sweeps.push(metadata.name ?? '');
  });
  const observer = new Observer();
  await using executor = world.connect(observer);
  store.quota = most === null ? null : { kind: 'Job', most };
  await executor.start(attemptOf(world, []));
  if (most === null) await observer.ending(key(0));
  else await eventually(() => observer.told.includes('waits study-1/0/1 queued'), 'the quota is told');
  await executor.stop(key(0), 0);
  await executor.cleanup('study-1', { removeFiles: true });
  expect(sweeps).toHaveLength(isSwept ? 1 : 0);
});
