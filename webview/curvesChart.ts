import { html, nothing, type TemplateResult } from 'lit';
import type { TrialState } from '../agent/protocol/study.ts';
import { metricNumber, type StudyView, type TrialView } from '../agent/protocol/view.ts';
import { clamp, stroke } from './bestChart.ts';
import { ChartElement, type Hit, type Pen, type Plot } from './chart.ts';
import { doesLogHelp, isLogByDefault, paddedRange, valueRange } from './chartRange.ts';
import { checkbox, choice } from './controls.ts';
import { formatNumber, plural } from '../agent/protocol/format.ts';
import { shownState } from '../agent/protocol/waits.ts';
import { emptyChartReason, mainObjective, metricNames, rungsOf } from './insight.ts';
import { marker } from './marker.ts';
import { trialStates } from './trialRows.ts';

interface Curve {
  readonly trial: number;
  readonly state: TrialState;
  readonly steps: Float64Array;
  /** NaN where the metric was not a number: the line has a gap there. */
  readonly values: Float64Array;
  /** Last finite value. */
  readonly last: number;
}

/** Above this many curves the best ones stand out and all others are one faint layer. */
const manyCurves = 500;
const nStrong = 50;

/** Every trial's reports over the resource, with the rungs at which trials are compared. */
export class CurvesChart extends ChartElement {
  static override properties = {
    ...ChartElement.properties,
    view: { attribute: false },
    isLogWanted: { state: true },
    metricWanted: { state: true },
  };
  declare view: StudyView;
  declare isLogWanted: boolean | null;
  declare metricWanted: string | null;
  /** A trial that has not changed is the same object, so its curve is taken from here. */
  #curves = new WeakMap<TrialView, Curve | null>();
  #curvesMetric = '';
  #canLog = false;
  #isLog = false;
  #states = new Set<TrialState>();
  #nFaint = 0;
  #rungs: readonly number[] = [];

  constructor() {
    super();
    this.isLogWanted = null;
    this.metricWanted = null;
  }

  protected heading(): string {
    return 'Learning curves';
  }

  protected plot(): Plot | string {
    const { view } = this;
    const metric = this.#metric();
    this.#canLog = false;
    const curves = view.trials.flatMap((trial) => this.#curveOf(trial, metric) ?? []);
    const direction =
      view.spec.objectives.find((o) => o.metric === metric)?.direction ?? (/acc|auc|f1|score|r2/i.test(metric) ? 'max' : 'min');
    const range = valueRange(curves.flatMap(extremes), direction);
    if (range === null) return emptyChartReason(view, metric);
    this.#canLog = doesLogHelp(range);
    this.#isLog = this.#canLog && (this.isLogWanted ?? isLogByDefault(range));
    this.#states = new Set(curves.map((curve) => curve.state));
    const y = paddedRange(range, this.#isLog);
    const furthest = curves.reduce((max, curve) => Math.max(max, curve.steps.at(-1) ?? 0), 1);
    const xMax = view.spec.fidelity === null ? furthest : Math.max(furthest, Math.min(view.spec.fidelity.max, furthest * 3));
    const xMin = curves.reduce((min, curve) => Math.min(min, curve.steps[0] ?? min), xMax);
    this.#rungs = rungsOf(view).filter((rung) => rung >= xMin && rung <= xMax);
    const ranked = curves.toSorted((a, b) => (direction === 'max' ? b.last - a.last : a.last - b.last));
    const isMany = curves.length > manyCurves;
    const strong = isMany
      ? new Set([...ranked.slice(0, nStrong), ...curves.filter((c) => c.state === 'running').slice(-nStrong)])
      : new Set(curves);
    const faint = isMany ? curves.filter((curve) => !strong.has(curve)) : [];
    this.#nFaint = faint.length;
    const x: [number, number] = [xMin - 0.02 * (xMax - xMin || 1), xMax + 0.02 * (xMax - xMin || 1)];
    return {
      title: 'Learning curves',
      summary: `${metric} of ${plural(curves.length, 'trial')} up to ${view.spec.fidelity?.name ?? 'step'} ${formatNumber(furthest)}.${
        ranked[0] === undefined
          ? ''
          : ` The best curve now is that of trial ${ranked[0].trial} at ${formatNumber(ranked[0].last)}.`
      } Left and right arrow keys walk the trials.`,
      xLabel: view.spec.fidelity?.name ?? 'step',
      x,
      y,
      isLog: this.#isLog,
      draw: (pen) => this.#drawAll(pen, [...strong].toReversed(), faint, y),
      hit: (left, top, pen) =>
        nearest(left, top, pen, isMany ? [...strong] : curves, y, metric, view.spec.fidelity?.name ?? 'step'),
      walk: curves.map((curve) => curve.trial),
    };
  }

  protected controls(): TemplateResult {
    const names = metricNames(this.view);
    return html`
      ${names.length > 1 ? choice({ label: 'Metric of the curves', value: this.#metric(), choices: names, onChange: (name) => (this.metricWanted = name) }) : nothing}
      ${this.#canLog ? checkbox({ label: 'Log axis', isChecked: this.#isLog, onChange: (is) => (this.isLogWanted = is) }) : nothing}
    `;
  }

  protected legend(): TemplateResult {
    const { view } = this;
    return html`<p class="legend">
      ${view.incumbent === null ? nothing : html`<span><i class="line best"></i>best</span>`}
      ${this.selected === null ? nothing : html`<span><i class="line selected"></i>trial ${this.selected}</span>`}
      ${trialStates.filter((state) => this.#states.has(state)).map((state) => html`<span>${marker(state)}${state}</span>`)}
      ${this.#rungs.length > 0 ? html`<span><i class="line rung"></i>rungs ${this.#rungs.map((rung) => formatNumber(rung)).join(', ')}</span>` : nothing}
      ${this.#nFaint > 0 ? html`<span class="muted">best ${nStrong} strong, ${formatNumber(this.#nFaint)} others faint</span>` : nothing}
    </p>`;
  }

  #metric(): string {
    return this.metricWanted ?? mainObjective(this.view)?.metric ?? metricNames(this.view)[0] ?? 'metric';
  }

  #curveOf(trial: TrialView, metric: string): Curve | null {
    if (metric !== this.#curvesMetric) {
      this.#curves = new WeakMap();
      this.#curvesMetric = metric;
    }
    let curve = this.#curves.get(trial);
    if (curve === undefined) {
      curve = makeCurve(trial, metric);
      this.#curves.set(trial, curve);
    }
    return curve;
  }

  #drawAll(pen: Pen, strong: readonly Curve[], faint: readonly Curve[], y: readonly [number, number]): void {
    const { ctx, theme, ratio, box } = pen;
    ctx.setLineDash([3 * ratio, 4 * ratio]);
    ctx.globalAlpha = 0.7;
    for (const rung of this.#rungs) {
      stroke(ctx, theme.muted, ratio, (path) => {
        path.moveTo(pen.px(rung), box.top);
        path.lineTo(pen.px(rung), box.bottom);
      });
    }
    ctx.setLineDash([]);
    // Stroke by stroke, so that the cloud is darker where more curves run; the more there are, the fainter each.
    ctx.globalAlpha = Math.max(0.025, Math.min(0.25, 60 / faint.length));
    for (const curve of faint) draw(pen, curve, y, theme.muted, ratio);
    ctx.globalAlpha = strong.length > 100 ? 0.4 : strong.length > 30 ? 0.6 : 0.8;
    for (const curve of strong) draw(pen, curve, y, theme.states[curve.state], 1.25 * ratio);
    ctx.globalAlpha = 1;
    for (const [number, colour] of [
      [this.view.incumbent, theme.best],
      [this.selected, theme.selected],
    ] as const) {
      const trial = number === null ? undefined : this.view.trials[number];
      const curve = trial === undefined ? null : this.#curveOf(trial, this.#metric());
      if (curve === null) continue;
      draw(pen, curve, y, theme.background, 5 * ratio);
      draw(pen, curve, y, colour, 2.5 * ratio);
    }
  }
}

function makeCurve(trial: TrialView, metric: string): Curve | null {
  const points = trial.curve.filter((point) => point.values[metric] !== undefined);
  if (points.length === 0) return null;
  const values = Float64Array.from(points, (point) => metricNumber(point.values[metric]));
  const last = values.findLast((value) => Number.isFinite(value));
  if (last === undefined) return null;
  return { trial: trial.number, state: shownState(trial), steps: Float64Array.from(points, (point) => point.step), values, last };
}

function extremes(curve: Curve): number[] {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (const value of curve.values) {
    if (!Number.isFinite(value)) continue;
    min = Math.min(min, value);
    max = Math.max(max, value);
  }
  return [min, max];
}

function draw(pen: Pen, curve: Curve, y: readonly [number, number], colour: string, width: number): void {
  stroke(pen.ctx, colour, width, (path) => trace(path, pen, curve, y));
  // A single report is no line, and would not be seen.
  if (curve.steps.length > 1) return;
  pen.ctx.fillStyle = colour;
  pen.ctx.beginPath();
  pen.ctx.arc(pen.px(curve.steps[0] ?? 0), pen.py(clamp(curve.last, y)), Math.max(width, 2 * pen.ratio), 0, 2 * Math.PI);
  pen.ctx.fill();
}

function trace(path: CanvasRenderingContext2D, pen: Pen, curve: Curve, y: readonly [number, number]): void {
  let previous = Number.POSITIVE_INFINITY;
  for (const [i, step] of curve.steps.entries()) {
    const value = curve.values[i] ?? Number.NaN;
    if (Number.isNaN(value)) {
      previous = Number.POSITIVE_INFINITY;
      continue;
    }
    // A step back is an attempt that began again: a new line.
    if (step <= previous) path.moveTo(pen.px(step), pen.py(clamp(value, y)));
    else path.lineTo(pen.px(step), pen.py(clamp(value, y)));
    previous = step;
  }
}

function nearest(
  left: number,
  top: number,
  pen: Pen,
  curves: readonly Curve[],
  y: readonly [number, number],
  metric: string,
  resource: string,
): Hit | null {
  const { ratio, box } = pen;
  let best: { curve: Curve; step: number; value: number } | null = null;
  let least = 14 ** 2;
  for (const curve of curves) {
    for (const [i, step] of curve.steps.entries()) {
      const dx = (pen.px(step) - box.left) / ratio - left;
      if (dx > 14) break;
      if (dx < -14) continue;
      const value = curve.values[i] ?? Number.NaN;
      const distance = dx ** 2 + ((pen.py(clamp(value, y)) - box.top) / ratio - top) ** 2;
      if (distance < least) [best, least] = [{ curve, step, value }, distance];
    }
  }
  if (best === null) return null;
  return {
    trial: best.curve.trial,
    text: `Trial ${best.curve.trial} · ${best.curve.state} · ${metric} ${formatNumber(best.value)} at ${resource} ${formatNumber(best.step)}`,
  };
}
