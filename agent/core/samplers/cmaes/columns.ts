import { logNormalMass, logSqrt2Pi } from '../../math/index.ts';
import { type CompiledParameter, type CompiledSpace, fromUnit, unitCell } from '../../space/index.ts';

/** Parameters of a space that have a choice: numbers and ordinals are coordinates of the normal, categories are drawn by share. */
export interface Columns {
  readonly numeric: readonly NumericColumn[];
  readonly categorical: readonly CompiledParameter[];
}

export interface NumericColumn extends CompiledParameter {
  /** Cells have equal widths. */
  readonly isEven: boolean;
  /** Place in the unit interval → the cell around it, as far as cells have been asked for. */
  readonly cells: Map<number, Cell>;
}

type Cell = readonly [from: number, to: number];

export function columnsOf(space: CompiledSpace): Columns {
  const free = space.parameters.filter(({ size }) => size > 1);
  return {
    numeric: free
      .filter(({ distribution }) => distribution.type !== 'categorical')
      .map((parameter) => ({ ...parameter, isEven: isEven(parameter), cells: new Map<number, Cell>() })),
    categorical: free.filter(({ distribution }) => distribution.type === 'categorical'),
  };
}

/**
 * The part of a coordinate's axis that an observation with this place in the unit interval says it was on: a point of a
 * continuous parameter, the cell of a discrete value (the outer ones reach to infinity, where points are cut), the whole axis for
 * NaN, where it was inactive. Written to `target`: from, to.
 */
export function observedCell(column: NumericColumn, unit: number, target: Float64Array): void {
  const { size } = column;
  if (Number.isNaN(unit)) {
    target[0] = -Infinity;
    target[1] = Infinity;
  } else if (size === Infinity) {
    target[0] = unit;
    target[1] = unit;
  } else if (column.isEven) {
    const index = Math.min(size - 1, Math.floor(unit * size));
    target[0] = index === 0 ? -Infinity : index / size;
    target[1] = index === size - 1 ? Infinity : (index + 1) / size;
  } else {
    target.set(column.cells.get(unit) ?? unevenCell(column, unit));
  }
}

function unevenCell({ distribution, cells }: NumericColumn, unit: number): Cell {
  const [from, to] = unitCell(distribution, fromUnit(distribution, unit));
  const cell: Cell = [from < edge ? -Infinity : from, to > 1 - edge ? Infinity : to];
  cells.set(unit, cell);
  return cell;
}

function isEven({ distribution }: CompiledParameter): boolean {
  return distribution.type === 'categorical' || distribution.type === 'ordinal' || !(distribution.log || distribution.revlog);
}

const edge = 1e-12;

/**
 * Mean and variance of a standard normal cut to [from, to], written to `moments`:
 * E = (φ(a) − φ(b)) / M, V = 1 + (a φ(a) − b φ(b)) / M − E² with M the mass between a and b.
 */
export function cutNormalMoments(from: number, to: number, moments: Float64Array): void {
  if (from === to) {
    moments[0] = from;
    moments[1] = 0;
    return;
  }
  const logMass = logNormalMass(from, to);
  if (!(logMass > -1e5)) {
    // So far out that the nearer end is as good.
    moments[0] = Math.abs(from) < Math.abs(to) ? from : to;
    moments[1] = 0;
    return;
  }
  const below = Number.isFinite(from) ? Math.exp(-0.5 * from * from - logSqrt2Pi - logMass) : 0;
  const above = Number.isFinite(to) ? Math.exp(-0.5 * to * to - logSqrt2Pi - logMass) : 0;
  const mean = Math.min(to, Math.max(from, below - above));
  moments[0] = mean;
  const outer = (below === 0 ? 0 : from * below) - (above === 0 ? 0 : to * above);
  moments[1] = Math.min(1, Math.max(0, 1 + outer - mean * mean));
}
