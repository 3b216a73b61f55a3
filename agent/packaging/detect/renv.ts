import { join } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import { record, recordAt, records, text } from '../unknown.ts';
import { escaped, fault, placeOf } from './faults.ts';
import type { Finding, Package, Row, Search } from './finding.ts';
import { filesUnder, localFolder } from './localFolder.ts';
import { exactVersion } from './semverRange.ts';

export const renv: Row = async ({ project, folder }: Search): Promise<Finding | null> => {
  const path = join(folder, 'renv.lock');
  const source = await project.text(path);
  if (source === null) return null;
  const faults: Diagnostic[] = [];
  const lock = await project.json(path, faults);
  const entries = Object.entries(record(lock?.['Packages']) ?? {}).map(([name, value]) => ({ name, entry: record(value) }));
  const repositories = records(recordAt(lock, 'R')?.['Repositories']).map((item) => text(item['URL']));
  const files = [path];
  for (const url of repositories) {
    const local = localFolder(url, folder, project.root);
    if (local !== null) files.push(...(await filesUnder(project, local, placeOf(path, source, url), faults)));
  }
  const description = await project.text(join(folder, 'DESCRIPTION'));
  if (description !== null && lock !== null) compareDescription(path, join(folder, 'DESCRIPTION'), description, entries, faults);
  const version = text(recordAt(lock, 'R')?.['Version']);
  const claim = exactVersion('r', version, placeOf(path, source, `"${version}"`));
  return {
    kind: 'renv',
    file: path,
    files,
    packages: entries.map(({ name, entry }) => packageOf(name, entry, path, source)),
    versions: claim === null ? [] : [claim],
    requirements: [],
    isReproducible: true,
    faults,
    sources: repositories,
  };
};

/** CRAN has sources for Linux: all is compiled that does not say that it needs no compiler. */
function packageOf(name: string, entry: Readonly<Record<string, unknown>> | null, file: string, source: string): Package {
  const needs = text(entry?.['NeedsCompilation']).toLowerCase();
  return {
    name: name.toLowerCase(),
    version: text(entry?.['Version']) || null,
    specifiers: '',
    extras: [],
    marker: '',
    origin: 'cran',
    isSource: needs !== 'no',
    isGit: /^(?:github|gitlab|bitbucket|git)/i.test(text(entry?.['Source'])),
    place: () => placeOf(file, source, new RegExp(`"(${escaped(name)})"`)),
  };
}

/** A package's own DESCRIPTION names what it imports. */
function compareDescription(
  lock: string,
  path: string,
  source: string,
  entries: readonly { readonly name: string }[],
  faults: Diagnostic[],
): void {
  const fields = [...source.matchAll(/^(?:Imports|Depends|LinkingTo):((?:.*)(?:\n[ \t].*)*)/gm)].map((match) => match[1] ?? '');
  const wanted = fields.flatMap((field) => field.split(',')).map((item) => /[A-Za-z][\w.]*/.exec(item)?.[0] ?? '');
  const ofR = new Set([
    'R',
    'base',
    'compiler',
    'datasets',
    'grDevices',
    'graphics',
    'grid',
    'methods',
    'parallel',
    'splines',
    'stats',
    'stats4',
    'tcltk',
    'tools',
    'utils',
  ]);
  const missing = wanted.find((name) => name !== '' && !ofR.has(name) && !entries.some((entry) => entry.name === name));
  if (missing === undefined) return;
  const place = placeOf(path, source, new RegExp(`\\b(${escaped(missing)})\\b`));
  faults.push(
    fault(
      'HPO-2424',
      'error',
      place,
      `${lock} is out of date: ${path} asks for ${missing}, and the lock was made without it`,
      'run renv::snapshot()',
    ),
  );
}
