import {
  chmodSync,
  createWriteStream,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import tar from 'tar-stream';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readPack, writePack } from '../../../agent/movePack.ts';

let folder = '';
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), 'hpo-pack-'))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

describe('a pack', () => {
  test('has files, modes and links as they were; a second one only what has changed', async () => {
    const from = join(folder, 'from');
    mkdirSync(join(from, 'a', 'empty'), { recursive: true });
    writeFileSync(join(from, 'a', 'run.sh'), '#!/bin/sh\n');
    chmodSync(join(from, 'a', 'run.sh'), 0o755);
    writeFileSync(join(from, 'out.log'), 'one\n');
    writeFileSync(join(from, 'none'), '');
    symlinkSync('/data/large', join(from, 'large'));
    const to = join(folder, 'to');
    mkdirSync(to);
    const roots = [
      { path: from, name: 'study' },
      { path: join(folder, 'missing'), name: 'missing' },
    ];
    const before = await writePack(join(folder, 'first.tgz'), roots, {});
    await readPack(join(folder, 'first.tgz'), to);
    expect(readFileSync(join(to, 'study', 'a', 'run.sh'), 'utf8')).toBe('#!/bin/sh\n');
    expect(lstatSync(join(to, 'study', 'a', 'run.sh')).mode & 0o777).toBe(0o755);
    expect(lstatSync(join(to, 'study', 'a', 'empty')).isDirectory()).toBe(true);
    expect(readlinkSync(join(to, 'study', 'large'))).toBe('/data/large');
    expect(readFileSync(join(to, 'study', 'none'), 'utf8')).toBe('');
    // Its own copy is not sent again: what is there stays.
    writeFileSync(join(to, 'study', 'a', 'run.sh'), 'kept');
    writeFileSync(join(from, 'out.log'), 'one\ntwo\n');
    await writePack(join(folder, 'second.tgz'), roots, before);
    await readPack(join(folder, 'second.tgz'), to);
    expect(readFileSync(join(to, 'study', 'out.log'), 'utf8')).toBe('one\ntwo\n');
    expect(readFileSync(join(to, 'study', 'a', 'run.sh'), 'utf8')).toBe('kept');
  });

  const outside = { name: '../outside', type: 'file' } as const;
  test.each<[string, readonly tar.Headers[]]>([
    ['a place outside', [outside]],
    ['a place outside, by a way round', [{ name: 'a/../../outside', type: 'file' }]],
    ['an absolute place', [{ name: '/tmp/hpo-outside', type: 'file' }]],
    [
      'a place behind a link',
      [
        { name: 'link', type: 'symlink', linkname: '..' },
        { name: 'link/outside', type: 'file' },
      ],
    ],
    ['a device', [{ name: 'null', type: 'character-device' }]],
    ['a link to a file', [{ name: 'hard', type: 'link', linkname: '/etc/passwd' }]],
  ])('with %s is refused, and nothing is written there', async (_name, headers) => {
    const pack = tar.pack();
    for (const header of headers) pack.entry(header, ...(header.type === 'file' ? ['x'] : []));
    pack.finalize();
    await pipeline(pack, createGzip(), createWriteStream(join(folder, 'pack.tgz')));
    const to = join(folder, 'to');
    mkdirSync(to);
    await expect(readPack(join(folder, 'pack.tgz'), to)).rejects.toMatchObject({ code: 'HPO-2501' });
    expect(lstatSync(join(folder, 'outside'), { throwIfNoEntry: false })).toBeUndefined();
    expect(lstatSync('/tmp/hpo-outside', { throwIfNoEntry: false })).toBeUndefined();
  });

  test('that was cut is refused', async () => {
    const from = join(folder, 'from');
    mkdirSync(from);
    writeFileSync(join(from, 'file'), 'x'.repeat(100_000));
    await writePack(join(folder, 'pack.tgz'), [{ path: from, name: 'study' }], {});
    truncateSync(join(folder, 'pack.tgz'), lstatSync(join(folder, 'pack.tgz')).size >> 1);
    await expect(readPack(join(folder, 'pack.tgz'), join(folder, 'to'))).rejects.toMatchObject({ code: 'HPO-2501' });
  });
});
