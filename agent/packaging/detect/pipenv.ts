import { join } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import { record, recordAt, records, text } from '../unknown.ts';
import { placeOf } from './faults.ts';
import type { Finding, Row, Search } from './finding.ts';
import { noManifest, pathsOf } from './lockedFiles.ts';
import { pythonJson, sha256 } from './pythonJson.ts';
import { locked } from './pythonPackages.ts';
import { pinClaim } from './pythonVersion.ts';
import { staleLock } from './uv.ts';

export const pipenv: Row = async ({ project, folder }: Search): Promise<Finding | null> => {
  const path = join(folder, 'Pipfile.lock');
  const source = await project.text(path);
  if (source === null) return null;
  const faults: Diagnostic[] = [];
  const lock = await project.json(path, faults);
  const manifest = join(folder, 'Pipfile');
  const pipfile = await project.text(manifest);
  const own = await project.toml(manifest, faults);
  if (pipfile === null) faults.push(noManifest(path, source, 'Pipfile'));
  const kept = text(recordAt(lock, '_meta', 'hash')?.['sha256']);
  if (own !== null && kept !== '' && kept !== pipfileHash(own)) {
    const place = placeOf(path, source, /"sha256":\s*"[0-9a-f]+"/);
    faults.push(staleLock(path, place, `${manifest} has changed since it was made`, 'pipenv lock'));
  }
  const packages = Object.entries(record(lock?.['default']) ?? {}).map(([name, value]) => ({ name, entry: record(value) }));
  const requires = recordAt(own ?? lock, ...(own === null ? ['_meta', 'requires'] : ['requires']));
  const version = text(requires?.['python_full_version']) || text(requires?.['python_version']);
  const claim =
    own === null || pipfile === null
      ? pinClaim(version, placeOf(path, source, /"python_(?:full_)?version":.*$/m))
      : pinClaim(version, placeOf(manifest, pipfile, /^python_(?:full_)?version\s*=.*$/m));
  return {
    kind: 'pipenv',
    file: path,
    files: [
      path,
      ...(pipfile === null ? [] : [manifest]),
      ...(await pathsOf(
        project,
        packages.map(({ entry }) => text(entry?.['path']) || localFile(text(entry?.['file']))),
        path,
        source,
        faults,
      )),
    ],
    packages: packages.map(({ name, entry }) => {
      const isGit = text(entry?.['git']) !== '';
      return locked(name, text(entry?.['version']).replace(/^==/, '') || null, path, source, { isSource: isGit, isGit });
    }),
    versions: claim === null ? [] : [claim],
    requirements: [],
    isReproducible: true,
    faults,
    sources: records(recordAt(lock, '_meta')?.['sources']).map((index) => text(index['url'])),
    covers: [manifest],
  };
};

/** The hash that Pipenv writes, by `plette.Pipfile.get_hash`. */
export function pipfileHash(table: Readonly<Record<string, unknown>>): string {
  const known = ['source', 'packages', 'dev-packages', 'requires', 'scripts', 'pipfile', 'pipenv', 'default', 'develop'];
  const others = Object.entries(table).filter(([name]) => !known.includes(name));
  return sha256(
    pythonJson(
      {
        _meta: { sources: table['source'] ?? defaultSources, requires: table['requires'] ?? {} },
        default: table['packages'] ?? {},
        develop: table['dev-packages'] ?? {},
        ...Object.fromEntries(others),
      },
      true,
    ),
  );
}

const defaultSources = [{ name: 'pypi', url: 'https://pypi.org/simple', verify_ssl: true }];

function localFile(file: string): string {
  return /^[a-z]+:\/\//i.test(file) ? '' : file;
}
