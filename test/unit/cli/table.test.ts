import { expect, it } from 'vitest';
import { formatTable } from '../../../agent/cli/table.ts';

it('makes columns as wide as their widest cell, without blanks at the end', () => {
  expect(
    formatTable([
      ['a', 'bb', 'c'],
      ['aaa', '', 'ccc'],
      ['a', 'b', ''],
    ]),
  ).toBe('a    bb  c\naaa      ccc\na    b');
  expect(formatTable([])).toBe('');
});

it('shows a cell in one line, whatever is in it', () => {
  expect(formatTable([['a\nerror HPO-1: b', '\u001b[2J']])).toBe('a error HPO-1: b  \\u{1b}[2J');
});
