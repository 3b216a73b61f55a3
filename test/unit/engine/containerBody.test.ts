import { expect, it } from 'vitest';
import { containerBody } from '../../../agent/engine/containerBody.ts';
import type { ContainerSpec } from '../../../agent/engine/engine.ts';

const spec: ContainerSpec = {
  name: 'hpo-one',
  labels: { 'hpo.home': 'h' },
  image: 'sha256:1',
  command: ['/bin/sh', '-c', 'exit'],
  environment: { A: '1', NVIDIA_VISIBLE_DEVICES: 'all' },
  workingDir: '/hpo/work',
  user: '1000:1000',
  mounts: [],
  tmpfs: { '/tmp': 10 },
  network: false,
  cpus: 1,
  memoryBytes: null,
  shmBytes: 1,
  pids: 5,
  gpus: 0,
};

it('asks for GPUs by device requests alone', () => {
  const none = containerBody(spec, [], 8);
  expect(none.HostConfig).toMatchObject({ DeviceRequests: [] });
  expect(none.Env).toEqual(['A=1', 'NVIDIA_VISIBLE_DEVICES=void']);
  const two = containerBody({ ...spec, gpus: 2 }, [], 8);
  expect(two.HostConfig).toMatchObject({ DeviceRequests: [{ Driver: 'nvidia', Count: 2, Capabilities: [['gpu']] }] });
  expect(two.HostConfig).not.toHaveProperty('Devices');
});

it.each([
  [1, 8, 1e9],
  [0.5, 8, 5e8],
  [64, 2, 2e9],
])('asks for no more processors than there are: %d of %d', (cpus, engineCpus, expected) => {
  expect(containerBody({ ...spec, cpus }, [], engineCpus).HostConfig?.NanoCpus).toBe(expected);
});

it('limits swap with memory, and neither where nothing is said', () => {
  expect(containerBody({ ...spec, memoryBytes: 7 }, [], 1).HostConfig).toMatchObject({ Memory: 7, MemorySwap: 7 });
  expect(containerBody(spec, [], 1).HostConfig).not.toHaveProperty('Memory');
});

it('has a network where it is asked for, and never that of the machine', () => {
  const modes = [true, false].map((network) => containerBody({ ...spec, network }, [], 1).HostConfig?.NetworkMode);
  expect(modes).toEqual(['default', 'none']);
});

it('covers what the image calls a volume, but for what is mounted there', () => {
  const mounts = [{ source: '/a', target: '/data', isReadOnly: true }];
  const { Tmpfs, Mounts } = containerBody({ ...spec, mounts }, ['/data', '/tmp', '/other'], 1).HostConfig ?? {};
  expect(Object.keys(Tmpfs ?? {}).toSorted()).toEqual(['/other', '/tmp']);
  expect(Tmpfs?.['/tmp']).toContain('size=10,');
  expect(Mounts).toEqual([{ Type: 'bind', Source: '/a', Target: '/data', ReadOnly: true }]);
});
