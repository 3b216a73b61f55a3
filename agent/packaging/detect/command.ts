import { dirname, extname, join } from 'node:path/posix';
import type { Diagnostic } from '../../protocol/space.ts';
import { record, recordAt, records, text } from '../unknown.ts';
import { escaped, fault, placeOf } from './faults.ts';
import type { Finding } from './finding.ts';
import type { Programs } from './language.ts';
import type { ProjectReader } from './projectReader.ts';

/** Sources of compiled programs, with the packages of Debian that compile them. */
const compilers: Readonly<Record<string, readonly string[]>> = {
  '.c': ['gcc'],
  '.cc': ['g++'],
  '.cpp': ['g++'],
  '.cxx': ['g++'],
  '.rs': ['rustc'],
  '.go': ['golang-go'],
  '.f90': ['gfortran'],
  '.java': ['default-jdk-headless'],
  '.hs': ['ghc'],
};

/** What builds a compiled program: the manifest, what belongs to it, and the packages of Debian with its tool. */
const builds: readonly { readonly manifest: string; readonly also: readonly string[]; readonly packages: readonly string[] }[] = [
  {
    manifest: 'Cargo.toml',
    also: ['Cargo.lock', 'rust-toolchain.toml', 'rust-toolchain', '.cargo/config.toml'],
    packages: ['cargo'],
  },
  { manifest: 'go.mod', also: ['go.sum'], packages: ['golang-go'] },
  { manifest: 'CMakeLists.txt', also: [], packages: ['cmake'] },
  { manifest: 'Makefile', also: [], packages: ['make'] },
];

/** A program of which no other row says what it needs: a base, the programs of its command, and what it is built with. */
export async function commandRow(
  project: ProjectReader,
  scriptPath: string | null,
  folders: readonly string[],
  programs: Programs,
): Promise<Finding> {
  const faults: Diagnostic[] = [];
  const ofScript = compilers[extname(scriptPath ?? '').toLowerCase()] ?? [];
  const usesBuild = programs.isCompiled || ofScript.length > 0 || programs.language === 'other';
  const build = usesBuild ? await buildOf(project, folders, programs) : null;
  const files = build === null ? [] : build.files;
  const folder = build === null ? '.' : dirname(build.files[0] ?? '.');
  const isComplete =
    build?.manifest === 'Cargo.toml'
      ? await cargoIsLocked(project, folder, faults)
      : build?.manifest === 'go.mod'
        ? await goIsLocked(project, folder, faults)
        : true;
  const what = programs.program === null ? `no file says what ${scriptPath} needs` : `the command runs ${programs.program}`;
  return {
    kind: 'command',
    file: files[0] ?? scriptPath ?? 'hpo.yml',
    files,
    packages: [],
    versions: [],
    requirements: [],
    isReproducible: isComplete,
    faults,
    reason: build === null ? what : `${what}, built by ${files[0]}`,
    isCompiled: ofScript.length > 0 || build !== null,
    systemPackages: [...ofScript, ...(build?.packages ?? [])],
  };
}

/** The build that the command's program works with; else the one that the nearest folder has. */
async function buildOf(
  project: ProjectReader,
  folders: readonly string[],
  { packages }: Programs,
): Promise<{ readonly manifest: string; readonly files: readonly string[]; readonly packages: readonly string[] } | null> {
  const preferred = builds.filter((each) => each.packages.some((name) => packages.includes(name)));
  for (const each of preferred.length > 0 ? preferred : builds) {
    for (const folder of folders) {
      const manifest = join(folder, each.manifest);
      if ((await project.bytes(manifest)) === null) continue;
      const files = [manifest];
      for (const name of each.also) if ((await project.bytes(join(folder, name))) !== null) files.push(join(folder, name));
      return { manifest: each.manifest, files, packages: each.packages };
    }
  }
  return null;
}

async function cargoIsLocked(project: ProjectReader, folder: string, faults: Diagnostic[]): Promise<boolean> {
  const path = join(folder, 'Cargo.toml');
  const source = (await project.text(path)) ?? '';
  const own = await project.toml(path, faults);
  const wanted = ['dependencies', 'build-dependencies'].flatMap((list) =>
    Object.entries(record(own?.[list]) ?? {}).map(([name, value]) => ({ name, crate: text(record(value)?.['package']) || name })),
  );
  const lock = await project.toml(join(folder, 'Cargo.lock'), faults);
  if (lock === null) return wanted.length === 0;
  const entry = records(lock['package']).find((item) => item['name'] === recordAt(own, 'package')?.['name']);
  const kept = Array.isArray(entry?.['dependencies']) ? entry['dependencies'].map((item) => text(item).split(' ')[0]) : [];
  const missing = entry === undefined ? undefined : wanted.find(({ crate }) => !kept.includes(crate));
  if (missing !== undefined) {
    const place = placeOf(path, source, new RegExp(`^\\s*"?(${escaped(missing.name)})"?\\s*[=.]`, 'm'));
    faults.push(
      fault(
        'HPO-2424',
        'error',
        place,
        `${join(folder, 'Cargo.lock')} is out of date: ${path} asks for ${missing.crate}, and the lock was made without it`,
        'run cargo generate-lockfile',
      ),
    );
  }
  return true;
}

async function goIsLocked(project: ProjectReader, folder: string, faults: Diagnostic[]): Promise<boolean> {
  const path = join(folder, 'go.mod');
  const source = (await project.text(path)) ?? '';
  const block = [...source.matchAll(/^require\s*\(([^)]*)\)/gm)].map((match) => match[1] ?? '').join('\n');
  const lines = [...block.split('\n'), ...[...source.matchAll(/^require\s+([^\s(]+\s+\S+)/gm)].map((match) => match[1] ?? '')];
  const wanted = lines.map((line) => /^\s*([\w./~-]+)\s+(v\S+)/.exec(line)).filter((match) => match !== null);
  const sums = await project.text(join(folder, 'go.sum'));
  if (sums === null) return wanted.length === 0;
  const missing = wanted.find(([, name, version]) => !sums.includes(`${name} ${version}`));
  if (missing !== undefined) {
    faults.push(
      fault(
        'HPO-2424',
        'error',
        placeOf(path, source, missing[0].trim()),
        `${join(folder, 'go.sum')} is out of date: ${path} asks for ${missing[1]} ${missing[2]}, which it does not have`,
        'run go mod tidy',
      ),
    );
  }
  return true;
}
