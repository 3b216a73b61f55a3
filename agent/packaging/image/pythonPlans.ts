import { posix } from 'node:path';
import { parse as parseToml } from 'smol-toml';
import { unreachable } from '../../protocol/view.ts';
import type { DetectedEnvironment, ManifestFile } from '../detect/detected.ts';
import { record, recordAt, records, strings, text } from '../unknown.ts';
import { type DockerfileBuilder, projectMount } from './dockerfile.ts';
import { quoted } from '../shellWord.ts';
import { configFolder } from './settingsScript.ts';

/** Where the packages are, in every image of Python. */
export const environmentFolder = '/opt/env';

export const uv = '/opt/uv/bin/uv';

export interface PythonBuild {
  readonly builder: DockerfileBuilder;
  readonly detected: DetectedEnvironment;
  readonly hasUv: boolean;
}

/** How one kind of manifest is installed. */
export interface Plan {
  /** Program of the manifest's own that installs it; null where an installer of packages does. */
  readonly tool: 'uv' | 'poetry' | 'pdm' | 'pipenv' | null;
  /** Commands, after `/opt/env` was made. */
  readonly install: (context: PythonBuild) => readonly string[];
  readonly notes: readonly string[];
  /** Folders of the project that have packages which the script imports, relative to the root. */
  readonly importable: readonly string[];
}

export function planOf(detected: DetectedEnvironment): Plan {
  const main = detected.manifests[0];
  const folder = main === undefined ? '.' : posix.dirname(main.path);
  const kind = detected.kind;
  switch (kind) {
    case 'uv':
      return uvPlan(detected, folder);
    case 'pep723':
      return scriptPlan(detected);
    case 'poetry':
      return exportPlan('poetry', folder, `export${groupsOf(detected)} --output`);
    case 'pdm':
      return exportPlan('pdm', folder, 'export --output');
    case 'pipenv':
      return { ...exportPlan('pipenv', folder, 'requirements --hash >'), importable: [] };
    case 'requirements':
      return requirementsPlan(detected, folder);
    case 'pyproject':
      return {
        tool: null,
        notes: [],
        importable: [folder],
        install: (context) =>
          installLines(context, detected.requirements.length > 0 ? detected.requirements : dependenciesOf(main)),
      };
    case 'interpreter':
      return {
        tool: null,
        notes: ['packages that are not in a package index, such as ones installed from a folder, are missing in it'],
        importable: [],
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

/** All members of a workspace, as the script may be any one's; what is code is found where attempts mount it. */
function uvPlan(detected: DetectedEnvironment, folder: string): Plan {
  const lock = tomlOf(detected.manifests.find(({ path }) => posix.basename(path) === 'uv.lock'));
  const local = records(lock['package']).flatMap((one) => {
    const path = localPath(record(one['source']));
    return path === null ? [] : [{ name: text(one['name']), path }];
  });
  const isWorkspace = strings(recordAt(lock, 'manifest')?.['members']).length > 1;
  const words = [
    ...(isWorkspace ? ['--all-packages'] : []),
    '--no-install-workspace',
    ...local.map(({ name }) => `--no-install-package ${quoted(name)}`),
  ];
  return {
    tool: 'uv',
    notes: [],
    importable: [...new Set([folder, ...local.map(({ path }) => posix.join(folder, path))])],
    install: (context) => {
      addManifests(context);
      return [`cd ${at(folder)}`, `UV_PROJECT_ENVIRONMENT=${environmentFolder} ${uv} sync --frozen ${words.join(' ')}`];
    },
  };
}

function localPath(source: Readonly<Record<string, unknown>> | null): string | null {
  const path = text(source?.['editable']) || text(source?.['directory']) || text(source?.['virtual']);
  return path === '' || path.startsWith('/') ? null : path;
}

/** Folders of the project that are asked for are code: what they depend on is installed in their place. */
function requirementsPlan(detected: DetectedEnvironment, folder: string): Plan {
  const { manifests } = detected;
  const lists = manifests.filter(({ path }) => !/(?:^|\/)(?:pyproject\.toml|setup\.(?:cfg|py))$/.test(path));
  const folders = new Set<string>();
  const replaced = lists.map(({ path, content }) => {
    const lines = Buffer.from(content).toString().split('\n');
    const kept = lines.flatMap((line) => {
      const [, own, extras = ''] = localRequirement.exec(line) ?? [];
      if (own === undefined) return [line];
      // A path is relative to where pip runs, not to the file.
      const there = posix.join(folder, own);
      folders.add(there);
      return dependenciesOf(
        manifests.find((one) => one.path === posix.join(there, 'pyproject.toml')),
        extras.split(','),
      );
    });
    return { path, content: Buffer.from(kept.join('\n')) };
  });
  return {
    tool: null,
    notes: [],
    importable: [...folders],
    install: (context) => {
      const paths = replaced.map(({ path, content }) => context.builder.project(path, content));
      return [`cd ${at(folder)}`, installRequirements(context, paths[0] ?? '')];
    },
  };
}

/** `-e .`, `./lib[extra]`: a folder of the project. */
const localRequirement = /^\s*(?:(?:-e|--editable)[\s=]+)?(\.{1,2}(?:\/[^\s[;#]*)?)(?:\[([^\]]*)\])?\s*(?:[;#].*)?$/;

/**
 * The lock's own tool says what is locked, and the installer of packages gets it: unlike those tools it knows the package
 * indexes of this machine. Folders of the project are left out, as they are code.
 */
function exportPlan(tool: 'poetry' | 'pdm' | 'pipenv', folder: string, command: string): Plan {
  return {
    tool,
    notes: [],
    importable: [folder],
    install: (context) => {
      addManifests(context);
      return [
        `cd ${at(folder)}`,
        `/opt/${tool}/bin/${tool} ${command} ${lockedFile}`,
        `sed -i -E '/(^-e | @ |^)(file:|\\.\\.?\\/)/d' ${lockedFile}`,
        installRequirements(context, lockedFile),
      ];
    },
  };
}

const lockedFile = `${configFolder}/locked.txt`;

/** Those that Poetry installs without being asked: all but optional ones. */
function groupsOf({ manifests }: DetectedEnvironment): string {
  const file = tomlOf(manifests.find(({ path }) => posix.basename(path) === 'pyproject.toml'));
  const poetry = recordAt(file, 'tool', 'poetry') ?? {};
  const groups = record(poetry['group']) ?? {};
  const names = new Set([
    ...Object.keys(record(file['dependency-groups']) ?? {}),
    ...Object.keys(groups),
    ...('dev-dependencies' in poetry ? ['dev'] : []),
  ]);
  const wanted = [...names].filter((name) => record(groups[name])?.['optional'] !== true);
  return wanted.length === 0 ? '' : ` --with ${quoted(wanted.join(','))}`;
}

/** A script with its requirements in a comment: from the lock beside it where there is one. */
function scriptPlan(detected: DetectedEnvironment): Plan {
  const lock = detected.manifests.find(({ path }) => path.endsWith('.lock'));
  if (lock === undefined)
    return { tool: null, notes: [], importable: [], install: (context) => installLines(context, detected.requirements) };
  const script = lock.path.replace(/\.lock$/, '');
  return {
    tool: 'uv',
    notes: [],
    importable: [],
    install: (context) => {
      context.builder.project(lock.path, lock.content);
      // The block alone: the code is none of the image's business.
      const path = context.builder.project(script, scriptBlock(detected, script));
      return [`${uv} export --quiet --frozen --script ${quoted(path)} > ${lockedFile}`, installRequirements(context, lockedFile)];
    },
  };
}

function scriptBlock(detected: DetectedEnvironment, script: string): Uint8Array {
  const source = Buffer.from(detected.manifests.find(({ path }) => path === script)?.content ?? []).toString();
  const list = detected.requirements.map((line) => `#   ${JSON.stringify(line)},`);
  const made = ['# /// script', '# dependencies = [', ...list, '# ]', '# ///'].join('\n');
  return Buffer.from(`${/^# \/\/\/ script\s*\n(?:#.*\n)*?# \/\/\/\s*$/m.exec(source)?.[0] ?? made}\n`);
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

function addManifests({ builder, detected }: PythonBuild): void {
  for (const { path, content } of detected.manifests) builder.project(path, content);
}

function dependenciesOf(manifest: ManifestFile | undefined, extras: readonly string[] = []): readonly string[] {
  const project = recordAt(tomlOf(manifest), 'project');
  const optional = record(project?.['optional-dependencies']);
  return [...strings(project?.['dependencies']), ...extras.flatMap((extra) => strings(optional?.[extra.trim()]))];
}

/** Empty for one that is not there, and for one that cannot be read, which detection has said. */
function tomlOf(manifest: ManifestFile | undefined): Readonly<Record<string, unknown>> {
  try {
    return manifest === undefined ? {} : parseToml(Buffer.from(manifest.content).toString());
  } catch {
    return {};
  }
}

function at(folder: string): string {
  return quoted(posix.join(projectMount, folder));
}
