import { html, nothing, type PropertyValues, type TemplateResult } from 'lit';
import { countTrials, type StudyView } from '../agent/protocol/view.ts';
import { formatNumber } from '../agent/protocol/format.ts';
import { isEnded, mainObjective, trialValue } from './insight.ts';
import { LightElement } from './lightElement.ts';
import { marker } from './marker.ts';
import type { Action, PanelState } from './state.ts';
import { studyHeader, studyTiles } from './studyHeader.ts';
import { studyRecord } from './studyRecord.ts';
import { trialDetails } from './trialDetails.ts';
import { trialStates } from './trialRows.ts';

/** The whole page. It shows `state` and turns what the user does into actions. */
export class StudyPanel extends LightElement {
  static override properties = {
    state: { attribute: false },
    now: { type: Number },
    isPrinting: { type: Boolean },
    announcement: { state: true },
  };
  declare state: PanelState;
  declare now: number;
  declare isPrinting: boolean;
  declare announcement: string;
  dispatch: (action: Action) => void = () => {};
  #announcedAt = 0;
  #wasStopAsked = false;

  constructor() {
    super();
    this.announcement = '';
    this.isPrinting = false;
    this.addEventListener('trial-selected', (event) =>
      this.dispatch({ type: 'trialSelected', trial: (event as CustomEvent<number>).detail }),
    );
    this.addEventListener('column-clicked', (event) =>
      this.dispatch({ type: 'columnClicked', key: (event as CustomEvent<string>).detail }),
    );
  }

  protected override willUpdate(changed: PropertyValues<this>): void {
    const before = changed.get('state')?.view;
    const now = this.state.view;
    // At most one sentence in five seconds, so that a screen reader stays usable while trials come fast.
    if (before === undefined || before === null || now === null || this.now - this.#announcedAt < 5_000) return;
    const sentence = newsOf(before, now);
    if (sentence === null) return;
    this.announcement = sentence;
    this.#announcedAt = this.now;
  }

  protected override render(): TemplateResult {
    const { state, now } = this;
    const { view } = state;
    if (view === null) return waiting(state);
    const shown =
      view.trials[state.selectedTrial ?? view.incumbent ?? -1] ??
      view.trials.find((trial) => trial.failure !== null) ??
      view.trials[0];
    return html`<main class="panel">
      ${studyHeader({
        view,
        notice: state.notice,
        isReadOnly: state.isReadOnly,
        isStopAsked: state.isStopAsked,
        onHost: (message) => this.dispatch({ type: 'hostAsked', message }),
        onStop: (isAsked) => this.dispatch({ type: isAsked ? 'stopAsked' : 'stopDismissed' }),
      })}
      ${studyTiles(view, now)}
      <section class="charts" aria-label="Charts">
        <hpo-best-chart .view=${view} .selected=${state.selectedTrial}></hpo-best-chart>
        <hpo-curves-chart .view=${view} .selected=${state.selectedTrial}></hpo-curves-chart>
      </section>
      <section class="trials" aria-label="Trials">
        ${this.#filters(view)}
        <div class="split">
          <hpo-trial-table .view=${view} .sort=${state.sort} .states=${state.states} .selected=${state.selectedTrial} .now=${now} .isPrinting=${this.isPrinting}></hpo-trial-table>
          <aside class="details" aria-label="Trial in detail">${
            shown === undefined
              ? html`<p class="empty">A trial's values, why it was tried and what came of it stand here, from the first trial on.</p>`
              : trialDetails({
                  view,
                  trial: shown,
                  now,
                  log: state.log,
                  onOpenLog: state.isReadOnly
                    ? null
                    : (trial) => this.dispatch({ type: 'hostAsked', message: { type: 'openLog', trial } }),
                })
          }</aside>
        </div>
      </section>
      ${
        state.isReadOnly
          ? html`<section class="record-section"><h2>To run it again</h2>${studyRecord(view)}</section>`
          : html`<details class="record-section"><summary>Space, search and environment</summary>${studyRecord(view)}</details>`
      }
      <div class="sr-only" role="status" aria-live="polite">${this.announcement}</div>
    </main>`;
  }

  protected override updated(): void {
    const { isStopAsked } = this.state;
    if (isStopAsked !== this.#wasStopAsked) {
      // The buttons were exchanged under the focus: it goes on to their successors.
      this.querySelector<HTMLElement>(isStopAsked ? '[data-action="keepGoing"]' : '[data-action="stop"]')?.focus();
    }
    this.#wasStopAsked = isStopAsked;
  }

  #filters(view: StudyView): TemplateResult {
    const counts = countTrials(view);
    const { states } = this.state;
    return html`<div class="filters">
      <h2>Trials</h2>
      <div class="chips" role="group" aria-label="Show only trials that are">
        ${trialStates
          .filter((state) => counts[state] > 0 || states.includes(state))
          .map(
            (state) => html`<button
          type="button" class="chip filter" data-state=${state} aria-pressed=${states.includes(state)} @click=${() => this.dispatch({ type: 'stateToggled', state })}
        >${marker(state)}${state} <span class="n">${formatNumber(counts[state])}</span></button>`,
          )}
        ${states.length === 0 ? nothing : html`<button type="button" class="chip clear" @click=${() => this.dispatch({ type: 'filterCleared' })}>clear filter</button>`}
      </div>
    </div>`;
  }
}

function waiting(state: PanelState): TemplateResult {
  return html`<main class="panel">
    ${
      state.notice === null
        ? html`<p class="empty big" role="status">Waiting for the study from the agent …</p>`
        : html`<p class="banner ${state.notice.severity}" role="status">${state.notice.text}</p>`
    }
  </main>`;
}

/** "Trial 12 complete, 0.91, best 0.93": the latest of the trials that ended between the two views. */
function newsOf(before: StudyView, now: StudyView): string | null {
  if (before.state !== now.state) return `The study is ${now.state}. ${now.message}`;
  const ended = now.trials.findLast((trial) => isEnded(trial) && before.trials[trial.number]?.endedAt == null);
  const objective = mainObjective(now);
  if (ended === undefined || objective === null) return null;
  const value = trialValue(ended, objective.metric);
  const best = now.incumbent === null ? undefined : now.trials[now.incumbent];
  const bestValue = best === undefined ? null : trialValue(best, objective.metric);
  return `Trial ${ended.number} ${ended.state}${value === null ? '' : `, ${formatNumber(value.value)}`}${bestValue === null ? '' : `, best ${formatNumber(bestValue.value)}`}`;
}
