import type { V1LabelSelector, V1NetworkPolicy } from '@kubernetes/client-node';
import { HpoError } from '../protocol/errors.ts';
import type { Cluster } from './cluster.ts';

/** Labels of a pod whose script asks for no network, as far as policies go by them. */
const labels: ReadonlyMap<string, string> = new Map([['hpo.network', 'no']]);

/**
 * Names of the policies of the namespace that bound what pods without network reach; null for who may not list them. Whether the cluster
 * enforces policies at all nobody can ask it.
 */
export async function boundingPolicies(cluster: Pick<Cluster, 'list'>): Promise<readonly string[] | null> {
  try {
    const policies = await cluster.list('NetworkPolicy');
    return policies.filter(bounds).map(({ metadata }) => metadata?.name ?? '');
  } catch (error) {
    if (error instanceof HpoError && error.code === 'HPO-2464') return null;
    throw error;
  }
}

function bounds({ spec }: V1NetworkPolicy): boolean {
  const { podSelector = {}, policyTypes, egress } = spec ?? {};
  const isOfEgress = policyTypes?.includes('Egress') ?? egress !== undefined;
  return isOfEgress && selects(podSelector);
}

function selects({ matchLabels = {}, matchExpressions = [] }: V1LabelSelector): boolean {
  return (
    Object.entries(matchLabels).every(([key, value]) => labels.get(key) === value) &&
    matchExpressions.every(({ key, operator, values = [] }) => {
      const value = labels.get(key);
      const isIn = value !== undefined && values.includes(value);
      return operator === 'In' ? isIn : operator === 'NotIn' ? !isIn : (operator === 'Exists') === (value !== undefined);
    })
  );
}
