import { logNormalMass, logSqrt2Pi } from '../../math/index.ts';
import { type CompiledParameter, type CompiledSpace, unitCell } from '../../space/index.ts';
import type { Observation } from '../history.ts';

/** Parameters of a space that have a choice: numbers and ordinals are coordinates of the normal, categories are drawn by share. */
export interface Columns {
  readonly numeric: readonly CompiledParameter[];
  readonly categorical: readonly CompiledParameter[];
}

export function columnsOf(space: CompiledSpace): Columns {
  const free = space.parameters.filter(({ size }) => size > 1);
  return {
    numeric: free.filter(({ distribution }) => distribution.type !== 'categorical'),
    categorical: free.filter(({ distribution }) => distribution.type === 'categorical'),
  };
}

/**
 * The part of a coordinate's axis that an observation says it was on, written to `cell`: a point of a continuous parameter, the
 * cell of a discrete value (the outer ones reach to infinity, where points are cut), the whole axis where it was inactive.
 */
export function observedCell(parameter: CompiledParameter, { params }: Observation, unit: number, cell: Float64Array): void {
  const value = Object.hasOwn(params, parameter.name) ? params[parameter.name] : undefined;
  if (value === undefined || Number.isNaN(unit)) {
    cell[0] = -Infinity;
    cell[1] = Infinity;
  } else if (parameter.size === Infinity) {
    cell[0] = unit;
    cell[1] = unit;
  } else {
    const [from, to] = unitCell(parameter.distribution, value);
    cell[0] = from < edge ? -Infinity : from;
    cell[1] = to > 1 - edge ? Infinity : to;
  }
}

const edge = 1e-12;

/**
 * Mean and variance of a standard normal cut to [from, to], written to `moments`:
 * E = (φ(a) − φ(b)) / M, V = 1 + (a φ(a) − b φ(b)) / M − E² with M the mass between a and b.
 */
export function cutNormalMoments(from: number, to: number, moments: Float64Array): void {
  const logMass = logNormalMass(from, to);
  if (!(logMass > -1e5)) {
    // A point, or so far out that the nearer end is as good.
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
