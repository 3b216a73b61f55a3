import { html, svg, type TemplateResult } from 'lit';
import type { TrialState } from '../agent/protocol/study.ts';

/** Each state has a shape as well as a colour, the same in charts, legends and the table. Drawn in a box of 12 × 12. */
const shapes: Record<TrialState, { readonly path: string; readonly isFilled: boolean }> = {
  complete: { path: 'M6 1.8a4.2 4.2 0 1 0 0 8.4a4.2 4.2 0 1 0 0-8.4z', isFilled: true },
  running: { path: 'M3 1.6L10.4 6L3 10.4z', isFilled: true },
  waiting: { path: 'M6 3.4a2.6 2.6 0 1 0 0 5.2a2.6 2.6 0 1 0 0-5.2z', isFilled: false },
  paused: { path: 'M4 2v8M8 2v8', isFilled: false },
  pruned: { path: 'M6 1.4L10.6 6L6 10.6L1.4 6z', isFilled: false },
  failed: { path: 'M2.4 2.4l7.2 7.2M9.6 2.4l-7.2 7.2', isFilled: false },
  infeasible: { path: 'M6 1.6L11 10.4H1z', isFilled: false },
  cancelled: { path: 'M2 6h8', isFilled: false },
};

export function marker(state: TrialState): TemplateResult {
  const { path, isFilled } = shapes[state];
  return html`<svg class="marker" viewBox="0 0 12 12" aria-hidden="true" style="color: var(--state-${state})">
    ${svg`<path d=${path} fill=${isFilled ? 'currentColor' : 'none'} stroke="currentColor" stroke-width="1.6" stroke-linejoin="round" stroke-linecap="round"></path>`}
  </svg>`;
}

const paths = new Map<TrialState, Path2D>();

/** The same shape on a canvas, centred at (x, y); `size` is its width in canvas pixels. */
export function drawMarker(
  ctx: CanvasRenderingContext2D,
  state: TrialState,
  x: number,
  y: number,
  size: number,
  colour: string,
): void {
  const { path, isFilled } = shapes[state];
  let shape = paths.get(state);
  if (shape === undefined) {
    shape = new Path2D(path);
    paths.set(state, shape);
  }
  const scale = size / 12;
  const before = ctx.getTransform();
  ctx.translate(x - 6 * scale, y - 6 * scale);
  ctx.scale(scale, scale);
  ctx.lineWidth = 1.6;
  ctx.strokeStyle = colour;
  ctx.fillStyle = colour;
  if (isFilled) ctx.fill(shape);
  else ctx.stroke(shape);
  ctx.setTransform(before);
}
