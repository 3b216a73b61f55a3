import {
  commands,
  Disposable,
  EventEmitter,
  languages,
  Range,
  type TextDocument,
  type TextDocumentContentProvider,
  TextEditorRevealType,
  Uri,
  window,
  workspace,
} from 'vscode';
import type { Services } from '../services.ts';
import { guarded } from '../showError.ts';
import type { StudyNode } from '../views/studyTree.ts';
import { chooseTrial } from './studyCommands.ts';

const scheme = 'hpo-log';
const pollMs = 500;
/** What is kept of a long log; the file in the agent's folder has all of it. */
const longestText = 4 * 1024 * 1024;

interface Following {
  text: string;
  offset: number;
  timer: NodeJS.Timeout | null;
}

/** Logs of trials as read-only documents that grow while the trial runs, and scroll along where the end was in view. */
export class TrialLogs extends Disposable implements TextDocumentContentProvider {
  readonly #services: Services;
  readonly #changed = new EventEmitter<Uri>();
  readonly #open = new Map<string, Following>();
  readonly #subscriptions: Disposable;
  readonly onDidChange = this.#changed.event;

  constructor(services: Services) {
    super(() => this.#end());
    this.#services = services;
    this.#subscriptions = Disposable.from(
      this.#changed,
      workspace.registerTextDocumentContentProvider(scheme, this),
      workspace.onDidCloseTextDocument((document) => this.#forget(document)),
      commands.registerCommand('hpo.showTrialLog', async (argument: StudyNode | undefined) => {
        const chosen = await chooseTrial(
          services,
          argument,
          'Show Trial Log',
          (trial) => trial.attempts.length > 0,
          'No trial has been started yet, so there is no log.',
        );
        if (chosen !== undefined) await this.show(chosen.view.studyId, chosen.trial.number);
      }),
    );
  }

  async show(studyId: string, trial: number): Promise<void> {
    await guarded(this.#services.log, async () => {
      const document = await workspace.openTextDocument(Uri.from({ scheme, path: `/${studyId}/trial ${trial}.log` }));
      await languages.setTextDocumentLanguage(document, 'log');
      await window.showTextDocument(document, { preview: true, preserveFocus: true });
    });
  }

  async provideTextDocumentContent(uri: Uri): Promise<string> {
    const key = uri.toString();
    const known = this.#open.get(key);
    if (known !== undefined) return known.text;
    const following: Following = { text: '', offset: 0, timer: null };
    this.#open.set(key, following);
    await this.#read(uri, following);
    return following.text;
  }

  /** Reads what is new, and comes back for more until the trial's output has ended. */
  async #read(uri: Uri, following: Following): Promise<void> {
    const [, studyId = '', name = ''] = uri.path.split('/');
    const trial = Number(/\d+/.exec(name)?.[0]);
    let isEnded = false;
    try {
      const client = await this.#services.link.client();
      const { text, nextOffset, ended } = await client.request('trial/log', { studyId, trial, offset: following.offset });
      const hasMore = nextOffset > following.offset;
      following.offset = nextOffset;
      following.text = `${following.text}${text}`.slice(-longestText);
      isEnded = ended && !hasMore;
    } catch (error) {
      this.#services.log.warn(`the log of ${uri.path} could not be read: ${String(error)}`);
      if (following.text === '')
        following.text = `The log could not be read: ${error instanceof Error ? error.message : String(error)}\n`;
    }
    if (isEnded || this.#open.get(uri.toString()) !== following) return;
    following.timer = setTimeout(() => void this.#readAndShow(uri, following), pollMs);
  }

  async #readAndShow(uri: Uri, following: Following): Promise<void> {
    const before = following.text;
    await this.#read(uri, following);
    if (following.text === before) return;
    const atEnd = window.visibleTextEditors.filter(
      (editor) => editor.document.uri.toString() === uri.toString() && showsEnd(editor),
    );
    this.#changed.fire(uri);
    const change = workspace.onDidChangeTextDocument((event) => {
      if (event.document.uri.toString() !== uri.toString()) return;
      change.dispose();
      const last = event.document.lineCount - 1;
      for (const editor of atEnd) editor.revealRange(new Range(last, 0, last, 0), TextEditorRevealType.Default);
    });
    setTimeout(() => change.dispose(), pollMs);
  }

  #forget(document: TextDocument): void {
    if (document.uri.scheme !== scheme) return;
    const following = this.#open.get(document.uri.toString());
    if (following?.timer != null) clearTimeout(following.timer);
    this.#open.delete(document.uri.toString());
  }

  #end(): void {
    for (const { timer } of this.#open.values()) if (timer !== null) clearTimeout(timer);
    this.#open.clear();
    this.#subscriptions.dispose();
  }
}

function showsEnd(editor: { readonly visibleRanges: readonly Range[]; readonly document: TextDocument }): boolean {
  return (editor.visibleRanges.at(-1)?.end.line ?? 0) >= editor.document.lineCount - 2;
}
