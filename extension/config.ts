import { workspace, type ConfigurationScope } from 'vscode';
import type { ClusterWish } from '../agent/protocol/requests.ts';

/** Which agent keeps the studies; `auto`: as `hpo cluster agent use` says. */
export const agentChoices = ['auto', 'local', 'cluster'] as const;
export type AgentChoice = (typeof agentChoices)[number];

/** Where trials run. */
export const backends = ['local', 'docker', 'kubernetes'] as const;
export type Backend = (typeof backends)[number];

/** The settings of `package.json`, typed; empty texts count as not set. */
export interface Settings {
  readonly pythonPath: string | null;
  readonly nodePath: string | null;
  readonly home: string | null;
  readonly agent: AgentChoice;
  readonly backend: Backend;
  /** Endpoint of the engine, such as `unix:///run/user/1000/docker.sock`. */
  readonly dockerHost: string | null;
  readonly dockerImage: string | null;
  /** Of the user alone: a workspace cannot set them. */
  readonly kubernetes: ClusterWish;
  /** Null where the user set none: the script and the agent decide. */
  readonly maxTrials: number | null;
  readonly parallelism: number | null;
  readonly codeLens: 'file' | 'off';
  readonly notifications: 'end' | 'faults' | 'off';
}

export function settings(scope?: ConfigurationScope): Settings {
  const section = workspace.getConfiguration('hpo', scope);
  const text = (name: string): string | null => section.get<string>(name)?.trim() || null;
  const count = (name: string): number | null => section.get<number | null>(name) ?? null;
  return {
    pythonPath: text('pythonPath'),
    nodePath: text('nodePath'),
    home: text('home'),
    agent: agentChoices.find((agent) => agent === section.get('agent')) ?? 'auto',
    backend: backends.find((backend) => backend === section.get('backend')) ?? 'local',
    dockerHost: text('docker.host'),
    dockerImage: text('docker.image'),
    kubernetes: clusterWish(text),
    maxTrials: count('maxTrials'),
    parallelism: count('parallelism'),
    codeLens: section.get<'file' | 'off'>('codeLens', 'file'),
    notifications: section.get<'end' | 'faults' | 'off'>('notifications', 'end'),
  };
}

/** What is empty is decided elsewhere. */
function clusterWish(text: (name: string) => string | null): ClusterWish {
  const [name, context, namespace, queue, podTemplate] = ['cluster', 'context', 'namespace', 'queue', 'jobTemplate'].map(
    (setting) => text(`kubernetes.${setting}`),
  );
  return Object.fromEntries(
    Object.entries({ name, context, namespace, queue, podTemplate }).flatMap(([key, value]) =>
      value == null ? [] : [[key, value]],
    ),
  );
}
