import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { objectEntry } from '../../../../agent/executors/kubernetes/objectEntry.ts';

test.each<readonly [string, Uint8Array, 'text' | 'base64']>([
  ['nothing', Buffer.of(), 'text'],
  ['text', Buffer.from('a = "ä"\t\r\n'), 'text'],
  ['quotes alone', Buffer.from('"\\'.repeat(1_000)), 'text'],
  ['one NUL in text', Buffer.from('a\0b'), 'base64'],
  ['NULs alone', Buffer.alloc(1_000), 'base64'],
  ['an escape', Buffer.from('\u001b[1m'), 'base64'],
  ['bytes that are no text', Buffer.of(0xff, 0xfe), 'base64'],
])('%s', (_, content, where) => expect(Object.keys(objectEntry(content))).toEqual([where]));

test('any content comes back as it was, and travels in twice its bytes at most', () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.string({ unit: 'binary' }).map((text) => Buffer.from(text)),
    fc.constantFrom('\0', '\u001f', '"', '\\', '\n', '\u2028', '\ufeff', '€').map((text) => Buffer.from(text.repeat(50))),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      const content = Buffer.concat(pieces);
      const entry = objectEntry(content);
      const travels = JSON.stringify('text' in entry ? entry.text : entry.base64).slice(1, -1);
      const back = 'text' in entry ? Buffer.from(entry.text) : Buffer.from(entry.base64, 'base64');
      expect(back.equals(content)).toBe(true);
      expect(Buffer.byteLength(travels)).toBeLessThanOrEqual(2 * content.length + 2);
    }),
  );
});
