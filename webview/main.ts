import { BestChart } from './bestChart.ts';
import { refreshControls, registerControls } from './controls.ts';
import { CurvesChart } from './curvesChart.ts';
import { findHost, type Host } from './host.ts';
import { StudyPanel } from './panel.ts';
import { type Action, initialState, pageStateOf, reduce } from './state.ts';
import { TrialTable } from './trialTable.ts';

registerControls();
customElements.define('hpo-best-chart', BestChart);
customElements.define('hpo-curves-chart', CurvesChart);
customElements.define('hpo-trial-table', TrialTable);
customElements.define('hpo-study-panel', StudyPanel);
start(findHost());

/** Longest wait between a message and its picture; what the user does is shown at once. */
function start(host: Host): void {
  const frameMs = 250;
  const panel = new StudyPanel();
  let state = initialState({ restored: host.restored, isReadOnly: host.isReadOnly });
  let shownAt = 0;
  let timer: ReturnType<typeof setTimeout> | null = null;

  const show = () => {
    if (timer !== null) clearTimeout(timer);
    timer = null;
    if (document.hidden) return;
    shownAt = performance.now();
    const isPast = state.isReadOnly || (state.view !== null && state.view.movedTo !== null);
    panel.now = isPast ? (state.view?.endedAt ?? lastMoment(state.view)) : Date.now();
    panel.state = state;
  };
  const dispatch = (action: Action) => {
    const isFirst = state.view === null;
    const [next, messages] = reduce(state, action);
    // What an earlier page kept stays until there is a study to keep.
    const kept = pageStateOf(next);
    if (kept !== null && (next.view?.studyId !== state.view?.studyId || next.selectedTrial !== state.selectedTrial))
      host.keep(kept);
    state = next;
    for (const message of messages) host.post(message);
    const isFromHost = action.type === 'entries' || action.type === 'study' || action.type === 'log';
    const waitMs = frameMs - (performance.now() - shownAt);
    if (!isFromHost || isFirst || waitMs <= 0) show();
    else timer ??= setTimeout(show, waitMs);
  };

  panel.dispatch = dispatch;
  panel.state = state;
  panel.now = Date.now();
  document.body.append(panel);
  document.addEventListener('visibilitychange', show);
  // The clock of a running study.
  setInterval(() => {
    if (!state.isReadOnly && state.view !== null && state.view.state !== 'ended' && performance.now() - shownAt > 900) show();
  }, 1_000);
  for (const [event, isPrinting] of [
    ['beforeprint', true],
    ['afterprint', false],
  ] as const) {
    window.addEventListener(event, () => {
      document.documentElement.classList.toggle('printing', isPrinting);
      panel.isPrinting = isPrinting;
    });
  }
  if (host.isReadOnly) {
    for (const query of ['(prefers-color-scheme: dark)', '(prefers-contrast: more)']) {
      window.matchMedia(query).addEventListener('change', refreshControls);
    }
  }
  host.listen(dispatch);
}

/** When a report of a study that still ran was made, as far as its data tells. */
function lastMoment(view: ReturnType<typeof initialState>['view']): number {
  if (view === null) return 0;
  return view.trials.reduce(
    (latest, trial) => Math.max(latest, trial.endedAt ?? 0, trial.startedAt ?? 0, trial.createdAt),
    view.createdAt,
  );
}
