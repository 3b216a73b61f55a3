import type { V1ObjectMeta } from '@kubernetes/client-node';
import type { Cluster, Kind, Labels } from '../cluster/cluster.ts';
import type { MadeCluster } from '../cluster/profile.ts';
import { HpoError } from '../protocol/errors.ts';
import { type Manifest, ownLabels, wireOf } from './manifests.ts';

export type MadeObject = MadeCluster['objects'][number];

export interface Applied {
  readonly kind: Kind;
  readonly name: string;
  readonly result: 'made' | 'changed' | 'unchanged' | 'kept';
}

export interface ApplyOptions {
  readonly cluster: Cluster;
  /** Name of the profile, and the mark of the home, which are on all that is ours. */
  readonly owner: { readonly name: string; readonly mark: string };
  /** Told of each object that is ours as soon as it is there, so that it can be removed whatever happens next. */
  readonly onMade: (object: MadeObject) => void;
}

/** What every object has that can be asked for. */
export interface Found {
  readonly metadata?: V1ObjectMeta | undefined;
}

/**
 * Makes what is not there and changes what is there and ours. Nothing is made or changed where anything in the way is not ours
 * (HPO-2494), but a namespace that is there already is used as it is.
 */
export async function apply(manifests: readonly Manifest[], options: ApplyOptions): Promise<readonly Applied[]> {
  const { cluster, owner } = options;
  const inTheWay: string[] = [];
  for (const { kind, name } of manifests) {
    const found: Found | null = await cluster.get(kind, name);
    if (found !== null && kind !== 'Namespace' && !isOurs(found, owner)) inTheWay.push(`${kind} ${name}`);
  }
  if (inTheWay.length > 0) {
    throw new HpoError(
      'HPO-2494',
      `${cluster.place.namespace} has ${inTheWay.join(', ')} already, not made by this hpo: left as it is`,
      'name another namespace in cluster.yml, or remove that yourself if nobody needs it',
    );
  }
  const applied: Applied[] = [];
  for (const manifest of manifests) applied.push(await applyOne(manifest, options));
  return applied;
}

/** By label; who removes asks for the uid too. */
export function isOurs(object: Found, { name, mark }: ApplyOptions['owner']): boolean {
  return Object.entries(ownLabels(name, mark)).every(([key, value]) => object.metadata?.labels?.[key] === value);
}

async function applyOne(manifest: Manifest, { cluster, owner, onMade }: ApplyOptions): Promise<Applied> {
  const { kind, name } = manifest;
  const { result, object } = await created(cluster, manifest);
  if (result === 'created') {
    onMade(madeObject(manifest, object));
    return { kind, name, result: 'made' };
  }
  if (!isOurs(object, owner)) return { kind, name, result: 'kept' };
  onMade(madeObject(manifest, object));
  const changed: Found | null = await cluster.patch(kind, name, patchOf(manifest));
  const isSame = changed?.metadata?.resourceVersion === object.metadata?.resourceVersion;
  return { kind, name, result: isSame ? 'unchanged' : 'changed' };
}

async function created(
  cluster: Cluster,
  manifest: Manifest,
): Promise<{ readonly result: 'created' | 'exists'; readonly object: Found }> {
  // Kind and object belong together, which a union does not carry over to a call.
  const create = cluster.create.bind(cluster) as (kind: Kind, object: Manifest['object']) => ReturnType<Cluster['create']>;
  return await create(manifest.kind, manifest.object);
}

/** All but what identifies it; what a merge would leave of an earlier form is taken away by name. */
function patchOf({ kind, object }: Manifest): object {
  const {
    apiVersion: _version,
    kind: _kind,
    metadata,
    ...content
  } = wireOf(object) as Record<string, unknown> & {
    readonly metadata: { readonly labels: Labels };
  };
  // What a reference refers to can never be changed.
  if (kind === 'RoleBinding') delete content['roleRef'];
  return { metadata: { labels: metadata.labels }, ...content };
}

function madeObject({ kind, name }: Manifest, object: Found): MadeObject {
  return { kind, name, uid: object.metadata?.uid ?? '' };
}
