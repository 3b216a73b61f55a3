import { expect, it, test } from 'vitest';
import type { Cluster } from '../../../agent/cluster/cluster.ts';
import { forbidden } from '../../../agent/cluster/clusterError.ts';
import { lookAtCheckpoints } from '../../../agent/clusters/testCheckpoints.ts';
import { testJob } from '../../../agent/clusters/testCluster.ts';

const place = { context: 'prod', namespace: 'ml', server: 'https://k8s' };

/** Has these objects, as `Kind/name`; null: none may be looked at. */
function clusterWith(there: readonly string[] | null): Pick<Cluster, 'get' | 'place'> {
  return {
    place,
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of an object only whether it is there counts
    get: ((kind, name) =>
      there === null
        ? Promise.reject(forbidden(place, { verb: 'get', resource: 'x', namespace: 'ml' }))
        : Promise.resolve(there.includes(`${kind}/${name}`) ? { metadata: { name } } : null)) as Cluster['get'],
  };
}
const s3 = 's3://bucket/p?secret=keys';

test.each<readonly [string, string | null, readonly string[] | null, boolean | null | undefined, string | null, RegExp]>([
  ['none', null, [], undefined, null, /^$/],
  ['a claim', 'pvc://kept/x', ['PersistentVolumeClaim/kept'], undefined, 'kept', /^$/],
  ['a claim that nobody may look at', 'pvc://kept/x', null, undefined, 'kept', /^$/],
  ['no claim', 'pvc://kept/x', ['Secret/kept'], false, null, /ml has no PersistentVolumeClaim kept, which pvc:\/\/kept\/x needs/],
  ['a secret', s3, ['Secret/keys'], true, null, /Secret keys is there/],
  ['no secret', s3, [], false, null, /ml has no Secret keys/],
  ['a secret that nobody may read', s3, null, null, null, /you may not read it/],
  ['no store', '/tmp', [], false, null, /\/tmp is none/],
])('what keeps checkpoints: %s', async (_what, checkpoints, there, isOk, claim, what) => {
  const look = await lookAtCheckpoints(clusterWith(there), { checkpoints });
  expect(look.claim).toBe(claim);
  expect(look.checks.map((check) => check.isOk)).toEqual(isOk === undefined ? [] : [isOk]);
  expect(look.checks[0]?.what ?? '').toMatch(what);
  if (isOk === false) expect(look.checks[0]?.next).toMatch(/--checkpoints/);
});

it('the pod of the test mounts the claim, and without one nothing more', () => {
  const options = { id: 'a1', profile: { queue: null, pullSecrets: [], registry: null, checkpoints: null } };
  const podOf = (claim: string | null) => testJob(options, 'hpo-test-a1', 'busybox', claim).spec?.template.spec;
  expect(podOf('kept')?.volumes).toContainEqual({ name: 'kept', persistentVolumeClaim: { claimName: 'kept' } });
  expect(podOf('kept')?.containers[0]?.volumeMounts).toContainEqual({ name: 'kept', mountPath: '/hpo/kept' });
  expect(podOf(null)?.volumes?.map(({ name }) => name)).toEqual(['test', 'tmp']);
});
