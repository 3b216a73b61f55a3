import { commands, Disposable, type ExtensionContext, Uri, ViewColumn, type WebviewPanel, window, workspace } from 'vscode';
import { unreachable } from '../../agent/protocol/view.ts';
import type { Notice, ToHost, ToPage } from '../../webview/contract.ts';
import type { AgentLink } from '../client/agentLink.ts';
import { scriptPath, type StudyStore } from '../client/studyStore.ts';
import { decodePageState, decodeToHost } from './decode.ts';
import { EntryFeed } from './entryFeed.ts';
import { pageHtml } from './pageHtml.ts';
import { printableLine } from '../../agent/protocol/printable.ts';

const viewType = 'hpo.study';

export interface PanelServices {
  readonly context: ExtensionContext;
  readonly store: StudyStore;
  readonly link: AgentLink;
}

/** The study panel of a window: one editor beside the script, which shows the study that was asked for last. */
export class StudyPanels extends Disposable {
  readonly #services: PanelServices;
  readonly #subscriptions: Disposable;
  #open: OpenPanel | null = null;

  constructor(services: PanelServices) {
    super(() => this.#subscriptions.dispose());
    this.#services = services;
    this.#subscriptions = window.registerWebviewPanelSerializer(viewType, {
      deserializeWebviewPanel: async (panel, state) => {
        const kept = decodePageState(state);
        if (kept === null) panel.dispose();
        else this.#adopt(panel, kept.studyId);
      },
    });
  }

  /** Shows a study beside the editor; the focus stays where it is. */
  async show(studyId: string): Promise<void> {
    if (this.#open === null) {
      const column = { viewColumn: ViewColumn.Beside, preserveFocus: true };
      const panel = window.createWebviewPanel(viewType, 'Study', column, { enableScripts: true });
      this.#adopt(panel, studyId);
    } else {
      this.#open.choose(studyId);
    }
    await this.#services.link.join();
  }

  #adopt(panel: WebviewPanel, studyId: string): void {
    const open = new OpenPanel(panel, studyId, this.#services);
    this.#open = open;
    panel.onDidDispose(() => {
      open.dispose();
      if (this.#open === open) this.#open = null;
    });
  }
}

class OpenPanel extends Disposable {
  readonly #panel: WebviewPanel;
  readonly #services: PanelServices;
  readonly #feed: EntryFeed;
  readonly #following: readonly globalThis.Disposable[];

  constructor(panel: WebviewPanel, studyId: string, services: PanelServices) {
    super(() => {
      this.#feed[Symbol.dispose]();
      for (const one of this.#following) one[Symbol.dispose]();
    });
    this.#panel = panel;
    this.#services = services;
    this.#feed = new EntryFeed(services.store, studyId, (message) => this.#post(message));
    this.#following = [services.link.onState(() => this.#showConnection()), services.store.onChange(() => this.#showTitle())];
    const { extensionUri } = services.context;
    const icon = (theme: string): Uri => Uri.joinPath(extensionUri, 'media', 'icons', `panel-${theme}.svg`);
    panel.iconPath = { light: icon('light'), dark: icon('dark') };
    panel.webview.options = {
      enableScripts: true,
      localResourceRoots: [Uri.joinPath(extensionUri, 'dist'), Uri.joinPath(extensionUri, 'media')],
    };
    panel.webview.onDidReceiveMessage(async (message: unknown) => {
      const decoded = decodeToHost(message);
      if (decoded !== null) await this.#receive(decoded);
    });
    panel.webview.html = pageHtml(panel.webview, extensionUri);
    this.#showTitle();
  }

  choose(studyId: string): void {
    this.#feed.choose(studyId);
    this.#showTitle();
    this.#panel.reveal(undefined, true);
  }

  async #receive(message: ToHost): Promise<void> {
    const { studyId } = this.#feed;
    switch (message.type) {
      case 'ready':
        if (this.#feed.sendStudy()) return this.#showConnection();
        this.#notify({ severity: 'info', text: 'Connecting to the agent…' });
        if (workspace.isTrusted) await this.#services.link.client().catch(() => undefined);
        else await this.#services.link.join();
        return this.#showConnection();
      case 'command':
        return await commands.executeCommand('hpo.sendStudyCommand', studyId, message.command);
      case 'insertBest':
        return await commands.executeCommand('hpo.insertBest', studyId);
      case 'openLog':
        return await commands.executeCommand('hpo.showTrialLog', { kind: 'trial', studyId, group: 'all', number: message.trial });
      case 'openSource':
        return await this.#openSource();
      default:
        return unreachable(message);
    }
  }

  async #openSource(): Promise<void> {
    const view = this.#services.store.get(this.#feed.studyId);
    const path = view === undefined ? null : scriptPath(view);
    if (path === null) return;
    const visible = window.visibleTextEditors.find((editor) => editor.document.uri.fsPath === path);
    await window.showTextDocument(Uri.file(path), { viewColumn: visible?.viewColumn ?? ViewColumn.One });
  }

  #showConnection(): void {
    const { link, store } = this.#services;
    const isKnown = store.get(this.#feed.studyId) !== undefined;
    if (link.state === 'online') {
      if (isKnown) this.#notify(null);
      else
        this.#notify({
          severity: 'warning',
          text: 'The agent does not know this study: it was deleted, or belongs to another data folder (setting hpo.home).',
        });
    } else if (link.state === 'connecting') {
      this.#notify({ severity: 'info', text: 'Connecting to the agent…' });
    } else {
      const next = workspace.isTrusted
        ? 'It starts again with the next command; running trials go on without it.'
        : 'Trust this workspace to start it.';
      this.#notify({ severity: 'warning', text: `The agent is not running, so what is shown may be old. ${next}` });
    }
  }

  #showTitle(): void {
    const title = printableLine(this.#services.store.get(this.#feed.studyId)?.spec.name ?? 'Study');
    if (this.#panel.title !== title) this.#panel.title = title;
  }

  #notify(notice: Notice | null): void {
    this.#post({ type: 'notice', notice });
  }

  #post(message: ToPage): void {
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- to a webview, which has no origin to name
    void this.#panel.webview.postMessage(message);
  }
}
