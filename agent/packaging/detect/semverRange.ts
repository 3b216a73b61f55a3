import semver from 'semver';
import type { Language } from './detected.ts';
import type { VersionClaim } from './finding.ts';
import type { Place } from './faults.ts';

/** Releases of Node with long support, by the names that `lts/NAME` uses. */
const ltsNames: Readonly<Record<string, string>> = {
  fermium: '14',
  gallium: '16',
  hydrogen: '18',
  iron: '20',
  jod: '22',
  krypton: '24',
};

/** Major versions of Node, the one to take first where a range leaves the choice. */
const preferredNode = ['24', '22', '20', '18', '26', '16', '14', '12'];

/** `20`, `v20.11.1`, `lts/iron`; null for names of no version, such as `lts/*`. */
export function nodePin(text: string, place: Place): VersionClaim | null {
  const named = ltsNames[/^lts\/(\w+)$/i.exec(text.trim())?.[1]?.toLowerCase() ?? ''];
  const version = named ?? /^v?(\d+(?:\.\d+){0,2})$/.exec(text.trim())?.[1];
  return version === undefined ? null : { language: 'node', shown: text.trim(), range: version, pin: version, place };
}

/** As npm reads `engines`; null for what is no range. */
export function nodeRange(text: string, place: Place): VersionClaim | null {
  const range = semver.validRange(text);
  if (text === '' || range === null) return null;
  const pin = /^v?(\d+(?:\.\d+){0,2})(?:\.[x*])*$/.exec(text.trim())?.[1] ?? null;
  return { language: 'node', shown: text, range, pin, place };
}

/** Julia's `[compat]`: a comma means or, a bare version the ones compatible with it. */
export function juliaCompat(text: string, place: Place): VersionClaim | null {
  const parts = text.split(',').map((part) =>
    part
      .trim()
      .replace(/^(?=\d)/, '^')
      .replace(/≥/, '>='),
  );
  const range = semver.validRange(parts.map((part) => part.replace(/^\^(\S+)\s+-\s+/, '$1 - ')).join(' || '));
  return text === '' || range === null ? null : { language: 'julia', shown: text, range, pin: null, place };
}

export function exactVersion(language: Language, version: string, place: Place): VersionClaim | null {
  return /^\d+(?:\.\d+){1,2}$/.test(version) ? { language, shown: version, range: version, pin: version, place } : null;
}

/** Whether some version is in both. */
export function doRangesMeet(left: string, right: string): boolean {
  try {
    return semver.intersects(left, right, { includePrerelease: true });
  } catch {
    return true;
  }
}

export function isInRange(version: string, range: string): boolean {
  const exact = semver.coerce(version, { includePrerelease: true }) ?? version;
  return semver.validRange(range) === null || semver.satisfies(exact, range, { includePrerelease: true });
}

/** The version that all claims allow: pinned, most exactly; else a usual one. Empty for none. */
export function chooseByRange(claims: readonly VersionClaim[]): string {
  const [longest] = claims
    .flatMap(({ pin }) => (pin === null ? [] : [pin]))
    .sort((a, b) => b.split('.').length - a.split('.').length);
  if (longest !== undefined) return longest;
  const [first] = claims;
  if (first?.language !== 'node') return '';
  return preferredNode.find((major) => claims.every(({ range }) => doRangesMeet(range, `${major}.x`))) ?? '';
}
