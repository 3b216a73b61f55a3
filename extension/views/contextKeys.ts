import { commands, Disposable, window, workspace } from 'vscode';
import { stateHere } from '../../agent/protocol/view.ts';
import { throttle } from '../client/throttle.ts';
import { isRetriable } from '../commands/studyCommands.ts';
import { isTunable } from '../editor/annotatedScripts.ts';
import type { Services } from '../services.ts';

const refreshMs = 500;

/** Keeps the keys that `when` clauses in package.json read. */
export function contextKeys({ store, scripts }: Pick<Services, 'store' | 'scripts'>): Disposable {
  const shown = new Map<string, string>();
  const set = (key: string, value: unknown): void => {
    const text = JSON.stringify(value);
    if (shown.get(key) === text) return;
    shown.set(key, text);
    void commands.executeCommand('setContext', key, value);
  };
  const studies = (): void => {
    const all = store.list();
    set('hpo.hasStudies', all.length > 0);
    set(
      'hpo.hasBest',
      all.some((view) => view.incumbent !== null),
    );
    const views = all.filter((view) => stateHere(view) !== 'moved');
    set(
      'hpo.hasRunning',
      views.some((view) => view.state === 'running'),
    );
    set(
      'hpo.hasPaused',
      views.some((view) => view.state === 'paused'),
    );
    set(
      'hpo.hasActive',
      views.some((view) => view.state !== 'ended'),
    );
    set(
      'hpo.hasRetriable',
      views.some((view) => view.trials.some(isRetriable)),
    );
    set(
      'hpo.hasFailed',
      views.some((view) => view.trials.some(({ state }) => state === 'failed')),
    );
    set(
      'hpo.hasRunningTrial',
      views.some((view) => view.trials.some((trial) => trial.state === 'running')),
    );
  };
  /** Paths of visible annotated scripts: the editor's title shows the icon there. */
  const editors = async (): Promise<void> => {
    const documents = window.visibleTextEditors.map((editor) => editor.document).filter(isTunable);
    const annotated = await Promise.all(
      documents.map(async (document) => ((await scripts.get(document)) === null ? [] : [document.uri.path])),
    );
    set('hpo.annotatedPaths', annotated.flat());
  };
  const refresh = throttle(studies, refreshMs);
  const following = store.onChange(refresh.call);
  studies();
  void editors();
  return Disposable.from(
    window.onDidChangeVisibleTextEditors(() => void editors()),
    scripts.onDidChange(() => void editors()),
    workspace.onDidOpenTextDocument(() => void editors()),
    new Disposable(() => {
      following[Symbol.dispose]();
      refresh.cancel();
    }),
  );
}
