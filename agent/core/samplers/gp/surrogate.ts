import type { History } from '../history.ts';
import { columnsOf, type Layout, layoutOf } from './kernel.ts';
import type { Data } from './likelihood.ts';
import { rememberedFit } from './memo.ts';
import { GpModel } from './model.ts';
import { fitOutputTransform, type OutputTransform } from './outputTransform.ts';

/** Builds models of a history's rows; see `gpSampler`. */
export class Surrogates {
  readonly layout: Layout;
  private readonly history: History;

  constructor(history: History) {
    this.history = history;
    this.layout = layoutOf(columnsOf(history.space));
  }

  /**
   * The model of losses that belong to rows of the history, after their output transform. Hyperparameters are found from the
   * first rows up to a number that grows in steps (of a sixteenth to an eighth), so that most new trials need none of that work.
   */
  ofLosses(rows: readonly number[], losses: Float64Array, purpose: string): { model: GpModel; transform: OutputTransform } {
    const nFit = steppedDown(rows.length);
    const early = nFit === rows.length ? losses : losses.subarray(0, nFit);
    const transform = fitOutputTransform(losses);
    const earlier = early === losses ? transform : fitOutputTransform(early);
    const theta = rememberedFit(this.history, purpose, this.data(rows.slice(0, nFit), early.map(earlier.apply)));
    return { model: new GpModel(this.data(rows, losses.map(transform.apply)), theta), transform };
  }

  /** The model of values that need no transform. */
  ofValues(rows: readonly number[], y: Float64Array, purpose: string): GpModel {
    const nFit = steppedDown(rows.length);
    const theta = rememberedFit(this.history, purpose, this.data(rows.slice(0, nFit), y.slice(0, nFit)));
    return new GpModel(this.data(rows, y), theta);
  }

  /** Place of a row in the unit cube. */
  place(row: number): Float64Array {
    const width = this.layout.columns.length;
    return this.history.unit.slice(row * width, (row + 1) * width);
  }

  private data(rows: readonly number[], y: Float64Array): Data {
    const { layout, history } = this;
    const width = layout.columns.length;
    const x = new Float64Array(rows.length * width);
    rows.forEach((row, k) => {
      for (let d = 0; d < width; d++) {
        const u = history.unit[row * width + d] ?? NaN;
        // A value that is no choice of this space has no place; the middle says least.
        x[k * width + d] = Number.isNaN(u) && layout.columns[d]?.isOptional === false ? 0.5 : u;
      }
    });
    return { layout, n: rows.length, x, y, noise: new Float64Array(rows.length).fill(1) };
  }
}

/** n itself up to 32, then the last multiple of 2, from 64 on of 4, from 128 on of 8 … */
function steppedDown(n: number): number {
  const step = n < 32 ? 1 : 2 ** (Math.floor(Math.log2(n)) - 4);
  return n - (n % step);
}
