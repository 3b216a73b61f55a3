import { expect, it } from 'vitest';
import { cleanText } from '../../../agent/cli/clean.ts';
import type { Cleaned } from '../../../agent/protocol/requests.ts';

const image = (name: string, bytes: number): Cleaned => ({ kind: 'image', name, bytes, reason: 'no study needs it' });
const container: Cleaned = { kind: 'container', name: 'hpo-a-b-t0-a1', bytes: null, reason: 'left' };
const snapshot: Cleaned = { kind: 'snapshot', name: 'a'.repeat(64), bytes: 2048, reason: 'no study runs this code' };
const attempt: Cleaned = { kind: 'attempt', name: 'train-1', bytes: null, reason: 'ended' };

it.each<[readonly Cleaned[], readonly Cleaned[], boolean, readonly string[]]>([
  [[], [], false, ['nothing to free']],
  [[], [image('hpo-env:1', 1024 ** 2)], true, ['keeps  image  hpo-env:1  1.0 MB  no study needs it', 'nothing to free']],
  [
    [container, snapshot, image('hpo-env:1', 3 * 1024 ** 2), image('hpo-env:2', 1024 ** 2)],
    [],
    false,
    [
      'freed  container  hpo-a-b-t0-a1                 left',
      'freed  snapshot   aaaaaaaaaaaaaaaaaaa…  2.0 kB  no study runs this code',
      'freed  image      hpo-env:1             3.0 MB  no study needs it',
      'freed  image      hpo-env:2             1.0 MB  no study needs it',
      'freed: 1 container, 1 snapshot, 2 images, up to 4.0 MB',
    ],
  ],
  [
    [attempt, attempt],
    [],
    true,
    ['would free  attempt  train-1    ended', 'would free  attempt  train-1    ended', 'would be freed: 2 ended studies'],
  ],
])('%j, keeping %j', (freed, kept, isDry, lines) => {
  expect(cleanText({ freed, kept }, isDry).join('\n').split('\n')).toEqual(lines);
});
