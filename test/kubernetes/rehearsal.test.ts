import { afterAll, beforeAll, expect, test } from 'vitest';
import { rehearse } from '../../agent/preflight/cluster/clusterRehearsal.ts';
import type { ClusterSettings, ContainerSettings } from '../../agent/protocol/study.ts';
import { podContainer, simulatedClusterSettings } from '../simulation/agent/clusterSettings.ts';
import { TestNamespace } from '../support/cluster.ts';
import { openRealWorld } from './clusterWorld.ts';

let namespace: TestNamespace;
beforeAll(async () => {
  namespace = await TestNamespace.create();
}, 60_000);
afterAll(() => namespace[Symbol.asyncDispose]());

const attempt = { command: ['python3'], checkpointDir: 'ckpt', timeoutMs: 60_000, graceMs: 10_000, outputBytes: 1_000, cpus: 2 };
const s3: ClusterSettings['checkpoints'] = {
  type: 's3',
  bucket: 'bucket',
  prefix: '',
  region: 'us-east-1',
  endpoint: null,
  secret: 'keys',
  image: null,
};
const mounted = (volume: object): string =>
  JSON.stringify({
    spec: {
      volumes: [{ name: 'a', ...volume }],
      containers: [{ name: 'trial', volumeMounts: [{ name: 'a', mountPath: '/a' }] }],
    },
  });

interface Case {
  readonly cluster?: Partial<ClusterSettings>;
  readonly container?: Partial<ContainerSettings>;
  /** YAML of what the namespace has meanwhile. */
  readonly object?: object;
  readonly refusal: RegExp | null;
}
const limits = (kind: 'LimitRange' | 'ResourceQuota', spec: object): object => ({
  apiVersion: 'v1',
  kind,
  metadata: { name: 'bounds' },
  spec,
});

test.each<readonly [string, Case]>([
  ['a study as it is', { refusal: null }],
  ['one with an object store', { cluster: { checkpoints: s3 }, refusal: null }],
  [
    'one whose template mounts a claim',
    { cluster: { podTemplate: mounted({ persistentVolumeClaim: { claimName: 'c' } }) }, refusal: null },
  ],
  [
    'a mount of what pods cannot have',
    { cluster: { podTemplate: mounted({ hostPath: { path: '/' } }) }, refusal: /volumeMounts.*"a"/ },
  ],
  ['a class that is not there', { cluster: { priorityClass: 'hpo-test-none' }, refusal: /PriorityClass/ }],
  [
    'a runtime that is not there',
    { cluster: { podTemplate: '{"spec":{"runtimeClassName":"hpo-test-none"}}' }, refusal: /RuntimeClass/ },
  ],
  [
    'more processors than a container may have',
    {
      object: limits('LimitRange', { limits: [{ type: 'Container', max: { cpu: '1' } }] }),
      refusal: /maximum cpu usage per Container is 1/,
    },
  ],
  [
    'more than the quota will ever have',
    { object: limits('ResourceQuota', { hard: { 'requests.cpu': '1' } }), refusal: /exceeded quota.*requests\.cpu=2/ },
  ],
  ['a quota that has it', { object: limits('ResourceQuota', { hard: { 'requests.cpu': '2' } }), refusal: null }],
  [
    'a quota of what nobody says',
    {
      object: limits('ResourceQuota', { hard: { 'limits.memory': '1Gi' } }),
      container: { memoryBytes: null },
      refusal: /must specify limits\.memory/,
    },
  ],
])('is known before the start: %s', async (_what, { cluster, container, object, refusal }) => {
  await using world = await openRealWorld('', namespace);
  await using connected = await world.connect();
  if (object !== undefined) {
    await namespace.apply(object);
    // Its count comes from a controller.
    if ('kind' in object && object.kind === 'ResourceQuota')
      await expect.poll(() => namespace.kubectl('get', 'quota', 'bounds', '-o', 'yaml'), { timeout: 30_000 }).toContain('used:');
  }
  try {
    const settings = {
      container: { ...podContainer, ...container },
      cluster: { ...simulatedClusterSettings, namespace: namespace.name, ...cluster },
    };
    const found = await rehearse(connected, attempt, settings, true);
    expect(found.isWhole).toBe(true);
    if (refusal === null) expect(found.refusal).toBeNull();
    else expect(found.refusal).toMatchObject({ code: 'HPO-2520', message: expect.stringMatching(refusal) });
    expect(await namespace.names('jobs,pods')).toEqual([]);
  } finally {
    await namespace.kubectl('delete', 'limitrange,quota', 'bounds', '--ignore-not-found');
  }
});

test('pod security refuses before the start what it would refuse of each trial', async () => {
  await using world = await openRealWorld('', namespace);
  await using connected = await world.connect();
  const check = connected.check.bind(connected);
  const loose = {
    place: connected.place,
    // As if a webhook of the namespace gave each pod this.
    check: ((kind, pod) =>
      check(
        kind,
        kind === 'Pod' && 'spec' in pod
          ? Object.assign({}, pod, { spec: Object.assign({}, pod.spec, { hostNetwork: true }) })
          : pod,
      )) satisfies typeof check,
  };
  const settings = { container: podContainer, cluster: { ...simulatedClusterSettings, namespace: namespace.name } };
  const { refusal } = await rehearse(loose, attempt, settings, true);
  expect(refusal).toMatchObject({ code: 'HPO-2520', message: expect.stringMatching(/violates PodSecurity "restricted/) });
});
