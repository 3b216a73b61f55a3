import { expect, it } from 'vitest';
import { formatTable, printable } from '../../../agent/cli/printable.ts';

it.each([
  ['a\tb\nc', 'a\tb\nc'],
  ['a\r\nb\r\r\n', 'a\r\nb\\u{d}\r\n'],
  ['\u001b[31mred', '\\u{1b}[31mred'],
  ['\r\u0007\u0000\u007f\u009b', '\\u{d}\\u{7}\\u{0}\\u{7f}\\u{9b}'],
  ['\u202egnp.exe', '\\u{202e}gnp.exe'],
  ['größe ✓ 日本', 'größe ✓ 日本'],
])('%j is shown as %j', (text, shown) => expect(printable(text)).toBe(shown));

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
