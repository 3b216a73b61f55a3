import { expect, it } from 'vitest';
import { printable, printableJson, printableLine } from '../../../agent/protocol/printable.ts';

it.each([
  ['a\tb\nc', 'a\tb\nc'],
  ['a\r\nb\r\r\n', 'a\r\nb\\u{d}\r\n'],
  ['\u001b[31mred', '\\u{1b}[31mred'],
  ['\r\u0007\u0000\u007f\u009b', '\\u{d}\\u{7}\\u{0}\\u{7f}\\u{9b}'],
  ['\u202egnp.exe', '\\u{202e}gnp.exe'],
  ['\u061c\u200e\u200f\u2028\u2029\u2066', '\\u{61c}\\u{200e}\\u{200f}\\u{2028}\\u{2029}\\u{2066}'],
  ['größe ✓ 日本 👩‍🔬', 'größe ✓ 日本 👩‍🔬'],
])('%j is shown as %j', (text, shown) => expect(printable(text)).toBe(shown));

it('keeps what JSON says, and writes nothing that a terminal obeys', () => {
  const value = { '\u009b31m': ['\u001b]0;x\u0007', '\u202e', '\u007f', 'a\r\nb', '\u2028'] };
  const text = printableJson(value);
  expect(JSON.parse(text)).toEqual(value);
  expect(text).toMatch(/^[\x20-\x7e]+$/);
});

it('makes one line of several', () => expect(printableLine('a\n  b\r\nc\u001b')).toBe('a b c\\u{1b}'));
