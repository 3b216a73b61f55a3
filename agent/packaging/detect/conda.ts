import { join } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import { records, strings } from '../unknown.ts';
import { fault, placeOf } from './faults.ts';
import type { Finding, Package, Row, Search, VersionClaim } from './finding.ts';
import { filesOfPath, pathInRequirement } from './localFiles.ts';
import { filesUnder, localFolder } from './localFolder.ts';
import { packageOf } from './pythonPackages.ts';
import { pinClaim, rangeClaim } from './pythonVersion.ts';
import { requirementsAt } from './requirements.ts';

export const conda: Row = async ({ project, folder }: Search): Promise<Finding | null> => {
  const path = await project.firstOf(folder, ['environment.yml', 'environment.yaml']);
  if (path === null) return null;
  const source = (await project.text(path)) ?? '';
  const faults: Diagnostic[] = [];
  const table = await project.yaml(path, faults);
  // The name is common: other tools have an environment.yml of their own.
  if (table !== null && !Array.isArray(table['dependencies'])) return null;
  const specs = strings(table?.['dependencies']);
  const packages: Package[] = [];
  const versions: VersionClaim[] = [];
  for (const spec of specs) {
    const item = condaPackage(spec, path, source);
    if (item === null) continue;
    packages.push(item);
    if (item.name !== 'python') continue;
    const claim = item.version === null ? rangeClaim(item.specifiers, item.place()) : pinClaim(item.version, item.place());
    if (claim !== null) versions.push(claim);
  }
  const files = new Set([path]);
  const sources: string[] = [];
  const pip = records(table?.['dependencies']).flatMap((item) => strings(item['pip']));
  for (const line of pip) {
    const place = () => placeOf(path, source, line);
    const included = /^\s*(?:-r\s*|-c\s*|--requirement[\s=]+|--constraint[\s=]+)(\S+)/.exec(line)?.[1];
    if (included !== undefined) {
      const list = await requirementsAt(project, join(folder, included));
      if (list === null) {
        faults.push(
          fault(
            'HPO-2429',
            'error',
            place(),
            `${path} includes ${included}, which is not there`,
            'add the file, or take the line out',
          ),
        );
        continue;
      }
      for (const file of list.files) files.add(file);
      packages.push(...list.packages);
      faults.push(...list.faults);
      sources.push(...list.sources);
      continue;
    }
    const at = pathInRequirement(line, folder, project.root);
    if (at !== null) for (const file of await filesOfPath(project, at, place(), faults)) files.add(file);
    const item = at === null ? packageOf(line, place) : null;
    if (item !== null) packages.push(item);
  }
  for (const channel of strings(table?.['channels'])) {
    const local = localFolder(channel, folder, project.root);
    if (local === null) continue;
    for (const file of await filesUnder(project, local, placeOf(path, source, channel), faults)) files.add(file);
  }
  const isExact =
    specs.length > 0 && specs.every((spec) => /^\S+?=[^=*<>|]+=[^=*]+$/.test(spec)) && pip.every((line) => /==[^*]+$/.test(line));
  return {
    kind: 'conda',
    file: path,
    files: [...files],
    packages,
    versions,
    requirements: [],
    isReproducible: isExact,
    faults,
    sources,
    covers: [...files].filter((file) => file !== path),
  };
};

/** `numpy`, `numpy=1.26`, `conda-forge::numpy>=1.26,<2`, `python=3.11.7=h955ad1f_0`; null for what is none. */
export function condaPackage(spec: string, file: string, source: string): Package | null {
  const [, name, rest = ''] = /^(?:[^\s:]+::)?([A-Za-z0-9_][\w.-]*)\s*(.*)$/.exec(spec.trim()) ?? [];
  if (name === undefined) return null;
  const exact = /^=?=?\s*(\d[\w.+!]*?)(?:\.\*)?\s*(?:=\S+)?$/.exec(rest)?.[1] ?? null;
  return {
    name: name.toLowerCase(),
    version: exact,
    specifiers: exact === null ? rest.replaceAll(/\s+/g, '') : rest.startsWith('==') ? `==${exact}` : `==${exact}.*`,
    extras: [],
    marker: '',
    origin: 'conda',
    isSource: false,
    isGit: false,
    place: () => placeOf(file, source, spec),
  };
}
