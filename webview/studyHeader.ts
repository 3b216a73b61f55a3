import { html, nothing, type TemplateResult } from 'lit';
import { adviceOf, failedTrial } from '../agent/protocol/failureAdvice.ts';
import { formatDuration, formatNumber, formatValue, noValue as dash } from '../agent/protocol/format.ts';
import { gainFigure, gainOf, gainSentence, noGainReason } from '../agent/protocol/gain.ts';
import type { Failure } from '../agent/protocol/study.ts';
import { countTrials, stateHere, type StudyView } from '../agent/protocol/view.ts';
import { shownState, waitLine, waitsOf } from '../agent/protocol/waits.ts';
import { button } from './controls.ts';
import type { Notice, ToHost } from './contract.ts';
import { budgetUse, elapsedMs, etaMs, mainObjective, spentText, trialValue } from './insight.ts';
import { marker } from './marker.ts';
import { trialStates } from './trialRows.ts';

/** Name, state and commands of the study. */
export function studyHeader(options: {
  readonly view: StudyView;
  readonly notice: Notice | null;
  readonly isReadOnly: boolean;
  readonly isStopAsked: boolean;
  readonly onHost: (message: ToHost) => void;
  readonly onStop: (isAsked: boolean) => void;
}): TemplateResult {
  const { view, notice, isReadOnly } = options;
  const subtitle = [
    isReadOnly ? 'tuning report' : null,
    view.spec.script === view.spec.name ? null : view.spec.script,
    `started ${new Date(view.createdAt).toLocaleString()}`,
    `study ${view.studyId}`,
  ];
  return html`
    <header class="study-head">
      <div class="title">
        <h1>${view.spec.name}</h1>
        <span class="chip study-${view.deleted ? 'ended' : stateHere(view)}">${view.deleted ? 'deleted' : stateHere(view)}</span>
        <span class="muted subtitle">${subtitle.filter((part) => part !== null).join(' · ')}</span>
      </div>
      ${isReadOnly ? nothing : toolbar(options)}
    </header>
    ${notice === null ? nothing : html`<p class="banner ${notice.severity}" role=${notice.severity === 'error' ? 'alert' : 'status'}>${notice.text}</p>`}
    ${view.movedTo === null ? news(options) : moved(view.movedTo)}
  `;
}

function news(options: Parameters<typeof studyHeader>[0]): TemplateResult {
  const { view } = options;
  return html`${view.failure === null ? message(view) : fault(options, view.failure)}${waiting(view)}`;
}

/** What is shown is how the study was then. */
function moved(place: string): TemplateResult {
  return html`<p class="banner info" role="status">The study has moved to ${place}: the agent there acts on it. This is how it was when it moved.</p>`;
}

/** Why trials that were asked for have not begun. */
function waiting(view: StudyView): TemplateResult | typeof nothing {
  const waits = view.state === 'ended' ? [] : waitsOf(view);
  if (waits.length === 0) return nothing;
  return html`<div class="banner info" role="status">${waits.map((wait) => html`<p>${waitLine(wait)}</p>`)}</div>`;
}

function message(view: StudyView): TemplateResult | typeof nothing {
  if (view.message === '') return nothing;
  return html`<p class="banner ${view.endReason === 'failed' ? 'error' : 'info'}">${view.message}</p>`;
}

/** Why the study paused itself, what mends it, and the log that says more. */
function fault({ view, isReadOnly, onHost }: Parameters<typeof studyHeader>[0], failure: Failure): TemplateResult {
  const trial = failedTrial(view);
  return html`<div class="banner error fault" role="alert">
    <p>Paused by itself. ${view.message}</p>
    <p>${adviceOf(failure)}</p>
    ${isReadOnly || trial === null ? nothing : button({ id: 'faultLog', label: `Show log of trial ${trial}`, onClick: () => onHost({ type: 'openLog', trial }) })}
  </div>`;
}

function toolbar(options: Parameters<typeof studyHeader>[0]): TemplateResult {
  const { view, onHost, onStop, isStopAsked } = options;
  const state = stateHere(view);
  const isLive = (state === 'running' || state === 'paused') && !view.deleted;
  if (isStopAsked && isLive) {
    const live = liveText(view);
    return html`<div class="toolbar confirm" role="group" aria-label="Stop the study?" @keydown=${(event: KeyboardEvent) => event.key === 'Escape' && onStop(false)}>
      <span>Stop for good?${live === '' ? '' : ` ${live} now.`}</span>
      ${button({ id: 'confirmStop', label: 'Stop study', isPrimary: true, onClick: () => onHost({ type: 'command', command: { type: 'stop' } }) })}
      ${button({ id: 'keepGoing', label: 'Keep going', onClick: () => onStop(false) })}
    </div>`;
  }
  const hasBest = view.incumbent !== null;
  return html`<div class="toolbar" role="group" aria-label="Study">
    ${button({ id: 'insertBest', label: 'Insert best', isPrimary: true, isDisabled: !hasBest, title: hasBest ? 'Write the best values into the script' : 'No trial is complete yet', onClick: () => onHost({ type: 'insertBest' }) })}
    ${isLive && view.state === 'running' ? button({ id: 'pause', label: 'Pause', title: 'No new trial starts until you resume', onClick: () => onHost({ type: 'command', command: { type: 'pause' } }) }) : nothing}
    ${isLive && view.state === 'paused' ? button({ id: 'resume', label: 'Resume', onClick: () => onHost({ type: 'command', command: { type: 'resume' } }) }) : nothing}
    ${isLive ? button({ id: 'stop', label: 'Stop…', title: 'End the study; results stay', onClick: () => onStop(true) }) : nothing}
    ${button({ id: 'openSource', label: 'Open source', onClick: () => onHost({ type: 'openSource' }) })}
  </div>`;
}

/** `2 running and 1 waiting trials end`; empty where none was started. */
function liveText(view: StudyView): string {
  const states = view.trials.filter((trial) => trial.state === 'running').map(shownState);
  const parts = (['running', 'waiting'] as const)
    .map((state) => [states.filter((one) => one === state).length, state] as const)
    .filter(([count]) => count > 0);
  if (parts.length === 0) return '';
  return `${parts.map(([count, state]) => `${count} ${state}`).join(' and ')} ${states.length === 1 ? 'trial ends' : 'trials end'}`;
}

/** The figures that matter: best, gain, progress, time. */
export function studyTiles(view: StudyView, now: number): TemplateResult {
  const counts = countTrials(view);
  const [trials, ...limits] = orderedBudget(view, now);
  const eta = etaMs(view, now);
  const spent = spentText(view, now);
  const ended = view.trials.filter((trial) => trial.endedAt !== null).length;
  return html`<section class="tiles" aria-label="Summary">
    ${bestTile(view)}
    ${gainTile(view)}
    <div class="tile">
      <h2>Trials</h2>
      <p class="figure">${formatNumber(ended)}<span class="of">${view.spec.budget.trials === null ? ' done' : ` of ${formatNumber(view.spec.budget.trials)} done`}</span></p>
      ${trials === undefined ? nothing : progress(trials.label, trials.used, trials.limit)}
      <p class="small">${trialStates.filter((state) => counts[state] > 0).map((state) => html`<span class="state">${marker(state)}${formatNumber(counts[state])} ${state}</span> `)}${view.trials.length === 0 ? 'none yet' : nothing}</p>
    </div>
    <div class="tile">
      <h2>Time</h2>
      <p class="figure">${formatDuration(elapsedMs(view, now))}</p>
      <p class="small">${view.state === 'ended' ? 'in all' : eta === null ? (stateHere(view) === 'running' ? 'the first finished trial gives an estimate' : stateHere(view)) : `about ${formatDuration(eta)} to go`}</p>
      ${spent === null ? nothing : html`<p class="small" data-figure="spent">${spent}</p>`}
      ${view.state === 'ended' || view.movedTo !== null ? nothing : limits.map((use) => html`<p class="small">${use.left} of the ${use.label} budget left</p>`)}
    </div>
  </section>`;
}

function orderedBudget(view: StudyView, now: number) {
  const uses = budgetUse(view, now);
  const main = uses.find((use) => use.label === 'trials') ?? uses[0];
  return main === undefined ? [] : [main, ...uses.filter((use) => use !== main)];
}

function bestTile(view: StudyView): TemplateResult {
  const objective = mainObjective(view);
  const best = view.incumbent === null ? undefined : view.trials[view.incumbent];
  const value = best === undefined || objective === null ? null : trialValue(best, objective.metric);
  const figure = value === null ? dash : formatNumber(value.value);
  return html`<div class="tile wide">
    <h2>Best <span class="of">${objective === null ? '' : `${objective.metric} (${objective.direction})`}</span></h2>
    <p class="figure" data-figure="best">${figure}${best === undefined ? nothing : html`<span class="of"> trial ${best.number}</span>`}</p>
    <p class="small params">${
      best === undefined
        ? html`<span class="muted">${view.spec.objectives.length > 1 ? 'Several objectives have no single best.' : view.state === 'ended' ? 'No trial was completed.' : 'No trial is complete yet.'}</span>`
        : Object.entries(best.params).map(
            ([name, param]) => html`<span class="param"><span class="muted">${name}</span> ${formatValue(param)}</span> `,
          )
    }</p>
  </div>`;
}

function gainTile(view: StudyView): TemplateResult {
  const best = view.incumbent === null ? undefined : view.trials[view.incumbent];
  const gain = best === undefined ? null : gainOf(view, best);
  return html`<div class="tile">
    <h2>Gain</h2>
    <p class="figure ${gain?.verdict ?? ''}" data-figure="gain">${gain === null ? dash : gainFigure(gain)}</p>
    <p class="small">${gain === null ? noGainReason(view) : gainSentence(gain)}</p>
  </div>`;
}

function progress(label: string, used: number, limit: number): TemplateResult {
  const percent = limit > 0 ? Math.min(100, (100 * used) / limit) : 0;
  return html`<div class="progress" role="progressbar" aria-label="Used of the ${label} budget" aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(percent)}>
    <div style="width: ${percent}%"></div>
  </div>`;
}
