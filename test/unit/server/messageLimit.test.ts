import { expect, test } from 'vitest';
import { MessageLimit } from '../../../agent/server/messageLimit.ts';

const message = (body: string): string => `Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
const three = message('{"a":1}') + message('') + message('{"é":"\\r\\n\\r\\nContent-Length: 99999999999"}');

/** Whether all bytes are admitted, in pieces of so many bytes. */
function admits(text: string | Buffer, size: number): boolean {
  const limit = new MessageLimit();
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) if (!limit.admits(bytes.subarray(at, at + size))) return false;
  return true;
}

test.each([1, 2, 3, 7, 64, 1000])('whole messages pass, in pieces of %i bytes', (size) => {
  expect(admits(three, size)).toBe(true);
  expect(admits(three.repeat(50), size)).toBe(true);
  expect(admits(`Content-Type: x\r\n${message('{}')}`, size)).toBe(true);
});

test.each([
  ['a length beyond all', 'Content-Length: 99999999999999\r\n\r\n'],
  ['a length above the limit', `Content-Length: ${33 * 1024 * 1024}\r\n\r\n`],
  ['no length', 'Content-Type: json\r\n\r\n{}'],
  ['a negative length', 'Content-Length: -5\r\n\r\n'],
  ['a header without an end', 'x'.repeat(5000)],
  ['a request of another protocol', `GET / HTTP/1.1\r\nHost: a\r\n\r\n`],
  ['garbage behind a good message', `${message('{}')}\u0000\u0001${'\u0007'.repeat(2000)}`],
])('%s does not', (_what, text) => {
  for (const size of [1, 5, 4096]) expect(admits(text, size)).toBe(false);
});
