import { workspace, type ConfigurationScope } from 'vscode';

/** The settings of `package.json`, typed; empty texts count as not set. */
export interface Settings {
  readonly pythonPath: string | null;
  readonly nodePath: string | null;
  readonly home: string | null;
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
    maxTrials: count('maxTrials'),
    parallelism: count('parallelism'),
    codeLens: section.get<'file' | 'off'>('codeLens', 'file'),
    notifications: section.get<'end' | 'faults' | 'off'>('notifications', 'end'),
  };
}
