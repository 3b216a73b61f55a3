import { dirname, join, normalize } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import { record, text } from '../unknown.ts';
import { escaped, fault, type Place, placeOf } from './faults.ts';
import type { Finding, Package, Row, Search, VersionClaim } from './finding.ts';
import { type NodeLock, readNodeLock } from './nodeLocks.ts';
import { isOutside, type ProjectReader } from './projectReader.ts';
import { nodePin, nodeRange } from './semverRange.ts';

/** Locks and the tools that write them, in the order in which they are taken where nothing says which tool is used. */
const locks = [
  ['npm-shrinkwrap.json', 'npm'],
  ['package-lock.json', 'npm'],
  ['yarn.lock', 'yarn'],
  ['pnpm-lock.yaml', 'pnpm'],
] as const;
/** Settings of the tools that change what they install. */
const settings = ['.npmrc', '.yarnrc', '.yarnrc.yml', 'pnpm-workspace.yaml', '.pnpmfile.cjs'];
const lists = ['dependencies', 'devDependencies', 'optionalDependencies', 'peerDependencies'] as const;
/** Packages that build what depends on them with a compiler. */
const builders = new Set(['nan', 'node-gyp', 'node-addon-api', 'bindings', 'cmake-js']);

export const node: Row = async ({ project, folder }: Search): Promise<Finding | null> => {
  const path = join(folder, 'package.json');
  const source = await project.text(path);
  if (source === null) return null;
  const faults: Diagnostic[] = [];
  const own = await project.json(path, faults);
  const there: { readonly file: string; readonly tool: string }[] = [];
  for (const [name, tool] of locks) {
    if ((await project.bytes(join(folder, name))) !== null) there.push({ file: join(folder, name), tool });
  }
  const wanted = /^(npm|yarn|pnpm)@/.exec(text(own?.['packageManager']))?.[1] ?? null;
  const chosen = there.find(({ tool }) => tool === wanted) ?? there[0];
  const lock = chosen === undefined ? null : await readNodeLock(project, chosen.file, faults);
  const others = there.filter(({ file }) => file !== chosen?.file);
  if (lock !== null && own !== null) compareWithPackage(lock, '.', own, path, source, faults);
  for (const { file } of others) {
    if (wanted === null && lock !== null && own !== null) await compareLocks(project, lock, file, own, faults);
  }
  const workspaces = lock === null ? [] : await workspaceFiles(project, lock, folder, faults);
  const known = await Promise.all(
    settings.map(async (name) => ((await project.bytes(join(folder, name))) === null ? [] : [join(folder, name)])),
  );
  const packages = lock?.packages ?? declared(own, path, source);
  return {
    kind: 'node',
    file: chosen?.file ?? path,
    files: [
      path,
      ...(chosen === undefined ? [] : [chosen.file]),
      ...known.flat(),
      ...workspaces,
      ...(await localPackages(project, own, path, source, faults)),
      ...(await patches(project, folder)),
    ],
    packages,
    versions: engineClaims(own, path, source),
    requirements: [],
    isReproducible: lock !== null || packages.length === 0,
    faults,
    passedOver: others.map(({ file }) => ({
      file,
      reason: wanted === null ? `${chosen?.file} comes before it` : `${path} says that ${wanted} is used`,
    })),
    isCompiled: packages.some(({ name }) => builders.has(name)),
  };
};

/** What a package.json names, without a lock. */
function declared(own: Readonly<Record<string, unknown>> | null, path: string, source: string): Package[] {
  return Object.keys(record(own?.['dependencies']) ?? {}).map((name) => ({
    name,
    version: null,
    specifiers: '',
    extras: [],
    marker: '',
    origin: 'npm',
    isSource: false,
    isGit: false,
    place: () => placeOf(path, source, `"${name}"`),
  }));
}

function engineClaims(own: Readonly<Record<string, unknown>> | null, path: string, source: string): VersionClaim[] {
  const engines = text(record(own?.['engines'])?.['node']);
  const volta = text(record(own?.['volta'])?.['node']);
  const claims = [
    nodeRange(engines, placeOf(path, source, /"node"\s*:\s*"[^"]*"/)),
    nodePin(volta, placeOf(path, source, /"volta"/)),
  ];
  return claims.filter((claim) => claim !== null);
}

/** Every dependency of a package.json is in the lock, for the range that is asked for now. */
function compareWithPackage(
  lock: NodeLock,
  importer: string,
  own: Readonly<Record<string, unknown>>,
  path: string,
  source: string,
  faults: Diagnostic[],
): void {
  const stale = (place: Place, what: string) =>
    faults.push(fault('HPO-2424', 'error', place, `${lock.file} is out of date: ${what}`, `run ${lock.command}`));
  const wanted = new Map(
    lists.flatMap((list) =>
      Object.entries(record(own[list]) ?? {}).map(([name, range]) => [name, { list, range: text(range) }] as const),
    ),
  );
  for (const [name, { list, range }] of wanted) {
    if (list === 'peerDependencies' || isOverridden(lock, own, name)) continue;
    const answer = lock.isFor(importer, name, range);
    if (answer === true) continue;
    const place = placeOf(path, source, new RegExp(`"(${escaped(name)})"\\s*:\\s*"${escaped(range)}"`));
    stale(
      place,
      `${path} asks for ${name}@${range}, and the lock was made ${answer === null ? 'without it' : `for ${name}@${answer}`}`,
    );
    return;
  }
  const gone = lock.wantedBy(importer).find((name) => !wanted.has(name));
  if (gone !== undefined) stale(placeOf(path, source, /^.*$/m), `the lock was made for ${gone}, which ${path} asks for no more`);
}

/** What asks for another range than the package.json does, in the name of all that depend on it. */
function isOverridden(lock: NodeLock, own: Readonly<Record<string, unknown>>, name: string): boolean {
  const tables = [own['resolutions'], record(own['pnpm'])?.['overrides']].map((table) => Object.keys(record(table) ?? {}));
  return [...tables.flat(), ...lock.overrides].some(
    (key) => key === name || key.startsWith(`${name}@`) || key.endsWith(`/${name}`),
  );
}

/** Two locks, and no `packageManager` that says which tool is used. */
async function compareLocks(
  project: ProjectReader,
  lock: NodeLock,
  file: string,
  own: Readonly<Record<string, unknown>>,
  faults: Diagnostic[],
): Promise<void> {
  const other = await readNodeLock(project, file, []);
  const place = { file, text: '', span: null };
  const next = 'take one of them away, or say which tool is used with "packageManager" in package.json';
  const names = [...Object.keys(record(own['dependencies']) ?? {}), ...Object.keys(record(own['optionalDependencies']) ?? {})];
  for (const name of names) {
    const ours = versionsOf(lock, name);
    const theirs = other === null ? [] : versionsOf(other, name);
    if (ours.length === 0 || theirs.length === 0 || ours.some((version) => theirs.includes(version))) continue;
    faults.push(
      fault(
        'HPO-2421',
        'error',
        place,
        `${file} has ${name} ${theirs.join(' and ')}, and ${lock.file} has ${ours.join(' and ')}`,
        next,
      ),
    );
    return;
  }
  faults.push(fault('HPO-2423', 'warning', place, `${lock.file} and ${file} are locks of two tools; ${lock.file} is used`, next));
}

function versionsOf(lock: NodeLock, name: string): string[] {
  return lock.packages.flatMap((item) => (item.name === name && item.version !== null ? [item.version] : []));
}

/** package.json of each member of a workspace, compared with the lock as well. */
async function workspaceFiles(project: ProjectReader, lock: NodeLock, folder: string, faults: Diagnostic[]): Promise<string[]> {
  const files: string[] = [];
  for (const importer of lock.importers) {
    const path = join(folder, importer, 'package.json');
    if (importer === '.' || isOutside(path)) continue;
    const source = await project.text(path);
    const own = await project.json(path, faults);
    if (source === null || own === null) continue;
    files.push(path);
    compareWithPackage(lock, importer, own, path, source, faults);
  }
  return files;
}

/** Of dependencies on folders and archives in the project. */
async function localPackages(
  project: ProjectReader,
  own: Readonly<Record<string, unknown>> | null,
  path: string,
  source: string,
  faults: Diagnostic[],
): Promise<string[]> {
  const files: string[] = [];
  for (const [name, value] of lists.flatMap((list) => Object.entries(record(own?.[list]) ?? {}))) {
    const at = /^(?:file|link|portal):(.+)$/.exec(text(value))?.[1];
    if (at === undefined) continue;
    const target = normalize(join(dirname(path), at));
    const found = await project.firstOf('.', [target, join(target, 'package.json')]);
    if (found === null) {
      const where = isOutside(target) ? 'which lies outside of the project' : 'where no package is';
      faults.push(
        fault(
          'HPO-2429',
          'error',
          placeOf(path, source, text(value)),
          `${path} takes ${name} from ${at}, ${where}`,
          'correct the path, or publish the package',
        ),
      );
    } else files.push(found);
  }
  return files;
}

/** Of patch-package, yarn and pnpm. */
async function patches(project: ProjectReader, folder: string): Promise<string[]> {
  const files: string[] = [];
  for (const at of [join(folder, 'patches'), join(folder, '.yarn/patches'), join(folder, '.yarn/releases')]) {
    for (const name of await project.list(at)) {
      if (/\.(?:patch|cjs)$/.test(name)) files.push(join(at, name));
    }
  }
  return files;
}
