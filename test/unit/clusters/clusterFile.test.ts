import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { readClusterFile } from '../../../agent/clusters/clusterFile.ts';
import { HpoError } from '../../../agent/protocol/errors.ts';

it.each<[string, Record<string, unknown>]>([
  ['name: lab', { name: 'lab', namespace: 'hpo' }],
  ['# mine\nname: lab # of the team\nnamespace: tuning', { name: 'lab', namespace: 'tuning' }],
  ['name: lab\nquota: {cpu: 8, memory: 16Gi}', { name: 'lab', namespace: 'hpo', quota: { cpu: '8', memory: '16Gi' } }],
  ['name: lab\nqueue: {clusterQueue: team}', { name: 'lab', namespace: 'hpo', queue: { name: 'hpo', clusterQueue: 'team' } }],
  ['name: lab\nmake: {with: kind, version: 1.34}', { name: 'lab', namespace: 'hpo', make: { with: 'kind', version: '1.34' } }],
  [
    'name: lab\nregistry: {push: "localhost:5000/hpo", plain: true}',
    { name: 'lab', namespace: 'hpo', registry: { push: 'localhost:5000/hpo', plain: true } },
  ],
])('%s', (text, expected) => {
  expect(readClusterFile(text, 'cluster.yml')).toEqual(expected);
});

describe('says what is wrong, and in which line', () => {
  it.each<[string, readonly string[]]>([
    ['', ['cluster.yml:1:1: the file is empty; the least that it says is a name, such as name: lab']],
    ['namespace: a', ['cluster.yml:1:1: name: is missing']],
    ['[1', ['cluster.yml:1:3: Flow sequence must end with a ]']],
    ['name: a\nname: b', ['cluster.yml:2:1: Map keys must be unique']],
    [
      'name: a\nquota:\n  cpu: lots\n  x: 1',
      [
        'cluster.yml:3:8: quota.cpu: an amount as Kubernetes writes it is expected, such as 8, 500m or 16Gi',
        'cluster.yml:3:3: quota: there is no key "x" here',
      ],
    ],
    ['name: a\nqueue: x', ['cluster.yml:2:8: queue: keys with values, one in a line, are expected here']],
    ['name: a\nmake: {with: docker}', ['cluster.yml:2:14: make.with: one of kind, k3d, eksctl, gcloud, az is expected']],
    [
      'name: a\ncontext: b\nmake: {with: gcloud}',
      [
        'cluster.yml:2:10: context: a cluster that is made (make) has no context yet; leave one of the two out',
        'cluster.yml:3:14: make.region: gcloud needs it',
      ],
    ],
    [
      'name: a\nregistry: {push: ghcr.io/team, plain: true}',
      ['cluster.yml:2:39: registry.plain: only a registry of this machine (localhost) may be spoken to without encryption'],
    ],
    [
      'name: a\nregistry: {push: ghcr.io}',
      ['cluster.yml:2:18: registry.push: HOST[:PORT]/PATH is expected, such as ghcr.io/team/hpo or localhost:5000/hpo'],
    ],
    // No argument of a tool may be taken for an option of it.
    [
      'name: a\nmake: {with: kind, machine: --config}',
      ['cluster.yml:2:29: make.machine: a word of letters, digits and . _ - / : + is expected'],
    ],
    ['name: a\nkubeconfig: ./x', ['keys are name, context, make, namespace']],
  ])('%s', (text, expected) => {
    const fault = faultOf(() => readClusterFile(text, 'cluster.yml'));
    expect(fault).toMatchObject({ code: 'HPO-2490', exitCode: 2 });
    for (const line of expected) expect(fault.message).toContain(line);
    expect(fault.message.split('\n')).toHaveLength(expected.length);
  });
});

it('the example is one', () => {
  const path = new URL('../../../media/examples/cluster.yml', import.meta.url);
  const text = readFileSync(path, 'utf8');
  expect(readClusterFile(text, 'cluster.yml')).toMatchObject({ name: 'lab', namespace: 'hpo' });
  // With all that stands in it as a remark, but for what excludes each other.
  const whole = text.replaceAll(/^# (?= *(?:make|with|nodes|registry|push|gpus|queue|clusterQueue|users|- group):)/gm, '');
  expect(readClusterFile(whole, 'cluster.yml')).toMatchObject({
    make: { with: 'kind', nodes: 2 },
    registry: { push: 'ghcr.io/my-team/hpo' },
    quota: { gpus: 4 },
    queue: { clusterQueue: 'team-a' },
    users: [{ group: 'data-science' }],
  });
});

function faultOf(act: () => unknown): HpoError {
  try {
    act();
  } catch (error) {
    if (error instanceof HpoError) return error;
    throw error;
  }
  throw new Error('it was taken');
}
