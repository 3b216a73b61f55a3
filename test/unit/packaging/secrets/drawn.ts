import { createHash } from 'node:crypto';

const letters = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789';

/** Characters as a service would draw them, the same ones for the same name: no real secret has to stand in a test. */
export function drawn(name: string, length: number, alphabet: string = letters): string {
  let text = '';
  for (let block = 0; text.length < length; block++)
    for (const byte of createHash('sha512').update(`${name} ${block}`).digest()) text += alphabet[byte % alphabet.length] ?? '';
  return text.slice(0, length);
}

export const hex = '0123456789abcdef';
export const base32 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
export const base64 = `${letters}+/`;

/** A private key in the form that `ssh-keygen` and `openssl` write; of no key that anybody has. */
export function pem(name: string, kind: string): string {
  const lines = Array.from({ length: 6 }, (_, line) => drawn(`${name} ${line}`, 64, base64));
  return `-----BEGIN ${kind}-----\n${lines.join('\n')}\n-----END ${kind}-----\n`;
}
