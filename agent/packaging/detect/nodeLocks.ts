import type { Diagnostic } from '../../protocol/space.ts';
import { record, recordAt, text } from '../unknown.ts';
import { escaped, placeOf } from './faults.ts';
import type { Package } from './finding.ts';
import type { ProjectReader } from './projectReader.ts';
import { isInRange } from './semverRange.ts';

/** A lock of npm, yarn or pnpm, as far as it can be compared with a package.json. Importers are folders relative to the lock. */
export interface NodeLock {
  readonly file: string;
  /** Brings it up to date. */
  readonly command: string;
  readonly packages: readonly Package[];
  readonly importers: readonly string[];
  /** Names whose ranges were overridden when it was made. */
  readonly overrides: readonly string[];
  /** True when it was made for that range; else the range it was made for, or null for none. */
  isFor(importer: string, name: string, range: string): true | string | null;
  /** Names that an importer asked for when it was made; empty where the lock does not say. */
  wantedBy(importer: string): readonly string[];
}

/** Null for what cannot be read. */
export async function readNodeLock(project: ProjectReader, file: string, faults: Diagnostic[]): Promise<NodeLock | null> {
  const source = (await project.text(file)) ?? '';
  if (file.endsWith('.yaml')) {
    const table = await project.yaml(file, faults);
    return table === null ? null : pnpmLock(file, source, table);
  }
  if (file.endsWith('yarn.lock'))
    return source.includes('__metadata:') ? await berryLock(project, file, source, faults) : yarnLock(file, source);
  const table = await project.json(file, faults);
  return table === null ? null : npmLock(file, source, table);
}

function npmLock(file: string, source: string, table: Readonly<Record<string, unknown>>): NodeLock {
  const entries = record(table['packages']);
  const command = 'npm install';
  if (entries === null) return oldNpmLock(file, source, record(table['dependencies']) ?? {});
  const packages: Package[] = [];
  for (const [path, value] of Object.entries(entries)) {
    const name = /(?:^|\/)node_modules\/((?:@[^/]+\/)?[^/]+)$/.exec(path)?.[1];
    const entry = record(value);
    if (name === undefined || entry === null || entry['link'] === true) continue;
    packages.push(
      packageOf(text(entry['name']) || name, text(entry['version']), file, source, isGitAddress(text(entry['resolved']))),
    );
  }
  const own = (importer: string) => record(entries[importer === '.' ? '' : importer]);
  return {
    file,
    command,
    packages,
    overrides: [],
    importers: Object.keys(entries)
      .filter((path) => !/(?:^|\/)node_modules\//.test(path))
      .map((path) => path || '.'),
    isFor: (importer, name, range) => {
      const kept = listOf(own(importer), name);
      return kept === null ? null : kept === range || kept;
    },
    wantedBy: (importer) =>
      ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((list) =>
        Object.keys(record(own(importer)?.[list]) ?? {}),
      ),
  };
}

function listOf(entry: Readonly<Record<string, unknown>> | null, name: string): string | null {
  for (const list of ['dependencies', 'devDependencies', 'optionalDependencies']) {
    const table = record(entry?.[list]);
    if (table !== null && Object.hasOwn(table, name)) return text(table[name]);
  }
  return null;
}

/** Of npm 6 and before, which keeps versions alone. */
function oldNpmLock(file: string, source: string, entries: Readonly<Record<string, unknown>>): NodeLock {
  const version = (name: string) => (Object.hasOwn(entries, name) ? text(record(entries[name])?.['version']) : null);
  return {
    file,
    command: 'npm install',
    packages: Object.keys(entries).map((name) =>
      packageOf(name, version(name) ?? '', file, source, isGitAddress(version(name) ?? '')),
    ),
    overrides: [],
    importers: ['.'],
    isFor: (_, name, range) => {
      const kept = version(name);
      return kept === null ? null : isInRange(kept, range) || kept;
    },
    wantedBy: () => [],
  };
}

/** `"name@^1.0.0", name@~1.2.0:` and, indented, `version "1.2.3"`. */
function yarnLock(file: string, source: string): NodeLock {
  const ranges = new Map<string, Set<string>>();
  const packages: Package[] = [];
  let names: readonly string[] = [];
  for (const line of source.split(/\r?\n/)) {
    if (/^["\w@]/.test(line) && line.endsWith(':')) {
      const wanted = [...line.slice(0, -1).matchAll(/"([^"]+)"|([^\s",]+)/g)].map((match) => match[1] ?? match[2] ?? '');
      const pairs = wanted.map((item) => /^(@?[^@]+)@(.*)$/.exec(item)).filter((match) => match !== null);
      for (const [, name = '', range = ''] of pairs) ranges.set(name, (ranges.get(name) ?? new Set()).add(range));
      names = [...new Set(pairs.map((match) => match[1] ?? ''))];
    }
    const version = /^ {2}version "?([^"\s]+)"?$/.exec(line)?.[1];
    if (version !== undefined) packages.push(...names.map((name) => packageOf(name, version, file, source, false)));
  }
  return {
    file,
    command: 'yarn install',
    packages,
    overrides: [],
    importers: ['.'],
    isFor: (_, name, range) => amongRanges(ranges.get(name), [range]),
    wantedBy: () => [],
  };
}

/** Yarn from version 2 writes YAML, with the registry before each range. */
async function berryLock(project: ProjectReader, file: string, source: string, faults: Diagnostic[]): Promise<NodeLock | null> {
  const table = await project.yaml(file, faults);
  if (table === null) return null;
  const ranges = new Map<string, Set<string>>();
  const packages: Package[] = [];
  const importers: string[] = [];
  for (const [key, value] of Object.entries(table)) {
    if (key === '__metadata') continue;
    const pairs = key
      .split(/,\s*/)
      .map((item) => /^(@?[^@]+)@(.*)$/.exec(item))
      .filter((match) => match !== null);
    for (const [, name = '', range = ''] of pairs) {
      ranges.set(name, (ranges.get(name) ?? new Set()).add(range));
      if (range.startsWith('workspace:')) importers.push(range.slice('workspace:'.length));
    }
    const name = pairs[0]?.[1];
    const isWorkspace = text(record(value)?.['resolution']).includes('@workspace:');
    if (name !== undefined && !isWorkspace)
      packages.push(packageOf(name, text(record(value)?.['version']), file, source, key.includes('@git')));
  }
  return {
    file,
    command: 'yarn install',
    packages,
    overrides: [],
    importers: importers.filter((path) => !/[\^~*]/.test(path)),
    isFor: (_, name, range) => amongRanges(ranges.get(name), [range, `npm:${range}`]),
    wantedBy: () => [],
  };
}

function amongRanges(kept: ReadonlySet<string> | undefined, wanted: readonly string[]): true | string | null {
  if (kept === undefined) return null;
  return wanted.some((range) => kept.has(range)) || [...kept].join(' and ');
}

function pnpmLock(file: string, source: string, table: Readonly<Record<string, unknown>>): NodeLock {
  const importers = record(table['importers']) ?? { '.': table };
  const packages: Package[] = [];
  for (const [key, value] of Object.entries(record(table['packages']) ?? {})) {
    // `/name@1.2.3`, `name@1.2.3(peer@1)`, in older ones `/name/1.2.3`.
    const [, name, version] = /^\/?(@[^/@]+\/[^/@]+|[^/@]+)[@/]([^(/_]+)/.exec(key) ?? [];
    if (name === undefined || version === undefined) continue;
    const isBuilt = record(value)?.['requiresBuild'] === true;
    packages.push({ ...packageOf(name, version, file, source, key.includes('git')), isSource: isBuilt && key.includes('git') });
  }
  const specifierOf = (importer: string, name: string): string | null => {
    const own = record(importers[importer]);
    const old = recordAt(own, 'specifiers');
    if (old !== null) return Object.hasOwn(old, name) ? text(old[name]) : null;
    for (const list of ['dependencies', 'devDependencies', 'optionalDependencies']) {
      const entry = recordAt(own, list, name);
      if (entry !== null) return text(entry['specifier']);
    }
    return null;
  };
  return {
    file,
    command: 'pnpm install --lockfile-only',
    packages,
    overrides: Object.keys(record(table['overrides']) ?? {}),
    importers: Object.keys(importers),
    isFor: (importer, name, range) => {
      const kept = specifierOf(importer, name);
      return kept === null ? null : kept === range || kept;
    },
    wantedBy: (importer) => {
      const own = record(importers[importer]);
      return ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((list) =>
        Object.keys(recordAt(own, list) ?? {}),
      );
    },
  };
}

function packageOf(name: string, version: string, file: string, source: string, isGit: boolean): Package {
  return {
    name,
    version: version === '' ? null : version,
    specifiers: '',
    extras: [],
    marker: '',
    origin: 'npm',
    isSource: false,
    isGit,
    place: () => placeOf(file, source, new RegExp(`(?:node_modules/|["\\s/]|^)(${escaped(name)})(?=["@/:])`, 'm')),
  };
}

function isGitAddress(resolved: string): boolean {
  return /^git(?:\+|:)|^github:/.test(resolved);
}
