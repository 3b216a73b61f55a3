import type { V1Job, V1Pod } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import type { Cluster } from '../../../../agent/cluster/cluster.ts';
import { sweepCheckpoints } from '../../../../agent/executors/kubernetes/checkpointSweep.ts';
import { HpoError } from '../../../../agent/protocol/errors.ts';
import type { ClusterSettings } from '../../../../agent/protocol/study.ts';
import type { Clock } from '../../../../agent/system/clock.ts';
import { podContainer, simulatedClusterSettings } from '../../../simulation/agent/clusterSettings.ts';

/** A clock on which each wait passes at once. */
function quickClock(): Clock {
  let now = 0;
  return {
    now: () => now,
    monotonic: () => now,
    after: (ms, act) => {
      now += ms;
      queueMicrotask(act);
      return { [Symbol.dispose]: () => undefined };
    },
    soon: () => {
      throw new Error('nobody asks for it');
    },
  };
}

const ended = (type: 'Complete' | 'Failed'): V1Job => ({
  status: { conditions: [{ type, status: 'True', ...(type === 'Failed' ? { message: 'it was tried twice' } : {}) }] },
});

/** Sweeps on a cluster whose Job becomes this; null: is gone, and undefined: never ends. */
async function sweep(
  becomes: V1Job | null | undefined | HpoError,
  more: Partial<ClusterSettings> = {},
  list: () => Promise<readonly V1Pod[]> = () => Promise.resolve([]),
) {
  const made: V1Job[] = [];
  const removed: string[] = [];
  const cluster = {
    create: (_kind: string, object: V1Job) => {
      made.push(object);
      return becomes instanceof HpoError ? Promise.reject(becomes) : Promise.resolve({ result: 'created', object });
    },
    get: () => Promise.resolve(becomes === undefined ? {} : becomes),
    list,
    remove: (_kind: string, name: string) => Promise.resolve(removed.push(name) > 0),
  };
  const study = { snapshot: 's', container: podContainer, cluster: { ...simulatedClusterSettings, ...more } };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is asked for
  const outcome = await sweepCheckpoints(cluster as unknown as Cluster, quickClock(), 'study-1', study).then(
    () => 'done',
    (error: unknown) => error,
  );
  return { outcome, removed, job: made[0] };
}

const s3: ClusterSettings['checkpoints'] = {
  type: 's3',
  bucket: 'bucket',
  prefix: 'p',
  region: 'r',
  endpoint: null,
  secret: 'keys',
  image: null,
};
const home = simulatedClusterSettings.home;

test.each<readonly [string, Parameters<typeof sweep>[0], boolean, RegExp | null]>([
  ['that is done', ended('Complete'), true, null],
  ['that is gone', null, false, null],
  ['that takes long', undefined, false, null],
  [
    'that fails',
    ended('Failed'),
    false,
    /^what the study study-1 kept .* still at pvc:\/\/checkpoints\/.*study-1: the Job \S+ failed: it was tried twice$/,
  ],
  ['that is refused', new HpoError('HPO-2466', 'no such class', 'x'), false, /study-1: no such class$/],
])('a Job %s', async (_what, becomes, isRemoved, fault) => {
  const { outcome, removed, job } = await sweep(becomes);
  expect(removed).toEqual(isRemoved ? [job?.metadata?.name] : []);
  if (fault === null) expect(outcome).toBe('done');
  else
    expect(outcome).toMatchObject({
      code: 'HPO-2523',
      message: expect.stringMatching(fault),
      next: expect.stringMatching(/^remove pvc/),
    });
});

const unscheduled = (message: string) => (): Promise<readonly V1Pod[]> =>
  Promise.resolve([{ status: { phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', message }] } }]);

test.each<readonly [string, () => Promise<readonly V1Pod[]>, boolean]>([
  ['was never bound', unscheduled('0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. x'), true],
  ['is not there', unscheduled('0/1 nodes are available: persistentvolumeclaim "checkpoints" not found.'), true],
  ['is there, and no node has room', unscheduled('0/1 nodes are available: 1 Insufficient cpu.'), false],
  ['cannot be looked at', () => Promise.reject(new HpoError('HPO-2462', 'away', 'x')), false],
])('a Job whose claim %s', async (_what, list, isRemoved) => {
  const { outcome, removed, job } = await sweep(undefined, {}, list);
  expect(outcome).toBe('done');
  expect(removed).toEqual(isRemoved ? [job?.metadata?.name] : []);
});

test('an object store is named by its objects', async () => {
  const { outcome } = await sweep(ended('Failed'), { checkpoints: s3 });
  expect(outcome).toMatchObject({ next: `remove s3://bucket/p/hpo-${home}/study-1/ yourself` });
});

test('it is placed like the attempts of its study', async () => {
  const [pool] = simulatedClusterSettings.pools;
  if (pool === undefined) throw new Error('there is no pool');
  const { job } = await sweep(null, {
    queue: 'team',
    priorityClass: 'low',
    pullSecrets: ['pull'],
    pools: [
      { ...pool, gpus: 2, nodeSelector: { kind: 'fast' }, tolerations: [{ key: 'spot', value: null, effect: 'NoSchedule' }] },
    ],
    podTemplate: JSON.stringify({
      metadata: { labels: { team: 'a' } },
      spec: {
        nodeSelector: { zone: 'b' },
        tolerations: [{ key: 'own', operator: 'Exists' }],
        securityContext: { runAsUser: 1_234 },
        volumes: [{ name: 'keys', secret: { secretName: 'theirs' } }],
      },
    }),
  });
  expect(job?.metadata).toMatchObject({
    labels: { 'hpo.home': home, 'hpo.sweep': 'yes', 'kueue.x-k8s.io/queue-name': 'team' },
    annotations: { 'hpo/study': 'study-1', 'hpo/kept': expect.stringMatching(/^pvc:/) },
  });
  expect(job?.metadata?.labels).not.toHaveProperty('hpo.study');
  expect(job?.spec).toMatchObject({ suspend: true, template: { metadata: { labels: { team: 'a' } } } });
  expect(job?.spec?.template.spec).toMatchObject({
    nodeSelector: { kind: 'fast', zone: 'b' },
    tolerations: [
      { key: 'own', operator: 'Exists' },
      { key: 'spot', operator: 'Exists', effect: 'NoSchedule' },
    ],
    priorityClassName: 'low',
    imagePullSecrets: [{ name: 'pull' }],
    securityContext: { runAsUser: 1_234, runAsNonRoot: true },
    volumes: [{ name: 'kept' }],
  });
  expect(job?.spec?.template.spec?.containers[0]?.resources?.limits).not.toHaveProperty(pool.gpuResource);
});
