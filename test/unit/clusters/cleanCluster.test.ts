import type { V1ConfigMap, V1Job } from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import type { Cluster } from '../../../agent/cluster/cluster.ts';
import { leftoversOf } from '../../../agent/clusters/cleanCluster.ts';

const now = Date.parse('2026-01-01T12:00:00Z');
const hours = (n: number): Date => new Date(now - n * 3_600_000);
const labelled = (name: string, labels: Record<string, string>, creationTimestamp = hours(0)) => ({
  metadata: { name, labels: { 'hpo.home': 'home', ...labels }, annotations: { 'hpo/kept': 'pvc://c/s' }, creationTimestamp },
});
const ended = (type: string): NonNullable<V1Job['status']> => ({ conditions: [{ type, status: 'True' }] });

async function leftovers(jobs: readonly V1Job[], configMaps: readonly V1ConfigMap[] = []) {
  const cluster = {
    list: (kind: string, { labels }: { labels: object }) =>
      Promise.resolve('hpo.home' in labels ? (kind === 'Job' ? jobs : configMaps) : []),
  };
  const known = { all: new Set<string>(), live: new Set<string>(), away: new Set<string>() };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is asked for
  const found = await leftoversOf(cluster as unknown as Cluster, 'home', () => Promise.resolve(known), now);
  return found.map(({ kind, name, reason }) => `${kind} ${name}: ${reason}`);
}

const sweep = labelled('sweep', { 'hpo.sweep': 'yes' });
const going = (label: string) => ({
  metadata: { ...labelled('going', { [label]: 'yes' }, hours(5)).metadata, deletionTimestamp: hours(0) },
});
const build = (age: number) => labelled('build', { 'hpo.build': 'key' }, hours(age));
test.each<readonly [string, readonly V1Job[], readonly V1ConfigMap[], readonly string[]]>([
  ['a sweep that runs', [sweep], [], []],
  ['a sweep that is done', [{ ...sweep, status: ended('Complete') }], [], ['Job sweep: it has removed pvc://c/s']],
  [
    'a sweep that failed',
    [{ ...sweep, status: ended('Failed') }],
    [],
    ['Job sweep: it could not remove pvc://c/s: remove that yourself'],
  ],
  [
    'a sweep that has not begun for long',
    [labelled('sweep', { 'hpo.sweep': 'yes' }, hours(3))],
    [],
    ['Job sweep: it is to remove pvc://c/s, and has not begun for 3 h 00 min: without it, remove that yourself'],
  ],
  [
    'sweeps that have begun, or may yet',
    [
      { ...labelled('sweep', { 'hpo.sweep': 'yes' }, hours(3)), status: { active: 1, ready: 1 } },
      { ...labelled('sweep', { 'hpo.sweep': 'yes' }, hours(0.1)), status: { active: 1, ready: 0 } },
    ],
    [],
    [],
  ],
  ['a build that runs', [build(1)], [build(1)], []],
  [
    'a build that was left',
    [build(5)],
    [build(5)],
    ['Job build: a build that was broken off', 'ConfigMap build: a build that was broken off', 'Secret build: its study is gone'],
  ],
  ['what is being deleted', [going('hpo.build'), { ...going('hpo.sweep'), status: ended('Failed') }], [going('hpo.build')], []],
])('%s', async (_what, jobs, configMaps, expected) => expect(await leftovers(jobs, configMaps)).toEqual(expected));
