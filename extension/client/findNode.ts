import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { HpoError } from '../../agent/protocol/errors.ts';

export interface NodeChoice {
  readonly path: string;
  /** Added to the environment of the agent. */
  readonly env: Readonly<Record<string, string>>;
  readonly reason: string;
}

/** The agent keeps its journal in `node:sqlite`, which needs no flag since this version. */
const oldestNode = [22, 13] as const;

/**
 * The Node that runs the agent: the setting, else the first `node` on PATH that is new enough, else the one that runs
 * the extension (VS Code's own, which behaves as Node when it is told to).
 */
export async function findNode(setting: string | null, env: NodeJS.ProcessEnv, execPath: string): Promise<NodeChoice> {
  if (setting !== null) {
    const version = await nodeVersion(setting);
    if (version !== null && isNewEnough(version)) return { path: setting, env: {}, reason: 'setting hpo.nodePath' };
    throw new HpoError(
      'HPO-5005',
      `the setting hpo.nodePath names ${setting}, which ${version === null ? 'does not run' : `is Node ${version}`}`,
      `set it to a Node of at least ${oldestNode.join('.')}, or clear it`,
    );
  }
  for (const path of nodesOnPath(env)) {
    const version = await nodeVersion(path);
    if (version !== null && isNewEnough(version)) return { path, env: {}, reason: 'PATH' };
  }
  return { path: execPath, env: { ELECTRON_RUN_AS_NODE: '1' }, reason: "VS Code's own" };
}

export function isNewEnough(version: string): boolean {
  const [major = 0, minor = 0] = version.replace(/^v/, '').split('.').map(Number);
  return major > oldestNode[0] || (major === oldestNode[0] && minor >= oldestNode[1]);
}

function nodesOnPath(env: NodeJS.ProcessEnv): readonly string[] {
  const name = process.platform === 'win32' ? 'node.exe' : 'node';
  const folders = (env['PATH'] ?? '').split(delimiter).filter((folder) => folder !== '');
  return [...new Set(folders.map((folder) => join(folder, name)))].filter((path) => existsSync(path));
}

/** Null when the program does not run or is no Node. */
function nodeVersion(path: string): Promise<string | null> {
  return new Promise((resolve) => {
    execFile(path, ['--version'], { timeout: 5000, windowsHide: true }, (error, stdout) => {
      resolve(error === null && /^v\d+\.\d+/.test(stdout) ? stdout.trim().slice(1) : null);
    });
  });
}
