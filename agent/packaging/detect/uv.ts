import { join } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import { normaliseName } from '../environment/requirement.ts';
import { record, recordAt, records, strings, text } from '../unknown.ts';
import { fault, nameExpression, type Place, placeOf } from './faults.ts';
import type { Finding, Package, Row, Search, VersionClaim } from './finding.ts';
import { filesOfPath } from './localFiles.ts';
import type { ProjectReader } from './projectReader.ts';
import { indexesOf, type Pyproject, pythonClaim, readPyproject } from './pyproject.ts';
import { locked } from './pythonPackages.ts';
import { areSameRanges, canMeet, rangeClaim } from './pythonVersion.ts';
import { areSameWanted, names, show, type Wanted, wantedOf } from './specifiers.ts';

export interface UvLock {
  readonly path: string;
  readonly source: string;
  readonly table: Readonly<Record<string, unknown>>;
  readonly packages: readonly Readonly<Record<string, unknown>>[];
}

export async function readUvLock(project: ProjectReader, path: string, faults: Diagnostic[]): Promise<UvLock | null> {
  const source = await project.text(path);
  const table = await project.toml(path, faults);
  return source === null || table === null ? null : { path, source, table, packages: records(table['package']) };
}

export const uv: Row = async ({ project, folder }: Search): Promise<Finding | null> => {
  const faults: Diagnostic[] = [];
  const path = join(folder, 'uv.lock');
  if ((await project.bytes(path)) === null) return null;
  const lock = await readUvLock(project, path, faults);
  const manifest = join(folder, 'pyproject.toml');
  const own = await readPyproject(project, manifest, faults);
  if (own === null && faults.length === 0) {
    const place = placeOf(path, lock?.source ?? '', /^version.*$/m);
    faults.push(fault('HPO-2424', 'error', place, `${path} has no pyproject.toml beside it`, 'add it, or take the lock away'));
  }
  const settings = await project.firstOf(folder, ['uv.toml']);
  const files = new Set([path, ...(own === null ? [] : [manifest]), ...(settings === null ? [] : [settings])]);
  const members: Pyproject[] = [];
  for (const item of lock?.packages ?? []) {
    const place = () => placeOf(path, lock?.source ?? '', new RegExp(`^name = "(${nameExpression(text(item['name']))})"`, 'm'));
    const at = localPath(item);
    if (at === null || join(folder, at) === folder) continue;
    for (const file of await filesOfPath(project, join(folder, at), place(), faults)) files.add(file);
  }
  if (lock !== null) {
    for (const item of lock.packages) {
      const at = localPath(item);
      const found = at === null ? null : await readPyproject(project, join(folder, at, 'pyproject.toml'), faults);
      if (found === null) continue;
      members.push(found);
      compareMember(lock, item, found, faults);
    }
    compareRequiresPython(lock, own === null || members.length > 0 ? members : [own], faults);
    if (own !== null) compareSettings(lock, own, faults);
  }
  const claim = own === null ? null : pythonClaim(own);
  return {
    kind: 'uv',
    file: path,
    files: [...files],
    packages: lock === null ? [] : lockedPackages(lock),
    versions: [...(lock === null ? [] : lockClaim(lock)), ...(claim === null ? [] : [claim])],
    requirements: [],
    isReproducible: true,
    faults,
    sources: [
      ...(own === null ? [] : indexesOf(own)),
      ...(lock?.packages ?? []).map((item) => text(record(item['source'])?.['registry'])),
    ],
    covers: [manifest],
  };
};

/** What the lock's entry for `requires-python` claims. */
export function lockClaim(lock: UvLock): VersionClaim[] {
  const claim = rangeClaim(text(lock.table['requires-python']), placeOf(lock.path, lock.source, /^requires-python\s*=.*$/m));
  return claim === null ? [] : [claim];
}

/** All but the project's own. */
export function lockedPackages(lock: UvLock): Package[] {
  return lock.packages
    .filter((item) => localPath(item) === null)
    .map((item) => {
      const source = record(item['source']);
      const isGit = text(source?.['git']) !== '';
      const isArchive = /\.(?:zip|tar\.\w+|tgz)(?:#|$)/.test(text(source?.['url']) || text(source?.['path']));
      const hasWheel = Array.isArray(item['wheels']) && item['wheels'].length > 0;
      const isSource = isGit || isArchive || (!hasWheel && record(item['sdist']) !== null);
      return locked(text(item['name']), text(item['version']) || null, lock.path, lock.source, { isSource, isGit });
    });
}

/** Of the entry of a workspace member, a path dependency, or a wheel in the project. */
function localPath(item: Readonly<Record<string, unknown>>): string | null {
  const source = record(item['source']);
  const at = ['virtual', 'editable', 'directory', 'path'].map((kind) => text(source?.[kind])).find((path) => path !== '');
  return at ?? null;
}

/** What the lock holds about the dependencies of a project against what its pyproject.toml says now. */
function compareMember(
  lock: UvLock,
  item: Readonly<Record<string, unknown>>,
  { path, source, project: own, table }: Pyproject,
  faults: Diagnostic[],
): void {
  const dynamic = strings(own?.['dynamic']);
  const stale = (place: Place, what: string) => faults.push(staleLock(lock.path, place, what, 'uv lock'));
  const metadata = record(item['metadata']);
  const known = records(metadata?.['requires-dist']);
  if (!dynamic.includes('dependencies')) {
    const plain = known.filter((entry) => !/\bextra ==/.test(text(entry['marker'])));
    compareLists(strings(own?.['dependencies']), plain.map(wantedOfEntry), path, source, stale);
  }
  if (!dynamic.includes('optional-dependencies')) {
    for (const [extra, lines] of Object.entries(record(own?.['optional-dependencies']) ?? {})) {
      const ofExtra = known.filter((entry) =>
        new RegExp(`\\bextra == ['"]${nameExpression(extra)}['"]`).test(text(entry['marker'])),
      );
      compareLists(strings(lines), ofExtra.map(wantedOfEntry), path, source, stale);
    }
  }
  const groups = record(table['dependency-groups']) ?? {};
  const lockedGroups = record(metadata?.['requires-dev']);
  const legacy = strings(recordAt(table, 'tool', 'uv')?.['dev-dependencies']);
  for (const group of new Set([...Object.keys(groups), ...(legacy.length > 0 ? ['dev'] : [])])) {
    const lines = [...groupLines(groups, group, new Set()), ...(normaliseName(group) === 'dev' ? legacy : [])];
    compareLists(lines, records(memberNamed(lockedGroups, group)).map(wantedOfEntry), path, source, stale);
  }
}

function memberNamed(table: Readonly<Record<string, unknown>> | null, name: string): unknown {
  return Object.entries(table ?? {}).find(([key]) => normaliseName(key) === normaliseName(name))?.[1];
}

/** Of a dependency group, with the groups that it includes. */
function groupLines(groups: Readonly<Record<string, unknown>>, name: string, seen: Set<string>): string[] {
  if (seen.has(name)) return [];
  seen.add(name);
  const list = memberNamed(groups, name);
  return (Array.isArray(list) ? list : []).flatMap((item) => {
    const included = text(record(item)?.['include-group']);
    return included === '' ? strings([item]) : groupLines(groups, included, seen);
  });
}

/** Reports the first requirement that the manifest has and the lock does not, or the other way round. */
export function compareLists(
  lines: readonly string[],
  lockedOnes: readonly Wanted[],
  path: string,
  source: string,
  stale: (place: Place, what: string) => void,
): void {
  const wanted = lines.map((line) => ({ line, item: wantedOf(line) }));
  for (const { line, item } of wanted) {
    if (item === null || lockedOnes.some((other) => areSameWanted(item, other))) continue;
    const before = lockedOnes.find((other) => other.name === item.name);
    stale(
      placeOf(path, source, line),
      `${path} asks for ${show(item)}, and the lock was made ${before === undefined ? 'without it' : `for ${show(before)}`}`,
    );
    return;
  }
  const gone = lockedOnes.find((other) => !wanted.some(({ item }) => item?.name === other.name));
  if (gone !== undefined)
    stale(placeOf(path, source, /^\[project\].*$/m), `the lock was made for ${show(gone)}, which ${path} asks for no more`);
}

export function wantedOfEntry(entry: Readonly<Record<string, unknown>>): Wanted {
  const isElsewhere = ['git', 'url', 'path', 'directory', 'editable', 'virtual'].some((kind) => text(entry[kind]) !== '');
  return {
    name: normaliseName(text(entry['name'])),
    extras: names(strings(entry['extras'])),
    specifiers: isElsewhere ? null : text(entry['specifier']),
  };
}

export function staleLock(lock: string, place: Place, what: string, command: string): Diagnostic {
  return fault('HPO-2424', 'error', place, `${lock} is out of date: ${what}`, `run ${command}`);
}

/** The lock's range is that of all members together. */
function compareRequiresPython(lock: UvLock, members: readonly Pyproject[], faults: Diagnostic[]): void {
  const own = text(lock.table['requires-python']);
  const all = members.map(({ requiresPython }) => requiresPython.replaceAll(' ', '')).filter((range) => range !== '');
  const [first] = members;
  // Ranges that cannot meet are a disagreement of another kind.
  if (first === undefined || own === '' || all.length === 0 || !canMeet(all)) return;
  const wanted = all.join(',');
  if (areSameRanges(own.replaceAll(' ', ''), wanted)) return;
  const blamed = members.find(({ requiresPython }) => requiresPython !== '') ?? first;
  faults.push(
    staleLock(
      lock.path,
      placeOf(blamed.path, blamed.source, /^\s*requires-python\s*=.*$/m),
      `${blamed.path} says requires-python ${wanted}, and the lock was made for ${own}`,
      'uv lock',
    ),
  );
}

/** Overrides and constraints, which change what is locked without being dependencies. */
function compareSettings(lock: UvLock, { path, source, table }: Pyproject, faults: Diagnostic[]): void {
  const manifest = record(lock.table['manifest']);
  const settings = recordAt(table, 'tool', 'uv');
  const stale = (place: Place, what: string) => faults.push(staleLock(lock.path, place, what, 'uv lock'));
  for (const [own, kept] of [
    ['override-dependencies', 'overrides'],
    ['constraint-dependencies', 'constraints'],
  ] as const) {
    compareLists(strings(settings?.[own]), records(manifest?.[kept]).map(wantedOfEntry), path, source, stale);
  }
}
