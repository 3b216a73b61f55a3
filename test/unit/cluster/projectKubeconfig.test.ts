import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { clusterOnDemand } from '../../../agent/cluster/index.ts';
import { clusterTools } from '../../../agent/preflight/cluster/clusterTools.ts';

it('a study uses no kubeconfig of its project, also not one that was connected by its path', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'hpo-project-'));
  try {
    const root = join(dir, 'project');
    mkdirSync(root);
    await using clusters = clusterOnDemand();
    const images = { look: () => Promise.reject(new Error('no')), make: () => Promise.reject(new Error('no')) };
    const tools = clusterTools({ home: dir, clusters, images, homeMark: 'ab', environment: {} });
    const profileIn = (folder: string) => {
      const path = join(folder, 'kubeconfig');
      const content = {
        clusters: [{ name: 'a', cluster: { server: 'https://127.0.0.1:1' } }],
        users: [{ name: 'a', user: { token: 't' } }],
        contexts: [{ name: 'a', context: { cluster: 'a', user: 'a' } }],
      };
      writeFileSync(path, JSON.stringify(content), { mode: 0o600 });
      return {
        name: 'a',
        kubeconfig: [path],
        context: 'a',
        namespace: 'ml',
        registry: null,
        queue: null,
        pullSecrets: [],
        checkpoints: null,
        confirmedCommands: [],
        made: null,
      };
    };
    await expect(tools.connect(profileIn(root), root)).rejects.toMatchObject({
      code: 'HPO-2460',
      message: expect.stringContaining('is in the project'),
    });
    expect((await tools.connect(profileIn(dir), root)).place).toMatchObject({ context: 'a', namespace: 'ml' });
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
