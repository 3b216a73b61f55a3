import { posix } from 'node:path';
import { parse as parseToml } from 'smol-toml';
import { HpoError } from '../../protocol/errors.ts';
import { unreachable } from '../../protocol/view.ts';
import type { DetectedEnvironment, ManifestFile } from '../detect/detected.ts';
import { configFolder } from './settingsScript.ts';
import { DockerfileBuilder, projectMount, type Step } from './dockerfile.ts';
import type { Generated, RecipeOptions } from './recipeOf.ts';

/** Where the packages are, in every image of Python. */
export const environmentFolder = '/opt/env';
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
  builder.comment(`Made by hpo from ${detected.reason}. No code is in it: each attempt mounts its own.`);
  const tool = plan.tool === null ? null : toolStage(context, hasOwnPython ? base : slim, plan.tool);
  if (context.hasUv && tool === null) toolStage(context, hasOwnPython ? base : slim, 'uv');
  builder.from(base);
  if (detected.cuda !== null) builder.env({ NVIDIA_DRIVER_CAPABILITIES: 'compute,utility' });
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

interface PythonBuild {
  readonly builder: DockerfileBuilder;
  readonly detected: DetectedEnvironment;
  readonly hasUv: boolean;
}

/** How one kind of manifest is installed. */
interface Plan {
  /** Program of the manifest's own that installs it; null where an installer of packages does. */
  readonly tool: 'uv' | 'poetry' | 'pdm' | 'pipenv' | null;
  /** Commands, after `/opt/env` was made. */
  readonly install: (context: PythonBuild) => readonly string[];
  readonly notes: readonly string[];
  /** Folder of the project whose packages the script imports, relative to the root; null where there is none. */
  readonly importable: string | null;
}

function planOf(detected: DetectedEnvironment): Plan {
  const main = detected.manifests[0];
  const folder = main === undefined ? '.' : posix.dirname(main.path);
  const kind = detected.kind;
  switch (kind) {
    case 'uv':
      return {
        tool: 'uv',
        notes: [],
        importable: folder,
        install: (context) => {
          addManifests(context);
          return [`cd ${at(folder)}`, `UV_PROJECT_ENVIRONMENT=${environmentFolder} ${uv} sync --frozen --no-install-workspace`];
        },
      };
    case 'pep723':
      return scriptPlan(detected);
    case 'poetry':
      return exportPlan('poetry', folder, `export --all-extras${groupsOf(detected)} --output`);
    case 'pdm':
      return exportPlan('pdm', folder, 'export --output');
    case 'pipenv':
      return { ...exportPlan('pipenv', folder, 'requirements --dev --hash >'), importable: null };
    case 'requirements':
      return {
        tool: null,
        notes: [],
        importable: installsItself(main) ? folder : null,
        install: (context) => {
          const paths = detected.manifests.map(({ path, content }) => context.builder.project(path, withoutItself(content)));
          return [`cd ${at(folder)}`, installRequirements(context, paths[0] ?? '')];
        },
      };
    case 'pyproject':
      return {
        tool: null,
        notes: [],
        importable: folder,
        install: (context) =>
          installLines(context, detected.requirements.length > 0 ? detected.requirements : dependenciesOf(main)),
      };
    case 'interpreter':
      return {
        tool: null,
        notes: ['packages that are not in a package index, such as ones installed from a folder, are missing in it'],
        importable: null,
        install: (context) => installLines(context, detected.requirements),
      };
    case 'image':
    case 'dockerfile':
    case 'devcontainer':
    case 'pixi':
    case 'conda':
    case 'node':
    case 'renv':
    case 'julia':
    case 'command':
      throw new RangeError(`${kind} is not installed by Python's tools`);
    default:
      return unreachable(kind);
  }
}

/**
 * The lock's own tool says what is locked, and the installer of packages gets it: unlike those tools it knows the package
 * indexes of this machine.
 */
function exportPlan(tool: 'poetry' | 'pdm' | 'pipenv', folder: string, command: string): Plan {
  return {
    tool,
    notes: [],
    importable: folder,
    install: (context) => {
      addManifests(context);
      return [`cd ${at(folder)}`, `/opt/${tool}/bin/${tool} ${command} ${lockedFile}`, installRequirements(context, lockedFile)];
    },
  };
}

const lockedFile = `${configFolder}/locked.txt`;

/** Those that Poetry installs without being asked: all but optional ones. */
function groupsOf({ manifests }: DetectedEnvironment): string {
  const pyproject = manifests.find(({ path }) => posix.basename(path) === 'pyproject.toml');
  const file = pyproject === undefined ? {} : parseToml(Buffer.from(pyproject.content).toString());
  const poetry = tableIn(tableIn(file, 'tool'), 'poetry');
  const groups = tableIn(poetry, 'group');
  const names = new Set([
    ...Object.keys(tableIn(file, 'dependency-groups')),
    ...Object.keys(groups),
    ...('dev-dependencies' in poetry ? ['dev'] : []),
  ]);
  const wanted = [...names].filter((name) => tableIn(groups, name)['optional'] !== true);
  return wanted.length === 0 ? '' : ` --with ${quoted(wanted.join(','))}`;
}

function tableIn(value: unknown, key: string): Readonly<Record<string, unknown>> {
  const found: unknown =
    typeof value === 'object' && value !== null ? Object.entries(value).find(([name]) => name === key)?.[1] : null;
  return typeof found === 'object' && found !== null ? Object.fromEntries(Object.entries(found)) : {};
}

/** A script with its requirements in a comment: from the lock beside it where there is one. */
function scriptPlan(detected: DetectedEnvironment): Plan {
  const lock = detected.manifests.find(({ path }) => path.endsWith('.lock'));
  if (lock === undefined)
    return { tool: null, notes: [], importable: null, install: (context) => installLines(context, detected.requirements) };
  const script = lock.path.replace(/\.lock$/, '');
  return {
    tool: 'uv',
    notes: [],
    importable: null,
    install: (context) => {
      context.builder.project(lock.path, lock.content);
      // The block alone: the code is none of the image's business.
      const path = context.builder.project(script, scriptBlock(detected, script));
      return [`${uv} export --quiet --frozen --script ${quoted(path)} > ${lockedFile}`, installRequirements(context, lockedFile)];
    },
  };
}

function scriptBlock(detected: DetectedEnvironment, script: string): Uint8Array {
  const text = Buffer.from(detected.manifests.find(({ path }) => path === script)?.content ?? []).toString();
  const list = detected.requirements.map((line) => `#   ${JSON.stringify(line)},`);
  const made = ['# /// script', '# dependencies = [', ...list, '# ]', '# ///'].join('\n');
  return Buffer.from(`${/^# \/\/\/ script\s*\n(?:#.*\n)*?# \/\/\/\s*$/m.exec(text)?.[0] ?? made}\n`);
}

const uv = '/opt/uv/bin/uv';

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
    commands: [settings, venv, ...install, ...(plan.importable === null ? [] : [importableAt(plan.importable)])],
    caches: [
      ...(hasUv ? [uvCache] : [pipCache]),
      ...ownTool.filter((tool) => tool !== 'pipenv').map((tool) => `/root/.cache/${tool === 'poetry' ? 'pypoetry' : tool}`),
    ],
    secrets: pythonSecrets,
    readsProject: true,
    tools: [...(hasUv ? ['uv'] : []), ...ownTool].map((tool) => ({ stage: 'tools', folder: `/opt/${tool}` })),
  };
}

function installRequirements({ hasUv }: PythonBuild, file: string): string {
  // Like pip, which takes the best version of all indexes.
  return hasUv
    ? `${uv} pip install --python ${environmentFolder}/bin/python --index-strategy unsafe-best-match -r ${quoted(file)}`
    : `python3 -m pip --python ${environmentFolder}/bin/python install -r ${quoted(file)}`;
}

function installLines(context: PythonBuild, lines: readonly string[]): readonly string[] {
  if (lines.length === 0) return [];
  const file = context.builder.project('requirements.txt', Buffer.from(`${lines.join('\n')}\n`));
  return [installRequirements(context, file)];
}

/** The project's own packages are code: they are found where an attempt mounts it, installed or not. */
function importableAt(folder: string): string {
  const path = posix.join(workFolder, folder);
  return `printf '%s\\n' ${quoted(path)} ${quoted(posix.join(path, 'src'))} > "$(${environmentFolder}/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/hpo-project.pth"`;
}

function addManifests({ builder, detected }: PythonBuild): void {
  for (const { path, content } of detected.manifests) builder.project(path, content);
}

function dependenciesOf(manifest: ManifestFile | undefined): readonly string[] {
  const project = manifest === undefined ? null : parseToml(Buffer.from(manifest.content).toString())['project'];
  if (typeof project !== 'object' || project === null || !('dependencies' in project)) return [];
  const { dependencies } = project;
  return Array.isArray(dependencies) ? dependencies.filter((line) => typeof line === 'string') : [];
}

/** `-e .`: the project itself, which is code. */
const itself = /^\s*(?:(?:-e|--editable)[\s=]+)?\.(?:\/|\[[^\]]*\])?\s*(?:#.*)?$/;

function installsItself(manifest: ManifestFile | undefined): boolean {
  return (
    manifest !== undefined &&
    Buffer.from(manifest.content)
      .toString()
      .split('\n')
      .some((line) => itself.test(line))
  );
}

function withoutItself(content: Uint8Array): Uint8Array {
  return Buffer.from(
    Buffer.from(content)
      .toString()
      .split('\n')
      .filter((line) => !itself.test(line))
      .join('\n'),
  );
}

function needsGit({ manifests, requirements }: DetectedEnvironment): boolean {
  const texts = [...requirements, ...manifests.map(({ content }) => Buffer.from(content).toString())];
  return texts.some((text) => /\bgit\+(?:https?|ssh|file):|^source = \{ git = |^type = "git"$|^git = "/m.test(text));
}

/** Images are named by a full version, and each `x.y` begins with `x.y.0`. */
function cudaTag(version: string | null): string {
  return /^\d+\.\d+$/.test(version ?? '') ? `${version}.0` : (version ?? '');
}

function at(folder: string): string {
  return quoted(posix.join(projectMount, folder));
}

/** For the shell of a step; plain paths stay readable. */
export function quoted(text: string): string {
  return /^[\w./@+-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;
}
