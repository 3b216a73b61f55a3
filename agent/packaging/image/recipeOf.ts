import { createHash } from 'node:crypto';
import type { BuildFile } from '../../engine/engine.ts';
import { HpoError } from '../../protocol/errors.ts';
import { unreachable } from '../../protocol/view.ts';
import type { DetectedEnvironment } from '../detect/detected.ts';
import { condaDockerfile } from './conda.ts';
import type { DockerfileBuilder } from './dockerfile.ts';
import { juliaDockerfile } from './julia.ts';
import { nodeDockerfile } from './node.ts';
import { ownDockerfile } from './ownDockerfile.ts';
import { plainDockerfile } from './plain.ts';
import { pythonDockerfile } from './python.ts';
import { renvDockerfile } from './renv.ts';
import { type ImageRecipe, imageName } from './recipe.ts';

/** Changed whenever the same environment would be built in another way, so that images of before are not taken for it. */
const generatorVersion = 1;

export interface RecipeOptions {
  /** As in image manifests: `amd64`, `arm64`. */
  readonly architecture: string;
  /** Base image in place of the one that language and version choose; absent: that one. */
  readonly base?: string | undefined;
  /** False: pip in place of uv. Absent: uv, from the package index. */
  readonly allowsUv?: boolean | undefined;
  /** For a Dockerfile of the user's: the files of the project that it may copy, without secrets. */
  readonly context?: readonly BuildFile[] | undefined;
}

/** What the generator of one kind of environment says. */
export interface Generated {
  readonly builder: DockerfileBuilder;
  readonly base: string;
  readonly notes: readonly string[];
}

/**
 * How the image of an environment is made. Nothing is looked up: the same input gives the same recipe, and so the same key.
 * @throws HpoError HPO-2430 for an environment that no image can be made from, with what is in the way.
 */
export function recipeOf(detected: DetectedEnvironment, options: RecipeOptions): ImageRecipe {
  const common = {
    reason: detected.reason,
    interpreter: interpreterOf(detected),
    languageVersion: detected.languageVersion,
  };
  const general = generalNotes(detected);
  if (detected.image !== null) {
    const key = hashOf(['image', detected.image, options.architecture], []);
    return { ...common, key, name: detected.image, build: null, notes: general };
  }
  if (detected.dockerfile !== null) {
    const own = ownDockerfile(detected, detected.dockerfile, options.context ?? []);
    const key = hashOf(['dockerfile', options.architecture], own.keyed);
    const { dockerfile, context, base, notes } = own;
    return {
      ...common,
      key,
      name: imageName(key),
      build: { dockerfile, context, base, secrets: own.secrets },
      notes: [...general, ...notes],
    };
  }
  const { builder, base, notes } = generate(detected, options);
  const context = builder.context();
  const key = hashOf(['generated', String(generatorVersion), options.architecture], context);
  const build = { dockerfile: 'Dockerfile', context, base, secrets: [...builder.secrets].sort() };
  return { ...common, key, name: imageName(key), build, notes: [...general, ...notes] };
}

function generate(detected: DetectedEnvironment, options: RecipeOptions): Generated {
  switch (detected.kind) {
    case 'pep723':
    case 'uv':
    case 'poetry':
    case 'pdm':
    case 'pipenv':
    case 'requirements':
    case 'pyproject':
    case 'interpreter':
      return pythonDockerfile(detected, options);
    case 'pixi':
    case 'conda':
      return condaDockerfile(detected, options);
    case 'node':
      return nodeDockerfile(detected, options);
    case 'renv':
      return renvDockerfile(detected, options);
    case 'julia':
      return juliaDockerfile(detected, options);
    case 'command':
      return plainDockerfile(detected, options);
    case 'image':
    case 'dockerfile':
    case 'devcontainer':
      throw new HpoError(
        'HPO-2430',
        `${detected.reason} names neither an image nor a Dockerfile`,
        'name one with a line: # @hpo.image NAME',
        { exitCode: 4 },
      );
    default:
      return unreachable(detected.kind);
  }
}

function generalNotes(detected: DetectedEnvironment): readonly string[] {
  const notes: string[] = [];
  if (!detected.isReproducible && detected.image === null) {
    notes.push('built again later, the same manifests may bring other versions: a lock file makes it the same');
  }
  if (detected.cuda !== null) notes.push(`packages bring CUDA ${detected.cuda}: give trials a GPU with @hpo.resources gpus=1`);
  return notes;
}

/** The user's own images need not have `python`; all that have Python have `python3`. */
function interpreterOf({ language, image, dockerfile }: DetectedEnvironment): string | null {
  switch (language) {
    case 'python':
      return image === null && dockerfile === null ? 'python' : 'python3';
    case 'node':
      return 'node';
    case 'r':
      return 'Rscript';
    case 'julia':
      return 'julia';
    case 'other':
      return null;
    default:
      return unreachable(language);
  }
}

/** Lengths in front, so that no two lists of fields look alike. */
function hashOf(parts: readonly string[], files: readonly BuildFile[]): string {
  const hash = createHash('sha256');
  const add = (field: string | Uint8Array): void => {
    hash.update(`${Buffer.byteLength(field)}:`).update(field);
  };
  for (const part of parts) add(part);
  for (const { path, content, isExecutable } of files) {
    add(path);
    add(isExecutable ? 'x' : '-');
    add(content);
  }
  return hash.digest('hex').slice(0, 20);
}
