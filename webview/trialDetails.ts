import { html, nothing, type TemplateResult } from 'lit';
import { attemptText } from '../agent/protocol/attempts.ts';
import { droppedText } from '../agent/protocol/dropped.ts';
import { formatDuration, formatMetric, formatNumber, formatValue, noValue as dash, plural } from '../agent/protocol/format.ts';
import { gainFigure, gainOf, gainSentence } from '../agent/protocol/gain.ts';
import type { StudyView, TrialView } from '../agent/protocol/view.ts';
import { shownState } from '../agent/protocol/waits.ts';
import { button } from './controls.ts';
import type { ToPage } from './contract.ts';
import { trialValue } from './insight.ts';
import { marker } from './marker.ts';
import { durationMs, isSame } from './trialRows.ts';

/** Everything about one trial: why it was proposed, with what it ran, what came out and what to do next. */
export function trialDetails(options: {
  readonly view: StudyView;
  readonly trial: TrialView;
  readonly now: number;
  readonly log: Extract<ToPage, { type: 'log' }> | null;
  /** Null in a report: there is no log to open. */
  readonly onOpenLog: ((trial: number) => void) | null;
}): TemplateResult {
  const { view, trial, now, log, onOpenLog } = options;
  const gain = gainOf(view, trial);
  const duration = durationMs(trial, now);
  const isBest = trial.number === view.incumbent;
  return html`
    <div class="details-head">
      <h2>${isBest ? 'Best trial' : 'Trial'} ${trial.number}</h2>
      <span class="state">${marker(shownState(trial))}${shownState(trial)}</span>
      ${onOpenLog === null ? nothing : button({ id: 'openLog', label: 'Open log', isDisabled: trial.attempts.length === 0, onClick: () => onOpenLog(trial.number) })}
    </div>
    ${trial.failure === null ? nothing : html`<p class="banner error"><strong>${trial.failure.code}</strong> ${trial.failure.message}</p>`}
    <dl class="facts">
      ${view.spec.objectives.map(({ metric }) => {
        const value = trialValue(trial, metric);
        return html`<div><dt>${metric}</dt><dd class="strong">${value === null ? dash : formatNumber(value.value, 6)}${value === null || value.isFinal ? '' : ' so far'}</dd></div>`;
      })}
      ${gain === null ? nothing : html`<div><dt>gain</dt><dd class=${gain.verdict}><strong>${gainFigure(gain)}</strong> ${gainSentence(gain)}</dd></div>`}
      ${Object.entries(trial.values)
        .filter(([name]) => !view.spec.objectives.some((o) => o.metric === name))
        .map(([name, value]) => html`<div><dt>${name}</dt><dd>${formatMetric(value, 6)}</dd></div>`)}
      ${view.spec.fidelity === null ? nothing : html`<div><dt>${view.spec.fidelity.name}</dt><dd>${formatNumber(trial.resource)} of ${formatNumber(trial.target ?? view.spec.fidelity.max)}</dd></div>`}
      ${duration === null ? nothing : html`<div><dt>duration</dt><dd>${formatDuration(duration)}</dd></div>`}
      ${trial.thinning === null ? nothing : html`<div><dt>reports</dt><dd>${plural(trial.thinning.reports, 'report')}; the curve shows ${trial.curve.length} of them, with the best and the last</dd></div>`}
      ${trial.dropped === null ? nothing : html`<div><dt>left out</dt><dd>${droppedText(trial.dropped, view.spec.limits)}</dd></div>`}
      <div><dt>why</dt><dd>${trial.reason}</dd></div>
    </dl>
    <div class="scroll-x"><table class="plain">
      <thead><tr><th scope="col">Parameter</th><th scope="col" class="numeric">Value</th><th scope="col" class="numeric">Script's own</th></tr></thead>
      <tbody>${view.spec.space.parameters.map((p) => {
        const value = trial.params[p.name];
        const isChanged = value !== undefined && p.default !== undefined && !isSame(value, p.default);
        return html`<tr class=${isChanged ? 'changed' : ''}><th scope="row">${p.name}</th><td class="numeric">${value === undefined ? 'not used' : formatValue(value, 6)}</td><td class="numeric muted">${formatValue(p.default, 6)}</td></tr>`;
      })}</tbody>
    </table></div>
    ${
      trial.attempts.length === 0
        ? nothing
        : html`<h3>${plural(trial.attempts.length, 'attempt')}</h3>
      <ol class="attempts">${trial.attempts.map((attempt) => html`<li value=${attempt.attempt}>${attemptText(attempt, view.spec, now)}</li>`)}</ol>`
    }
    ${log === null || log.trial !== trial.number ? nothing : html`<h3>Log${log.isEnded ? '' : ' so far'}</h3><pre tabindex="0" aria-label="End of the log of trial ${trial.number}">${log.text.slice(-20_000)}</pre>`}
  `;
}
