import { dirname, join, normalize } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import { record, text } from '../unknown.ts';
import { dockerfileAt } from './dockerfile.ts';
import { fault, placeOf } from './faults.ts';
import type { Finding, Row, Search } from './finding.ts';
import { isImageName } from './image.ts';

/** Keys that change the container, and that a study's containers do not get. */
const unused = [
  'features',
  'runArgs',
  'mounts',
  'containerEnv',
  'remoteEnv',
  'onCreateCommand',
  'updateContentCommand',
  'postCreateCommand',
  'privileged',
  'capAdd',
  'securityOpt',
];

export const devcontainer: Row = async ({ project, folder }: Search): Promise<Finding | null> => {
  const nested = (await project.list(join(folder, '.devcontainer'))).map((name) => `.devcontainer/${name}/devcontainer.json`);
  const path = await project.firstOf(folder, ['.devcontainer/devcontainer.json', '.devcontainer.json', ...nested]);
  if (path === null) return null;
  const others = await Promise.all(
    nested.map(async (name) => ((await project.bytes(join(folder, name))) === null ? null : join(folder, name))),
  );
  const source = (await project.text(path)) ?? '';
  const faults: Diagnostic[] = [];
  const table = await project.jsonc(path, faults);
  const build = record(table?.['build']);
  const image = text(table?.['image']);
  const dockerfile = text(build?.['dockerfile']) || text(build?.['dockerFile']) || text(table?.['dockerFile']);
  const base = {
    kind: 'devcontainer' as const,
    file: path,
    files: [path],
    packages: [],
    versions: [],
    requirements: [],
    isReproducible: false,
    faults,
    passedOver: others
      .filter((file) => file !== null && file !== path)
      .map((file) => ({ file: file ?? '', reason: `${path} comes before it` })),
    question: `${path} describes a development container, which may do anything its author wanted: use it for the trials?`,
  };
  if (table === null) return base;
  for (const key of unused.filter((name) => table[name] !== undefined)) {
    faults.push(
      fault(
        'HPO-2427',
        'warning',
        placeOf(path, source, new RegExp(`"(${key})"\\s*:`)),
        `"${key}" of ${path} is not applied to the containers of trials`,
        'put what the script needs into its Dockerfile',
      ),
    );
  }
  if (dockerfile !== '') {
    // Both paths are meant from the folder of the devcontainer.json; the context is that folder unless it says another.
    const own = join(dirname(path), dockerfile);
    const context = join(dirname(path), text(build?.['context']) || text(table['context']) || '.');
    const found = await dockerfileAt(project, own, context);
    if (found !== null) {
      return {
        ...base,
        files: [...new Set([path, ...found.files])],
        versions: found.versions,
        dockerfile: own,
        dockerContext: normalize(context),
        faults: [...faults, ...found.faults],
      };
    }
    faults.push(
      fault(
        'HPO-2429',
        'error',
        placeOf(path, source, dockerfile),
        `${path} names the Dockerfile ${own}, which is not there`,
        'correct the path',
      ),
    );
    return { ...base, question: null };
  }
  if (image !== '' && isImageName(image)) return { ...base, image, isReproducible: image.includes('@sha256:') };
  const compose =
    table['dockerComposeFile'] === undefined ? 'it names neither an image nor a Dockerfile' : 'it uses Docker Compose';
  const why = image === '' ? compose : `"${image}" is no name of an image`;
  faults.push(
    fault(
      'HPO-2425',
      'error',
      placeOf(path, source, /"(?:dockerComposeFile|image)"\s*:.*/),
      `${path} cannot be used: ${why}`,
      'name an image in it, or leave it out by # @hpo.image auto',
    ),
  );
  return { ...base, question: null };
};
