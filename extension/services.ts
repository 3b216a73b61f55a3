import type { ExtensionContext, LogOutputChannel } from 'vscode';
import type { AgentClient } from '../agent/client/index.ts';
import type { AgentLink } from './client/agentLink.ts';
import type { StudyStore } from './client/studyStore.ts';
import type { AnnotatedScripts } from './editor/annotatedScripts.ts';
import type { StudyPanels } from './panel/studyPanel.ts';

/** Studies that the cluster's agent keeps are made ready here, where the script is. */
export interface HandOver extends AsyncDisposable {
  /** The agent of this machine. */
  readonly client: AgentClient;
  /** Moves a study that was created paused, and lets it begin there. */
  readonly begin: (studyId: string) => Promise<void>;
}

/** What the window's parts share; made once in `main.ts`. */
export interface Services {
  readonly context: ExtensionContext;
  readonly log: LogOutputChannel;
  readonly store: StudyStore;
  readonly link: AgentLink;
  readonly scripts: AnnotatedScripts;
  readonly panels: StudyPanels;
  /** Folder of the agent's state. */
  readonly home: () => Promise<string>;
  /** Null where the agent of this machine keeps the studies. */
  readonly handOver: () => Promise<HandOver | null>;
}
