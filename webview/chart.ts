import { html, type PropertyValues, type TemplateResult } from 'lit';
import uPlot from 'uplot';
import { type ChartTheme, readTheme, watchTheme } from './chartTheme.ts';
import { formatNumber } from '../agent/protocol/format.ts';
import { LightElement } from './lightElement.ts';

/** One picture: what uPlot is told (scales and labels) and how the inside is drawn. */
export interface Plot {
  readonly title: string;
  /** One sentence that says what the picture shows, for those who do not see it. */
  readonly summary: string;
  readonly xLabel: string;
  readonly x: readonly [number, number];
  readonly y: readonly [number, number];
  readonly isLog: boolean;
  /** Draws inside the frame, in canvas pixels. */
  readonly draw: (pen: Pen) => void;
  /** The trial nearest to a place in CSS pixels of the frame; null when none is near. */
  readonly hit: (left: number, top: number, pen: Pen) => Hit | null;
  /** Trials in the order in which the arrow keys walk. */
  readonly walk: readonly number[];
}

export interface Hit {
  readonly trial: number;
  readonly text: string;
}

export interface Pen {
  readonly ctx: CanvasRenderingContext2D;
  readonly theme: ChartTheme;
  /** Canvas pixels per CSS pixel. */
  readonly ratio: number;
  /** Value → canvas pixel. */
  readonly px: (x: number) => number;
  readonly py: (y: number) => number;
  /** Frame in canvas pixels. */
  readonly box: { readonly left: number; readonly top: number; readonly right: number; readonly bottom: number };
}

/** Frame, axes, resizing, theme, tooltip, selection by pointer and arrow keys; subclasses say what is drawn. */
export abstract class ChartElement extends LightElement {
  static override properties = { selected: { type: Number } };
  declare selected: number | null;

  #uplot: uPlot | null = null;
  #plot: Plot | null = null;
  #shape = '';
  #theme: ChartTheme | null = null;
  #resize: ResizeObserver | null = null;
  #watch: Disposable | null = null;

  /** The picture of the current properties; a text when there is nothing to draw yet: why, and what comes next. */
  protected abstract plot(): Plot | string;
  /** Controls beside the title. */
  protected abstract controls(): TemplateResult;
  protected abstract legend(): TemplateResult;

  override connectedCallback(): void {
    super.connectedCallback();
    this.#watch = watchTheme(() => {
      this.#theme = null;
      this.#shape = '';
      this.requestUpdate();
    });
    this.#resize = new ResizeObserver(() => this.#fit());
  }

  override disconnectedCallback(): void {
    super.disconnectedCallback();
    this.#watch?.[Symbol.dispose]();
    this.#resize?.disconnect();
    this.#drop();
  }

  protected override render(): TemplateResult {
    const plot = this.plot();
    this.#plot = typeof plot === 'string' ? null : plot;
    const isEmpty = typeof plot === 'string';
    return html`<div class="chart" role="group" aria-label=${isEmpty ? plot : `${plot.title}. ${plot.summary}`} tabindex="0" @keydown=${this.#walk}>
      <div class="caption"><h2>${this.heading()}</h2>${this.controls()}</div>
      <div class="plot" aria-hidden="true" ?hidden=${isEmpty}><div class="tooltip" hidden></div></div>
      ${isEmpty ? html`<p class="empty">${plot}</p>` : this.legend()}
    </div>`;
  }

  protected abstract heading(): string;

  protected override firstUpdated(): void {
    this.#resize?.observe(this.#host());
  }

  protected override updated(_changed: PropertyValues): void {
    this.draw();
  }

  /** Brings the canvas up to date; nothing happens while the page is hidden. */
  protected draw(): void {
    const plot = this.#plot;
    if (plot === null) {
      this.#drop();
      return;
    }
    const { width, height } = this.#host().getBoundingClientRect();
    if (width < 40 || height < 40) return;
    const shape = `${plot.isLog} ${plot.xLabel}`;
    const data: uPlot.AlignedData = [[...plot.x], [...plot.y]];
    if (this.#uplot === null || shape !== this.#shape) {
      this.#drop();
      this.#shape = shape;
      this.#theme = readTheme();
      this.#uplot = new uPlot(this.#options(plot, this.#theme, width, height), data, this.#host());
      this.#uplot.over.addEventListener('click', this.#click);
      return;
    }
    this.#uplot.setData(data);
  }

  #host(): HTMLElement {
    const host = this.querySelector<HTMLElement>('.plot');
    if (host === null) throw new TypeError('a chart draws only after its first render');
    return host;
  }

  #drop(): void {
    this.#uplot?.destroy();
    this.#uplot = null;
  }

  #fit(): void {
    const { width, height } = this.#host().getBoundingClientRect();
    if (this.#uplot === null) this.draw();
    else if (width >= 40 && (width !== this.#uplot.width || height !== this.#uplot.height))
      this.#uplot.setSize({ width, height });
  }

  #options(plot: Plot, theme: ChartTheme, width: number, height: number): uPlot.Options {
    const axis = {
      stroke: theme.muted,
      font: `11px ${theme.fontFamily}`,
      labelFont: `11px ${theme.fontFamily}`,
      grid: { stroke: theme.grid, width: 1 },
      ticks: { stroke: theme.grid, width: 1, size: 4 },
      values: (_: uPlot, splits: (number | null)[]) => splits.map((v) => (v === null ? '' : formatNumber(v, 6))),
    };
    return {
      width,
      height,
      legend: { show: false },
      padding: [10, 12, 0, 0],
      cursor: { drag: { x: false, y: false }, points: { show: false }, y: false },
      scales: {
        x: { time: false, range: () => [...(this.#plot ?? plot).x] as [number, number] },
        // uPlot declares these numbers as a const enum, which no bundle contains.
        // oxlint-disable-next-line typescript/no-unsafe-enum-assignment
        y: { distr: plot.isLog ? 3 : 1, range: () => [...(this.#plot ?? plot).y] as [number, number] },
      },
      axes: [
        { ...axis, label: plot.xLabel, labelSize: 18, size: 28, space: 46, incrs: wholeSteps },
        {
          ...axis,
          ...(plot.isLog
            ? {
                splits: (_u: uPlot, _axis: number, low: number, high: number) => logSplits(low, high),
                filter: (_u: uPlot, splits: number[]) => splits,
              }
            : {}),
          size: (_, values) => 14 + 6.4 * Math.max(2, ...(values ?? []).map((v) => v.length)),
        },
      ],
      series: [{}, { scale: 'y', paths: () => null, points: { show: false } }],
      hooks: { draw: [(u) => this.#paint(u)], setCursor: [(u) => this.#point(u)] },
    };
  }

  #pen(u: uPlot): Pen | null {
    const plot = this.#plot;
    if (plot === null) return null;
    this.#theme ??= readTheme();
    const { left, top, width, height } = u.bbox;
    const [x0, x1] = plot.x;
    const [y0, y1] = plot.y;
    const toUnit = plot.isLog ? (y: number) => Math.log(y / y0) / Math.log(y1 / y0) : (y: number) => (y - y0) / (y1 - y0);
    return {
      ctx: u.ctx,
      theme: this.#theme,
      ratio: uPlot.pxRatio,
      px: (x) => left + ((x - x0) / (x1 - x0)) * width,
      py: (y) => top + (1 - toUnit(y)) * height,
      box: { left, top, right: left + width, bottom: top + height },
    };
  }

  #paint(u: uPlot): void {
    const pen = this.#pen(u);
    if (pen === null) return;
    const { ctx, box } = pen;
    ctx.save();
    ctx.beginPath();
    ctx.rect(box.left - 1, box.top - 6 * pen.ratio, box.right - box.left + 7 * pen.ratio, box.bottom - box.top + 7 * pen.ratio);
    ctx.clip();
    this.#plot?.draw(pen);
    ctx.restore();
  }

  #hit(u: uPlot): Hit | null {
    const pen = this.#pen(u);
    const { left, top } = u.cursor;
    return pen === null || left === undefined || top === undefined || left < 0 || top < 0
      ? null
      : (this.#plot?.hit(left, top, pen) ?? null);
  }

  #point(u: uPlot): void {
    const tooltip = this.querySelector<HTMLElement>('.tooltip');
    if (tooltip === null) return;
    const hit = this.#hit(u);
    tooltip.hidden = hit === null;
    u.over.style.cursor = hit === null ? 'default' : 'pointer';
    if (hit === null) return;
    tooltip.textContent = hit.text;
    const x = (u.cursor.left ?? 0) + u.over.offsetLeft;
    const isRight = x > u.width * 0.6;
    tooltip.style.left = isRight ? '' : `${x + 14}px`;
    tooltip.style.right = isRight ? `${u.width - x + 14}px` : '';
    tooltip.style.top = `${(u.cursor.top ?? 0) + u.over.offsetTop + 10}px`;
  }

  readonly #click = (): void => {
    const hit = this.#uplot === null ? null : this.#hit(this.#uplot);
    if (hit !== null) this.#select(hit.trial);
  };

  readonly #walk = (event: KeyboardEvent): void => {
    const walk = this.#plot?.walk ?? [];
    const step = event.key === 'ArrowRight' ? 1 : event.key === 'ArrowLeft' ? -1 : 0;
    if (step === 0 || walk.length === 0 || event.target !== event.currentTarget) return;
    event.preventDefault();
    const at = this.selected === null ? -1 : walk.indexOf(this.selected);
    const next = at === -1 ? (step === 1 ? 0 : walk.length - 1) : Math.min(walk.length - 1, Math.max(0, at + step));
    this.#select(walk[next] ?? 0);
  };

  #select(trial: number): void {
    this.dispatchEvent(new CustomEvent('trial-selected', { detail: trial, bubbles: true }));
  }
}

/** Ticks of a logarithmic axis: powers of ten, with 2 and 5 between them where there are few. */
export function logSplits(low: number, high: number): number[] {
  const digits = Math.log10(high / low) > 3 ? [1] : [1, 2, 5];
  const splits: number[] = [];
  for (let exponent = Math.floor(Math.log10(low)); exponent <= Math.log10(high); exponent++) {
    for (const digit of digits) splits.push(Number(`${digit}e${exponent}`));
  }
  return splits.filter((split) => split >= low && split <= high);
}

/** Trials and resources are counted in whole steps. */
const wholeSteps = [1, 2, 5].flatMap((m) => [0, 1, 2, 3, 4, 5, 6, 7].map((e) => m * 10 ** e)).toSorted((a, b) => a - b);
