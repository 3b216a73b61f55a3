import { expect, test } from 'vitest';
import type { Cluster } from '../../../agent/cluster/cluster.ts';
import type { ClusterProfile } from '../../../agent/cluster/profile.ts';
import { checkClusters, type ClusterAccess } from '../../../agent/doctor/clusters.ts';
import { readRecords, type Records } from '../../../agent/doctor/records.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';
import type { ClusterSettings } from '../../../agent/protocol/study.ts';
import { openVirtualCluster } from '../../contract/virtualCluster.ts';
import { Harness, spec } from '../core/study/harness.ts';
import { noClusters } from './noClusters.ts';

const profile: ClusterProfile = {
  name: 'lab',
  kubeconfig: ['/config'],
  context: 'test',
  namespace: 'hpo',
  registry: null,
  queue: null,
  pullSecrets: [],
  checkpoints: null,
  confirmedCommands: [],
  made: null,
};
const away = new HpoError('HPO-2462', 'the cluster cannot be reached', 'see whether it runs');

/** The records of one study, s1, on the cluster. */
function recordsOf(hasEnded: boolean): Records {
  // Only these of the settings are looked at.
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  const cluster = { context: 'test', namespace: 'hpo' } as ClusterSettings;
  const harness = new Harness(spec({ budget: { trials: 1 }, executor: 'kubernetes', cluster }));
  if (hasEnded) harness.run(0, 1);
  return readRecords(harness.journal, new Map(), { mayGoOn: () => true });
}

const accessTo = (connect: ClusterAccess['connect']): ClusterAccess => ({
  ...noClusters,
  profiles: () => ({ profiles: [profile], inUse: 'lab' }),
  connect,
});
const idle = (): ReadonlySet<string> => new Set();

test.each<[string, ClusterAccess, Records | null, string, RegExp]>([
  ['none is connected', noClusters, recordsOf(true), 'ok', /^none is connected$/],
  ['none is connected, and the journal is damaged', noClusters, null, 'ok', /^none is connected$/],
  [
    'the list is damaged',
    {
      ...noClusters,
      profiles: () => {
        throw new HpoError('HPO-2460', 'the list of connected clusters is damaged', 'move it away');
      },
    },
    recordsOf(true),
    'wrong',
    /damaged/,
  ],
  [
    'away, and nobody needs it',
    accessTo(() => Promise.reject(away)),
    recordsOf(true),
    'unknown',
    /^lab cannot be looked at: .*reached/,
  ],
  [
    'away, and a study needs it',
    accessTo(() => Promise.reject(away)),
    recordsOf(false),
    'wrong',
    /^s1 cannot go on on lab: .*reached/,
  ],
])('%s', async (_what, access, records, state, what) => {
  expect(await checkClusters(access, records, idle)).toMatchObject([
    { check: 'clusters', state, what: expect.stringMatching(what) },
  ]);
});

test.each<[string, readonly string[], string, RegExp]>([
  ['all is well', [], 'ok', /^lab \(v1\.\d+\.\d+ at \S+\) lets studies do all that they have to; 1 studies run there$/],
  ['one is missing', ['watch'], 'wrong', /^lab does not let studies do all .*: not watch jobs: hear at once .* and 1 more$/],
])('%s', async (_what, refused, state, what) => {
  await using world = await openVirtualCluster();
  const connect = async (): Promise<Cluster> => {
    const cluster = await world.connect();
    return Object.assign(cluster, { may: (verb: string) => Promise.resolve(!refused.includes(verb)) });
  };
  const findings = await checkClusters(accessTo(connect), recordsOf(false), idle);
  expect(findings).toMatchObject([{ state, what: expect.stringMatching(what) }]);
});

test('what is left of a study that is gone is found and removed, and nothing else', async () => {
  await using world = await openVirtualCluster();
  const access = accessTo(() => world.connect());
  const cluster = await world.connect();
  const make = (name: string, study: string, home = 'm4rk') =>
    cluster.create('ConfigMap', { metadata: { name, labels: { 'hpo.home': home, 'hpo.study': study } } });
  await make('of-s1', 's1');
  await make('of-s2', 's2');
  await make('of-another-home', 's2', 'other');
  expect(await checkClusters(access, null, () => null)).toMatchObject([{ state: 'ok' }, { state: 'unknown' }]);
  const [ok, left, ...others] = await checkClusters(access, recordsOf(false), idle);
  expect(others).toEqual([]);
  expect(ok?.state).toBe('ok');
  expect(left).toMatchObject({ state: 'wrong', what: expect.stringContaining('ConfigMap of-s2') });
  expect(await left?.mend?.()).toBe('removed 1 objects from lab');
  expect(await namesOf(cluster)).toEqual(['of-another-home', 'of-s1']);
});

test('what waits to remove the checkpoints of a deleted study is told as that, and stays', async () => {
  await using world = await openVirtualCluster();
  const cluster = await world.connect();
  await cluster.create('ConfigMap', { metadata: { name: 'of-s2', labels: { 'hpo.home': 'm4rk', 'hpo.study': 's2' } } });
  const sweep = {
    metadata: {
      name: 'of-s3-sweep',
      creationTimestamp: new Date(Date.now() - 3_600_000),
      labels: { 'hpo.home': 'm4rk', 'hpo.sweep': 'yes' },
      annotations: { 'hpo/study': 's3', 'hpo/kept': 'pvc://c/s3' },
    },
  };
  const connect = async (): Promise<Cluster> => {
    const opened = await world.connect();
    const list = opened.list.bind(opened);
    return Object.assign(opened, {
      list: async (kind: 'Job' | 'ConfigMap', options: object) => (kind === 'Job' ? [sweep] : await list(kind, options)),
    });
  };
  const [, waiting, left, ...others] = await checkClusters(accessTo(connect), recordsOf(false), idle);
  expect(others).toEqual([]);
  expect(waiting).toMatchObject({
    state: 'wrong',
    what: expect.stringMatching(/^Job of-s3-sweep on lab: it is to remove pvc:\/\/c\/s3, and has not begun for 1 h/),
    next: expect.stringContaining('hpo cluster status lab'),
  });
  expect(waiting).not.toHaveProperty('mend');
  expect(left?.what).not.toContain('sweep');
  expect(await left?.mend?.()).toBe('removed 1 objects from lab');
});

async function namesOf(cluster: Cluster): Promise<readonly string[]> {
  return (await cluster.list('ConfigMap')).map(({ metadata }) => metadata?.name ?? '').toSorted();
}
