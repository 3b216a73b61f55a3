import { workspace, type ConfigurationScope } from 'vscode';

/** Where trials run. */
export const backends = ['local', 'docker'] as const;
export type Backend = (typeof backends)[number];

/** The settings of `package.json`, typed; empty texts count as not set. */
export interface Settings {
  readonly pythonPath: string | null;
  readonly nodePath: string | null;
  readonly home: string | null;
  readonly backend: Backend;
  /** Endpoint of the engine, such as `unix:///run/user/1000/docker.sock`. */
  readonly dockerHost: string | null;
  readonly dockerImage: string | null;
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
    backend: backends.find((backend) => backend === section.get('backend')) ?? 'local',
    dockerHost: text('docker.host'),
    dockerImage: text('docker.image'),
    maxTrials: count('maxTrials'),
    parallelism: count('parallelism'),
    codeLens: section.get<'file' | 'off'>('codeLens', 'file'),
    notifications: section.get<'end' | 'faults' | 'off'>('notifications', 'end'),
  };
}
