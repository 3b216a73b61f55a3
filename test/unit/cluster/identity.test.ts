import { expect, it } from 'vitest';
import { areDifferent, identify } from '../../../agent/cluster/index.ts';
import { KnownCluster } from '../../../agent/cluster/identity.ts';
import { openVirtualCluster } from '../../contract/virtualCluster.ts';

it.each([
  ['the same', ['a', 'n'], ['a', 'n'], false],
  ['another cluster, whatever its namespaces are', ['a', 'n'], ['b', 'n'], true],
  ['a namespace that was made anew in the same cluster', ['a', 'n'], ['a', 'm'], false],
  ['another namespace, and nothing known of the cluster', [null, 'n'], ['b', 'm'], true],
  ['the same namespace, and nothing known of the cluster', ['a', 'n'], [null, 'n'], false],
  ['nothing that both know', ['a', null], [null, 'm'], false],
  ['nothing at all', [null, null], [null, null], false],
] as const)('%s', (_what, [cluster, namespace], [otherCluster, otherNamespace], expected) => {
  const identities = [
    { cluster, namespace },
    { cluster: otherCluster, namespace: otherNamespace },
  ] as const;
  expect(areDifferent(...identities)).toBe(expected);
  expect(areDifferent(identities[1], identities[0])).toBe(expected);
});

it('nothing is done in another cluster than the one that was connected', async () => {
  await using world = await openVirtualCluster();
  const admin = await world.connect();
  await admin.create('ConfigMap', { metadata: { name: 'kube-root-ca.crt' } });
  await admin.create('ConfigMap', { metadata: { name: 'of-somebody' } });
  const seen: string[] = [];
  const other = new KnownCluster(admin, { cluster: null, namespace: 'of another' });
  using _watch = other.watch('ConfigMap', {}, ({ object }) => void seen.push(object.metadata?.name ?? ''));
  for (const call of [
    () => other.version(),
    () => other.list('ConfigMap'),
    () => other.remove('ConfigMap', 'of-somebody'),
    () => other.create('ConfigMap', { metadata: { name: 'ours' } }),
  ])
    await expect(call()).rejects.toMatchObject({ code: 'HPO-2515' });
  expect((await admin.list('ConfigMap')).map(({ metadata }) => metadata?.name)).toEqual(['kube-root-ca.crt', 'of-somebody']);
  expect(seen).toEqual([]);
});

it('another cluster that answers at the same address after an outage is noticed', async () => {
  await using world = await openVirtualCluster();
  const admin = await world.connect();
  await admin.create('ConfigMap', { metadata: { name: 'kube-root-ca.crt' } });
  const known = new KnownCluster(await world.connect(), await identify(admin));
  expect(await known.version()).toMatch(/^v/);
  const outage = world.leave();
  await expect(known.version()).rejects.toMatchObject({ code: 'HPO-2462' });
  outage[Symbol.dispose]();
  await admin.remove('ConfigMap', 'kube-root-ca.crt');
  await admin.create('ConfigMap', { metadata: { name: 'kube-root-ca.crt' } });
  await expect(known.version()).rejects.toMatchObject({ code: 'HPO-2515' });
});
