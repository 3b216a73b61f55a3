import type { Cluster } from '../../cluster/cluster.ts';
import { readTemplate } from '../../executors/kubernetes/podTemplate.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { Pool } from '../../protocol/study.ts';

/** As every kubelet labels its node. */
const label = 'kubernetes.io/arch';
/** What most clusters have. */
const usual = 'amd64';

/** Architectures of the nodes that take pods, as in image manifests, that of most first; empty where nobody has any. */
export async function nodeArchitectures(cluster: Pick<Cluster, 'list'>): Promise<readonly string[]> {
  const counts = new Map<string, number>();
  for (const { spec, status } of await cluster.list('Node')) {
    const architecture = status?.nodeInfo?.architecture;
    if (architecture !== undefined && spec?.unschedulable !== true) counts.set(architecture, (counts.get(architecture) ?? 0) + 1);
  }
  return [...counts].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1)).map(([architecture]) => architecture);
}

/** What an image runs on. */
export interface RunsOn {
  /** Of Linux, as in image manifests; null where that is not known. */
  readonly architectures: readonly string[] | null;
  /** The one that is taken where nodes differ. */
  readonly chosen: string;
}

/** For which architecture an image is made: the one that all pools ask for, else that of most nodes. */
export function wantedArchitecture(nodes: readonly string[], pools: readonly Pick<Pool, 'nodeSelector'>[]): string {
  const said = new Set(pools.map(({ nodeSelector }) => nodeSelector[label]));
  const [only = null] = said;
  return (said.size === 1 ? only : null) ?? nodes[0] ?? usual;
}

/** Which of its architectures an image is run on: the wanted one, else that of most nodes. Throws HPO-2522 where no node has any. */
export function chooseArchitecture(
  { architecture, nodes }: { readonly architecture: string; readonly nodes: readonly string[] },
  image: readonly string[],
  name: string,
): string {
  const found = [architecture, ...nodes].find((one) => image.includes(one));
  if (found !== undefined) return found;
  const [first] = image;
  if (first === undefined || nodes.length > 0) throw noNode(name, image, `nodes of the cluster have ${nodes.join(', ')}`);
  return first;
}

/**
 * Pools whose pods go to nodes that can run the image and no others; nothing is demanded where what it runs on is not known. Throws
 * HPO-2522 for a pool of other nodes.
 */
export function poolsFor(
  pools: readonly Pool[],
  podTemplate: string | null,
  nodes: readonly string[],
  { architectures, chosen }: RunsOn,
  name: string,
): readonly Pool[] {
  if (architectures === null) return pools;
  const ofAll = readTemplate(podTemplate).spec.nodeSelector?.[label];
  // An index with an image for each kind of node that there is: the node picks.
  const fitsAll = nodes.length > 0 && architectures.length > 1 && nodes.every((one) => architectures.includes(one));
  return pools.map((pool) => {
    const said = pool.nodeSelector[label] ?? ofAll;
    if (said !== undefined && !architectures.includes(said))
      throw noNode(name, architectures, `the nodes of the pool ${pool.name} have ${said}`);
    return said !== undefined || fitsAll ? pool : { ...pool, nodeSelector: { ...pool.nodeSelector, [label]: chosen } };
  });
}

function noNode(name: string, image: readonly string[], where: string): HpoError {
  return new HpoError(
    'HPO-2522',
    `no node can run the image ${name}, which is for ${image.join(', ') || 'no architecture of Linux'}: ${where}`,
    'name an image that is built for them (# @hpo.image NAME), or a pool of nodes that fit: kubernetes: {pools: [{name: …, nodeSelector: {kubernetes.io/arch: …}}]}',
    { exitCode: 4 },
  );
}
