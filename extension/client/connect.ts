import { existsSync, unwatchFile, watchFile } from 'node:fs';
import { join } from 'node:path';
import { type AgentClient, connectAgent, defaultHome, discoveryFile, moveStudy } from '../../agent/client/index.ts';
import type { AgentChoice } from '../config.ts';
import { connectCluster, isInCluster } from './clusterBridge.ts';
import { findNode } from './findNode.ts';

export interface ConnectRequest {
  readonly home: string;
  readonly agentMain: string;
  readonly nodeSetting: string | null;
  readonly version: string;
  /** Endpoint of the engine for an agent that has to be started; null: it looks for one. */
  readonly dockerHost: string | null;
  /** Whether an agent may be started. */
  readonly start: boolean;
  /** The command line's bundle. */
  readonly cliMain: string;
  readonly agent: AgentChoice;
}

/** Connects to the agent that keeps the studies: of this machine, or of the cluster. */
export async function connectChosen(request: ConnectRequest): Promise<AgentClient> {
  const { agent, home, cliMain, nodeSetting, version } = request;
  if (!isInCluster(agent, home)) return await connect(request);
  const node = await findNode(nodeSetting, process.env, process.execPath);
  return await connectCluster({ home, cliMain, node, version });
}

/** Connects to the agent of this machine; Node is only looked for when an agent has to be started. */
export async function connect(request: ConnectRequest): Promise<AgentClient> {
  const { home, agentMain, version } = request;
  const common = { home, agentMain, client: 'vscode', version };
  if (!request.start) return await connectAgent({ ...common, node: process.execPath, start: false });
  const node = await findNode(request.nodeSetting, process.env, process.execPath);
  const env = request.dockerHost === null ? node.env : { ...node.env, HPO_DOCKER_HOST: request.dockerHost };
  return await connectAgent({ ...common, node: node.path, env });
}

export { isInCluster, moveStudy };

export function agentHome(setting: string | null): string {
  return setting ?? defaultHome();
}

/** Whether an agent says that it runs: a killed one leaves this behind, one that was stopped takes it away. */
export function isAnnounced(home: string): boolean {
  return existsSync(discoveryFile(home));
}

export function hasJournal(home: string): boolean {
  return existsSync(join(home, 'journal.db'));
}

/** Calls when an agent announces itself, for instance one that the command line started. One stat a second. */
export function watchAgent(home: string, onAnnounced: () => void): Disposable {
  const file = discoveryFile(home);
  const listener = (now: { mtimeMs: number }, before: { mtimeMs: number }): void => {
    if (now.mtimeMs !== 0 && now.mtimeMs !== before.mtimeMs) onAnnounced();
  };
  watchFile(file, { interval: 1000, persistent: false }, listener);
  return { [Symbol.dispose]: () => unwatchFile(file, listener) };
}
