import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { ContainerPorts } from './containerPreflight.ts';
import type { BuildFile, Engine } from '../../engine/engine.ts';
import { type DetectOptions, detectEnvironment } from '../../packaging/detect/index.ts';
import type { DetectedEnvironment } from '../../packaging/detect/detected.ts';
import { chooseEnvironment } from '../../packaging/environment/index.ts';
import { forEachLimited } from '../../packaging/forEachLimited.ts';
import { type ImageRecipe, type ImageStore, recipeOf } from '../../packaging/image/index.ts';
import { selectFiles } from '../../packaging/selectFiles.ts';
import { HpoError } from '../../protocol/errors.ts';
import type { TuneRequest } from '../../protocol/requests.ts';
import type { ProjectReading } from '../readProject.ts';

/** What starts in containers are made of: detection, recipes and images, on this machine. */
export function containerTools({
  engine,
  images,
  cacheDir,
  environment,
  home,
}: {
  readonly engine: () => Promise<Engine>;
  readonly images: ImageStore;
  readonly cacheDir: string;
  readonly environment: NodeJS.ProcessEnv;
  /** Folder of the agent's state, of which nothing is built into an image. */
  readonly home: string;
}): ContainerPorts['containers'] {
  return {
    engine,
    environment,
    detect: (request, project) => detectFor(request, project, cacheDir),
    recipe: (detected, project, architecture) => recipeFor(detected, project, architecture, { home, environment }),
    find: (recipe) => images.find(recipe),
    ensure: (recipe, progress, options) => images.ensure(recipe, progress, options),
  };
}

/** The environment of a script, as its project and the user say. */
export async function detectFor(
  request: Pick<TuneRequest, 'image' | 'interpreter'>,
  { root, scriptPath, spec, command }: ProjectReading,
  cacheDir: string,
): Promise<DetectedEnvironment> {
  const options: DetectOptions = {
    root,
    scriptPath,
    command,
    imageSetting: { annotated: spec.image, requested: request.image ?? null },
    interpreter: request.interpreter?.path ?? null,
  };
  const detected = await detectEnvironment(options);
  if (detected.kind !== 'interpreter' || options.interpreter !== null) return detected;
  // Only as the last resort it matters which one would run the script here, and finding out starts it.
  const { choice } = await chooseEnvironment({ script: join(root, scriptPath), root, cacheDir, mode: 'current' });
  return choice === null ? detected : await detectEnvironment({ ...options, interpreter: choice.interpreter });
}

/** How the image of an environment is made. `architecture` as in image manifests; null: this machine's. */
export async function recipeFor(
  detected: DetectedEnvironment,
  { root }: Pick<ProjectReading, 'root'>,
  architecture: string | null,
  { home, environment }: { readonly home: string; readonly environment: NodeJS.ProcessEnv },
): Promise<ImageRecipe> {
  const ownArchitecture = process.arch === 'x64' ? 'amd64' : process.arch;
  return recipeOf(detected, {
    architecture: architecture ?? ownArchitecture,
    allowsUv: environment['HPO_UV'] !== 'off',
    ...(detected.dockerfile === null ? {} : { context: await filesOf(root, home) }),
  });
}

/** What a Dockerfile of the user's may copy: what a snapshot would store, without what looks like a secret. */
async function filesOf(root: string, home: string): Promise<readonly BuildFile[]> {
  const { entries, root: real } = await selectFiles({ root, mustHave: [], home });
  const files: BuildFile[] = [];
  await forEachLimited(entries, async (entry) => {
    if (entry.type !== 'file') return;
    const content = await readFile(join(real, entry.path)).catch((cause: unknown) => {
      throw new HpoError(
        'HPO-2459',
        `${entry.path} cannot be read for the image`,
        'change its rights, or list it in .hpoignore',
        { cause },
      );
    });
    files.push({ path: entry.path, content, isExecutable: entry.isExecutable });
  });
  return files;
}
