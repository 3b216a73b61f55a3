import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, it } from 'vitest';
import { SecretSearch } from '../../docker/secretSearch.ts';

/** What the test of planted secrets relies on: a search that finds nothing proves nothing by itself. */
const secret = 'pl4nt/ed+s3cret=value';
const search = new SecretSearch({ it: secret, other: 'never there at all' });
const base64 = (text: string): string => Buffer.from(text).toString('base64');

it.each<[string, string | Buffer]>([
  ['as it is', secret],
  ['within text', `a = "${secret}"\n`],
  ['at the very end', `${'x'.repeat(99)}${secret}`],
  ['in an address', `https://u:${encodeURIComponent(secret)}@host`],
  ['as digits', Buffer.from(secret).toString('hex')],
  ['as capital digits', Buffer.from(secret).toString('hex').toUpperCase()],
  ['in base64', base64(secret)],
  ['in base64, behind one character', base64(`u${secret}`)],
  ['in base64, behind two', base64(`u:${secret}!`)],
  ['in base64, within more', base64(`user:${secret} and more of it`)],
  ['in base64 for addresses', Buffer.from(`ab${secret}`).toString('base64url')],
  ['in two bytes a character', Buffer.from(secret, 'utf16le')],
  ['in what is no text', Buffer.concat([Buffer.from([0, 255, 254]), Buffer.from(secret), Buffer.from([0])])],
])('is found %s', (_, content) => {
  expect(search.inBytes(Buffer.from(content))).toEqual(['it']);
});

it('is not found where it is not, nor where there is only a part of it', () => {
  for (const text of ['', 'x', secret.slice(0, -1), secret.toUpperCase(), base64(secret.slice(1, -2)), 'x'.repeat(1000)])
    expect([text, search.inText(text)]).toEqual([text, []]);
});

it('is found in files, in their names and in what is packed', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hpo-search-'));
  try {
    mkdirSync(join(folder, 'a/b'), { recursive: true });
    writeFileSync(join(folder, 'a/b/harmless'), 'x');
    expect(search.inFolder(folder)).toEqual([]);
    writeFileSync(join(folder, 'a/b/packed.gz'), gzipSync(`1 ${secret}`));
    expect(search.inFolder(folder)).toEqual(['it']);
    rmSync(join(folder, 'a/b/packed.gz'));
    writeFileSync(join(folder, 'a', 'never there at all'), '');
    expect(search.inFolder(folder)).toEqual(['other']);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
