import { html, nothing, type TemplateResult } from 'lit';
import type { TrialState } from '../agent/protocol/study.ts';
import type { StudyView } from '../agent/protocol/view.ts';
import { ChartElement, type Hit, type Pen, type Plot } from './chart.ts';
import { doesLogHelp, isLogByDefault, paddedRange, valueRange } from './chartRange.ts';
import { checkbox } from './controls.ts';
import { formatNumber, plural } from '../agent/protocol/format.ts';
import { baselineValue } from '../agent/protocol/gain.ts';
import { shownState } from '../agent/protocol/waits.ts';
import { bestSoFar, emptyChartReason, mainObjective, trialValue } from './insight.ts';
import { drawMarker, marker } from './marker.ts';
import { trialStates } from './trialRows.ts';

interface Point {
  readonly trial: number;
  readonly state: TrialState;
  /** NaN: it has no value and stands at the bottom edge. */
  readonly value: number;
}

/** Best value so far over the trials, with every trial as a point and the script's own values as a dashed line. */
export class BestChart extends ChartElement {
  static override properties = { ...ChartElement.properties, view: { attribute: false }, isLogWanted: { state: true } };
  declare view: StudyView;
  declare isLogWanted: boolean | null;
  #canLog = false;
  #isLog = false;
  #states = new Set<TrialState>();
  #nBeyond = 0;
  #hasBaseline = false;

  constructor() {
    super();
    this.isLogWanted = null;
  }

  protected heading(): string {
    return 'Best so far';
  }

  protected plot(): Plot | string {
    const { view } = this;
    const objective = mainObjective(view);
    this.#canLog = false;
    if (objective === null)
      return 'This study has no objective, so there is no best value to draw. Add one with "# @hpo.objective".';
    const points = pointsOf(view, objective.metric);
    const baseline = baselineValue(view, objective.metric);
    const values = points.map((point) => point.value);
    const range = valueRange(baseline === null ? values : [...values, baseline], objective.direction);
    if (range === null) return emptyChartReason(view, objective.metric);
    this.#canLog = doesLogHelp(range);
    this.#states = new Set(points.map((point) => point.state));
    this.#nBeyond = range.nBeyond;
    this.#hasBaseline = baseline !== null;
    this.#isLog = this.#canLog && (this.isLogWanted ?? isLogByDefault(range));
    const y = paddedRange(range, this.#isLog);
    const line = bestSoFar(view, objective);
    const best = line.best.at(-1) ?? null;
    const nTrials = view.trials.length;
    return {
      title: 'Best so far',
      summary: `${plural(nTrials, 'trial')}, ${objective.metric} to be ${objective.direction === 'max' ? 'as large' : 'as small'} as possible. ${
        best === null
          ? 'No trial is complete yet.'
          : `The best is ${formatNumber(best)} of trial ${view.incumbent ?? line.best.indexOf(best)}.`
      }${baseline === null ? '' : ` The script's own values reach ${formatNumber(baseline)}.`} Left and right arrow keys walk the trials.`,
      xLabel: 'trial',
      x: [-0.6, Math.max(nTrials - 0.4, 4.6)],
      y,
      isLog: this.#isLog,
      draw: (pen) => this.#drawAll(pen, points, y, line.best, baseline),
      hit: (left, top, pen) => nearest(left, top, pen, points, y, objective.metric),
      walk: points.map((point) => point.trial),
    };
  }

  protected controls(): TemplateResult {
    if (!this.#canLog) return html``;
    return checkbox({ label: 'Log axis', isChecked: this.#isLog, onChange: (is) => (this.isLogWanted = is) });
  }

  protected legend(): TemplateResult {
    return html`<p class="legend">
      ${this.view.incumbent === null ? nothing : html`<span><i class="line best"></i>best</span>`}
      ${this.#hasBaseline ? html`<span><i class="line baseline"></i>script's own values</span>` : nothing}
      ${trialStates.filter((state) => this.#states.has(state)).map((state) => html`<span>${marker(state)}${state}</span>`)}
      ${this.#nBeyond > 0 ? html`<span class="muted">${plural(this.#nBeyond, 'value')} beyond the axis, at its edge</span>` : nothing}
    </p>`;
  }

  #drawAll(
    pen: Pen,
    points: readonly Point[],
    y: readonly [number, number],
    best: readonly (number | null)[],
    baseline: number | null,
  ): void {
    const { ctx, theme, ratio, px, py, box } = pen;
    if (baseline !== null) {
      ctx.setLineDash([6 * ratio, 5 * ratio]);
      stroke(ctx, theme.baseline, 1.5 * ratio, (path) => {
        path.moveTo(box.left, py(clamp(baseline, y)));
        path.lineTo(box.right, py(clamp(baseline, y)));
      });
      ctx.setLineDash([]);
    }
    const size = (points.length > 1_000 ? 6 : points.length > 200 ? 8 : 11) * ratio;
    // The line goes under the points where they are few and can be told apart, over them where they are a cloud.
    const line = () =>
      stroke(ctx, theme.best, 2 * ratio, (path) => {
        let isDown = false;
        for (const [number, value] of best.entries()) {
          if (value === null) continue;
          const x = px(number);
          const level = py(clamp(value, y));
          if (isDown) path.lineTo(x, py(clamp(best[number - 1] ?? value, y)));
          if (isDown) path.lineTo(x, level);
          else path.moveTo(x, level);
          isDown = true;
        }
      });
    if (points.length <= 200) line();
    ctx.globalAlpha = points.length > 1_000 ? 0.55 : 0.9;
    for (const point of points) {
      const isAlone = Number.isNaN(point.value);
      drawMarker(
        ctx,
        point.state,
        px(point.trial),
        isAlone ? box.bottom - size / 2 : py(clamp(point.value, y)),
        size,
        theme.states[point.state],
      );
    }
    ctx.globalAlpha = 1;
    if (points.length > 200) line();
    const chosen = points.find((point) => point.trial === this.selected);
    if (chosen !== undefined) {
      const level = Number.isNaN(chosen.value) ? box.bottom - size / 2 : py(clamp(chosen.value, y));
      stroke(ctx, theme.selected, 2 * ratio, (path) => path.arc(px(chosen.trial), level, size * 0.95, 0, 2 * Math.PI));
    }
  }
}

function pointsOf(view: StudyView, metric: string): Point[] {
  return view.trials.flatMap((trial): Point[] => {
    const value = trialValue(trial, metric)?.value ?? Number.NaN;
    if (!Number.isNaN(value)) return [{ trial: trial.number, state: shownState(trial), value }];
    return trial.state === 'failed' || trial.state === 'infeasible'
      ? [{ trial: trial.number, state: trial.state, value: Number.NaN }]
      : [];
  });
}

function nearest(
  left: number,
  top: number,
  pen: Pen,
  points: readonly Point[],
  y: readonly [number, number],
  metric: string,
): Hit | null {
  const { ratio, box } = pen;
  let best: Point | null = null;
  let least = 16 ** 2;
  for (const point of points) {
    const dx = (pen.px(point.trial) - box.left) / ratio - left;
    const level = Number.isNaN(point.value) ? box.bottom - 4 * ratio : pen.py(clamp(point.value, y));
    const distance = dx ** 2 + ((level - box.top) / ratio - top) ** 2;
    if (distance < least) [best, least] = [point, distance];
  }
  if (best === null) return null;
  return {
    trial: best.trial,
    text: `Trial ${best.trial} · ${best.state}${Number.isNaN(best.value) ? '' : ` · ${metric} ${formatNumber(best.value)}`}`,
  };
}

export function clamp(value: number, [low, high]: readonly [number, number]): number {
  return Math.min(high, Math.max(low, value));
}

export function stroke(
  ctx: CanvasRenderingContext2D,
  colour: string,
  width: number,
  trace: (path: CanvasRenderingContext2D) => void,
): void {
  ctx.strokeStyle = colour;
  ctx.lineWidth = width;
  ctx.lineJoin = 'round';
  ctx.beginPath();
  trace(ctx);
  ctx.stroke();
}
