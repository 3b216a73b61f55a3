import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Duplex } from 'node:stream';
import { type AgentClient, connectStream } from '../../agent/client/index.ts';
import { HpoError } from '../../agent/protocol/errors.ts';
import type { AgentChoice } from '../config.ts';

export interface BridgeRequest {
  readonly home: string;
  /** The command line's bundle (`cli.cjs`), which knows clusters. */
  readonly cliMain: string;
  readonly node: { readonly path: string; readonly env: Readonly<Record<string, string>> };
  readonly version: string;
}

const maxSaid = 4_000;

/** Whether studies are kept by the agent of the cluster in use. */
export function isInCluster(choice: AgentChoice, home: string): boolean {
  return choice === 'cluster' || (choice === 'auto' && usesClusterAgent(home));
}

function usesClusterAgent(home: string): boolean {
  try {
    // Written by `hpo cluster …`; anything else is no such choice.
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion
    const { inUse, profiles } = JSON.parse(readFileSync(join(home, 'clusters.json'), 'utf8')) as {
      readonly inUse?: unknown;
      readonly profiles?: readonly { readonly name?: unknown; readonly usesAgent?: unknown }[];
    };
    return profiles?.some(({ name, usesAgent }) => name === inUse && usesAgent === true) ?? false;
  } catch {
    return false;
  }
}

/** The cluster's agent, by way of the command line: so the window needs no Kubernetes of its own, and asks as the command line does. */
export async function connectCluster({ home, cliMain, node, version }: BridgeRequest): Promise<AgentClient> {
  const inherited = Object.entries(process.env).filter(
    ([name]) => !name.startsWith('VSCODE_') && name !== 'ELECTRON_RUN_AS_NODE',
  );
  const child = spawn(node.path, [cliMain, 'bridge', '--agent', 'cluster'], {
    env: { ...Object.fromEntries(inherited), ...node.env, HPO_HOME: home, NO_COLOR: '1' },
    stdio: ['pipe', 'pipe', 'pipe'],
    windowsHide: true,
  });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => (said = (said + chunk.toString()).slice(-maxSaid)));
  const stream = Duplex.from({ readable: child.stdout, writable: child.stdin });
  child.once('error', (error) => stream.destroy(error));
  child.once('close', () => stream.destroy());
  stream.once('close', () => child.kill());
  const howToUpdate = 'update it from the terminal: hpo cluster agent install; or set hpo.agent to local';
  try {
    return await connectStream(stream, { client: 'vscode', version, place: 'the cluster', howToUpdate });
  } catch (error) {
    const [, code, message, next] = /error (HPO-\d{4}): (.*)\n\s*next: (.*)/.exec(said) ?? [];
    throw code === undefined || message === undefined || next === undefined ? error : new HpoError(code, message, next);
  }
}
