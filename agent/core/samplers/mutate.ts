import type { Params, ParamValue } from '../../protocol/space.ts';
import type { Rng } from '../math/index.ts';
import { type CompiledParameter, type CompiledSpace, contains, fromUnit, toUnit, unitCell } from '../space/index.ts';

export interface Mutation {
  /** Of a parameter to be changed; one is changed at least. */
  readonly probability: number;
  /** Standard deviation of a number's step on the unit axis of its distribution. */
  readonly step: number;
}

/** Draws that must satisfy `where` as they are, and after them those that are mended. */
const maxTries = 20;
const maxRepairs = 5;
/** Share of the parameters that a fork draws anew, and the factors for the others (Jaderberg et al. 2017, appendix A). */
const resampleProbability = 0.25;
const factors = [0.8, 1.2] as const;
/** What stands in for a factor where there is nothing to multiply: a step of this size on the unit axis. */
const plainStep = 0.1;

/**
 * A valid point near a valid one. Numbers and ordinals move by a normal step on their unit axis, mirrored at the ends and at
 * least to the next value; categories are drawn anew among the others; parameters that become active are drawn.
 * The parent itself only where 25 draws, the last of them mended, found no other point.
 */
export function mutatePoint(space: CompiledSpace, parent: Params, rng: Rng, { probability, step }: Mutation): Params {
  return changed(space, parent, rng, () => {
    const candidates = space.ordered.filter(({ name, size }) => size > 1 && Object.hasOwn(parent, name));
    const chosen = new Set(candidates.filter(() => rng.next() < probability));
    const forced = candidates[rng.int(candidates.length)];
    if (chosen.size === 0 && forced !== undefined) chosen.add(forced);
    return (parameter, value) => (chosen.has(parameter) ? moved(parameter, value, rng, step * rng.normal()) : value);
  });
}

/** A valid point each of whose values is one of the parents', evenly at random; what neither has is drawn. */
export function crossoverPoints(space: CompiledSpace, a: Params, b: Params, rng: Rng): Params {
  const mixed: Record<string, ParamValue> = {};
  for (const { name } of space.ordered) {
    const [first, second] = rng.next() < 0.5 ? [a, b] : [b, a];
    const value = Object.hasOwn(first, name) ? first[name] : Object.hasOwn(second, name) ? second[name] : undefined;
    if (value !== undefined) mixed[name] = value;
  }
  const point = space.repair(mixed, rng.next);
  return point.type === 'ok' ? point.params : a;
}

/**
 * How population-based training changes the values of a copied trial: every parameter is drawn anew with probability ¼, else
 * a number is multiplied by 0.8 or 1.2 (of a revlog range, its distance from the far end) and an ordinal moves to a
 * neighbour; a category stays. A number that a factor cannot move, at or below zero, takes a step of a tenth of its range.
 * M. Jaderberg et al.: Population based training of neural networks, arXiv 1711.09846 (2017), "explore".
 */
export function forkPoint(space: CompiledSpace, parent: Params, rng: Rng): Params {
  const fork = changed(space, parent, rng, () => (parameter, value) => {
    if (parameter.size === 1) return value;
    if (rng.next() < resampleProbability) return fromUnit(parameter.distribution, rng.next());
    return perturbed(parameter, value, rng.next() < 0.5 ? factors[0] : factors[1]);
  });
  // Categories alone may all have stayed.
  return space.key(fork) === space.key(parent) ? mutatePoint(space, parent, rng, { probability: 0, step: plainStep }) : fork;
}

type Change = (parameter: CompiledParameter, value: ParamValue) => ParamValue;

/** The parent with changes drawn by `draw`, mended where it breaks a condition, until it is another point. */
function changed(space: CompiledSpace, parent: Params, rng: Rng, draw: () => Change): Params {
  const parentKey = space.key(parent);
  let last = parent;
  for (let attempt = 0; attempt < maxTries + maxRepairs; attempt++) {
    const change = draw();
    const values: Record<string, ParamValue> = {};
    for (const parameter of space.ordered) {
      if (!space.isActive(parameter, values)) continue;
      const { name, distribution } = parameter;
      const value = Object.hasOwn(parent, name) ? parent[name] : undefined;
      values[name] =
        value === undefined || !contains(distribution, value) ? fromUnit(distribution, rng.next()) : change(parameter, value);
    }
    let params: Params = values;
    if (!space.satisfies(values)) {
      if (attempt < maxTries) continue;
      const repaired = space.repair(values, rng.next);
      if (repaired.type === 'none') return last;
      params = repaired.params;
    }
    if (space.key(params) !== parentKey) return params;
    last = params;
  }
  return last;
}

/** Another value of the parameter, `by` away on its unit axis; of categories, any other. */
function moved(parameter: CompiledParameter, value: ParamValue, rng: Rng, by: number): ParamValue {
  const { distribution, size } = parameter;
  if (distribution.type === 'categorical') {
    const other = rng.int(size - 1);
    const place = Math.floor(toUnit(distribution, value) * size);
    return fromUnit(distribution, ((other < place ? other : other + 1) + 0.5) / size);
  }
  const target = fromUnit(distribution, mirrored(toUnit(distribution, value) + by));
  return target === value ? neighbour(parameter, value, by >= 0) : target;
}

function perturbed(parameter: CompiledParameter, value: ParamValue, factor: number): ParamValue {
  const { distribution } = parameter;
  if (distribution.type === 'categorical') return value;
  const isUp = factor > 1;
  if (distribution.type === 'ordinal') return neighbour(parameter, value, isUp);
  const x = Number(value);
  const end = distribution.low + distribution.high;
  const scaled = distribution.revlog ? end - (end - x) * factor : x * factor;
  const u = toUnit(distribution, value);
  const target = fromUnit(distribution, x > 0 ? toUnit(distribution, scaled) : mirrored(u + (isUp ? plainStep : -plainStep)));
  return target === value ? neighbour(parameter, value, isUp) : target;
}

/** The next value of a discrete parameter, inwards at an end; of a continuous one (at an end) the value a tenth inwards. */
function neighbour(parameter: CompiledParameter, value: ParamValue, isUp: boolean): ParamValue {
  const { distribution, size } = parameter;
  const [from, to] = unitCell(distribution, value);
  if (size === Infinity) return fromUnit(distribution, from < 0.5 ? from + plainStep : to - plainStep);
  // A hair beyond the cell's edge lies the next value.
  const hair = 1e-9;
  const goesUp = from <= hair || (isUp && to < 1 - hair);
  return fromUnit(distribution, goesUp ? to + hair : from - hair);
}

/** Reflects u at 0 and 1 until it is inside. */
function mirrored(u: number): number {
  const folded = Math.abs(u) % 2;
  return folded > 1 ? 2 - folded : folded;
}
