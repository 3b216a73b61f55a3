import { normaliseName, parseRequirement } from '../environment/requirement.ts';
import { compareVersions } from '../environment/versions.ts';

/** A requirement as far as two statements of it can be compared. */
export interface Wanted {
  readonly name: string;
  readonly extras: readonly string[];
  /** Null where it comes from a path, an address or a repository: no version is asked for then. */
  readonly specifiers: string | null;
}

/** Null for what is no requirement of PEP 508. */
export function wantedOf(line: string): Wanted | null {
  const requirement = parseRequirement(line);
  if (requirement === null) return null;
  const extras = /^[^[;@]+\[([^\]]*)\]/.exec(requirement.text)?.[1] ?? '';
  return {
    name: requirement.name,
    extras: names(extras.split(',')),
    specifiers: /^[^;]*@\s*\S/.test(requirement.text) ? null : requirement.specifiers,
  };
}

export function names(list: readonly string[]): string[] {
  return [...new Set(list.map((name) => normaliseName(name.trim())).filter((name) => name !== ''))].sort();
}

/** Whether both ask for the same; what has no version asks for the same as any of that name. */
export function areSameWanted(left: Wanted, right: Wanted): boolean {
  return (
    left.name === right.name &&
    left.extras.join() === right.extras.join() &&
    (left.specifiers === null || right.specifiers === null || areSameSpecifiers(left.specifiers, right.specifiers))
  );
}

export function show({ name, extras, specifiers }: Wanted): string {
  return `${name}${extras.length === 0 ? '' : `[${extras.join(',')}]`}${specifiers ?? ''}`;
}

function areSameSpecifiers(left: string, right: string): boolean {
  const a = partsOf(left);
  const b = partsOf(right);
  return a.length === b.length && a.every((part) => b.some((other) => isSamePart(part, other)));
}

type Part = readonly [operator: string, version: string];

function partsOf(specifiers: string): Part[] {
  return specifiers
    .split(',')
    .map((part) => /^\s*(~=|===?|!=|<=|>=|<|>)\s*(\S+)\s*$/.exec(part))
    .flatMap((match) => (match === null ? [] : [[match[1] ?? '', (match[2] ?? '').toLowerCase()] as const]));
}

function isSamePart([operator, version]: Part, [otherOperator, other]: Part): boolean {
  return operator === otherOperator && (version === other || compareVersions(version, other) === 0);
}
