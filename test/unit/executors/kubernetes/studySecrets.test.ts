import { expect, test } from 'vitest';
import type { Cluster } from '../../../../agent/cluster/cluster.ts';
import type { ClusterStudy } from '../../../../agent/executors/kubernetes/studyFile.ts';
import { fenceStudy, makeStudyObjects, refuseFenced } from '../../../../agent/executors/kubernetes/studyObjects.ts';
import { nodeFiles } from '../../../../agent/system/nodeFiles.ts';
import { openVirtualCluster } from '../../../contract/virtualCluster.ts';
import { podContainer, simulatedClusterSettings } from '../../../simulation/agent/clusterSettings.ts';

const study: ClusterStudy = {
  snapshot: 'none',
  container: { ...podContainer, secrets: ['TOKEN', 'OTHER'] },
  cluster: { ...simulatedClusterSettings, codeIn: 'image' },
};

/** As the agent with this environment makes them; resolves with the names of the secrets that pods get. */
async function make(cluster: Cluster, environment: Readonly<Record<string, string>>): Promise<readonly string[]> {
  const snapshots = { mountPlan: () => Promise.reject(new Error('no code travels')) };
  const { secrets } = await makeStudyObjects({ cluster, studyId: 's', study, snapshots, disk: nodeFiles, environment });
  expect((await cluster.get('Secret', secrets.secret))?.metadata?.name).toBe(secrets.secret);
  return secrets.names;
}

async function valuesOf(cluster: Cluster): Promise<Readonly<Record<string, string>>> {
  const [secret] = await cluster.list('Secret');
  return Object.fromEntries(
    Object.entries(secret?.data ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]),
  );
}

test('an agent to which a study has moved goes on with the secrets that are in the cluster', async () => {
  await using world = await openVirtualCluster();
  const cluster = await world.connect();
  expect(await make(cluster, { TOKEN: 'a', OTHER: 'b', FOREIGN: 'c' })).toEqual(['TOKEN', 'OTHER']);
  expect(await make(cluster, {})).toEqual(['TOKEN', 'OTHER']);
  expect(await valuesOf(cluster)).toEqual({ TOKEN: 'a', OTHER: 'b' });
  // Its own ones count, where it has them.
  expect(await make(cluster, { OTHER: 'new' })).toEqual(['TOKEN', 'OTHER']);
  expect(await valuesOf(cluster)).toEqual({ TOKEN: 'a', OTHER: 'new' });
});

test('a study never runs without a secret that it names', async () => {
  await using world = await openVirtualCluster();
  const cluster = await world.connect();
  await expect(make(cluster, { TOKEN: 'a' })).rejects.toMatchObject({
    code: 'HPO-2516',
    message: expect.stringContaining('the secrets OTHER (@hpo.secret)'),
  });
  expect(await cluster.list('Secret')).toEqual([]);
});

test('an agent that was taken for lost does nothing with a study that another one has taken over', async () => {
  await using world = await openVirtualCluster();
  const cluster = await world.connect();
  const snapshots = { mountPlan: () => Promise.reject(new Error('no code travels')) };
  const environment = { TOKEN: 'a', OTHER: 'b' };
  const makeAs = (moves: number) =>
    makeStudyObjects({ cluster, studyId: 's', study: { ...study, moves }, snapshots, disk: nodeFiles, environment });
  await makeAs(0);
  const before = (await cluster.list('ConfigMap')).length;
  await makeAs(1);
  await makeAs(1);
  await expect(refuseFenced(cluster, 's', { ...study, moves: 1 })).resolves.toBeUndefined();
  // Also where the one that took it over has only taken up what runs.
  await fenceStudy(cluster, 's', { ...study, moves: 2 });
  expect((await cluster.list('ConfigMap')).length).toBe(before + 2);
  await expect(makeAs(1)).rejects.toMatchObject({ code: 'HPO-2518' });
  await expect(refuseFenced(cluster, 's', { ...study, moves: 1 })).rejects.toMatchObject({ code: 'HPO-2518' });
});
