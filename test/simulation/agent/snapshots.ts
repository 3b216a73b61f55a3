import type { SnapshotReader } from '../../../agent/driver/ports.ts';
import type { LocalExecutorOptions } from '../../../agent/executors/local/localExecutor.ts';
import type { AgentProcess } from '../machine/agentProcess.ts';

/** Stored code on the machine's disk: what the agent's `SnapshotStore` is to it, over the same seam. */
export function snapshotsOf(
  agent: AgentProcess,
  code: Readonly<Record<string, string>>,
): LocalExecutorOptions['snapshots'] & SnapshotReader {
  const { files } = agent.system;
  return {
    verify: () => agent.call('files.readText', () => {}),
    materialize: async (_hash, folder, spliced) => {
      await files.remove(folder);
      await files.makeFolder(folder);
      const contents = { ...code, ...Object.fromEntries(spliced.map(({ path, content }) => [path, content])) };
      for (const [path, content] of Object.entries(contents)) {
        const cut = path.lastIndexOf('/');
        if (cut > 0) await files.makeFolder(`${folder}/${path.slice(0, cut)}`);
        await files.writeText(`${folder}/${path}`, content);
      }
    },
    readText: (_hash, path) => agent.call('files.readText', () => code[path] ?? ''),
    prune: () => agent.call('files.names', () => {}),
  };
}
