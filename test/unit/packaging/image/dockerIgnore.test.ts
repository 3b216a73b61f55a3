import { expect, test } from 'vitest';
import { dockerIgnores } from '../../../../agent/packaging/image/dockerIgnore.ts';

const rows: readonly (readonly [text: string, left: readonly string[], kept: readonly string[]])[] = [
  ['', [], ['a']],
  ['private', ['private', 'private/notes.txt', 'private/a/b'], ['sub/private', 'privates', 'x.private']],
  ['/private/\n', ['private/a'], ['sub/private/a']],
  ['./a//b/../c', ['a/c'], ['a/b']],
  ['*.md', ['a.md'], ['sub/a.md', 'a.mdx']],
  ['**/*.md', ['a.md', 'sub/a.md', 'sub/deep/a.md'], ['a.txt']],
  ['a/**', ['a/b', 'a/b/c'], ['b/a']],
  ['**/cache', ['cache/x', 'a/cache/x'], ['acache/x']],
  ['*/x?.[ab]', ['d/x1.a', 'd/x2.b'], ['d/x1.c', 'x1.a', 'd/e/x1.a']],
  ['*\n!keep.txt', ['a', 'sub/keep.txt'], ['keep.txt']],
  // Docker takes back what is in a folder that is left out; Git does not.
  ['data\n!data/small.csv', ['data/large.csv'], ['data/small.csv']],
  ['!a\na', ['a'], []],
  ['# private\n\n  private  \r\n', ['private/a'], ['# private']],
  ['a.b+c(1)', ['a.b+c(1)'], ['axb+c(1)']],
  ['x\\*', ['x*'], ['xy']],
  ['[', ['['], ['a']],
  ['.', [], ['a']],
];

test.each(rows)('%j leaves out %j and keeps %j', (text, left, kept) => {
  const isIgnored = dockerIgnores(text);
  expect([...left, ...kept].filter(isIgnored)).toEqual(left);
});
