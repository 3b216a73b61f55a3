import { posix } from 'node:path';
import { parse as parseYaml } from 'yaml';
import { HpoError } from '../../protocol/errors.ts';
import type { DetectedEnvironment, ManifestFile } from '../detect/detected.ts';
import { strings } from '../unknown.ts';
import { condaScript } from './condaScript.ts';
import { DockerfileBuilder, localAddress, madeByHpo, projectMount } from './dockerfile.ts';
import { quoted } from '../shellWord.ts';
import { cudaVariables, pythonSecrets } from './python.ts';
import { environmentFolder } from './pythonPlans.ts';
import type { Generated, RecipeOptions } from './recipeOf.ts';

const usualChannel = 'conda-forge';

/** Conda packages in `/opt/env`, put there by a stage of which nothing else stays: no conda is needed, and none is in the image. */
export function condaDockerfile(detected: DetectedEnvironment, options: RecipeOptions): Generated {
  const hasUv = options.allowsUv ?? true;
  const base = options.base ?? 'debian:bookworm-slim';
  const builder = new DockerfileBuilder();
  const { plan, variables, notes } = detected.kind === 'pixi' ? pixiPlan(builder, detected) : condaPlan(builder, detected);
  const script = builder.own('install_conda.py', condaScript);
  const planPath = builder.project('plan.json', Buffer.from(`${JSON.stringify(plan, null, 2)}\n`));
  const python = `${environmentFolder}/bin/python`;
  const install = hasUv
    ? `/opt/tools/bin/uv pip install --link-mode copy --compile-bytecode --index-strategy unsafe-best-match --python ${python} -r /tmp/pip.txt`
    : `python3 -m pip --python ${python} install -r /tmp/pip.txt`;
  builder
    .comment(madeByHpo)
    .from(options.base ?? toolImage(detected.languageVersion), 'packages')
    .systemPackages(detected.needsCompiler ? ['build-essential', 'git'] : [])
    .run({
      commands: [
        `python3 -m pip install --target /opt/tools --disable-pip-version-check 'py-rattler>=0.23,<1'${hasUv ? " 'uv>=0.5,<1'" : ''}`,
      ],
      caches: ['/root/.cache/pip'],
      secrets: pythonSecrets,
    })
    .run({
      commands: [
        ...(detected.cuda === null ? [] : [`export CONDA_OVERRIDE_CUDA=${quoted(detected.cuda)}`]),
        `PYTHONPATH=/opt/tools python3 ${script} ${planPath} ${environmentFolder} /tmp/pip.txt`,
        `if [ -s /tmp/pip.txt ]; then ${install}; fi`,
        `chmod -R a+rX ${environmentFolder}`,
      ],
      caches: ['/root/.cache/rattler', hasUv ? '/root/.cache/uv' : '/root/.cache/pip'],
      secrets: pythonSecrets,
      readsProject: true,
    })
    .from(base)
    .systemPackages([...detected.systemPackages, ...(detected.needsCompiler ? ['build-essential'] : [])])
    .copy('packages', environmentFolder, environmentFolder)
    .env({
      PATH: `${environmentFolder}/bin:$PATH`,
      CONDA_PREFIX: environmentFolder,
      PYTHONDONTWRITEBYTECODE: '1',
      USER: 'hpo',
      ...(detected.cuda === null ? {} : cudaVariables),
      ...variables,
    });
  return { builder, base, notes };
}

/** Of the same version but for its last part, so that a machine needs one image less; the installer asks for 3.10 at least. */
function toolImage(version: string): string {
  const [, minor = '0'] = /^3\.(\d+)/.exec(version) ?? [];
  return `python:3.${Number(minor) >= 10 ? minor : 12}-slim-bookworm`;
}

/** What the installer in the build is told. */
type CondaPlan =
  | { readonly lock: string; readonly environment: string }
  | { readonly channels: readonly string[]; readonly specs: readonly string[]; readonly pip: readonly string[] };

interface Planned {
  readonly plan: CondaPlan;
  /** That the environment sets when it is activated. */
  readonly variables: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
}

function pixiPlan(builder: DockerfileBuilder, detected: DetectedEnvironment): Planned {
  const lock = manifestOf(detected, /(?:^|\/)pixi\.lock$/);
  let text = Buffer.from(lock.content).toString();
  // Of a channel that is a folder of the project, the lock names each package by its place on the machine that made it.
  for (const { path, content } of detected.manifests) {
    if (!/\.(?:conda|tar\.bz2)$/.test(path)) continue;
    builder.project(path, content);
    text = text.replaceAll(/(?<=\s)(?:file:\/\/)?\/\S+/g, (url) =>
      url.endsWith(`/${path}`) ? `file://${posix.join(projectMount, path)}` : url,
    );
  }
  builder.project('pixi.lock', Buffer.from(text));
  return {
    plan: { lock: 'pixi.lock', environment: 'default' },
    variables: {},
    notes: ['of pixi.lock the environment "default" is installed'],
  };
}

function condaPlan(builder: DockerfileBuilder, detected: DetectedEnvironment): Planned {
  const file = manifestOf(detected, /(?:^|\/)environment\.ya?ml$/);
  // Channels that are folders of the project.
  for (const { path, content: bytes } of detected.manifests) if (path !== file.path) builder.project(path, bytes);
  const content: unknown = parseYaml(Buffer.from(file.content).toString());
  const channels = strings(listIn(content, 'channels')).filter((channel) => channel !== 'nodefaults');
  const dependencies = listIn(content, 'dependencies');
  const specs = strings(dependencies);
  const pip = strings(dependencies.flatMap((entry) => listIn(entry, 'pip')));
  const hasPython = specs.some((spec) => /^(?:[\w.-]+::)?python(?:[\s=<>!~[]|$)/.test(spec));
  const needsPython = !hasPython && (detected.language === 'python' || pip.length > 0);
  const python = detected.languageVersion === '' ? 'python' : `python ${detected.languageVersion}.*`;
  return {
    plan: {
      channels: channels.length === 0 ? [usualChannel] : channels.flatMap((channel) => urlsOf(channel, posix.dirname(file.path))),
      // The installer of pip's part is not conda's pip.
      specs: [...specs.filter((spec) => spec !== 'pip' || pip.length === 0), ...(needsPython ? [python] : [])].map(specOf),
      pip,
    },
    variables: variablesIn(content),
    notes: channels.length === 0 ? [`${file.path} names no channel: packages come from ${usualChannel}`] : [],
  };
}

function manifestOf(detected: DetectedEnvironment, name: RegExp): ManifestFile {
  const found = detected.manifests.find(({ path }) => name.test(path));
  if (found !== undefined) return found;
  throw new HpoError('HPO-2430', `${detected.reason} has no file to install from`, 'name an image: # @hpo.image NAME', {
    exitCode: 4,
  });
}

/** `defaults` is several channels of one company; a folder of the project is where the build has it. */
function urlsOf(channel: string, folder: string): readonly string[] {
  const local = localAddress(channel, folder);
  if (local !== null) return [local];
  if (channel !== 'defaults') return [channel];
  return ['https://repo.anaconda.com/pkgs/main', 'https://repo.anaconda.com/pkgs/r'];
}

/** `numpy=1.26=py311_0` is how environments are exported; the solver's own way is with spaces. */
function specOf(spec: string): string {
  const [, name, version, build] = /^([\w.:-]+)=([^=<>!~,|\s]+)(?:=([^=<>!~,|\s]+))?$/.exec(spec.trim()) ?? [];
  if (name === undefined || version === undefined) return spec.trim();
  return build === undefined ? `${name} ${version.endsWith('*') ? version : `${version}.*`}` : `${name} ${version} ${build}`;
}

function listIn(value: unknown, key: string): readonly unknown[] {
  const found = entryIn(value, key);
  return Array.isArray(found) ? found : [];
}

function variablesIn(value: unknown): Readonly<Record<string, string>> {
  const found = entryIn(value, 'variables');
  if (typeof found !== 'object' || found === null) return {};
  return Object.fromEntries(Object.entries(found).map(([name, text]) => [name, String(text)]));
}

function entryIn(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null ? Object.entries(value).find(([name]) => name === key)?.[1] : undefined;
}
