import type { V1Node, V1Pod } from '@kubernetes/client-node';
import { expect, it } from 'vitest';
import { amountOf } from '../../../agent/cluster/quantity.ts';
import { requestsOf, roomOf } from '../../../agent/cluster/room.ts';

it.each<[string | undefined, number]>([
  ['2', 2],
  ['500m', 0.5],
  ['1.5Gi', 1.5 * 2 ** 30],
  ['64k', 64_000],
  ['1e3', 1000],
  ['2E', 2e18],
  ['3Ei', 3 * 2 ** 60],
  ['250000000n', 0.25],
  ['', 0],
  ['lots', 0],
  ['5Xi', 0],
  [undefined, 0],
])('%s is %d', (quantity, amount) => expect(amountOf(quantity)).toBeCloseTo(amount, 9));

const container = (requests: Record<string, string>, limits: Record<string, string> = {}) => ({
  name: 'c',
  resources: { requests, limits },
});
const pod = (spec: Partial<NonNullable<V1Pod['spec']>>, phase = 'Running'): V1Pod => ({
  spec: { containers: [], ...spec },
  status: { phase },
});

it.each<[string, V1Pod, object]>([
  [
    'containers together',
    pod({ containers: [container({ cpu: '1' }), container({ cpu: '500m', memory: '1Ki' })] }),
    { cpu: 1.5, memory: 1024 },
  ],
  [
    'a limit alone is a request',
    pod({ containers: [container({}, { cpu: '2', 'nvidia.com/gpu': '1' })] }),
    { cpu: 2, 'nvidia.com/gpu': 1 },
  ],
  [
    'the largest of those before them',
    pod({ containers: [container({ cpu: '1' })], initContainers: [container({ cpu: '3' }), container({ cpu: '2' })] }),
    { cpu: 3 },
  ],
  [
    'those that stay beside them',
    pod({ containers: [container({ cpu: '1' })], initContainers: [{ ...container({ cpu: '1' }), restartPolicy: 'Always' }] }),
    { cpu: 2 },
  ],
  ['what the sandbox takes', pod({ containers: [container({ cpu: '1' })], overhead: { cpu: '250m' } }), { cpu: 1.25 }],
])('%s', (_what, asked, expected) => expect(requestsOf(asked)).toEqual(expected));

it('counts on each node what has not ended there', () => {
  const node = (name: string, spec: V1Node['spec'] = {}, ready = 'True'): V1Node => ({
    metadata: { name, labels: { kind: name } },
    spec,
    status: { allocatable: { cpu: '4', pods: '110' }, conditions: [{ type: 'Ready', status: ready }] },
  });
  const one = { containers: [container({ cpu: '1' })] };
  const room = roomOf(
    [node('a'), node('b', { unschedulable: true }), node('c', {}, 'False')],
    [
      pod({ ...one, nodeName: 'a' }),
      pod({ ...one, nodeName: 'a' }, 'Pending'),
      pod({ ...one, nodeName: 'a' }, 'Succeeded'),
      pod({ ...one, nodeName: 'b' }, 'Failed'),
      pod(one, 'Pending'),
    ],
  );
  expect(room.map(({ name, isOpen, all, used }) => [name, isOpen, all['cpu'], used])).toEqual([
    ['a', true, 4, { cpu: 2, pods: 2 }],
    ['b', false, 4, { pods: 0 }],
    ['c', false, 4, { pods: 0 }],
  ]);
});
