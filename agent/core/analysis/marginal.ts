import type { ParamValue } from '../../protocol/space.ts';
import { fromUnit, toUnit, valueAt, type CompiledParameter } from '../space/index.ts';
import type { Evidence } from './evidence.ts';
import type { LossModel } from './lossModel.ts';

/** The objective over one parameter, averaged over all others. */
export interface Marginal {
  readonly name: string;
  /** Ascending on the parameter's own axis (log where it is); choices in the order of the script. */
  readonly points: readonly MarginalPoint[];
}

export interface MarginalPoint {
  readonly value: ParamValue;
  /** Place on the parameter's axis, 0 to 1: log where the parameter is. */
  readonly place: number;
  /** In the objective's own units and direction. */
  readonly mean: number;
  /** Standard deviation over the trees of the forest: how sure the mean is, not how far single trials are from it. */
  readonly deviation: number;
}

const mostPoints = 32;

/** One point a value of a small discrete parameter, else 32 evenly spaced on the axis; where it is inactive does not enter. */
export function marginal(evidence: Evidence, model: LossModel, parameter: CompiledParameter): Marginal {
  const { index, name } = parameter;
  const sign = evidence.objective.direction === 'min' ? 1 : -1;
  const curves = model.marginals.map((tree) => tree.curve(index));
  const categories = model.forest.axes[index]?.categories ?? null;
  const points = valuesOf(parameter).map((value): MarginalPoint => {
    const place = toUnit(parameter.distribution, value);
    const onAxis = categories === null ? place : (categories[Math.floor(place * parameter.size)] ?? place);
    let sum = 0;
    let squares = 0;
    model.marginals.forEach((tree, k) => {
      const height = curves[k]?.[tree.cellOf(index, onAxis)] ?? 0;
      sum += height / curves.length;
      squares += (height * height) / curves.length;
    });
    return {
      value,
      place,
      mean: sign * (model.offset + model.scale * sum),
      deviation: model.scale * Math.sqrt(Math.max(0, squares - sum * sum)),
    };
  });
  return { name, points };
}

function valuesOf({ distribution, size }: CompiledParameter): ParamValue[] {
  if (size <= mostPoints) return Array.from({ length: size }, (_, index) => valueAt(distribution, index));
  const values: ParamValue[] = [];
  for (let k = 0; k < mostPoints; k++) {
    const value = fromUnit(distribution, (k + 0.5) / mostPoints);
    if (values.at(-1) !== value) values.push(value);
  }
  return values;
}
