import type { History } from '../history.ts';
import { type Column, columnsOf, type Layout, layoutOf } from './kernel.ts';
import type { Data } from './likelihood.ts';
import { rememberedFit } from './memo.ts';
import { GpModel } from './model.ts';
import type { Limits } from './prior.ts';
import { fitOutputTransform, type OutputTransform } from './outputTransform.ts';

/** Losses of rows of a history. */
export interface Losses {
  readonly rows: readonly number[];
  readonly losses: Float64Array;
}

/**
 * Builds models of a history's rows, and of earlier results together with them: these stand in the same model with one more
 * column, which study a result is of, and how much the studies have in common is found like any other length of the kernel.
 */
export class Surrogates {
  readonly layout: Layout;
  private readonly history: History;
  private readonly prior: History | null;

  constructor(history: History, prior: History | null) {
    const columns = columnsOf(history.space);
    this.history = history;
    this.prior = prior;
    this.layout = layoutOf(prior === null ? columns : [...columns, studyColumn]);
  }

  /**
   * The model of losses, after their output transform. Hyperparameters are found from the first rows up to a number that grows
   * in steps, so that with many of them most new trials need none of that work.
   */
  ofLosses(own: Losses, earlier: Losses | null, purpose: string): { model: GpModel; transform: OutputTransform } {
    const { rows, losses } = own;
    const ofEarlier = earlier === null ? null : fitOutputTransform(earlier.losses);
    // A handful of losses says little of their scale.
    const transformOf = (list: Float64Array): OutputTransform =>
      ofEarlier !== null && list.length < 4 ? ofEarlier : fitOutputTransform(list);
    const earlierY = ofEarlier === null ? null : earlier?.losses.map(ofEarlier.apply);
    const data = (count: number, transform: OutputTransform): Data => {
      const y = losses.subarray(0, count).map(transform.apply);
      const parts = [{ history: this.history, rows: rows.slice(0, count), y, study: ownStudy }];
      if (this.prior !== null && earlier !== null && earlierY !== null && earlierY !== undefined)
        parts.push({ history: this.prior, rows: [...earlier.rows], y: earlierY, study: earlierStudy });
      return this.data(parts);
    };
    const nFit = steppedDown(rows.length);
    const theta = rememberedFit(this.history, purpose, data(nFit, transformOf(losses.subarray(0, nFit))));
    const transform = transformOf(losses);
    return { model: new GpModel(data(rows.length, transform), theta), transform };
  }

  /** The model of the history's own values that need no transform. */
  ofValues(rows: readonly number[], y: Float64Array, purpose: string, limits: Limits): GpModel {
    const data = (count: number): Data =>
      this.data([{ history: this.history, rows: rows.slice(0, count), y: y.subarray(0, count), study: ownStudy }]);
    return new GpModel(data(rows.length), rememberedFit(this.history, purpose, data(steppedDown(rows.length)), limits));
  }

  /** Place of a row, as a row of the model; of a row of the earlier results what it would be in this study. */
  place(row: number, history: History = this.history): Float64Array {
    const place = new Float64Array(this.layout.columns.length);
    this.write(history, row, ownStudy, place, 0);
    return place;
  }

  private data(parts: readonly Part[]): Data {
    const { layout } = this;
    const width = layout.columns.length;
    const n = parts.reduce((sum, { rows }) => sum + rows.length, 0);
    const x = new Float64Array(n * width);
    const y = new Float64Array(n);
    let at = 0;
    for (const { history, rows, y: values, study } of parts) {
      y.set(values, at);
      for (const row of rows) this.write(history, row, study, x, at++ * width);
    }
    return { layout, n, x, y, noise: new Float64Array(n).fill(1) };
  }

  private write(history: History, row: number, study: number, target: Float64Array, offset: number): void {
    const { columns } = this.layout;
    const width = history.space.parameters.length;
    for (let d = 0; d < width; d++) {
      const u = history.unit[row * width + d] ?? NaN;
      // A value that is no choice of this space has no place; the middle says least.
      target[offset + d] = Number.isNaN(u) && columns[d]?.isOptional === false ? 0.5 : u;
    }
    if (columns.length > width) target[offset + width] = study;
  }
}

interface Part {
  readonly history: History;
  readonly rows: readonly number[];
  readonly y: Float64Array;
  readonly study: number;
}

/** Which study a result is of. */
const studyColumn: Column = { kind: 'category', isOptional: false, isWarped: false };
/** Its two categories: the study itself, and what came before. */
export const ownStudy = 0.25;
const earlierStudy = 0.75;

/** What the hyperparameters are found from: n below 32, an even n below 64, from then on n less at most a tenth. */
function steppedDown(n: number): number {
  return n - (n % (n < 32 ? 1 : n < 64 ? 2 : Math.floor(n / 10)));
}
