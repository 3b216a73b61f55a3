import { assert, property, string, uint8Array } from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeSource } from '../../../agent/packaging/source.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';

describe('a source as text', () => {
  it('keeps a byte order mark, and every character', () => {
    expect(decodeSource(Buffer.from('\ufeffx = "größe"\r\n'), 'a.py')).toBe('\ufeffx = "größe"\r\n');
    assert(property(string({ unit: 'binary' }), (text) => decodeSource(Buffer.from(text), 'a.py') === text));
  });

  it.each([
    ['Latin-1', Buffer.from('lr = 1\n# größe\n', 'latin1'), /^a\.py is not UTF-8: byte 0xf6 at offset 11, in line 2$/],
    ['UTF-16 with its mark', Buffer.from([0xff, 0xfe, 0x61, 0]), /byte 0xff at offset 0, in line 1/],
    ['cut in a character', Buffer.from('ab\u20ac').subarray(0, 4), /byte 0x82 at offset 3|byte 0xe2 at offset 2/],
  ])('refuses %s and says where', (_, bytes, message) => {
    expect(() => decodeSource(bytes, 'a.py')).toThrow(
      expect.objectContaining({
        code: 'HPO-2106',
        message: expect.stringMatching(message),
        next: expect.stringMatching(/UTF-8/),
      }),
    );
  });

  it('gives back the same bytes, or refuses', () => {
    assert(
      property(uint8Array({ maxLength: 20 }), (bytes) => {
        try {
          return Buffer.from(decodeSource(bytes, 'a.py')).equals(bytes);
        } catch (error) {
          return error instanceof HpoError && error.code === 'HPO-2106';
        }
      }),
    );
  });
});
