import { satisfies } from '../environment/versions.ts';
import type { Diagnostic } from '../../protocol/space.ts';
import type { EnvironmentKind, Language } from './detected.ts';
import { fault, named } from './faults.ts';
import type { Finding, Package, VersionClaim } from './finding.ts';
import { canMeet } from './pythonVersion.ts';
import { doRangesMeet } from './semverRange.ts';

const locks: ReadonlySet<EnvironmentKind> = new Set(['uv', 'pixi', 'poetry', 'pdm', 'pipenv']);

/** What is there before all packages; tools leave it out of their locks. */
const installers: ReadonlySet<string> = new Set(['python', 'pip', 'setuptools', 'wheel', 'uv']);

/**
 * Where two files of one folder say different things about a package: a version that is not the one asked for, or a package that
 * one asks for and the complete list of the other does not have. `chosen` would win; that it does has to be said by somebody.
 */
export function disagreements(chosen: Finding, other: Finding): Diagnostic[] {
  if (chosen.covers?.includes(other.file) === true || other.covers?.includes(chosen.file) === true) return [];
  const choice = `make them agree, take one away, or say which one counts: # @hpo.image manifest=${chosen.file}`;
  const byName = new Map<string, Package[]>();
  for (const item of chosen.packages) byName.set(item.name, [...(byName.get(item.name) ?? []), item]);
  for (const theirs of other.packages) {
    if (installers.has(theirs.name)) continue;
    const ours = byName.get(theirs.name) ?? [];
    const [first] = ours;
    if (first === undefined) {
      // Names of conda's packages are not those of PyPI, and a lock has what nobody asked for.
      if (!isComplete(chosen) || locks.has(other.kind) || theirs.origin === 'conda' || theirs.marker !== '') continue;
      const what = `${other.file} asks for ${theirs.name}, which ${chosen.file} does not have`;
      return [fault('HPO-2421', 'error', theirs.place(), what, choice)];
    }
    if (ours.some((item) => canBoth(item, theirs))) continue;
    const what = `${other.file} has ${shown(theirs)}, and ${named(first.place())} has ${ours.map(shown).join(' and ')}`;
    return [fault('HPO-2421', 'error', theirs.place(), what, choice)];
  }
  if (locks.has(chosen.kind) && locks.has(other.kind)) {
    const what = `${chosen.file} and ${other.file} are locks of two tools; ${chosen.file} is used, and they agree today`;
    return [fault('HPO-2423', 'warning', { file: other.file, text: '', span: null }, what, 'take one of them away')];
  }
  return [];
}

/** Everything that will be installed is named. */
function isComplete({ kind, isReproducible }: Finding): boolean {
  return (locks.has(kind) && kind !== 'pixi') || (kind === 'requirements' && isReproducible);
}

function canBoth(left: Package, right: Package): boolean {
  if (left.version !== null && right.version !== null && left.origin === right.origin && left.origin !== 'conda') {
    return satisfies(bare(left.version), `==${bare(right.version)}`) !== false;
  }
  const accepts = ({ specifiers, version }: Package, wanted: string) =>
    specifiers === ''
      ? version === null || satisfies(bare(wanted), `==${version}`) !== false
      : satisfies(bare(wanted), specifiers) !== false;
  if (left.version !== null && left.origin !== 'conda') return accepts(right, left.version);
  if (right.version !== null && right.origin !== 'conda') return accepts(left, right.version);
  // Two ranges, or conda's short versions: no version is at hand that would prove a disagreement.
  return (
    left.version === null ||
    right.version === null ||
    left.version.startsWith(right.version) ||
    right.version.startsWith(left.version)
  );
}

/** 2.5.1+cu124 → 2.5.1: which build it is says the index. */
function bare(version: string): string {
  return version.split('+')[0] ?? version;
}

function shown({ name, version, specifiers }: Package): string {
  return version === null ? `${name}${specifiers}` : `${name} ${version}`;
}

/** The first two statements about the version of a language that no version fits. */
export function versionDisagreements(claims: readonly VersionClaim[]): Diagnostic[] {
  for (const [index, claim] of claims.entries()) {
    const other = claims.slice(0, index).find((earlier) => !canBe(earlier, claim));
    if (other === undefined) continue;
    const name = languageNames[claim.language];
    const what = `${named(other.place)} says ${name} ${other.shown}, and ${claim.place.file} says ${claim.shown}`;
    return [fault('HPO-2422', 'error', claim.place, what, 'make them agree')];
  }
  return [];
}

const languageNames: Readonly<Record<Language, string>> = {
  python: 'Python',
  node: 'Node',
  r: 'R',
  julia: 'Julia',
  other: 'version',
};

function canBe(left: VersionClaim, right: VersionClaim): boolean {
  return left.language === 'python' ? canMeet([left.range, right.range]) : doRangesMeet(left.range, right.range);
}
