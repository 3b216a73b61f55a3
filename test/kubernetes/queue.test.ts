import { setTimeout as delay } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { startCluster } from '../../.ci/cluster.mjs';
import { ensureNodeImage } from '../support/cluster.ts';
import { ClusterProject } from '../support/clusterProject.ts';
import { steadyScript } from '../support/clusterScripts.ts';

interface Status {
  readonly state: string;
  readonly waits: readonly { readonly reason: { readonly kind: string; readonly message: string } }[];
}

/** Kueue's own kinds: a queue that gives out so many processors. */
const queueOf = (namespace: string, cpus: string): string =>
  JSON.stringify({
    apiVersion: 'v1',
    kind: 'List',
    items: [
      { apiVersion: 'kueue.x-k8s.io/v1beta2', kind: 'ResourceFlavor', metadata: { name: 'default' } },
      {
        apiVersion: 'kueue.x-k8s.io/v1beta2',
        kind: 'ClusterQueue',
        metadata: { name: 'team' },
        spec: {
          namespaceSelector: {},
          resourceGroups: [
            {
              coveredResources: ['cpu', 'memory', 'ephemeral-storage'],
              flavors: [
                {
                  name: 'default',
                  resources: [
                    { name: 'cpu', nominalQuota: cpus },
                    { name: 'memory', nominalQuota: '8Gi' },
                    { name: 'ephemeral-storage', nominalQuota: '500Gi' },
                  ],
                },
              ],
            },
          ],
        },
      },
      {
        apiVersion: 'kueue.x-k8s.io/v1beta2',
        kind: 'LocalQueue',
        metadata: { name: 'trials', namespace },
        spec: { clusterQueue: 'team' },
      },
    ],
  });

it('trials wait in a queue of Kueue, no more of them run than it has room for, and one that it takes away goes on later', {
  timeout: 600_000,
}, async () => {
  await using cluster = await startCluster();
  await cluster.startKueue();
  const image = await ensureNodeImage('python', cluster);
  await using project = await ClusterProject.create({ cluster });
  const { namespace } = project;
  const manifest = project.write('../queue.json', queueOf(namespace.name, '0.2'));
  await namespace.kubectl('apply', '--server-side', '--filename', manifest);
  // Each trial asks for 0.1.
  project.write('train.py', steadyScript(image, 12));
  const search = ['-n', '6', '--parallel', '4', '--search', 'random', '--scheduler', 'none', '--seed', '2', '--detach'];
  const [started] = await project.json<{ studyId: string }>('tune', 'train.py', '--on', 'kubernetes', ...search);
  const studyId = started?.studyId ?? '';

  // There is a queue, so Jobs are in it without a word of the user's, and the status says why some of them wait.
  const status = async (): Promise<Status> => {
    const [one] = await project.json<Status>('status', studyId);
    if (one === undefined) throw new Error('no status');
    return one;
  };
  await expect
    .poll(async () => (await status()).waits.map(({ reason }) => reason.kind), { timeout: 120_000, interval: 500 })
    .toContain('queued');
  expect(
    await namespace.kubectl('get', 'jobs', '--output', 'jsonpath={.items[*].metadata.labels.kueue\\.x-k8s\\.io/queue-name}'),
  ).toMatch(/^(trials ?)+$/);

  // The queue is closed for a while, and what runs is taken away.
  await expect.poll(async () => (await running()).length, { timeout: 120_000, interval: 500 }).toBe(2);
  await namespace.kubectl(
    'patch',
    'clusterqueue',
    'team',
    '--type',
    'merge',
    '--patch',
    '{"spec":{"stopPolicy":"HoldAndDrain"}}',
  );
  await expect.poll(running, { timeout: 120_000, interval: 500 }).toEqual([]);
  expect((await status()).state).toBe('running');
  await namespace.kubectl('patch', 'clusterqueue', 'team', '--type', 'merge', '--patch', '{"spec":{"stopPolicy":"None"}}');

  await expect.poll(async () => (await running()).length, { timeout: 120_000, interval: 500 }).toBe(2);
  let most = 0;
  for (const deadline = performance.now() + 240_000; (await status()).state === 'running'; await delay(500)) {
    most = Math.max(most, (await running()).length);
    if (performance.now() > deadline) throw new Error(`it does not end: ${JSON.stringify(await status())}`);
  }
  expect(most).toBeLessThanOrEqual(2);
  const trials = await project.json<{ state: string; attempts: number }>('trials', studyId);
  expect(trials.map(({ state }) => state)).toEqual(Array.from({ length: 6 }, () => 'complete'));
  await project.free(studyId);

  /** Names of pods that run. */
  async function running(): Promise<readonly string[]> {
    return (await namespace.kubectl('get', 'pods', '--field-selector', 'status.phase=Running', '--output', 'name'))
      .split('\n')
      .filter(Boolean);
  }
});
