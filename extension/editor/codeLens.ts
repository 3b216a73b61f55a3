import { CodeLens, type CodeLensProvider, Disposable, EventEmitter, Range, type TextDocument, workspace } from 'vscode';
import { joinWithin, plural } from '../../agent/protocol/format.ts';
import type { StudyView } from '../../agent/protocol/view.ts';
import { throttle } from '../client/throttle.ts';
import { settings } from '../config.ts';
import { progressText } from '../format.ts';
import type { Services } from '../services.ts';
import { type AnnotatedScript, isTunable } from './annotatedScripts.ts';
import { pendingEdits } from './bestEdits.ts';
import { labelText } from '../plainText.ts';

const refreshMs = 500;
/** What fits beside the other lenses in an editor that shares the window with the panel. */
const valuesLength = 34;

/** One line over the first annotation: tune, what is tuned, how it goes, and the best values to insert. */
export class TuneLens extends Disposable implements CodeLensProvider {
  readonly #services: Pick<Services, 'store' | 'scripts'>;
  readonly #changed = new EventEmitter<void>();
  readonly #subscriptions: Disposable;
  readonly onDidChangeCodeLenses = this.#changed.event;

  constructor(services: Pick<Services, 'store' | 'scripts'>) {
    super(() => this.#subscriptions.dispose());
    this.#services = services;
    const refresh = throttle(() => this.#changed.fire(), refreshMs);
    const following = services.store.onChange(refresh.call);
    this.#subscriptions = Disposable.from(
      this.#changed,
      services.scripts.onDidChange(() => this.#changed.fire()),
      workspace.onDidGrantWorkspaceTrust(() => this.#changed.fire()),
      workspace.onDidChangeConfiguration((event) => {
        if (event.affectsConfiguration('hpo.codeLens') || event.affectsConfiguration('hpo.backend')) this.#changed.fire();
      }),
      new Disposable(() => {
        following[Symbol.dispose]();
        refresh.cancel();
      }),
    );
  }

  async provideCodeLenses(document: TextDocument): Promise<CodeLens[]> {
    if (settings(document).codeLens === 'off') return [];
    const script = await this.#services.scripts.get(document);
    if (script === null) return [];
    const range = new Range(script.firstLine, 0, script.firstLine, 0);
    const lens = (title: string, command: string, tooltip: string, ...args: readonly unknown[]): CodeLens =>
      new CodeLens(range, { title, command, tooltip, arguments: [...args] });

    const studies = this.#services.store.ofFile(document.uri.fsPath);
    const active = studies.find((view) => view.state !== 'ended' && view.movedTo === null);
    const lenses = [this.#first(lens, document, active), parametersLens(lens, document, script)];
    const withBest = studies.find((view) => view.incumbent !== null);
    if (withBest !== undefined) lenses.push(await bestLens(lens, document, withBest));
    return lenses;
  }

  #first(lens: MakeLens, document: TextDocument, active: StudyView | undefined): CodeLens {
    if (active !== undefined) {
      const icon = active.state === 'paused' ? '$(debug-pause)' : '$(sync~spin)';
      return lens(`${icon} ${progressText(active)}`, 'hpo.showPanel', 'Show the study', active.studyId);
    }
    if (!workspace.isTrusted) {
      return lens('Trust this workspace to tune', 'workbench.trust.manage', 'Nothing is run in a workspace that is not trusted');
    }
    const title = isTunable(document) ? '▶ Tune this script' : '▶ Tune the script that uses this';
    const place = { local: '', docker: ' in Docker', kubernetes: ' on Kubernetes' }[settings(document).backend];
    return lens(`${title}${place}`, 'hpo.tune', 'Search for better values of the annotated parameters', document.uri);
  }
}

type MakeLens = (title: string, command: string, tooltip: string, ...args: readonly unknown[]) => CodeLens;

function parametersLens(lens: MakeLens, document: TextDocument, script: AnnotatedScript): CodeLens {
  const count = script.spec.space.parameters.length;
  return lens(plural(count, 'parameter'), 'hpo.showParameters', 'What is tuned, and how far', document.uri);
}

async function bestLens(lens: MakeLens, document: TextDocument, view: StudyView): Promise<CodeLens> {
  const pending = await pendingEdits(document, view);
  const values = pending.map(({ name, text }) => `${name}=${text}`);
  if (pending.length === 0) return lens('$(check) Best values are in the file', 'hpo.showPanel', 'Show the study', view.studyId);
  return lens(
    labelText(`Insert best: ${joinWithin(values, valuesLength)}`),
    'hpo.insertBest',
    `Write the best values over the literals, after a preview: ${values.join(', ')}`,
    view.studyId,
  );
}
