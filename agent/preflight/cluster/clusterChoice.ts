import type { KubeContext } from '../../cluster/index.ts';
import type { ClusterProfile } from '../../cluster/profile.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { ClusterChoice, ClusterWish } from '../../protocol/requests.ts';

/** What there is to choose from. */
export interface KnownClusters {
  readonly profiles: readonly ClusterProfile[];
  /** Name of the profile in use. */
  readonly inUse: string | null;
  /** Absolute paths of the kubeconfig files that `contexts` are of. */
  readonly kubeconfig: readonly string[];
  readonly contexts: readonly KubeContext[];
}

/**
 * The cluster that is meant: the profile that is named, the context that is named (with the profile of that context, where there is
 * one), else the profile in use, else the only one there is. Several that could be meant are for the user to choose from. Throws
 * HPO-2484 for what is not there.
 */
export function chooseCluster(wish: ClusterWish, known: KnownClusters): ClusterProfile | readonly ClusterChoice[] {
  const found = profileOf(wish, known);
  if (found !== null) {
    const { namespace } = wish;
    if (namespace === undefined || namespace === found.namespace) return found;
    return { ...found, namespace, identity: identityIn(found, namespace), usualCpus: undefined };
  }
  const { profiles, contexts } = known;
  if (profiles.length + contexts.length === 0) {
    throw new HpoError(
      'HPO-2484',
      'no cluster is known: there is no kubeconfig with a context, and none was connected',
      'make it work with kubectl first (KUBECONFIG, ~/.kube/config), or run locally: --on local, --on docker',
      { exitCode: 4 },
    );
  }
  return [
    ...profiles.map(
      (profile): ClusterChoice => ({
        label: profile.name,
        namespace: profile.namespace,
        server: contexts.find(({ name }) => name === profile.context)?.server ?? profile.context,
        wish: { ...wish, name: profile.name },
      }),
    ),
    ...contexts
      .filter(({ name }) => !profiles.some(({ context }) => context === name))
      .map(
        ({ name, namespace, server }): ClusterChoice => ({
          label: name,
          namespace: wish.namespace ?? namespace,
          server,
          wish: { ...wish, context: name },
        }),
      ),
  ];
}

/** What is known of the profile's cluster where it is used with that namespace. */
export function identityIn(
  { identity, namespace }: Pick<ClusterProfile, 'identity' | 'namespace'>,
  used: string,
): ClusterProfile['identity'] {
  return identity === undefined || used === namespace ? identity : { ...identity, namespace: null };
}

/** Null where several could be meant, or none is there. */
function profileOf({ name, context }: ClusterWish, known: KnownClusters): ClusterProfile | null {
  const { profiles, inUse, contexts } = known;
  if (name !== undefined) {
    const named = profiles.find((profile) => profile.name === name);
    if (named === undefined)
      throw notThere(
        `no cluster is connected as ${name}`,
        profiles.map((profile) => profile.name),
      );
    if (context !== undefined && context !== named.context)
      throw notThere(`the cluster ${name} is of the context ${named.context}, not of ${context}`, []);
    return named;
  }
  const used = profiles.find((profile) => profile.name === inUse) ?? null;
  if (context !== undefined) {
    if (used?.context === context) return used;
    const ofContext = profiles.find((profile) => profile.context === context);
    if (ofContext !== undefined) return ofContext;
    const there = contexts.find((one) => one.name === context);
    if (there === undefined)
      throw notThere(
        `no kubeconfig has the context ${context}`,
        contexts.map((one) => one.name),
      );
    return plainProfile(there, known);
  }
  if (used !== null) return used;
  if (profiles.length === 1 && profiles[0] !== undefined) return profiles[0];
  const [only, ...others] = contexts;
  return profiles.length === 0 && only !== undefined && others.length === 0 ? plainProfile(only, known) : null;
}

/** A context as it is, without anything that a profile adds. */
function plainProfile({ name, namespace }: KubeContext, { kubeconfig }: KnownClusters): ClusterProfile {
  return {
    name,
    kubeconfig,
    context: name,
    namespace,
    registry: null,
    queue: null,
    pullSecrets: [],
    checkpoints: null,
    confirmedCommands: [],
    made: null,
  };
}

function notThere(message: string, names: readonly string[]): HpoError {
  const next = names.length === 0 ? 'see what there is: hpo cluster list' : `choose one of: ${names.join(', ')}`;
  return new HpoError('HPO-2484', message, next, { exitCode: 4 });
}
