import type { Diagnostic } from '../../protocol/space.ts';
import { normaliseName } from '../environment/requirement.ts';
import { record, recordAt, strings, text } from '../unknown.ts';
import { fault, placeOf } from './faults.ts';
import type { Row, Search, VersionClaim } from './finding.ts';
import { ownManifests } from './localFiles.ts';
import type { ProjectReader } from './projectReader.ts';
import { packagesOf } from './pythonPackages.ts';
import { fromCaret, rangeClaim } from './pythonVersion.ts';
import { join } from 'node:path/posix';

/** A pyproject.toml, as far as it says what to install. */
export interface Pyproject {
  readonly path: string;
  readonly source: string;
  readonly table: Readonly<Record<string, unknown>>;
  /** `[project]`; null where it only configures tools. */
  readonly project: Readonly<Record<string, unknown>> | null;
  /** `project.dependencies`, or those of `[tool.poetry]` as PEP 508; null where there is no such list. */
  readonly dependencies: readonly string[] | null;
  /** As PEP 440; empty for none. */
  readonly requiresPython: string;
}

/** Null where there is none, or none that can be read. */
export async function readPyproject(project: ProjectReader, path: string, faults: Diagnostic[]): Promise<Pyproject | null> {
  const source = await project.text(path);
  const table = await project.toml(path, faults);
  if (source === null || table === null) return null;
  const own = record(table['project']);
  const poetry = recordAt(table, 'tool', 'poetry', 'dependencies');
  const listed = Array.isArray(own?.['dependencies']) ? strings(own['dependencies']) : null;
  return {
    path,
    source,
    table,
    project: own,
    dependencies: listed ?? (poetry === null ? null : poetryLines(poetry)),
    requiresPython: text(own?.['requires-python']) || (fromCaret(text(poetry?.['python'])) ?? ''),
  };
}

export function pythonClaim(pyproject: Pyproject): VersionClaim | null {
  const place = placeOf(pyproject.path, pyproject.source, /^\s*(?:requires-python|python)\s*=.*$/m);
  return rangeClaim(pyproject.requiresPython, place);
}

/** Dependencies without a lock: what they mean tomorrow is open. */
export const pyproject: Row = async ({ project, folder }: Search) => {
  const faults: Diagnostic[] = [];
  const path = join(folder, 'pyproject.toml');
  const found = await readPyproject(project, path, faults);
  if (found === null) return faults.length === 0 ? null : { ...unreadable(path), faults };
  const dynamic = await dynamicDependencies(found, project, folder, faults);
  const dependencies = found.dependencies ?? dynamic?.lines ?? null;
  // Many pyproject.toml only configure tools.
  if (dependencies === null) return null;
  const claim = pythonClaim(found);
  return {
    kind: 'pyproject',
    file: path,
    files: [path, ...(dynamic?.files ?? []), ...(await ownManifests(project, dependencies, found, faults))],
    packages: packagesOf(dependencies, path, found.source),
    versions: claim === null ? [] : [claim],
    requirements: dependencies,
    isReproducible: false,
    faults,
    covers: dynamic?.files ?? [],
    sources: indexesOf(found),
  };
};

function unreadable(path: string) {
  const kind = 'pyproject' as const;
  return { kind, file: path, files: [path], packages: [], versions: [], requirements: [], isReproducible: false };
}

/** `dependencies = {file = "requirements.txt"}` of setuptools. */
async function dynamicDependencies(
  { table, project: own, path, source }: Pyproject,
  project: ProjectReader,
  folder: string,
  faults: Diagnostic[],
): Promise<{ readonly lines: readonly string[]; readonly files: readonly string[] } | null> {
  if (!strings(own?.['dynamic']).includes('dependencies')) return null;
  const named = recordAt(table, 'tool', 'setuptools', 'dynamic', 'dependencies')?.['file'];
  const files = (typeof named === 'string' ? [named] : strings(named)).map((name) => join(folder, name));
  const texts = await Promise.all(files.map((file) => project.text(file)));
  for (const [index, content] of texts.entries()) {
    if (content !== null) continue;
    const file = files[index] ?? '';
    faults.push(
      fault(
        'HPO-2429',
        'error',
        placeOf(path, source, /^\s*dependencies\s*=\s*\{.*$/m),
        `${path} takes its dependencies from ${file}, which is not there`,
        'add the file',
      ),
    );
  }
  const lines = texts.flatMap((content) => (content ?? '').split(/\r?\n/)).filter((line) => !/^\s*(?:#|-|$)/.test(line));
  return files.length === 0 ? null : { lines, files };
}

/** Addresses of the package indexes that it names. */
export function indexesOf({ table }: Pyproject): string[] {
  const lists = [
    recordAt(table, 'tool', 'uv')?.['index'],
    recordAt(table, 'tool', 'poetry')?.['source'],
    recordAt(table, 'tool', 'pdm')?.['source'],
  ];
  return lists
    .flatMap((list) => (Array.isArray(list) ? list : []))
    .map((item) => text(record(item)?.['url']))
    .filter((url) => url !== '');
}

/** `[tool.poetry.dependencies]` as lines of PEP 508. */
function poetryLines(dependencies: Readonly<Record<string, unknown>>): string[] {
  return Object.entries(dependencies)
    .filter(([name]) => normaliseName(name) !== 'python')
    .flatMap(([name, value]) => {
      const table = record(value);
      if (table?.['optional'] === true) return [];
      const extras = strings(table?.['extras']);
      const bare = extras.length === 0 ? name : `${name}[${extras.join(',')}]`;
      const git = text(table?.['git']);
      const url = text(table?.['url']);
      const at = [table?.['rev'], table?.['tag'], table?.['branch']].map((item) => text(item)).find((item) => item !== '');
      if (git !== '') return [`${bare} @ git+${git}${at === undefined ? '' : `@${at}`}`];
      if (url !== '') return [`${bare} @ ${url}`];
      if (text(table?.['path']) !== '') return [];
      const marker = text(table?.['markers']);
      const line = `${bare}${fromCaret(text(table === null ? value : table['version'])) ?? ''}`;
      return [marker === '' ? line : `${line} ; ${marker}`];
    });
}
