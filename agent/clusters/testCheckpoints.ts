import type { Cluster } from '../cluster/cluster.ts';
import type { ClusterProfile } from '../cluster/profile.ts';
import { parseStore } from '../protocol/clusterWords.ts';
import { HpoError } from '../protocol/errors.ts';
import type { Check } from './testCluster.ts';

/** Whether what keeps checkpoints is there, and the claim that the pod of the test mounts; null for none, or one that is not there. */
export interface CheckpointsLook {
  readonly checks: readonly Check[];
  readonly claim: string | null;
}

/** Where the pod of the test has the claim. */
export const claimMount = '/hpo/kept';

/** Looks for the claim, or the Secret with the keys of the object store. Who may not look sees of a claim whether the pod gets it. */
export async function lookAtCheckpoints(
  cluster: Pick<Cluster, 'get' | 'place'>,
  { checkpoints }: Pick<ClusterProfile, 'checkpoints'>,
): Promise<CheckpointsLook> {
  const store = checkpoints === null ? null : parseStore(checkpoints);
  if (store === null) return { checks: [], claim: null };
  if (typeof store === 'string') return { checks: [missing(`${checkpoints} is none: needed is ${store}`)], claim: null };
  const [kind, name] =
    store.type === 'volume' ? (['PersistentVolumeClaim', store.claim] as const) : (['Secret', store.secret] as const);
  const { namespace } = cluster.place;
  const isThere = await cluster.get(kind, name).then(
    (found) => found !== null,
    (error: unknown) => {
      if (error instanceof HpoError) return error.code === 'HPO-2464' ? null : error;
      throw error;
    },
  );
  if (isThere instanceof HpoError) {
    const { code, message, next } = isThere;
    return { checks: [{ check: 'checkpoints', isOk: false, what: `${code}: ${message}`, next }], claim: null };
  }
  if (isThere === false)
    return { checks: [missing(`${namespace} has no ${kind} ${name}, which ${checkpoints} needs`)], claim: null };
  if (store.type === 'volume') return { checks: [], claim: store.claim };
  const what =
    isThere === true
      ? `the Secret ${name} is there; whether its keys open the store is seen when a trial begins`
      : `whether the Secret ${name} is there is seen when a trial begins: you may not read it`;
  return { checks: [{ check: 'checkpoints', isOk: isThere, what }], claim: null };
}

function missing(what: string): Check {
  const next = 'make it, or keep checkpoints elsewhere: hpo cluster connect --checkpoints STORE';
  return { check: 'checkpoints', isOk: false, what, next };
}
