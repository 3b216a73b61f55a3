import { Disposable, StatusBarAlignment, type StatusBarItem, ThemeColor, window } from 'vscode';
import { adviceOf } from '../../agent/protocol/failureAdvice.ts';
import { stateHere, type StudyView } from '../../agent/protocol/view.ts';
import { waitLine, waitsOf } from '../../agent/protocol/waits.ts';
import { throttle } from '../client/throttle.ts';
import { environmentText, progressText, stateText, waitingText } from '../format.ts';
import type { Services } from '../services.ts';
import { printable } from '../../agent/protocol/printable.ts';

const refreshMs = 500;

/** `$(beaker) 3/20 · best 0.912` of the study that runs, else of the active script's newest study; a click shows it. */
export class StudyStatus extends Disposable {
  readonly #services: Pick<Services, 'store'>;
  readonly #item: StatusBarItem;
  readonly #subscriptions: Disposable;

  constructor(services: Pick<Services, 'store'>) {
    super(() => this.#subscriptions.dispose());
    this.#services = services;
    this.#item = window.createStatusBarItem('hpo.study', StatusBarAlignment.Left);
    this.#item.name = 'HPO study';
    const refresh = throttle(() => this.#draw(), refreshMs);
    const following = services.store.onChange(refresh.call);
    this.#subscriptions = Disposable.from(
      this.#item,
      window.onDidChangeActiveTextEditor(() => this.#draw()),
      new Disposable(() => {
        following[Symbol.dispose]();
        refresh.cancel();
      }),
    );
  }

  #draw(): void {
    const view = this.#shown();
    if (view === undefined) return this.#item.hide();
    const waiting = waitingText(view);
    this.#item.text = `$(beaker) ${progressText(view)}${waiting === '' ? '' : ` · ${waiting}`}${pauseIcon(view)}`;
    this.#item.backgroundColor =
      view.failure === null || view.movedTo !== null ? undefined : new ThemeColor('statusBarItem.warningBackground');
    const advice = view.failure === null || view.movedTo !== null ? '' : `\n${adviceOf(view.failure)}`;
    const waits = waiting === '' ? [] : waitsOf(view).map((wait) => `\n${waitLine(wait)}`);
    this.#item.tooltip = printable(
      `${view.spec.name}: ${view.message === '' || view.movedTo !== null ? stateText(view) : view.message}${advice}${waits.join('')}\n${environmentText(view.spec)}`,
    );
    this.#item.accessibilityInformation = {
      label: `HPO study ${view.spec.name}, ${stateText(view)}, ${progressText(view).replace('/', ' of ')} trials${waiting === '' ? '' : `, ${waiting}`}`,
    };
    this.#item.command = { command: 'hpo.showPanel', title: 'Show Study Panel', arguments: [view.studyId] };
    return this.#item.show();
  }

  #shown(): StudyView | undefined {
    const path = window.activeTextEditor?.document.uri.fsPath;
    const ofFile = path === undefined ? [] : this.#services.store.ofFile(path);
    return ofFile.find(isActive) ?? this.#services.store.list().find(isActive) ?? ofFile[0];
  }
}

function pauseIcon(view: StudyView): string {
  if (stateHere(view) !== 'paused') return '';
  return view.failure === null ? ' $(debug-pause)' : ' $(warning)';
}

function isActive(view: StudyView): boolean {
  return !['ended', 'moved'].includes(stateHere(view));
}
