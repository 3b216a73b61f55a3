import type { V1NetworkPolicy } from '@kubernetes/client-node';
import { expect, it, test } from 'vitest';
import type { Cluster } from '../../../agent/cluster/cluster.ts';
import { forbidden, unauthorized } from '../../../agent/cluster/clusterError.ts';
import { checkNetwork } from '../../../agent/clusters/testCluster.ts';
import { boundingPolicies } from '../../../agent/cluster/networkBounds.ts';

const place = { context: 'prod', namespace: 'ml', server: 'https://k8s' };
const asked = { verb: 'list', resource: 'networkpolicies', namespace: 'ml' };

/** Its namespace has these policies, or it refuses to say. */
function clusterOf(specs: readonly NonNullable<V1NetworkPolicy['spec']>[] | Error): Pick<Cluster, 'list'> {
  const list = (kind: string): Promise<readonly object[]> =>
    specs instanceof Error
      ? Promise.reject(specs)
      : Promise.resolve(kind === 'NetworkPolicy' ? specs.map((spec, i) => ({ metadata: { name: `p${i}` }, spec })) : []);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of the one kind that is asked for
  return { list: list as Cluster['list'] };
}

const ours = { matchLabels: { 'hpo.network': 'no' } };
const both = ['Ingress', 'Egress'];
const expressions = (key: string, operator: string, values?: string[]) => ({
  matchExpressions: [{ key, operator, ...(values === undefined ? {} : { values }) }],
});

test.each<readonly [string, NonNullable<V1NetworkPolicy['spec']>, boolean]>([
  ['the one that create makes', { podSelector: ours, policyTypes: both }, true],
  ['one of all pods', { podSelector: {}, policyTypes: ['Egress'] }, true],
  ['one without types that says where to', { podSelector: {}, egress: [] }, true],
  ['one without types', { podSelector: {} }, false],
  ['one of what comes in', { podSelector: {}, policyTypes: ['Ingress'] }, false],
  ['that of pods with network', { podSelector: { matchLabels: { 'hpo.network': 'yes' } }, policyTypes: both }, false],
  ['that of others', { podSelector: { matchLabels: { app: 'web' } }, policyTypes: both }, false],
  ['in', { podSelector: expressions('hpo.network', 'In', ['no', 'yes']), policyTypes: both }, true],
  ['not in', { podSelector: expressions('hpo.network', 'NotIn', ['no']), policyTypes: both }, false],
  ['not in, of another label', { podSelector: expressions('app', 'NotIn', ['web']), policyTypes: both }, true],
  ['exists', { podSelector: expressions('hpo.network', 'Exists'), policyTypes: both }, true],
  ['does not exist', { podSelector: expressions('hpo.network', 'DoesNotExist'), policyTypes: both }, false],
])('policies that bound pods without network: %s', async (_which, spec, isBounding) => {
  expect(await boundingPolicies(clusterOf([spec]))).toEqual(isBounding ? ['p0'] : []);
});

it.each<readonly [string, Parameters<typeof clusterOf>[0], object]>([
  ['there', [{ podSelector: ours, policyTypes: both }], { isOk: true, what: expect.stringMatching(/^p0 keeps/) as string }],
  ['missing', [], { isOk: null, next: expect.stringContaining('--dry-run') as string }],
  ['unknown', forbidden(place, asked), { isOk: null, what: expect.stringMatching(/is not known/) as string }],
  ['not answered', unauthorized(place), { isOk: false, what: expect.stringContaining('HPO-2463') as string }],
])('a test of the cluster tells of them: %s', async (_what, specs, expected) => {
  expect(await checkNetwork({ ...clusterOf(specs), place })).toMatchObject({ check: 'network', ...expected });
});

it('are unknown to who may not list them', async () => {
  expect(await boundingPolicies(clusterOf(forbidden(place, asked)))).toBeNull();
  await expect(boundingPolicies(clusterOf(unauthorized(place)))).rejects.toMatchObject({ code: 'HPO-2463' });
});
