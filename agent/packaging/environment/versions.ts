/**
 * Whether `version` satisfies a comma-separated list of specifiers, such as `>=1.4,<2,!=1.5.*`. Pre-releases count like
 * any other version, as they do for what is installed already. Source: PEP 440, "Version specifiers".
 * Null when either cannot be read.
 */
export function satisfies(version: string, specifiers: string): boolean | null {
  const parts = specifiers
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '');
  let isSatisfied = true;
  for (const part of parts) {
    const match = /^(~=|===|==|!=|<=|>=|<|>)\s*(\S+)$/.exec(part);
    const answer = match === null ? null : compareBy(match[1] ?? '', version, match[2] ?? '');
    if (answer === null) return null;
    isSatisfied &&= answer;
  }
  return isSatisfied;
}

/** Negative, zero or positive; null when either is no version. Local parts (`+cpu`) are left out. */
export function compareVersions(left: string, right: string): number | null {
  const a = parseVersion(left);
  const b = parseVersion(right);
  return a === null || b === null ? null : compareParsed(a, b);
}

interface Version {
  readonly epoch: number;
  readonly release: readonly number[];
  /** `[0, n]` alpha, `[1, n]` beta, `[2, n]` candidate; null for none. */
  readonly pre: readonly [number, number] | null;
  readonly post: number | null;
  readonly dev: number | null;
}

/** PEP 440, appendix B, without the local part. */
const form =
  /^v?(?:(\d+)!)?(\d+(?:\.\d+)*)(?:[-_.]?(alpha|a|beta|b|preview|pre|c|rc)[-_.]?(\d*))?(?:-(\d+)|[-_.]?(post|rev|r)[-_.]?(\d*))?(?:[-_.]?(dev)[-_.]?(\d*))?(?:\+[a-z0-9]+(?:[-_.][a-z0-9]+)*)?$/;

function parseVersion(text: string): Version | null {
  const match = form.exec(text.trim().toLowerCase());
  if (match === null) return null;
  const [, epoch, release = '', pre, preNumber, implicitPost, post, postNumber, dev, devNumber] = match;
  return {
    epoch: Number(epoch ?? 0),
    release: release.split('.').map(Number),
    pre: pre === undefined ? null : [preRank(pre), Number(preNumber)],
    post: implicitPost !== undefined ? Number(implicitPost) : post !== undefined ? Number(postNumber) : null,
    dev: dev === undefined ? null : Number(devNumber),
  };
}

function preRank(word: string): number {
  if (word.startsWith('a')) return 0;
  return word.startsWith('b') ? 1 : 2;
}

function compareParsed(a: Version, b: Version): number {
  if (a.epoch !== b.epoch) return a.epoch - b.epoch;
  const length = Math.max(a.release.length, b.release.length);
  for (let index = 0; index < length; index++) {
    const difference = (a.release[index] ?? 0) - (b.release[index] ?? 0);
    if (difference !== 0) return difference;
  }
  for (const [index, value] of suffix(a).entries()) {
    const other = suffix(b)[index] ?? 0;
    if (value !== other) return value < other ? -1 : 1;
  }
  return 0;
}

/** Order within one release: dev < a < b < rc < final < post. */
function suffix({ pre, post, dev }: Version): readonly number[] {
  const stage = pre?.[0] ?? (post === null && dev !== null ? -1 : 3);
  return [stage, pre?.[1] ?? 0, post ?? -1, dev ?? Infinity];
}

function compareBy(operator: string, version: string, wanted: string): boolean | null {
  if (operator === '===') return version.toLowerCase() === wanted.toLowerCase();
  if (wanted.endsWith('.*')) {
    const isPrefix = hasPrefix(version, wanted.slice(0, -2));
    if (isPrefix === null || (operator !== '==' && operator !== '!=')) return null;
    return operator === '==' ? isPrefix : !isPrefix;
  }
  const own = parseVersion(version);
  const limit = parseVersion(wanted);
  if (own === null || limit === null) return null;
  const order = compareParsed(own, limit);
  const isSameRelease =
    compareParsed({ ...own, pre: null, post: null, dev: null }, { ...limit, pre: null, post: null, dev: null }) === 0;
  switch (operator) {
    // A local part counts only where the specifier has one.
    case '==':
      return order === 0 && (!wanted.includes('+') || local(version) === local(wanted));
    case '!=':
      return order !== 0 || (wanted.includes('+') && local(version) !== local(wanted));
    case '<=':
      return order <= 0;
    case '>=':
      return order >= 0;
    // Neither 2.0rc1 < 2.0 nor 2.0.post1 > 2.0, unless the limit is of that kind itself.
    case '<':
      return order < 0 && !(isSameRelease && isPreRelease(own) && !isPreRelease(limit));
    case '>':
      return order > 0 && !(isSameRelease && own.post !== null && limit.post === null);
    case '~=': {
      const prefix = limit.release.slice(0, -1);
      if (prefix.length === 0) return null;
      return order >= 0 && hasPrefix(version, `${limit.epoch}!${prefix.join('.')}`) === true;
    }
    default:
      return null;
  }
}

function isPreRelease(version: Version): boolean {
  return version.pre !== null || version.dev !== null;
}

function local(text: string): string {
  return text.toLowerCase().split('+')[1]?.replace(/[-_]/g, '.') ?? '';
}

function hasPrefix(version: string, prefix: string): boolean | null {
  const own = parseVersion(version);
  const start = parseVersion(prefix);
  if (own === null || start === null) return null;
  return own.epoch === start.epoch && start.release.every((part, index) => (own.release[index] ?? 0) === part);
}
