import { describe, expect, it, test } from 'vitest';
import type { ClusterProfile } from '../../../agent/cluster/profile.ts';
import { chooseCluster, type KnownClusters } from '../../../agent/preflight/cluster/clusterChoice.ts';
import type { ClusterWish } from '../../../agent/protocol/requests.ts';

const profile = (name: string, context: string): ClusterProfile => ({
  name,
  kubeconfig: ['/k'],
  context,
  namespace: 'ml',
  registry: null,
  queue: 'research',
  pullSecrets: [],
  checkpoints: null,
  confirmedCommands: [],
  made: null,
});
const context = (name: string, isCurrent = false) => ({ name, server: `https://${name}:6443`, namespace: 'default', isCurrent });
const known = (changes: Partial<KnownClusters>): KnownClusters => ({
  profiles: [],
  inUse: null,
  kubeconfig: ['/home/me/.kube/config'],
  contexts: [],
  ...changes,
});

const two = known({
  profiles: [profile('prod', 'p'), profile('lab', 'l')],
  inUse: 'lab',
  contexts: [context('p'), context('l'), context('other')],
});

describe('the cluster that is meant', () => {
  test.each<readonly [string, ClusterWish, KnownClusters, Partial<ClusterProfile>]>([
    ['the profile that is named', { name: 'prod' }, two, { name: 'prod', queue: 'research' }],
    ['in another namespace', { name: 'prod', namespace: 'x' }, two, { name: 'prod', namespace: 'x' }],
    ['the one in use', {}, two, { name: 'lab' }],
    ['the one of the context', { context: 'p' }, two, { name: 'prod' }],
    [
      'a context without a profile',
      { context: 'other' },
      two,
      { name: 'other', context: 'other', kubeconfig: ['/home/me/.kube/config'], queue: null },
    ],
    [
      'the only profile',
      {},
      known({ profiles: [profile('prod', 'p')], contexts: [context('p'), context('l')] }),
      { name: 'prod' },
    ],
    ['the only context', { namespace: 'x' }, known({ contexts: [context('c')] }), { name: 'c', namespace: 'x' }],
  ])('is %s', (_which, wish, clusters, expected) => {
    expect(chooseCluster(wish, clusters)).toMatchObject(expected);
  });

  test.each([
    ['ml', 2],
    ['other', undefined],
  ])('what is usual in its own namespace is so in that alone: %s', (namespace, usual) => {
    const clusters = known({ profiles: [{ ...profile('prod', 'p'), usualCpus: 2 }] });
    expect(chooseCluster({ namespace }, clusters)).toMatchObject({ namespace, usualCpus: usual });
  });

  it('is asked for where several could be, also where kubectl has a choice of its own', () => {
    expect(chooseCluster({ namespace: 'x', queue: 'q' }, known({ contexts: [context('a', true), context('b')] }))).toEqual([
      { label: 'a', namespace: 'x', server: 'https://a:6443', wish: { context: 'a', namespace: 'x', queue: 'q' } },
      { label: 'b', namespace: 'x', server: 'https://b:6443', wish: { context: 'b', namespace: 'x', queue: 'q' } },
    ]);
    expect(chooseCluster({}, { ...two, inUse: null })).toMatchObject([
      { wish: { name: 'prod' } },
      { wish: { name: 'lab' } },
      { wish: { context: 'other' } },
    ]);
  });

  test.each<readonly [ClusterWish, KnownClusters, RegExp]>([
    [{ name: 'x' }, two, /no cluster is connected as x/],
    [{ name: 'prod', context: 'l' }, two, /prod is of the context p, not of l/],
    [{ context: 'x' }, two, /no kubeconfig has the context x/],
    [{}, known({}), /no cluster is known/],
  ])('%j is not there', (wish, clusters, message) => {
    expect(() => chooseCluster(wish, clusters)).toThrow(
      expect.objectContaining({ code: 'HPO-2484', exitCode: 4, message: expect.stringMatching(message) }),
    );
  });
});
