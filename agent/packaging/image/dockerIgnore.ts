import { escaped } from '../detect/faults.ts';

/**
 * Whether a `.dockerignore` leaves a path, relative to the context, out of a build, as Docker reads it: patterns count from the context's
 * root, the last one that matches the path or a folder above it decides, and `!` takes back.
 */
export function dockerIgnores(text: string): (path: string) => boolean {
  const rules = text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .filter((line) => !line.startsWith('#'))
    .map((line) => line.trim())
    .flatMap((line) => {
      const isKept = line.startsWith('!');
      const pattern = clean(isKept ? line.slice(1).trim() : line);
      return pattern === '' ? [] : [{ isKept, expression: expressionOf(pattern) }];
    });
  return (path) => {
    const last = rules.findLast(({ expression }) => expression.test(path));
    return last !== undefined && !last.isKept;
  };
}

function clean(pattern: string): string {
  const parts: string[] = [];
  for (const part of pattern.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return parts.join('/');
}

/** Matches the path itself and all that lies below it. */
function expressionOf(pattern: string): RegExp {
  const source = pattern.replaceAll(tokens, (token) => {
    if (token === '**/') return '(?:.*/)?';
    if (token === '**') return '.*';
    if (token === '*') return '[^/]*';
    if (token === '?') return '[^/]';
    if (token.startsWith('[') && token.length > 1) return token;
    return escaped(token.length === 2 && token.startsWith('\\') ? token.slice(1) : token);
  });
  return new RegExp(`^(?:${source})(?:/|$)`, 's');
}

const tokens = /\*\*\/|\*\*|\*|\?|\[\^?[^\]\\[/]+\]|\\.|[^*?[\\]+|./gs;
