import type { ClusterSettings, ContainerSettings, Pool } from '../../../../agent/protocol/study.ts';

export const pool = (name: string, changes: Partial<Pool> = {}): Pool => ({
  name,
  when: null,
  slots: null,
  gpus: 0,
  gpuResource: 'nvidia.com/gpu',
  nodeSelector: {},
  tolerations: [],
  ...changes,
});

export const cluster = (changes: Partial<ClusterSettings> = {}): ClusterSettings => ({
  context: 'prod',
  namespace: 'ml',
  home: 'abc123',
  codeIn: 'objects',
  pullSecrets: [],
  queue: null,
  priorityClass: null,
  volumes: [],
  checkpoints: null,
  pools: [pool('default')],
  podTemplate: null,
  followsCapacity: false,
  ...changes,
});

export const container = (changes: Partial<ContainerSettings> = {}): ContainerSettings => ({
  image: { name: 'python', id: 'sha256:1', recipe: null },
  mounts: [],
  network: false,
  memoryBytes: null,
  shmBytes: 1,
  pids: 1,
  gpus: 0,
  secrets: [],
  ...changes,
});
