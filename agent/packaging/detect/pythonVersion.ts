import { satisfies } from '../environment/versions.ts';
import type { VersionClaim } from './finding.ts';
import type { Place } from './faults.ts';

/** Released minor versions, the one to take first where a range leaves the choice: widely served by wheels, not the newest. */
const preferred = [12, 13, 11, 14, 10, 9, 8, 7, 15, 16, 6, 17, 18, 5].map((minor) => `3.${minor}`);

/** Stand for all versions of Python wherever ranges are compared. */
const samples = [
  '2.7.18',
  ...Array.from({ length: 20 }, (_, minor) =>
    [0, 1, 2, 3, 4, 5, 8, 10, 13, 16, 20, 30].map((patch) => `3.${minor}.${patch}`),
  ).flat(),
  '4.0.0',
];

/** `3.11`, `3.11.4`, `cpython-3.11`, `3.12.1/envs/mine`: one release or series; null for what names no version of CPython. */
export function pinClaim(text: string, place: Place): VersionClaim | null {
  const version = /^(?:c?python[-@]?)?(3(?:\.\d+){0,2})(?![\d.])/i.exec(text.trim())?.[1];
  if (version === undefined) return null;
  const parts = version.split('.').length;
  const range = parts === 3 ? `==${version}` : `==${version}.*`;
  return { language: 'python', shown: version, range, pin: parts === 1 ? null : version, place };
}

/** `>=3.9,<3.13`; null for what is no specifier. */
export function rangeClaim(specifiers: string, place: Place): VersionClaim | null {
  const range = specifiers.replaceAll(/\s+/g, '');
  if (range === '' || satisfies('3.0.0', range) === null) return null;
  const pin = /^==(3\.\d+(?:\.\d+)?)(?:\.\*)?$/.exec(range)?.[1] ?? null;
  return { language: 'python', shown: range, range, pin, place };
}

/** Poetry's and npm's notation, as PEP 440: `^3.11`, `~3.11`, `3.11.*`, `>=3.9,<4`; null where it has alternatives. */
export function fromCaret(constraint: string): string | null {
  const text = constraint.trim();
  if (text === '*' || text === '') return '';
  const parts = text.split(/\s*,\s*|\s+(?=[<>=!~^])/).map((part) => {
    const [, operator = '', version = ''] =
      /^(\^|~(?!=)|~=|==|!=|<=|>=|<|>|=)?\s*v?(\d+(?:\.(?:\d+|\*))*[\w.+]*)$/.exec(part) ?? [];
    if (version === '') return null;
    const release = version.split('.').map(Number);
    if (operator === '^') return `>=${version},<${caretEnd(release)}`;
    if (operator === '~') {
      const end = release.length === 1 ? [(release[0] ?? 0) + 1] : [release[0] ?? 0, (release[1] ?? 0) + 1];
      return `>=${version},<${end.join('.')}`;
    }
    if (operator === '' || operator === '=') return `==${version}`;
    return `${operator}${version}`;
  });
  return parts.includes(null) ? null : parts.join(',');
}

function caretEnd(release: readonly number[]): string {
  const index = release.findIndex((part) => part > 0);
  const at = index === -1 ? release.length - 1 : index;
  return [...release.slice(0, at), (release[at] ?? 0) + 1].join('.');
}

/** Whether some version is meant by all of them. */
export function canMeet(ranges: readonly string[]): boolean {
  const named = ranges.flatMap((range) => range.match(/\d+\.\d+\.\d+/g) ?? []);
  return [...samples, ...named].some((version) => ranges.every((range) => satisfies(version, range) !== false));
}

/** Whether both mean the same versions. */
export function areSameRanges(left: string, right: string): boolean {
  const named = [left, right].flatMap((range) => range.match(/\d+\.\d+\.\d+/g) ?? []);
  return [...samples, ...named].every(
    (version) => (left === '' ? true : satisfies(version, left)) === (right === '' ? true : satisfies(version, right)),
  );
}

/** The version to install: what is pinned, most exactly; else one that all ranges allow. Empty where nothing says anything. */
export function chooseVersion(claims: readonly VersionClaim[]): string {
  const [longest] = claims
    .flatMap(({ pin }) => (pin === null ? [] : [pin]))
    .sort((a, b) => b.split('.').length - a.split('.').length);
  if (longest !== undefined) return longest;
  const ranges = claims.map(({ range }) => range);
  return ranges.length === 0 ? '' : (preferred.find((minor) => canMeet([...ranges, `==${minor}.*`])) ?? '');
}
