import { posix } from 'node:path';
import { HpoError } from '../../protocol/errors.ts';
import type { DetectedEnvironment } from '../detect/detected.ts';
import { DockerfileBuilder, madeByHpo, type Step } from './dockerfile.ts';
import { quoted } from '../shellWord.ts';
import { environmentFolder, type Plan, planOf, type PythonBuild, uv } from './pythonPlans.ts';
import type { Generated, RecipeOptions } from './recipeOf.ts';

/** Where an attempt finds the project. */
const workFolder = '/hpo/work';
const usualPython = '3.12';

export const pythonSecrets = ['ca', 'env', 'netrc', 'pip', 'uv'] as const;
const uvCache = '/root/.cache/uv';
const pipCache = '/root/.cache/pip';

/** Python's packages in `/opt/env`, by the tool that wrote the manifest. */
export function pythonDockerfile(detected: DetectedEnvironment, options: RecipeOptions): Generated {
  const plan = planOf(detected);
  const builder = new DockerfileBuilder();
  const context: PythonBuild = { builder, detected, hasUv: options.allowsUv ?? true };
  const version = /^\d+\.\d+(\.\d+)?/.exec(detected.languageVersion)?.[0] ?? usualPython;
  const slim = `python:${version}-slim-bookworm`;
  const compilesCuda = detected.cuda !== null && detected.needsCompiler;
  const base = options.base ?? (compilesCuda ? `nvidia/cuda:${cudaTag(detected.cuda)}-devel-ubuntu22.04` : slim);
  const hasOwnPython = options.base !== undefined || !compilesCuda;
  if (!hasOwnPython && !context.hasUv) {
    throw new HpoError(
      'HPO-2430',
      `something is compiled against CUDA ${detected.cuda}, and the image that has its compiler gets its Python from uv, which is turned off`,
      'allow uv, or name an image that has both: # @hpo.image NAME',
      { exitCode: 4 },
    );
  }
  builder.comment(madeByHpo);
  const tool = plan.tool === null ? null : toolStage(context, hasOwnPython ? base : slim, plan.tool);
  if (context.hasUv && tool === null) toolStage(context, hasOwnPython ? base : slim, 'uv');
  builder.from(base);
  if (detected.cuda !== null) builder.env(cudaVariables);
  builder.systemPackages([
    ...detected.systemPackages,
    ...(detected.needsCompiler ? ['build-essential'] : []),
    ...(needsGit(detected) ? ['ca-certificates', 'git'] : []),
  ]);
  builder.run(makeEnvironment(context, hasOwnPython ? 'python3' : version, plan));
  builder.env({
    PATH: `${environmentFolder}/bin:$PATH`,
    VIRTUAL_ENV: environmentFolder,
    PYTHONDONTWRITEBYTECODE: '1',
    USER: 'hpo',
  });
  return { builder, base, notes: plan.notes };
}

/** Installs a tool into a folder of its own, of which the image keeps nothing. */
function toolStage({ builder, hasUv }: PythonBuild, image: string, tool: 'uv' | 'poetry' | 'pdm' | 'pipenv'): string {
  if (tool === 'uv' && !hasUv) {
    throw new HpoError(
      'HPO-2430',
      'a lock of uv can only be installed by uv, which is turned off',
      'allow uv, or write the locked packages to a requirements.txt: uv export > requirements.txt',
      { exitCode: 4 },
    );
  }
  builder.from(image, 'tools');
  builder.run({
    // Not into the interpreter's own folder, which some distributions refuse.
    commands: [
      ...(hasUv ? ["python3 -m pip install --target /opt/uv --disable-pip-version-check 'uv>=0.5,<1'"] : []),
      ...(tool === 'uv' ? [] : makeTool(tool, hasUv)),
    ],
    caches: [pipCache, ...(hasUv && tool !== 'uv' ? [uvCache] : [])],
    secrets: pythonSecrets,
  });
  return tool;
}

/** What is installed for a tool; pdm works with few versions of what it is made of, which that extra names. */
const toolPackages = {
  poetry: "'poetry>=2,<3' poetry-plugin-export",
  pdm: "'pdm[locked]>=2,<3'",
  pipenv: 'pipenv',
} as const;

function makeTool(tool: 'poetry' | 'pdm' | 'pipenv', hasUv: boolean): readonly string[] {
  const folder = `/opt/${tool}`;
  const packages = toolPackages[tool];
  if (hasUv)
    return [
      `${uv} venv --python python3 ${folder}`,
      `UV_LINK_MODE=copy ${uv} pip install --python ${folder}/bin/python ${packages}`,
    ];
  return [
    `python3 -m venv --without-pip ${folder}`,
    `python3 -m pip --python ${folder}/bin/python install --disable-pip-version-check ${packages}`,
  ];
}

function makeEnvironment(context: PythonBuild, python: string, plan: Plan): Step {
  const { hasUv } = context;
  const venv = hasUv
    ? `${uv} venv --python ${python} ${environmentFolder}`
    : `python3 -m venv --without-pip ${environmentFolder}`;
  const settings = hasUv
    ? `export UV_LINK_MODE=copy UV_COMPILE_BYTECODE=1 ${python === 'python3' ? 'UV_PYTHON_DOWNLOADS=never' : 'UV_PYTHON_INSTALL_DIR=/opt/python'}`
    : 'export PIP_DISABLE_PIP_VERSION_CHECK=1';
  const ownTool = plan.tool === null || plan.tool === 'uv' ? [] : [plan.tool];
  const install = plan.install(context);
  return {
    commands: [settings, venv, ...install, ...(plan.importable.length === 0 ? [] : [importableAt(plan.importable)])],
    caches: [hasUv ? uvCache : pipCache],
    secrets: pythonSecrets,
    readsProject: true,
    tools: [...(hasUv ? ['uv'] : []), ...ownTool].map((tool) => ({ stage: 'tools', folder: `/opt/${tool}` })),
  };
}

/** The project's own packages are code: they are found where an attempt mounts it, installed or not. */
function importableAt(folders: readonly string[]): string {
  const paths = folders.flatMap((folder) => [posix.join(workFolder, folder), posix.join(workFolder, folder, 'src')]);
  const site = `"$(${environmentFolder}/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"`;
  return `printf '%s\\n' ${paths.map(quoted).join(' ')} > ${site}/hpo-project.pth`;
}

function needsGit({ manifests, requirements }: DetectedEnvironment): boolean {
  const texts = [...requirements, ...manifests.map(({ content }) => Buffer.from(content).toString())];
  return texts.some((one) => /\bgit\+(?:https?|ssh|file):|^source = \{ git = |^type = "git"$|^git = "/m.test(one));
}

/** What a GPU is used for; which ones, if any, is said of each container. */
export const cudaVariables = { NVIDIA_VISIBLE_DEVICES: 'void', NVIDIA_DRIVER_CAPABILITIES: 'compute,utility' };

/** Images are named by a full version, and each `x.y` begins with `x.y.0`. */
function cudaTag(version: string | null): string {
  return /^\d+\.\d+$/.test(version ?? '') ? `${version}.0` : (version ?? '');
}
