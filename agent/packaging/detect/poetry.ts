import { dirname, join } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import { compareVersions } from '../environment/versions.ts';
import { record, recordAt, records, text } from '../unknown.ts';
import { placeOf } from './faults.ts';
import type { Finding, Row, Search } from './finding.ts';
import { ownManifests } from './localFiles.ts';
import { readTomlLock } from './tomlLock.ts';
import { indexesOf, type Pyproject, pythonClaim } from './pyproject.ts';
import { isSourceOnly, pathsOf } from './lockedFiles.ts';
import { pythonJson, sha256 } from './pythonJson.ts';
import { locked } from './pythonPackages.ts';
import { fromCaret, rangeClaim } from './pythonVersion.ts';
import { staleLock } from './uv.ts';

export const poetry: Row = async ({ project, folder }: Search): Promise<Finding | null> => {
  const read = await readTomlLock(project, folder, 'poetry.lock');
  if (read === null) return null;
  const { path, source, lock, manifest, own, packages, faults } = read;
  const settings = await project.firstOf(folder, ['poetry.toml']);
  const metadata = record(lock?.['metadata']);
  if (own !== null && lock !== null) checkHash(path, source, text(metadata?.['content-hash']), own, faults);
  const range = fromCaret(text(metadata?.['python-versions']));
  const claim = range === null ? null : rangeClaim(range, placeOf(path, source, /^python-versions\s*=.*$/m));
  const ownClaim = own === null ? null : pythonClaim(own);
  return {
    kind: 'poetry',
    file: path,
    files: [
      path,
      ...(own === null ? [] : [manifest]),
      ...(settings === null ? [] : [settings]),
      ...(await pathsOf(
        project,
        packages.map((item) => textAt(item, 'source', 'url', ['directory', 'file'])),
        path,
        source,
        faults,
      )),
      ...(own === null ? [] : await ownManifests(project, own.dependencies ?? [], own, faults)),
    ],
    packages: packages
      .filter((item) => textAt(item, 'source', 'url', ['directory', 'file']) === '')
      .map((item) => {
        const isGit = text(recordAt(item, 'source')?.['type']) === 'git';
        const isSource = isGit || isSourceOnly(records(item['files']).map(({ file }) => text(file)));
        return locked(text(item['name']), text(item['version']) || null, path, source, { isSource, isGit });
      }),
    versions: [claim, ownClaim].filter((item) => item !== null),
    requirements: [],
    isReproducible: true,
    faults,
    sources: [...(own === null ? [] : indexesOf(own)), ...packages.map((item) => text(recordAt(item, 'source')?.['url']))],
    covers: [manifest],
  };
};

/** The `url` of a package's source when it is of one of the types. */
function textAt(item: Readonly<Record<string, unknown>>, table: string, name: string, types: readonly string[]): string {
  const at = recordAt(item, table);
  return types.includes(text(at?.['type'])) ? text(at?.[name]) : '';
}

function checkHash(path: string, source: string, kept: string, own: Pyproject, faults: Diagnostic[]): void {
  const by = /^# .*Poetry (\d[\w.]*)/m.exec(source)?.[1] ?? null;
  // Poetry before 2.3 did not look at dependency groups.
  const isOld = by !== null && (compareVersions(by, '2.3') ?? 0) < 0;
  const accepted = [poetryHash(own.table, true), ...(isOld ? [poetryHash(own.table, false)] : [])];
  if (kept === '' || accepted.includes(kept)) return;
  const place = placeOf(path, source, /^content-hash\s*=.*$/m);
  faults.push(
    staleLock(
      path,
      place,
      `the dependencies in ${join(dirname(path), 'pyproject.toml')} have changed since it was made`,
      'poetry lock',
    ),
  );
}

const legacyKeys = ['dependencies', 'source', 'extras', 'dev-dependencies'];
const relevantKeys = [...legacyKeys, 'group'];
const projectKeys = ['requires-python', 'dependencies', 'optional-dependencies'];

/** The `content-hash` that Poetry writes, by `Locker._get_content_hash`. */
export function poetryHash(table: Readonly<Record<string, unknown>>, withGroups: boolean): string {
  const own = picked(record(table['project']), projectKeys);
  const groups = withGroups ? (record(table['dependency-groups']) ?? {}) : {};
  const tool = recordAt(table, 'tool', 'poetry') ?? {};
  const isPlain = Object.keys(own).length === 0 && Object.keys(groups).length === 0;
  // Without anything in [project], the keys that Poetry has always hashed count as null when they are absent.
  const relevant = {
    ...(isPlain ? Object.fromEntries(legacyKeys.map((key) => [key, null])) : {}),
    ...picked(tool, relevantKeys),
  };
  if (isPlain) return sha256(pythonJson(relevant));
  return sha256(
    pythonJson({
      ...(Object.keys(own).length > 0 ? { project: own } : {}),
      ...(Object.keys(groups).length > 0 ? { 'dependency-groups': groups } : {}),
      tool: { poetry: relevant },
    }),
  );
}

function picked(table: Readonly<Record<string, unknown>> | null, keys: readonly string[]): Record<string, unknown> {
  return Object.fromEntries(keys.filter((key) => table?.[key] !== undefined).map((key) => [key, table?.[key]]));
}
