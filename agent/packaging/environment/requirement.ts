import { compareVersions, satisfies } from './versions.ts';

/** One line of a manifest, as far as it can be checked against what is installed. Source: PEP 508. */
export interface Requirement {
  /** As written, without comment and hashes. */
  readonly text: string;
  /** Normalised by PEP 503: `Scikit_Learn` → `scikit-learn`. */
  readonly name: string;
  /** Such as `>=1.4,<2`; empty for any version and for a URL. */
  readonly specifiers: string;
  /** Source of the environment marker; empty for none. */
  readonly marker: string;
}

/** Values of the marker variables in one interpreter, such as `python_version`. */
export type MarkerVariables = Readonly<Record<string, string>>;

/** Null for what names no package: options, local paths, bare URLs. */
export function parseRequirement(text: string): Requirement | null {
  const line = text
    .replace(/(?:^|\s)#.*$/, '')
    .replace(/\s+--(?:hash|config-settings|global-option)\b.*$/, '')
    .trim();
  const match = /^([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[[^\]]*\])?\s*(@\s*\S+|\(?[^;()]*\)?)\s*(?:;\s*(.*))?$/.exec(
    line,
  );
  const [, name, version = '', marker = ''] = match ?? [];
  if (name === undefined) return null;
  const specifiers = version.startsWith('@') ? '' : version.replace(/[()\s]/g, '');
  if (specifiers !== '' && !/^(?:~=|===|==|!=|<=|>=|<|>)/.test(specifiers)) return null;
  return { text: line, name: normaliseName(name), specifiers, marker: marker.trim() };
}

/** PEP 503. */
export function normaliseName(name: string): string {
  return name.replace(/[-_.]+/g, '-').toLowerCase();
}

/**
 * The requirements that are not met: not installed, or in a version that is not asked for. What cannot be judged (an
 * unknown marker, a version that is none) counts as met: to be asked for nothing is worse than pip's own message later.
 */
export function missingRequirements(
  requirements: readonly Requirement[],
  installed: Readonly<Record<string, string>>,
  variables: MarkerVariables,
): Requirement[] {
  return requirements.filter(({ name, specifiers, marker }) => {
    if (marker !== '' && evaluateMarker(marker, variables) !== true) return false;
    const version = installed[name];
    return version === undefined || (specifiers !== '' && satisfies(version, specifiers) === false);
  });
}

/** `python_version < "3.11" and sys_platform == "linux"`; null for what is no marker. */
export function evaluateMarker(source: string, variables: MarkerVariables): boolean | null {
  const tokens = source.match(/"[^"]*"|'[^']*'|[()]|~=|===?|!=|<=|>=|<|>|[A-Za-z_.]+|\S/g) ?? [];
  let next = 0;
  const take = () => tokens[next++];

  const either = (): boolean | null => {
    let value = both();
    while (tokens[next] === 'or') {
      next++;
      const right = both();
      value = value === null || right === null ? null : value || right;
    }
    return value;
  };
  const both = (): boolean | null => {
    let value = single();
    while (tokens[next] === 'and') {
      next++;
      const right = single();
      value = value === null || right === null ? null : value && right;
    }
    return value;
  };
  const single = (): boolean | null => {
    if (tokens[next] === '(') {
      next++;
      const value = either();
      return take() === ')' ? value : null;
    }
    const left = operand(take(), variables);
    let operator = take();
    if (operator === 'not') operator = `not ${take()}`;
    const right = operand(take(), variables);
    return left === null || right === null || operator === undefined ? null : compare(left, operator, right);
  };

  const value = either();
  return next === tokens.length ? value : null;
}

function operand(token: string | undefined, variables: MarkerVariables): string | null {
  if (token === undefined) return null;
  if (/^["']/.test(token)) return token.slice(1, -1);
  // No extra is ever asked for here.
  return token === 'extra' ? '' : (variables[token] ?? null);
}

function compare(left: string, operator: string, right: string): boolean | null {
  if (operator === 'in') return right.includes(left);
  if (operator === 'not in') return !right.includes(left);
  if (compareVersions(left, right.replace(/\.\*$/, '')) !== null) return satisfies(left, operator + right);
  switch (operator) {
    case '==':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    case '>=':
      return left >= right;
    default:
      return null;
  }
}
