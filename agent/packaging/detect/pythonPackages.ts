import { normaliseName, parseRequirement } from '../environment/requirement.ts';
import type { Package } from './finding.ts';
import { nameExpression, type Place, placeOf } from './faults.ts';

/** A line of PEP 508; null for options, paths and what is no requirement. */
export function packageOf(line: string, place: () => Place): Package | null {
  const requirement = parseRequirement(line);
  const bare = requirement === null ? bareUrl(line) : null;
  if (requirement === null) return bare === null ? null : { ...unpinned(bare, place), isSource: true, isGit: isGitUrl(line) };
  const url = /@\s*(\S+)/.exec(requirement.text)?.[1] ?? '';
  const pinned = /^===?([^*,]+)$/.exec(requirement.specifiers)?.[1] ?? null;
  return {
    ...unpinned(requirement.name, place),
    version: pinned,
    specifiers: requirement.specifiers,
    extras: (/^[^[;@]+\[([^\]]*)\]/.exec(requirement.text)?.[1] ?? '')
      .split(',')
      .map((extra) => normaliseName(extra.trim()))
      .filter((extra) => extra !== ''),
    marker: requirement.marker,
    isSource: url !== '' && !/\.whl(?:[#?]|$)/.test(url),
    isGit: isGitUrl(url),
  };
}

/** Requirement lines of a list in a file, each at its place there. */
export function packagesOf(lines: readonly string[], file: string, text: string): Package[] {
  return lines.map((line) => packageOf(line, () => placeOf(file, text, line))).filter((item) => item !== null);
}

/** Packages of a lock's entry: its place is the name where the lock gives it. */
export function locked(
  name: string,
  version: string | null,
  file: string,
  text: string,
  more: Partial<Pick<Package, 'isSource' | 'isGit' | 'marker' | 'origin'>> = {},
): Package {
  const place = () =>
    placeOf(file, text, new RegExp(`^\\s*"?(?:name\\s*[=:]\\s*)?["']?(${nameExpression(name)})["']?\\s*[:,]?\\s*\\{?$`, 'im'));
  return { ...unpinned(normaliseName(name), place), version, ...more };
}

function unpinned(name: string, place: () => Place): Package {
  return {
    name,
    version: null,
    specifiers: '',
    extras: [],
    marker: '',
    origin: 'pypi',
    isSource: false,
    isGit: false,
    place,
  };
}

/** `git+https://host/owner/name.git@tag#egg=name` → the name it is known by. */
function bareUrl(line: string): string | null {
  const url = /^\s*(?:-e\s+|--editable[\s=]+)?((?:git|hg|svn|bzr)\+\S+|https?:\/\/\S+\.(?:zip|tar\.gz|tgz|tar\.bz2)\S*)/.exec(
    line,
  )?.[1];
  if (url === undefined) return null;
  const egg = /[#&]egg=([\w.-]+)/.exec(url)?.[1];
  const last = /\/([\w.-]+?)(?:\.git)?(?:@[^/#]*)?(?:#.*)?$/.exec(url)?.[1] ?? url;
  return normaliseName(egg ?? last);
}

function isGitUrl(text: string): boolean {
  return /(?:^|\s)git\+/.test(text);
}
