import { expect, test } from 'vitest';
import { networkNotes } from '../../../agent/preflight/cluster/clusterNetwork.ts';
import type { ClusterSettings } from '../../../agent/protocol/study.ts';

const s3: ClusterSettings['checkpoints'] = {
  type: 's3',
  bucket: 'b',
  prefix: '',
  region: 'us-east-1',
  endpoint: null,
  secret: 'keys',
  image: null,
};
const nothing = /nothing keeps its trials from it: the namespace ml has no NetworkPolicy/;
const unknown = /is not known: you may not list its networkpolicies/;

test.each<readonly [string, readonly string[] | null, string | null, Words, RegExp | null]>([
  ['nothing', [], null, {}, nothing],
  ['a policy', ['hpo-no-network'], null, {}, null],
  ['nothing where it was made', [], 'NetworkPolicy', {}, nothing],
  ['what nobody may see', null, null, {}, unknown],
  ['what nobody may see of a namespace that others made', null, 'Role', {}, unknown],
  ['what nobody may see, and was made', null, 'NetworkPolicy', {}, null],
  ['nothing, with network', [], null, { network: true }, null],
  ['nothing, with an object store', [], null, { checkpoints: s3 }, null],
])('what keeps trials from the network: %s', (_what, policies, made, { network = false, checkpoints = null }, note) => {
  const objects = made === null ? [] : [{ kind: made, name: 'x', uid: 'u' }];
  const profile = { namespace: 'ml', made: made === null ? null : { by: 'context' as const, tool: null, objects } };
  const notes = networkNotes({ profile, policies }, { container: { network }, cluster: { checkpoints } });
  expect(notes).toEqual(note === null ? [] : [expect.stringMatching(note)]);
});

interface Words {
  readonly network?: boolean;
  readonly checkpoints?: ClusterSettings['checkpoints'];
}
