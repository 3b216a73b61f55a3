import { describe, expect, test } from 'vitest';
import {
  chooseArchitecture,
  nodeArchitectures,
  poolsFor,
  type RunsOn,
  wantedArchitecture,
} from '../../../agent/preflight/cluster/clusterArchitecture.ts';
import type { Cluster, Objects } from '../../../agent/cluster/cluster.ts';
import { simulatedClusterSettings } from '../../simulation/agent/clusterSettings.ts';

const arch = (architecture: string) => ({ 'kubernetes.io/arch': architecture });
const pool = (nodeSelector: Readonly<Record<string, string>>) => ({ nodeSelector });

test('nodes that take pods count, those of most first', async () => {
  const node = (architecture: string, unschedulable = false): Objects['Node'] => ({
    spec: { unschedulable },
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- of all that nodes say of themselves
    status: { nodeInfo: { architecture } as NonNullable<NonNullable<Objects['Node']['status']>['nodeInfo']> },
  });
  const nodes = [node('arm64'), node('amd64'), node('s390x', true), node('amd64'), node('s390x', true), node('s390x', true)];
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- nothing else is asked for
  const cluster = { list: () => Promise.resolve(nodes) } as unknown as Pick<Cluster, 'list'>;
  expect(await nodeArchitectures(cluster)).toEqual(['amd64', 'arm64']);
});

test.each<readonly [string, readonly string[], Parameters<typeof wantedArchitecture>[1], string]>([
  ['most nodes', ['arm64', 'amd64'], [], 'arm64'],
  ['all pools', ['amd64', 'arm64'], [pool(arch('arm64')), pool(arch('arm64'))], 'arm64'],
  ['not one of two pools', ['amd64', 'arm64'], [pool(arch('arm64')), pool({})], 'amd64'],
  ['what most clusters have', [], [], 'amd64'],
])('an image is made for what is said by %s', (_who, nodes, pools, wanted) => {
  expect(wantedArchitecture(nodes, pools)).toBe(wanted);
});

test.each<readonly [string, string, readonly string[], readonly string[], string | RegExp]>([
  ['the wanted one', 'arm64', ['amd64', 'arm64'], ['amd64', 'arm64'], 'arm64'],
  ['another that nodes have', 'amd64', ['amd64', 'arm64'], ['arm64'], 'arm64'],
  ['its own where nobody may look at nodes', 'amd64', [], ['arm64'], 'arm64'],
  [
    'none that no node has',
    'amd64',
    ['amd64'],
    ['arm64', 's390x'],
    /x:1, which is for arm64, s390x: nodes of the cluster have amd64/,
  ],
  ['none of an image for no Linux', 'amd64', [], [], /no architecture of Linux/],
])('of an image is taken %s', (_which, architecture, nodes, image, found) => {
  const choose = () => chooseArchitecture({ architecture, nodes }, image, 'x:1');
  if (typeof found === 'string') expect(choose()).toBe(found);
  else expect(choose).toThrow(expect.objectContaining({ code: 'HPO-2522', message: expect.stringMatching(found) }));
});

describe('pods go', () => {
  const [first] = simulatedClusterSettings.pools;
  const one: RunsOn = { architectures: ['amd64'], chosen: 'amd64' };
  const two: RunsOn = { architectures: ['amd64', 'arm64'], chosen: 'arm64' };
  const template = JSON.stringify({ spec: { nodeSelector: arch('arm64') } });
  test.each<readonly [string, RunsOn, readonly string[], Readonly<Record<string, string>>, string | null, object | RegExp]>([
    ['to nodes of the image', one, ['amd64'], { kind: 'fast' }, null, { kind: 'fast', ...arch('amd64') }],
    ['to those also where nobody may look', one, [], {}, null, arch('amd64')],
    ['anywhere with an index that has all', two, ['amd64', 'arm64'], {}, null, {}],
    ['to the chosen ones where it has not', two, ['arm64', 's390x'], {}, null, arch('arm64')],
    ['where the pool says', two, ['amd64', 's390x'], arch('arm64'), null, arch('arm64')],
    ['where the template says', two, ['amd64', 's390x'], {}, template, {}],
    ['anywhere where nothing is known', { architectures: null, chosen: 'amd64' }, ['amd64'], {}, null, {}],
    ['nowhere else by a pool', one, ['amd64', 'arm64'], arch('arm64'), null, /the pool any have arm64/],
    ['nowhere else by a template', one, ['amd64', 'arm64'], {}, template, /the pool any have arm64/],
  ])('%s', (_where, runsOn, nodes, nodeSelector, podTemplate, expected) => {
    if (first === undefined) throw new Error('there is no pool');
    const plan = () => poolsFor([{ ...first, nodeSelector }], podTemplate, nodes, runsOn, 'x:1');
    if (expected instanceof RegExp)
      expect(plan).toThrow(expect.objectContaining({ code: 'HPO-2522', message: expect.stringMatching(expected) }));
    else expect(plan().map((found) => found.nodeSelector)).toEqual([expected]);
  });
});
