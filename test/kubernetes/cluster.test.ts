import { beforeAll, expect, it } from 'vitest';
import { ensureNodeImage, TestNamespace } from '../support/cluster.ts';

let image = '';
beforeAll(async () => {
  image = await ensureNodeImage('python');
}, 900_000);

it('a pod of the image that the tests push runs on a node, and one that is not restricted is refused', async () => {
  await using namespace = await TestNamespace.create();
  await expect(namespace.kubectl('run', 'loose', '--image', image)).rejects.toThrow(/violates PodSecurity "restricted/);
  const security = { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] }, runAsNonRoot: true, runAsUser: 1000 };
  const container = {
    name: 'python',
    image,
    command: ['python3', '-c', 'import sys; print(sys.version_info[:2])'],
    securityContext: { ...security, seccompProfile: { type: 'RuntimeDefault' } },
  };
  const overrides = JSON.stringify({ apiVersion: 'v1', spec: { automountServiceAccountToken: false, containers: [container] } });
  await namespace.kubectl('run', 'python', '--image', image, '--restart', 'Never', '--overrides', overrides);
  await namespace.kubectl('wait', 'pod/python', '--for', 'jsonpath={.status.phase}=Succeeded', '--timeout', '120s');
  expect(await namespace.kubectl('logs', 'python')).toBe('(3, 11)\n');
  expect(await namespace.names('pods')).toEqual(['pod/python']);
});
