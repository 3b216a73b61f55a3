import { buffer } from 'node:stream/consumers';
import { pack } from 'tar-stream';
import type { RegistryPlace } from '../cluster/profile.ts';
import { imageText, parseImageName } from '../registry/imageName.ts';
import { OciRegistry } from '../registry/ociRegistry.ts';
import type { ImageName } from '../registry/registry.ts';

/**
 * Pushes what a study's image is: a base, and a layer of ours on it. Resolves with its name as nodes pull it, by its digest.
 *
 * @param base as people write images
 */
export async function pushTestImage(
  base: string,
  place: RegistryPlace,
  id: string,
  /** Of the nodes, as in image manifests. */
  architecture: string,
  onProgress: (line: string) => void,
): Promise<string> {
  const to = { ...placeOf(place.push), reference: 'test' };
  const plain = new Set(place.isPlain ? [to.registry] : []);
  const registry = new OciRegistry({ environment: process.env, plain });
  const layer = {
    tar: async function* () {
      const tar = pack();
      tar.entry({ name: 'hpo-test', mtime: new Date(0) }, id);
      tar.finalize();
      yield await buffer(tar);
    },
    labels: { 'hpo.test': id },
    createdBy: 'hpo cluster test',
  };
  const platform = { os: 'linux', architecture } as const;
  const digest = await registry.append(parseImageName(base), layer, to, platform, { onProgress });
  return imageText({ ...placeOf(place.pull), reference: digest });
}

/** The repository `test` at the place. */
function placeOf(place: string): Omit<ImageName, 'reference'> {
  const { registry, repository } = parseImageName(`${place}/test`);
  return { registry, repository };
}
