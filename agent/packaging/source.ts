import { isUtf8 } from 'node:buffer';
import { HpoError } from '../protocol/errors.ts';

/**
 * The text of a file that values are written into; a byte order mark stays, so that writing the text back as UTF-8
 * changes no other byte.
 * @throws HpoError HPO-2106 for any other encoding, which that would destroy
 */
export function decodeSource(bytes: Uint8Array, file: string): string {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const text = buffer.toString('utf8');
  if (isUtf8(buffer)) return text;
  const differing = Buffer.from(text).findIndex((byte, i) => byte !== buffer[i]);
  const at = Math.min(differing, buffer.length - 1);
  const line = buffer.subarray(0, at).toString('latin1').split('\n').length;
  throw new HpoError(
    'HPO-2106',
    `${file} is not UTF-8: byte 0x${(buffer[at] ?? 0).toString(16).padStart(2, '0')} at offset ${at}, in line ${line}`,
    'save it as UTF-8 in your editor (and take out a coding comment that says another encoding)',
  );
}
