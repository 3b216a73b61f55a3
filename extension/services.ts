import type { ExtensionContext, LogOutputChannel } from 'vscode';
import type { AgentLink } from './client/agentLink.ts';
import type { StudyStore } from './client/studyStore.ts';
import type { AnnotatedScripts } from './editor/annotatedScripts.ts';
import type { StudyPanels } from './panel/studyPanel.ts';

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
}
