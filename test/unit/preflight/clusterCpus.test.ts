import type { V1LimitRange } from '@kubernetes/client-node';
import { expect, it, test } from 'vitest';
import type { Cluster } from '../../../agent/cluster/cluster.ts';
import { usualCpus } from '../../../agent/preflight/cluster/clusterCpus.ts';

const place = { context: 'prod', namespace: 'ml', server: 'https://k8s' };
type Item = NonNullable<V1LimitRange['spec']>['limits'][number];

/** Its namespace has these bounds. */
function clusterOf(limits: readonly Item[]): Pick<Cluster, 'list' | 'place'> {
  const found: Partial<Record<string, readonly object[]>> = {
    LimitRange: limits.length === 0 ? [] : [{ metadata: { name: 'bounds' }, spec: { limits } }],
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the one kind that is asked for
  return { place, list: ((kind) => Promise.resolve(found[kind] ?? [])) as Cluster['list'] };
}
const asIs = <T>(asked: Promise<T>): Promise<T> => asked;
const bounds = 'the LimitRange bounds of the namespace ml';

test.each<readonly [string, number | undefined, readonly Item[], object]>([
  ['nobody says anything', undefined, [], { cpus: { request: 1, limit: 1 }, by: null }],
  ['bounds of other things', undefined, [{ type: 'Pod', max: { cpu: '2' } }], { cpus: { request: 1, limit: 1 }, by: null }],
  [
    'bounds of memory',
    undefined,
    [{ type: 'Container', _default: { memory: '1Gi' } }],
    { cpus: { request: 1, limit: 1 }, by: null },
  ],
  [
    'a request',
    undefined,
    [{ type: 'Container', defaultRequest: { cpu: '500m' } }],
    { cpus: { request: 0.5, limit: 0.5 }, by: bounds },
  ],
  // As the API server completes one that has a maximum alone.
  [
    'a maximum',
    undefined,
    [{ type: 'Container', max: { cpu: '500m' }, _default: { cpu: '500m' }, defaultRequest: { cpu: '500m' } }],
    { cpus: { request: 0.5, limit: 0.5 }, by: bounds },
  ],
  [
    'both',
    undefined,
    [{ type: 'Container', _default: { cpu: '2' }, defaultRequest: { cpu: '100m' } }],
    { cpus: { request: 0.1, limit: 2 }, by: bounds },
  ],
  ['a limit', undefined, [{ type: 'Container', _default: { cpu: '2' } }], { cpus: { request: 2, limit: 2 }, by: bounds }],
  [
    'who made the cluster',
    4,
    [{ type: 'Container', _default: { cpu: '2' } }],
    { cpus: { request: 4, limit: 4 }, by: 'usual on prod' },
  ],
])('the processors of a pod: %s', async (_who, usual, limits, expected) => {
  expect(await usualCpus(clusterOf(limits), { name: 'prod', usualCpus: usual }, asIs)).toEqual(expected);
});

it('are the usual one where the bounds may not be seen', async () => {
  const forbidden = (): Promise<null> => Promise.resolve(null);
  const limits = [{ type: 'Container', _default: { cpu: '2' } }];
  expect(await usualCpus(clusterOf(limits), { name: 'prod', usualCpus: undefined }, forbidden)).toEqual({
    cpus: { request: 1, limit: 1 },
    by: null,
  });
});
