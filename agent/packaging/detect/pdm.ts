import { dirname, join } from 'node:path/posix';
import { normaliseName } from '../environment/requirement.ts';
import { record, recordAt, records, text } from '../unknown.ts';
import { placeOf } from './faults.ts';
import type { Finding, Row, Search } from './finding.ts';
import { isSourceOnly, pathsOf } from './lockedFiles.ts';
import { ownManifests } from './localFiles.ts';
import { readTomlLock } from './tomlLock.ts';
import { indexesOf, pythonClaim } from './pyproject.ts';
import { pythonJson, sha256 } from './pythonJson.ts';
import { locked } from './pythonPackages.ts';
import { rangeClaim } from './pythonVersion.ts';
import { staleLock } from './uv.ts';

export const pdm: Row = async ({ project, folder }: Search): Promise<Finding | null> => {
  const read = await readTomlLock(project, folder, 'pdm.lock');
  if (read === null) return null;
  const { path, source, lock, manifest, own, packages, faults } = read;
  const metadata = record(lock?.['metadata']);
  const kept = text(metadata?.['content_hash']);
  // Without [project] PDM converts what other tools wrote before it hashes.
  if (
    own !== null &&
    own.project !== null &&
    kept.startsWith('sha256:') &&
    !pdmHashes(own.table).some((hash) => kept === `sha256:${hash}`)
  ) {
    const place = placeOf(path, source, /^content_hash\s*=.*$/m);
    faults.push(
      staleLock(
        path,
        place,
        `the dependencies in ${join(dirname(path), 'pyproject.toml')} have changed since it was made`,
        'pdm lock',
      ),
    );
  }
  const [target] = records(metadata?.['targets']);
  const claims = [
    rangeClaim(text(target?.['requires_python']), placeOf(path, source, /^requires_python\s*=.*$/m)),
    own === null ? null : pythonClaim(own),
  ];
  return {
    kind: 'pdm',
    file: path,
    files: [
      path,
      ...(own === null ? [] : [manifest]),
      ...(await pathsOf(
        project,
        packages.map((item) => text(item['path'])),
        path,
        source,
        faults,
      )),
      ...(own === null ? [] : await ownManifests(project, own.dependencies ?? [], own, faults)),
    ],
    packages: packages
      .filter((item) => text(item['path']) === '')
      .map((item) => {
        const isGit = text(item['git']) !== '';
        const isSource = isGit || isSourceOnly(records(item['files']).map(({ file, url }) => text(file) || text(url)));
        return locked(text(item['name']), text(item['version']) || null, path, source, { isSource, isGit });
      }),
    versions: claims.filter((claim) => claim !== null),
    requirements: [],
    isReproducible: true,
    faults,
    sources: own === null ? [] : indexesOf(own),
    covers: [manifest],
  };
};

/** The `content_hash` that PDM writes, by `PyProject.content_hash`: of today, and as PDM 2.10 wrote it. */
export function pdmHashes(table: Readonly<Record<string, unknown>>): readonly [today: string, before: string] {
  const own = record(table['project']) ?? {};
  const settings = recordAt(table, 'tool', 'pdm') ?? {};
  const groups: Record<string, unknown[]> = {};
  for (const [name, list] of [
    ...Object.entries(record(table['dependency-groups']) ?? {}),
    ...Object.entries(record(settings['dev-dependencies']) ?? {}),
  ]) {
    const group = normaliseName(name);
    groups[group] = [...(groups[group] ?? []), ...(Array.isArray(list) ? list : [])];
  }
  const common = {
    sources: settings['source'] ?? [],
    dependencies: own['dependencies'] ?? [],
    'optional-dependencies': own['optional-dependencies'] ?? {},
    'requires-python': own['requires-python'] ?? '',
  };
  const resolution = record(settings['resolution']) ?? {};
  return [
    sha256(pythonJson({ ...common, 'dev-dependencies': groups, resolution })),
    sha256(
      pythonJson({
        ...common,
        'dev-dependencies': settings['dev-dependencies'] ?? {},
        overrides: resolution['overrides'] ?? {},
      }),
    ),
  ];
}
