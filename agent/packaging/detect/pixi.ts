import { join } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import { normaliseName } from '../environment/requirement.ts';
import { record, recordAt, records, strings, text } from '../unknown.ts';
import { fault, nameExpression, placeOf } from './faults.ts';
import type { Finding, Package, Row, Search, VersionClaim } from './finding.ts';
import { filesOfPath } from './localFiles.ts';
import { filesUnder, localFolder } from './localFolder.ts';
import { isSourceOnly, noManifest } from './lockedFiles.ts';
import type { ProjectReader } from './projectReader.ts';
import { pinClaim, rangeClaim } from './pythonVersion.ts';
import { matchesConda } from './condaVersion.ts';
import { staleLock } from './uv.ts';

export const pixi: Row = async ({ project, folder }: Search): Promise<Finding | null> => {
  const path = join(folder, 'pixi.lock');
  const source = await project.text(path);
  if (source === null) return null;
  const faults: Diagnostic[] = [];
  const lock = await project.yaml(path, faults);
  const manifest = await readManifest(project, folder, faults);
  if (manifest === null && faults.length === 0) faults.push(noManifest(path, source, 'pixi.toml'));
  const environment = recordAt(lock, 'environments', 'default');
  const platform = linuxOf(recordAt(environment, 'packages'));
  const details = new Map(
    records(lock?.['packages']).map((item) => [text(item['conda']) || text(item['pypi']) || text(item['url']), item]),
  );
  const packages = records(platform)
    .map((item) => lockedPackage(item, details, path, source))
    .filter((item) => item !== null);
  if (lock !== null && manifest !== null) compareManifest(path, packages, platform !== null, manifest, faults);
  const files = new Set([path, ...(manifest === null ? [] : [manifest.path])]);
  const channels = records(environment?.['channels']).map((item) => text(item['url']));
  const named = manifest === null ? [] : channelsOf(manifest.workspace);
  for (const channel of new Set([...channels, ...named])) {
    const local = localFolder(channel, folder, project.root);
    if (local === null) continue;
    const place = manifest === null ? placeOf(path, source, channel) : placeOf(manifest.path, manifest.source, channel);
    for (const file of await filesUnder(project, local, place, faults)) files.add(file);
  }
  for (const value of Object.values(manifest?.pypi ?? {})) {
    const at = text(record(value)?.['path']);
    if (at === '' || manifest === null || join(folder, at) === folder) continue;
    for (const file of await filesOfPath(project, join(folder, at), placeOf(manifest.path, manifest.source, at), faults))
      files.add(file);
  }
  return {
    kind: 'pixi',
    file: path,
    files: [...files],
    packages,
    versions: pythonClaims(packages, manifest),
    requirements: [],
    isReproducible: true,
    faults,
    sources: strings(environment?.['indexes']),
    cuda: text(manifest?.cuda) || null,
    covers: manifest === null ? [] : [manifest.path],
  };
};

interface PixiManifest {
  readonly path: string;
  readonly source: string;
  readonly workspace: Readonly<Record<string, unknown>> | null;
  /** Of conda's channels, by name, for the default environment on Linux. */
  readonly conda: Readonly<Record<string, unknown>>;
  /** Of PyPI, by name. */
  readonly pypi: Readonly<Record<string, unknown>>;
  /** `[system-requirements]` */
  readonly cuda: unknown;
}

/** pixi.toml, else the tables of a pyproject.toml. */
async function readManifest(project: ProjectReader, folder: string, faults: Diagnostic[]): Promise<PixiManifest | null> {
  for (const name of ['pixi.toml', 'pyproject.toml']) {
    const path = join(folder, name);
    const source = await project.text(path);
    const table = await project.toml(path, faults);
    const own = name === 'pixi.toml' ? table : recordAt(table, 'tool', 'pixi');
    if (source === null || own === null) continue;
    const target = recordAt(own, 'target', 'linux-64') ?? recordAt(own, 'target', 'linux');
    const ownProject = name === 'pixi.toml' ? null : recordAt(table, 'project');
    const lines = strings(ownProject?.['dependencies']).map((line) => [/^[\w.-]+/.exec(line)?.[0] ?? '', '*'] as const);
    const python = text(ownProject?.['requires-python']);
    return {
      path,
      source,
      workspace: recordAt(own, 'workspace') ?? recordAt(own, 'project'),
      conda: { ...(python === '' ? {} : { python }), ...recordAt(own, 'dependencies'), ...recordAt(target, 'dependencies') },
      pypi: { ...Object.fromEntries(lines), ...recordAt(own, 'pypi-dependencies'), ...recordAt(target, 'pypi-dependencies') },
      cuda: recordAt(own, 'system-requirements')?.['cuda'],
    };
  }
  return null;
}

function channelsOf(workspace: Readonly<Record<string, unknown>> | null): string[] {
  const list = workspace?.['channels'];
  return Array.isArray(list) ? list.map((item) => text(item) || text(record(item)?.['channel'])) : [];
}

function linuxOf(packages: Readonly<Record<string, unknown>> | null): unknown {
  if (packages === null) return null;
  return packages['linux-64'] ?? packages['linux-aarch64'] ?? null;
}

/** `…/linux-64/numpy-1.26.4-py311h64a7726_0.conda` → numpy 1.26.4 */
function lockedPackage(
  item: Readonly<Record<string, unknown>>,
  details: ReadonlyMap<string, Readonly<Record<string, unknown>>>,
  file: string,
  source: string,
): Package | null {
  const conda = text(item['conda']);
  const pypi = text(item['pypi']);
  const detail = details.get(conda || pypi);
  const [, ofUrl, versionOfUrl] = /\/([^/]+)-([^-/]+)-[^-/]+\.(?:conda|tar\.bz2)$/.exec(conda) ?? [];
  const [, ofWheel, versionOfWheel] = /(?:^|\/)([^/]+?)-(\d[^-/]*?)(?:-[^/]*\.whl|\.tar\.gz|\.zip)(?:#.*)?$/.exec(pypi) ?? [];
  const name = text(detail?.['name']) || (ofUrl ?? ofWheel);
  if (name === undefined || name === '') return null;
  const isGit = pypi.startsWith('git+');
  return {
    name: conda === '' ? normaliseName(name) : name,
    version: text(detail?.['version']) || (versionOfUrl ?? versionOfWheel ?? null),
    specifiers: '',
    extras: [],
    marker: '',
    origin: conda === '' ? 'pypi' : 'conda',
    isSource: isGit || (pypi !== '' && isSourceOnly([pypi]) && /\.(?:tar\.gz|zip)(?:#|$)/.test(pypi)),
    isGit,
    place: () => placeOf(file, source, conda || pypi),
  };
}

function compareManifest(
  lock: string,
  packages: readonly Package[],
  hasLinux: boolean,
  manifest: PixiManifest,
  faults: Diagnostic[],
): void {
  const { path, source } = manifest;
  if (!hasLinux) {
    const place = placeOf(path, source, /^platforms\s*=.*$/m);
    faults.push(
      fault(
        'HPO-2424',
        'error',
        place,
        `${lock} has nothing for Linux, where containers run`,
        'add linux-64 to platforms, and run pixi lock',
      ),
    );
    return;
  }
  for (const [origin, wanted] of [
    ['conda', manifest.conda],
    ['pypi', manifest.pypi],
  ] as const) {
    for (const [name, value] of Object.entries(wanted)) {
      const spec = typeof value === 'string' ? value : text(record(value)?.['version']);
      const found = packages.find((item) => item.name === normaliseName(name) || item.name === name);
      const place = placeOf(path, source, new RegExp(`^\\s*["']?(${nameExpression(name)})["']?\\s*=`, 'im'));
      if (found === undefined) {
        if (origin === 'pypi' && text(record(value)?.['path']) !== '') continue;
        faults.push(staleLock(lock, place, `${path} asks for ${name}, and the lock was made without it`, 'pixi lock'));
        return;
      }
      if (found.version !== null && matchesConda(found.version, spec) === false) {
        faults.push(staleLock(lock, place, `${path} asks for ${name} ${spec}, and the lock has ${found.version}`, 'pixi lock'));
        return;
      }
    }
  }
}

function pythonClaims(packages: readonly Package[], manifest: PixiManifest | null): VersionClaim[] {
  const python = packages.find(({ name, origin }) => name === 'python' && origin === 'conda');
  const ofLock = python?.version === undefined || python.version === null ? null : pinClaim(python.version, python.place());
  const spec = manifest === null ? '' : text(manifest.conda['python']);
  const place = manifest === null ? null : placeOf(manifest.path, manifest.source, /^\s*(?:python|requires-python)\s*=.*$/m);
  const ofManifest =
    ofLock !== null || place === null
      ? null
      : /^[\d.*]+$/.test(spec)
        ? pinClaim(spec.replace(/\.\*$/, ''), place)
        : rangeClaim(spec, place);
  return [ofLock, ofManifest].filter((claim) => claim !== null);
}
