import type { SnapshotReader } from '../../../agent/driver/ports.ts';
import type { DockerExecutorOptions } from '../../../agent/executors/docker/dockerExecutor.ts';
import type { LocalExecutorOptions } from '../../../agent/executors/local/localExecutor.ts';
import type { AgentProcess } from '../machine/agentProcess.ts';

const snapshotsDir = '/home/.hpo/snapshots';

/** Stored code on the machine's disk: what the agent's `SnapshotStore` is to it, over the same seam. */
export function snapshotsOf(
  agent: AgentProcess,
  code: Readonly<Record<string, string>>,
): LocalExecutorOptions['snapshots'] & DockerExecutorOptions['snapshots'] & SnapshotReader {
  const { files } = agent.system;
  let nPlans = 0;
  const write = async (folder: string, contents: Readonly<Record<string, string>>): Promise<void> => {
    for (const [path, content] of Object.entries(contents)) {
      const cut = path.lastIndexOf('/');
      if (cut > 0) await files.makeFolder(`${folder}/${path.slice(0, cut)}`);
      await files.writeText(`${folder}/${path}`, content);
    }
  };
  return {
    verify: () => agent.call('files.readText', () => {}),
    materialize: async (_hash, folder, spliced) => {
      await files.remove(folder);
      await files.makeFolder(folder);
      await write(folder, { ...code, ...Object.fromEntries(spliced.map(({ path, content }) => [path, content])) });
    },
    mountPlan: async (hash) => {
      const filesDir = `${snapshotsDir}/${hash}/files`;
      if ((await files.stat(filesDir)) === null) {
        // Whole or not at all, whichever agent makes it.
        const unfinished = `${filesDir}-${agent.pid}-${nPlans++}`;
        await files.makeFolder(unfinished);
        await write(unfinished, code);
        await files.rename(unfinished, filesDir).catch(async (error: unknown) => {
          if ((await files.stat(filesDir)) === null) throw error;
          await files.remove(unfinished);
        });
      }
      const topLevel = Map.groupBy(Object.keys(code), (path) => path.split('/')[0] ?? path);
      return {
        filesDir,
        topLevel: [...topLevel].map(([name, paths]) => ({ name, isFolder: paths[0] !== name })),
        symlinks: [],
        links: [],
        folders: [],
        executables: [],
      };
    },
    readText: (_hash, path) => agent.call('files.readText', () => code[path] ?? ''),
    prune: () => agent.call('files.names', () => {}),
  };
}
