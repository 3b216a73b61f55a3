import type { Diagnostic } from '../../protocol/space.ts';
import { record, recordAt, records, text } from '../unknown.ts';
import { escaped, fault, placeOf } from './faults.ts';
import type { Finding, Package, Row, Search, VersionClaim } from './finding.ts';
import { exactVersion, juliaCompat } from './semverRange.ts';

export const julia: Row = async ({ project, folder }: Search): Promise<Finding | null> => {
  const path = await project.firstOf(folder, ['JuliaProject.toml', 'Project.toml']);
  if (path === null) return null;
  const source = (await project.text(path)) ?? '';
  const faults: Diagnostic[] = [];
  const own = await project.toml(path, faults);
  // Other languages have a Project.toml too.
  if (own !== null && !['deps', 'compat', 'uuid', 'extras'].some((name) => name in own)) return null;
  const names = Object.keys(record(own?.['deps']) ?? {});
  const manifest = await project.firstOf(folder, ['JuliaManifest.toml', 'Manifest.toml']);
  const versions: (VersionClaim | null)[] = [];
  let packages: readonly Package[] = names.map((name) => packageOf(name, null, false, path, source));
  if (manifest !== null) {
    const content = (await project.text(manifest)) ?? '';
    const lock = await project.toml(manifest, faults);
    const entries = record(lock?.['manifest_format'] === undefined ? lock : lock['deps']) ?? {};
    packages = Object.entries(entries).flatMap(([name, list]) =>
      records(list).map((item) =>
        packageOf(name, text(item['version']) || null, text(item['repo-url']) !== '', manifest, content),
      ),
    );
    const missing = lock === null ? undefined : names.find((name) => !Object.hasOwn(entries, name));
    if (missing !== undefined) {
      const place = placeOf(path, source, new RegExp(`^\\s*(${escaped(missing)})\\s*=`, 'm'));
      faults.push(
        fault(
          'HPO-2424',
          'error',
          place,
          `${manifest} is out of date: ${path} asks for ${missing}, and it was made without it`,
          'run julia --project -e "using Pkg; Pkg.resolve()"',
        ),
      );
    }
    for (const [name, list] of Object.entries(entries)) {
      const at = records(list)
        .map((item) => text(item['path']))
        .find((each) => each !== '');
      if (at === undefined) continue;
      const place = placeOf(manifest, content, at);
      faults.push(
        fault(
          'HPO-2427',
          'warning',
          place,
          `${manifest} takes ${name} from the folder ${at}, whose code is no part of an image`,
          'add it by its repository, or load it with include()',
        ),
      );
    }
    const version = text(lock?.['julia_version']);
    versions.push(exactVersion('julia', version, placeOf(manifest, content, /^julia_version\s*=.*$/m)));
  }
  versions.push(juliaCompat(text(recordAt(own, 'compat')?.['julia']), placeOf(path, source, /^julia\s*=.*$/m)));
  return {
    kind: 'julia',
    file: path,
    files: [path, ...(manifest === null ? [] : [manifest])],
    packages,
    versions: versions.filter((claim) => claim !== null),
    requirements: [],
    isReproducible: manifest !== null || names.length === 0,
    faults,
  };
};

function packageOf(name: string, version: string | null, isGit: boolean, file: string, source: string): Package {
  const place = () => placeOf(file, source, new RegExp(`\\b(${escaped(name)})\\b`));
  return { name, version, specifiers: '', extras: [], marker: '', origin: 'other', isSource: false, isGit, place };
}
