import type { ImageStore } from '../../../agent/executors/docker/dockerExecutor.ts';
import type { Engine } from '../../../agent/engine/engine.ts';
import type { ContainerSettings, ImageReference } from '../../../agent/protocol/study.ts';
import { buildId } from '../machine/engine/daemon.ts';

const dockerfile = 'FROM python:3.12-slim\nENV LANG=C.UTF-8\nRUN pip install numpy\n';

/** What every study of containers runs in. */
export const simulatedImage: ImageReference = { name: 'hpo-env:simulated', id: buildId(dockerfile, {}), recipe: 'simulated' };

/** What every study of containers has. */
export const simulatedContainer: ContainerSettings = {
  image: simulatedImage,
  mounts: [],
  network: false,
  memoryBytes: null,
  shmBytes: 64 * 2 ** 20,
  pids: 512,
  gpus: 0,
  secrets: [],
};

/** Images with a recipe of their own: what the agent's `ImageStore` is to an executor, over the same engine. */
export function imagesOf(connect: () => Promise<Engine>): ImageStore {
  return {
    restore: async ({ id, name }, progress) => {
      const engine = await connect();
      if ((await engine.inspectImage(id)) !== null) return id;
      return await engine.buildImage(
        {
          name,
          labels: {},
          dockerfile: 'Dockerfile',
          context: [{ path: 'Dockerfile', content: new TextEncoder().encode(dockerfile), isExecutable: false }],
          secrets: {},
          arguments: {},
          platform: null,
          isFresh: false,
        },
        progress,
      );
    },
  };
}
