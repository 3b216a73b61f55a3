import { satisfies } from '../environment/versions.ts';

/**
 * Whether a version fits a specification of conda: `1.26.*`, `>=1.26,<2`, `1.26|1.27`, `=1.26`, `~=1.26`. Null where it cannot be
 * judged. Source: conda's "Package match specifications".
 */
export function matchesConda(version: string, specification: string): boolean | null {
  const text = specification.replaceAll(/\s+/g, '');
  if (text === '' || text === '*') return true;
  const answers = text.split('|').map((part) => matchesAll(version, part));
  if (answers.includes(true)) return true;
  return answers.includes(null) ? null : false;
}

function matchesAll(version: string, conditions: string): boolean | null {
  let isMatch = true;
  for (const part of conditions.split(',')) {
    const [, operator = '', wanted = ''] = /^(~=|==|!=|<=|>=|<|>|=)?(.+)$/.exec(part) ?? [];
    const specifier =
      operator === '='
        ? `==${wanted.replace(/\.?\*$/, '')}.*`
        : operator === ''
          ? `==${wanted.endsWith('*') && !wanted.endsWith('.*') ? wanted.replace(/\*$/, '.*') : wanted}`
          : `${operator}${/^[<>]/.test(operator) ? wanted.replace(/\.\*$/, '') : wanted}`;
    const answer = satisfies(version, specifier);
    if (answer === null) return null;
    isMatch &&= answer;
  }
  return isMatch;
}
